//! What the chip does with a command: the radio and its times, the faults, and the card in the field.

use super::{cards::Tag, frame};
use std::time::Duration;

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A byte on the serial line.
    pub byte: Duration,
    /// One try to find a card where there is none.
    pub no_card: Duration,
    /// Finding and activating a card.
    pub activation: Duration,
    /// One exchange with a card.
    pub exchange: Duration,
}

impl Timing {
    /// Everything at once.
    pub const INSTANT: Self =
        Self { byte: Duration::ZERO, no_card: Duration::ZERO, activation: Duration::ZERO, exchange: Duration::ZERO };
    /// 115200 baud, and a radio as it is assumed to be.
    pub const PACED: Self = Self {
        byte: Duration::from_nanos(86_806),
        no_card: Duration::from_millis(5),
        activation: Duration::from_millis(15),
        exchange: Duration::from_millis(8),
    };
}

/// Something goes wrong. Once, unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No acknowledgement, no answer, until [`Fault::Silent`] is taken back.
    Silent,
    /// Acknowledgements and no answers, until taken back.
    AckOnly,
    /// Asleep, as after a dip of its supply: deaf until the line is opened anew.
    Asleep,
    /// The next exchange with a card has a status with bit 7 set.
    StatusBit7,
    /// The next card found has an ATS of length zero.
    AtsZero,
    /// The next card found claims a UID of 255 bytes.
    LongUid,
    /// The next answer to GetFirmwareVersion is lost.
    LoseFirmware,
    /// The next command is answered NACK.
    Nack,
    /// The next answer has a wrong checksum of its data.
    BadData,
    /// The next answer has a wrong checksum of its length.
    BadLength,
    /// The next answer is an error frame.
    ErrorFrame,
    /// The next answer belongs to another command.
    WrongCode,
    /// Junk instead of the next answer.
    Junk,
    /// Half of the next answer.
    Truncated,
    /// The next answer comes 400 ms late.
    Late,
}

impl Fault {
    /// The words of the control lines.
    pub const WORDS: [(&'static str, Self); 15] = [
        ("silent", Self::Silent),
        ("ack-only", Self::AckOnly),
        ("asleep", Self::Asleep),
        ("status-bit-7", Self::StatusBit7),
        ("ats-zero", Self::AtsZero),
        ("long-uid", Self::LongUid),
        ("lose-firmware", Self::LoseFirmware),
        ("nack", Self::Nack),
        ("bad-data", Self::BadData),
        ("bad-length", Self::BadLength),
        ("error-frame", Self::ErrorFrame),
        ("wrong-code", Self::WrongCode),
        ("junk", Self::Junk),
        ("truncated", Self::Truncated),
        ("late", Self::Late),
    ];
}

/// When a card leaves by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vanish {
    /// At which exchange from now, 1 being the next.
    pub at: u32,
    /// True where the card has done what it was told and only its answer is lost.
    pub done: bool,
}

/// What the chip has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commands.
    pub commands: u64,
    /// Looks for a card that found none.
    pub empty: u64,
    /// Cards found.
    pub found: u64,
    /// Exchanges with cards.
    pub exchanges: u64,
    /// What the chip itself took since the last card was found, on wire and air: nobody can be faster.
    pub floor: Duration,
}

/// The chip.
pub(super) struct Chip {
    pub(super) timing: Timing,
    pub(super) card: Option<Box<dyn Tag>>,
    /// A card that left by itself: somebody holds it.
    left: Option<Box<dyn Tag>>,
    pub(super) vanish: Option<Vanish>,
    pub(super) fault: Option<Fault>,
    pub(super) stats: Stats,
    /// A card is activated.
    selected: bool,
    /// Tries for a card; `None` for ever.
    tries: Option<u32>,
    registers: std::collections::BTreeMap<u16, u8>,
}

/// What the line does after a command.
pub(super) enum Reply {
    /// Sends this after that time.
    Now(Vec<u8>, Duration),
    /// Asks again when a card comes or after this time, as often as said; `None` for ever.
    Search { every: Duration, left: Option<u32> },
    /// Nothing.
    None,
}

