//! What a board says of itself, held against what the board-config says of it. Pure.

use kiosk_core::device::Alarm;
use peripheral_icd::{Contact, Fault, Features, Firmware, ResetCause};
use std::collections::BTreeSet;

/// Words of `fitted` in a board-config, each with the feature that it stands for.
pub const FITTED: [(&str, Features); 8] = [
    ("keypad", Features::KEYPAD),
    ("presence", Features::PRESENCE),
    ("headphones", Features::HEADPHONES),
    ("light_ring", Features::LIGHT_RING),
    ("drawer", Features::DRAWER),
    ("climate", Features::CLIMATE),
    ("contacts", Features::CONTACTS),
    ("host_power", Features::HOST_POWER),
];

/// Below this the case is no longer too hot, hundredths of a degree Celsius.
const COOL: i16 = 7_000;

/// From this on the supply is good again, millivolts.
const SUPPLY_GOOD_MV: u16 = 10_800;

/// The most things that are remembered as said already.
const SAID_MAX: usize = 64;

/// What a board-config says of the board. What it leaves out is not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// What is connected.
    pub fitted: Option<Vec<Features>>,
    /// The oldest program that will do.
    pub firmware: Option<Firmware>,
    /// [`peripheral_icd::pins::checksum`] of the pins.
    pub pins: Option<u32>,
}

/// `1.2.3` as a version.
pub fn version(text: &str) -> Option<Firmware> {
    let mut numbers = text.split('.').map(|number| number.parse::<u8>().ok());
    let (major, minor, patch) = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(Firmware { major, minor, patch })
}

/// What is known of the board that is connected.
#[derive(Debug, Default)]
pub(crate) struct Report {
    expect: Expect,
    mismatches: BTreeSet<String>,
    hot: bool,
    brown_out: bool,
    broken: BTreeSet<String>,
    boots: u32,
    open: [bool; 2],
    said: BTreeSet<String>,
    /// What nobody has been told yet.
    pub(crate) alarms: Vec<(Alarm, String)>,
}

impl Report {
    pub(crate) fn new(expect: Expect) -> Self {
        Self { expect, ..Self::default() }
    }

    /// True where the board does all that the config expects of it.
    pub(crate) fn is_sound(&self) -> bool {
        self.mismatches.is_empty() && self.broken.is_empty() && !self.hot && !self.brown_out
    }

    /// A session has opened: everything is said anew by the board.
    pub(crate) fn hello(&mut self, features: Features, firmware: Firmware) {
        self.mismatches.clear();
        self.broken.clear();
        (self.hot, self.brown_out) = (false, false);
        let expect = self.expect.clone();
        for feature in expect.fitted.iter().flatten().filter(|feature| !features.has(**feature)) {
            let word = FITTED.iter().find(|(_, known)| known == feature).map_or("a part", |(word, _)| word);
            self.mismatch(format!("the board-config has {word} fitted and the board has none"));
        }
        let three = |v: Firmware| (v.major, v.minor, v.patch);
        if let Some(least) = expect.firmware.filter(|least| three(firmware) < three(*least)) {
            let text = |(major, minor, patch)| format!("{major}.{minor}.{patch}");
            self.mismatch(format!(
                "the board's program is {} and the board-config wants {} at least",
                text(three(firmware)),
                text(three(least))
            ));
        }
        if expect.pins.is_some() && !features.has(Features::LAYOUT) {
            self.mismatch("the board-config names pins and the board's program is too old to say its own".to_owned());
        }
    }

    /// The board has said which pins it uses.
    pub(crate) fn layout(&mut self, pins: u32) {
        if self.expect.pins.is_some_and(|expected| expected != pins) {
            self.mismatch("the board's program uses other pins than the board-config names".to_owned());
        }
    }

    pub(crate) fn started(&mut self, cause: ResetCause, boots: u32) {
        self.boots = boots;
        if let ResetCause::Watchdog | ResetCause::Panic = cause {
            let how = if cause == ResetCause::Panic { "a panic" } else { "its watchdog" };
            self.once(Alarm::BoardRestarted, format!("the board was restarted by {how}; it has started {boots} times"));
        }
    }

    pub(crate) fn fault(&mut self, fault: Fault, detail: u32) {
        match fault {
            // Said with more words by `Started`.
            Fault::WatchdogReset | Fault::Panic => {}
            Fault::HostPowerCycled => {
                let boots = self.boots;
                let text = format!("the board cut this machine's supply because it was silent, {detail} times in a row");
                self.once(Alarm::HostPowerCycled, format!("{text} (since its start number {boots})"));
            }
            Fault::UpdateRolledBack => {
                self.once(Alarm::BoardRestarted, format!("a new program, CRC-32 {detail:08x}, did not prove itself and is gone"));
            }
            Fault::Overheat => {
                self.hot = true;
                let celsius = f64::from(detail as i32) / 100.0;
                self.alarms.push((Alarm::BoardFault, format!("{celsius:.1} degrees Celsius inside the case")));
            }
            Fault::BrownOut => {
                self.brown_out = true;
                self.alarms.push((Alarm::BoardFault, format!("the board's supply is down to {detail} mV")));
            }
            Fault::KeyStuck => self.broke(format!("key number {detail} of the pad is stuck")),
            Fault::PresenceSensor => self.broke("the presence sensor does not answer".to_owned()),
            Fault::LightRing => self.broke("the light ring draws too much or nothing".to_owned()),
        }
    }