/// Codes of UM0701-02, 7.1.
mod code {
    pub(super) const DIAGNOSE: u8 = 0x00;
    pub(super) const GET_FIRMWARE_VERSION: u8 = 0x02;
    pub(super) const GET_GENERAL_STATUS: u8 = 0x04;
    pub(super) const READ_REGISTER: u8 = 0x06;
    pub(super) const WRITE_REGISTER: u8 = 0x08;
    pub(super) const SET_PARAMETERS: u8 = 0x12;
    pub(super) const SAM_CONFIGURATION: u8 = 0x14;
    pub(super) const POWER_DOWN: u8 = 0x16;
    pub(super) const RF_CONFIGURATION: u8 = 0x32;
    pub(super) const IN_DATA_EXCHANGE: u8 = 0x40;
    pub(super) const IN_COMMUNICATE_THRU: u8 = 0x42;
    pub(super) const IN_DESELECT: u8 = 0x44;
    pub(super) const IN_LIST_PASSIVE_TARGET: u8 = 0x4A;
    pub(super) const IN_RELEASE: u8 = 0x52;
    pub(super) const IN_SELECT: u8 = 0x54;
}

/// The card does not answer.
const STATUS_TIMEOUT: u8 = 0x01;
const ISO_14443_A: u8 = 0x00;