    pub(crate) fn climate(&mut self, centi_celsius: i16, supply_mv: u16) {
        self.hot &= centi_celsius >= COOL;
        self.brown_out &= supply_mv < SUPPLY_GOOD_MV;
    }

    /// A contact is told with every session; only its opening is an alarm.
    pub(crate) fn contact(&mut self, contact: Contact, open: bool) {
        let was = std::mem::replace(&mut self.open[contact as usize], open);
        if open && !was {
            let what = match contact {
                Contact::Door => "the service door was opened",
                Contact::Tamper => "the terminal's bracket was opened",
            };
            self.alarms.push((Alarm::CaseOpened, what.to_owned()));
        }
    }

    fn mismatch(&mut self, text: String) {
        if self.mismatches.insert(text.clone()) {
            self.once(Alarm::BoardMismatch, text);
        }
    }

    fn broke(&mut self, text: String) {
        if self.broken.insert(text.clone()) {
            self.once(Alarm::BoardFault, text);
        }
    }

    /// What is told anew with every session is an alarm once.
    fn once(&mut self, alarm: Alarm, text: String) {
        if self.said.len() >= SAID_MAX {
            self.said.clear();
        }
        if self.said.insert(text.clone()) {
            self.alarms.push((alarm, text));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use peripheral_icd::pins;

    const NOW: Firmware = Firmware { major: 0, minor: 1, patch: 0 };

    fn alarms(report: &mut Report) -> Vec<Alarm> {
        report.alarms.drain(..).map(|(alarm, _)| alarm).collect()
    }

    #[test]
    fn a_board_without_a_part_that_the_config_has_fitted_is_an_alarm_once() {
        let fitted = Some(vec![Features::KEYPAD, Features::DRAWER]);
        let mut report = Report::new(Expect { fitted, ..Expect::default() });
        let without = Features(Features::ALL.0 & !Features::DRAWER.0);
        for told in [vec![Alarm::BoardMismatch], vec![]] {
            report.hello(without, NOW);
            assert!(!report.is_sound());
            assert_eq!(alarms(&mut report), told);
        }
        report.hello(Features::ALL, NOW);
        assert!(report.is_sound() && report.alarms.is_empty());
    }

    #[test]
    fn an_old_program_and_other_pins_are_alarms() {
        let expect = Expect { firmware: version("0.2.0"), pins: Some(pins::checksum(&pins::FIRMWARE)), ..Expect::default() };
        let mut report = Report::new(expect);
        report.hello(Features::ALL, NOW);
        report.layout(pins::checksum(&pins::FIRMWARE[1..]));
        let said: Vec<_> = report.alarms.drain(..).map(|(_, text)| text).collect();
        assert!(said[0].contains("0.1.0") && said[0].contains("0.2.0") && said[1].contains("other pins"), "{said:?}");
        report.hello(Features::V1, Firmware { major: 0, minor: 2, patch: 0 });
        assert_eq!(alarms(&mut report), [Alarm::BoardMismatch]);
    }

    #[test]
    fn heat_and_a_low_supply_are_over_when_the_board_says_so() {
        let mut report = Report::new(Expect::default());
        report.hello(Features::ALL, NOW);
        report.fault(Fault::Overheat, 7_612);
        report.fault(Fault::BrownOut, 9_200);
        assert!(!report.is_sound());
        assert_eq!(alarms(&mut report), [Alarm::BoardFault, Alarm::BoardFault]);
        report.climate(7_100, 12_000);
        assert!(!report.is_sound());
        report.climate(6_000, 12_000);
        assert!(report.is_sound());
    }

    #[test]
    fn a_door_is_an_alarm_when_it_opens_and_not_with_every_session() {
        let mut report = Report::new(Expect::default());
        for open in [false, true, true, false, true] {
            report.hello(Features::ALL, NOW);
            report.contact(Contact::Door, open);
        }
        assert_eq!(alarms(&mut report), [Alarm::CaseOpened; 2]);
    }

    #[test]
    fn a_version_is_three_numbers() {
        assert_eq!(version("0.1.0"), Some(NOW));
        assert!(["", "1", "1.2", "1.2.3.4", "a.b.c", "1.2.300"].iter().all(|text| version(text).is_none()));
    }
}