impl Chip {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            timing,
            card: None,
            left: None,
            vanish: None,
            fault: None,
            stats: Stats::default(),
            selected: false,
            tries: Some(1),
            registers: std::collections::BTreeMap::new(),
        }
    }

    /// Plugged in anew: everything is as after a reset but what lies on the reader.
    pub(super) fn power_up(&mut self) {
        let fresh = Self::new(self.timing);
        *self = Self { card: self.card.take(), left: self.left.take(), vanish: self.vanish, stats: self.stats, ..fresh };
    }

    pub(super) fn remove(&mut self) -> Option<Box<dyn Tag>> {
        self.vanish = None;
        self.card.take().or_else(|| self.left.take())
    }

    /// Takes a fault that happens once.
    fn takes(&mut self, fault: Fault) -> bool {
        self.fault.take_if(|now| *now == fault).is_some()
    }

    pub(super) fn command(&mut self, number: u8, data: &[u8]) -> Reply {
        self.stats.commands += 1;
        let at_once = |data: &[u8]| Reply::Now(frame::answer(number, data), Duration::ZERO);
        match (number, data) {
            (code::DIAGNOSE, [0x00, echo @ ..]) => at_once(&[&[0], echo].concat()),
            (code::DIAGNOSE, [0x06]) => {
                let there = self.selected && self.card.is_some();
                Reply::Now(frame::answer(number, &[if there { 0 } else { STATUS_TIMEOUT }]), self.timing.no_card)
            }
            (code::GET_FIRMWARE_VERSION, _) if self.takes(Fault::LoseFirmware) => Reply::None,
            (code::GET_FIRMWARE_VERSION, _) => at_once(&[0x32, 1, 6, 7]),
            (code::GET_GENERAL_STATUS, _) => at_once(&[0, 0, 0, 0x80]),
            (code::READ_REGISTER, places) => {
                let place = |pair: &[u8]| u16::from_be_bytes([pair[0], pair[1]]);
                let read: Vec<u8> = places.chunks_exact(2).map(|p| self.registers.get(&place(p)).copied().unwrap_or(0)).collect();
                at_once(&read)
            }
            (code::WRITE_REGISTER, places) => {
                self.registers.extend(places.chunks_exact(3).map(|p| (u16::from_be_bytes([p[0], p[1]]), p[2])));
                at_once(&[])
            }
            (code::RF_CONFIGURATION, config) => {
                if let [0x05, _, _, tries] = *config {
                    self.tries = (tries != 0xFF).then(|| u32::from(tries) + 1);
                }
                at_once(&[])
            }
            (code::SET_PARAMETERS | code::SAM_CONFIGURATION, _) => at_once(&[]),
            (code::POWER_DOWN | code::IN_SELECT, _) => at_once(&[0]),
            (code::IN_DESELECT | code::IN_RELEASE, _) => {
                self.selected = false;
                at_once(&[0])
            }
            (code::IN_LIST_PASSIVE_TARGET, [_, ISO_14443_A, uid @ ..]) => self.search(uid),
            // Cards of other types are never there.
            (code::IN_LIST_PASSIVE_TARGET, _) => Reply::Now(frame::answer(number, &[0]), self.timing.no_card),
            (code::IN_DATA_EXCHANGE, [_, data @ ..]) => self.exchange(number, data),
            (code::IN_COMMUNICATE_THRU, data) => self.exchange(number, data),
            _ => Reply::Now(frame::ERROR.to_vec(), Duration::ZERO),
        }
    }

    /// Looks for a card, for the one with `uid` where one is named.
    fn search(&mut self, uid: &[u8]) -> Reply {
        match self.found(uid) {
            Some(reply) => reply,
            None => Reply::Search { every: self.timing.no_card, left: self.tries },
        }
    }

    /// The answer for the card that is there.
    pub(super) fn found(&mut self, uid: &[u8]) -> Option<Reply> {
        let card = self.card.as_mut()?;
        card.activate();
        let mut identity = card.identity();
        if !uid.is_empty() && uid != identity.uid {
            return None;
        }
        self.selected = true;
        self.stats.found += 1;
        self.stats.floor = Duration::ZERO;
        if !identity.ats.is_empty() && self.takes(Fault::AtsZero) {
            identity.ats = vec![0];
        }
        let mut answer = vec![1, 1, identity.atqa[0], identity.atqa[1], identity.sak];
        answer.push(if self.takes(Fault::LongUid) { 255 } else { u8::try_from(identity.uid.len()).unwrap_or(u8::MAX) });
        answer.extend(&identity.uid);
        answer.extend(&identity.ats);
        Some(Reply::Now(frame::answer(code::IN_LIST_PASSIVE_TARGET, &answer), self.timing.activation))
    }

    /// No card came.
    pub(super) fn not_found(&mut self) -> Vec<u8> {
        self.stats.empty += 1;
        self.selected = false;
        frame::answer(code::IN_LIST_PASSIVE_TARGET, &[0])
    }

    fn exchange(&mut self, number: u8, data: &[u8]) -> Reply {
        self.stats.exchanges += 1;
        let answer = self.card_says(data);
        let body = match answer {
            _ if self.takes(Fault::StatusBit7) => vec![0x80],
            Some(answer) => [&[0][..], &answer].concat(),
            None => vec![STATUS_TIMEOUT],
        };
        Reply::Now(frame::answer(number, &body), self.timing.exchange)
    }

    fn card_says(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        if !self.selected {
            return None;
        }
        let leaves = self.vanish.as_mut().is_some_and(|vanish| {
            vanish.at = vanish.at.saturating_sub(1);
            vanish.at == 0
        });
        let answer = match self.vanish.filter(|_| leaves) {
            Some(Vanish { done: false, .. }) => None,
            _ => self.card.as_mut()?.exchange(data),
        };
        if leaves {
            self.vanish = None;
            self.left = self.card.take();
            return None;
        }
        answer
    }

    /// Spoils an answer as the fault wants it; `None` where nothing is sent.
    pub(super) fn spoiled(&mut self, mut answer: Vec<u8>) -> Option<Vec<u8>> {
        let Some(fault) = self.fault else { return Some(answer) };
        match fault {
            Fault::AckOnly | Fault::Silent | Fault::Asleep => return None,
            Fault::BadData => *answer.iter_mut().nth_back(1)? ^= 0x55,
            Fault::BadLength => *answer.get_mut(4)? ^= 0x55,
            Fault::ErrorFrame => answer = frame::ERROR.to_vec(),
            Fault::WrongCode => answer = frame::answer(0x30, &[0]),
            Fault::Junk => answer = (0..40u8).map(|n| n.wrapping_mul(37) | 1).collect(),
            Fault::Truncated => answer.truncate(answer.len() / 2),
            Fault::Late => {}
            Fault::StatusBit7 | Fault::AtsZero | Fault::LongUid | Fault::LoseFirmware | Fault::Nack => return Some(answer),
        }
        self.fault = None;
        Some(answer)
    }
}
