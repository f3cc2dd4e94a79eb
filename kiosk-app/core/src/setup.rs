//! The first start: from a bare board to 'ready for the first guest', as a pure machine.
//!
//! ```text
//! Language ─▶ Network ─▶ Clock ─▶ Screen ─▶ Code ─▶ Joining ─▶ Devices ─▶ TestSale ─▶ Ready
//!     ◀──────────┴──────────┴─────────┴────────┘      │ refused: back to Code, with the reason
//! ```
//!
//! Each step asks one thing. Back loses nothing until the code was taken; from then on the device belongs to a shop, and
//! only the devices and the test sale are left. With a clock that nothing has set a person confirms date and time: sales
//! carry them, and there is no battery-backed clock unless one is fitted.

use crate::{
    catalogue::Lang,
    device::DeviceKind,
    now::{ClockQuality, Now},
};
use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};

/// The longest code, passphrase, address that is taken, in bytes.
const TYPED_MAX: usize = 128;
/// The most networks that are listed.
const NETWORKS_MAX: usize = 32;
/// How long the machine is waited for before the person may try again.
pub const WAIT_MS: u64 = 90_000;

/// What is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    #[default]
    Language,
    Network,
    /// The passphrase of the chosen network.
    Passphrase,
    /// The way out of a shop's network, where there is one.
    Proxy,
    Clock,
    /// Date and time by hand.
    SetClock,
    Zone,
    Screen,
    Code,
    /// The address of the backend.
    Backend,
    Joining,
    Devices,
    TestSale,
    Ready,
}

/// A wireless network in reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wifi {
    /// Its name.
    pub ssid: String,
    /// How well it is heard, 0 to 100.
    pub signal: u8,
    /// A passphrase is needed.
    pub locked: bool,
}

/// How the machine is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// A cable is in.
    pub cable: bool,
    /// The wireless network it is in.
    pub joined: Option<String>,
    /// Networks in reach, best first.
    pub wifi: Vec<Wifi>,
    /// Something outside the shop was reached.
    pub online: bool,
    /// This machine's network is set up by other means and cannot be changed here.
    pub fixed: bool,
}

/// Why a step did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupTrouble {
    /// The passphrase is wrong.
    WrongPassphrase,
    /// The wireless network could not be joined.
    CannotJoin,
    /// This machine does not let us set that; it must be set by its system.
    NotAllowed,
    /// Nothing that is a date and time.
    NoDate,
    /// The code is not known, or mistyped.
    WrongCode,
    /// The code was used before.
    UsedCode,
    /// The code's 15 minutes are over.
    LateCode,
    /// Too many wrong codes: wait.
    TooManyCodes,
    /// The backend could not be reached.
    NoBackend,
    /// The sync agent of this machine does not answer.
    NoAgent,
    /// No answer in time.
    NoAnswer,
    /// The test payment was declined or did not end.
    TestFailed,
}

/// How far joining has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Joining {
    #[default]
    Asking,
    /// Token, certificate and keys are here and sealed.
    Trusted,
    /// The menu is here.
    Menu,
}

/// What this device has become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// `s-001`.
    pub store: String,
    /// `k-01`.
    pub device: String,
    /// `kiosk`.
    pub role: String,
}

/// A device that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which.
    pub kind: DeviceKind,
    /// `None` where the board-config names none.
    pub works: Option<bool>,
    /// What was seen, and what to do; in English, from the adapter.
    pub what: String,
}

/// What the person wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupIntent {
    /// Texts in this language from now on.
    ChooseLanguage(Lang),
    /// On to the next step, where this one allows it.
    Next,
    /// To the step before.
    Back,
    /// Look at the network, or try the devices, again.
    Again,
    /// Join this network of the list.
    ChooseWifi(u16),
    /// Its passphrase.
    Passphrase(String),
    /// Show the proxy's address; then its address, empty for none.
    OpenProxy,
    /// `http://proxy:3128`, empty for none.
    Proxy(String),
    /// Show the list of time zones.
    OpenZone,
    /// This zone of the list.
    ChooseZone(u16),
    /// Yes, that is the date and the time.
    ConfirmClock,
    /// Show the digits for date and time.
    OpenClock,
    /// Twelve digits: year, month, day, hour, minute, local time.
    Clock(String),
    /// Turn the picture to this many degrees clockwise.
    Rotate(u16),
    /// The one-time code.
    Code(String),
    /// Show the backend's address.
    OpenBackend,
    /// `https://cem.example`.
    Backend(String),
    /// Make the test sale.
    TestSale,
    /// Go on without what does not work.
    Skip,
    /// The first guest may come.
    Open,
}

/// What is to be done. Each is answered by one [`SetupEvent`], or not at all within [`WAIT_MS`].
#[derive(Clone, PartialEq, Eq)]
pub enum SetupEffect {
    /// Answered by [`SetupEvent::Network`].
    LookAtNetwork,
    /// Answered by [`SetupEvent::WifiDone`].
    JoinWifi {
        /// Name.
        ssid: String,
        /// Empty for an open one.
        passphrase: String,
    },
    /// Not answered.
    SetProxy(String),
    /// Answered by [`SetupEvent::ClockDone`].
    SetZone(String),
    /// Answered by [`SetupEvent::ClockDone`].
    SetClock {
        /// `2026-11-22 10:31`, local.
        local: String,
    },
    /// Not answered.
    Rotate(u16),
    /// Answered by [`SetupEvent::Progress`], and in the end by [`SetupEvent::JoinDone`].
    Join {
        /// One-time code.
        code: String,
        /// Address of the backend.
        backend: String,
    },
    /// Answered by [`SetupEvent::Devices`].
    TryDevices,
    /// Answered by [`SetupEvent::TestDone`].
    TestSale,
    /// The kiosk starts.
    Open,
}

/// Neither a passphrase nor a code is shown.
impl core::fmt::Debug for SetupEffect {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::LookAtNetwork => "LookAtNetwork",
            Self::JoinWifi { .. } => "JoinWifi",
            Self::SetProxy(_) => "SetProxy",
            Self::SetZone(_) => "SetZone",
            Self::SetClock { .. } => "SetClock",
            Self::Rotate(_) => "Rotate",
            Self::Join { .. } => "Join",
            Self::TryDevices => "TryDevices",
            Self::TestSale => "TestSale",
            Self::Open => "Open",
        })
    }
}

/// What the machine answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupEvent {
    /// How it is connected.
    Network(Network),
    /// A wireless network was joined, or why not.
    WifiDone(Result<(), SetupTrouble>),
    /// Zone or time was set, or why not.
    ClockDone(Result<(), SetupTrouble>),
    /// Joining has come this far.
    Progress(Joining),
    /// This device belongs to a shop, or why not.
    JoinDone(Result<Joined, SetupTrouble>),
    /// Every device was tried.
    Devices(Vec<Tried>),
    /// The test sale was approved, or why not.
    TestDone(Result<(), SetupTrouble>),
    /// Time passed.
    Tick,
}

/// Everything the screen shows of the first start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetupView {
    /// What is asked.
    pub step: Step,
    /// Language of texts.
    pub lang: Lang,
    /// How the machine is connected; `None` while it is looked at.
    pub network: Option<Network>,
    /// The network whose passphrase is asked for.
    pub ssid: String,
    /// The proxy, empty for none.
    pub proxy: String,
    /// The zone in force.
    pub zone: String,
    /// Zones to choose from.
    pub zones: Vec<String>,
    /// The clock was set by the network or confirmed by a person.
    pub clock_known: bool,
    /// Degrees clockwise.
    pub rotation: u16,
    /// Address of the backend.
    pub backend: String,
    /// How far joining has come.
    pub joining: Joining,
    /// What this device has become.
    pub joined: Joined,
    /// Devices that were tried; `None` while they are.
    pub devices: Option<Vec<Tried>>,
    /// The test sale was approved.
    pub tested: bool,
    /// The machine works on something.
    pub busy: bool,
    /// Why the last thing did not succeed.
    pub trouble: Option<SetupTrouble>,
}

/// The first start.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    view: SetupView,
    /// The clock runs by more than our guess.
    synced: bool,
    wait_until_ms: Option<u64>,
}

impl Setup {
    /// At the first question. `zones` in the order they are listed in, the first one in force.
    pub fn new(lang: Lang, zones: Vec<String>, backend: String, rotation: u16) -> Self {
        let zone = zones.first().cloned().unwrap_or_default();
        let view = SetupView { lang, zone, zones, backend, rotation, ..SetupView::default() };
        Self { view, ..Self::default() }
    }

    /// What the screen shows.
    pub fn view(&self) -> &SetupView {
        &self.view
    }

    /// When a [`SetupEvent::Tick`] is due, by `Now::mono_ms`.
    pub fn next_tick_ms(&self) -> Option<u64> {
        self.wait_until_ms
    }

    /// Takes what the person wants.
    pub fn intent(&mut self, now: Now, intent: SetupIntent) -> Vec<SetupEffect> {
        self.look_at_clock(now);
        if self.view.busy && intent != SetupIntent::Back {
            return Vec::new();
        }
        self.view.trouble = None;
        match (self.view.step, intent) {
            (Step::Language, SetupIntent::ChooseLanguage(lang)) => {
                self.view.lang = lang;
                Vec::new()
            }
            (_, SetupIntent::Back) => self.back(),
            (_, SetupIntent::Next) => self.next(),
            (Step::Network, SetupIntent::Again) => self.look_at_network(),
            (Step::Network, SetupIntent::ChooseWifi(at)) => self.choose_wifi(now, at),
            (Step::Network, SetupIntent::OpenProxy) => self.go(Step::Proxy),
            (Step::Passphrase, SetupIntent::Passphrase(passphrase)) if typed(&passphrase) => self.join_wifi(now, passphrase),
            (Step::Proxy, SetupIntent::Proxy(proxy)) if proxy.len() <= TYPED_MAX => {
                self.view.proxy = proxy.trim().to_string();
                self.view.step = Step::Network;
                self.view.network = None;
                vec![SetupEffect::SetProxy(self.view.proxy.clone()), SetupEffect::LookAtNetwork]
            }
            (Step::Clock, SetupIntent::OpenZone) => self.go(Step::Zone),
            (Step::Clock, SetupIntent::ConfirmClock) if now.utc_ms.is_some() => {
                self.view.clock_known = true;
                self.go(Step::Screen)
            }
            (Step::Clock, SetupIntent::OpenClock) => self.go(Step::SetClock),
            (Step::Zone, SetupIntent::ChooseZone(at)) => self.choose_zone(now, at),
            (Step::SetClock, SetupIntent::Clock(digits)) => self.set_clock(now, &digits),
            (Step::Screen, SetupIntent::Rotate(degrees)) if matches!(degrees, 0 | 90 | 180 | 270) => {
                self.view.rotation = degrees;
                vec![SetupEffect::Rotate(degrees)]
            }
            (Step::Code, SetupIntent::OpenBackend) => self.go(Step::Backend),
            (Step::Backend, SetupIntent::Backend(backend)) if typed(&backend) => {
                self.view.backend = backend.trim().to_string();
                self.go(Step::Code)
            }
            (Step::Code, SetupIntent::Code(code)) => self.join(now, code),
            (Step::Devices, SetupIntent::Again) => self.try_devices(now),
            (Step::TestSale, SetupIntent::TestSale) if !self.view.tested => {
                self.wait(now);
                vec![SetupEffect::TestSale]
            }
            (Step::Devices, SetupIntent::Skip) => self.go(Step::TestSale),
            (Step::TestSale, SetupIntent::Skip) => self.go(Step::Ready),
            (Step::Ready, SetupIntent::Open) => vec![SetupEffect::Open],
            _ => Vec::new(),
        }
    }

    /// Takes what the machine answers.
    pub fn event(&mut self, now: Now, event: SetupEvent) -> Vec<SetupEffect> {
        self.look_at_clock(now);
        match event {
            SetupEvent::Network(mut network) => {
                network.wifi.truncate(NETWORKS_MAX);
                self.view.network = Some(network);
            }
            SetupEvent::WifiDone(done) if self.view.step == Step::Passphrase || self.view.step == Step::Network => {
                self.done();
                self.view.trouble = done.err();
                if done.is_ok() {
                    self.view.step = Step::Network;
                    return self.look_at_network();
                }
            }
            SetupEvent::ClockDone(done) => {
                self.done();
                self.view.trouble = done.err();
                if done.is_ok() {
                    self.view.clock_known |= self.view.step == Step::SetClock;
                    self.view.step = Step::Clock;
                }
            }
            SetupEvent::Progress(joining) if self.view.step == Step::Joining => {
                self.view.joining = self.view.joining.max(joining);
                self.wait(now);
            }
            SetupEvent::JoinDone(done) if self.view.step == Step::Joining => {
                self.done();
                match done {
                    Ok(joined) => {
                        self.view.joined = joined;
                        self.view.step = Step::Devices;
                        return self.try_devices(now);
                    }
                    Err(trouble) => {
                        self.view.trouble = Some(trouble);
                        self.view.step = Step::Code;
                    }
                }
            }
            SetupEvent::Devices(tried) => {
                self.done();
                self.view.devices = Some(tried);
            }
            SetupEvent::TestDone(done) if self.view.step == Step::TestSale => {
                self.done();
                self.view.tested = done.is_ok();
                self.view.trouble = done.err();
            }
            SetupEvent::Tick if self.wait_until_ms.is_some_and(|until| until <= now.mono_ms) => self.give_up_waiting(),
            _ => {}
        }
        Vec::new()
    }

    fn next(&mut self) -> Vec<SetupEffect> {
        match self.view.step {
            Step::Language => {
                self.view.step = Step::Network;
                self.look_at_network()
            }
            // Without a network nothing can be joined, and the code would only run out.
            Step::Network if self.view.network.as_ref().is_some_and(|n| n.online) => self.go(Step::Clock),
            Step::Clock if self.view.clock_known => self.go(Step::Screen),
            Step::Screen => self.go(Step::Code),
            Step::Devices if self.view.devices.as_ref().is_some_and(|d| d.iter().all(|t| t.works != Some(false))) => {
                self.go(Step::TestSale)
            }
            Step::TestSale if self.view.tested => self.go(Step::Ready),
            _ => Vec::new(),
        }
    }

    fn back(&mut self) -> Vec<SetupEffect> {
        let to = match self.view.step {
            Step::Network => Step::Language,
            Step::Passphrase | Step::Proxy => Step::Network,
            Step::Clock => Step::Network,
            Step::SetClock | Step::Zone => Step::Clock,
            Step::Screen => Step::Clock,
            Step::Code => Step::Screen,
            Step::Backend => Step::Code,
            Step::TestSale => Step::Devices,
            Step::Ready => Step::TestSale,
            // What was asked of the backend may already have been done.
            Step::Language | Step::Joining | Step::Devices => return Vec::new(),
        };
        self.done();
        self.go(to)
    }

    fn go(&mut self, step: Step) -> Vec<SetupEffect> {
        self.view.step = step;
        Vec::new()
    }

    fn look_at_network(&mut self) -> Vec<SetupEffect> {
        self.view.network = None;
        vec![SetupEffect::LookAtNetwork]
    }

    fn choose_wifi(&mut self, now: Now, at: u16) -> Vec<SetupEffect> {
        let chosen = self.view.network.as_ref().and_then(|n| n.wifi.get(usize::from(at))).cloned();
        let Some(wifi) = chosen else { return Vec::new() };
        self.view.ssid = wifi.ssid;
        if wifi.locked { self.go(Step::Passphrase) } else { self.join_wifi(now, String::new()) }
    }

    fn join_wifi(&mut self, now: Now, passphrase: String) -> Vec<SetupEffect> {
        self.wait(now);
        vec![SetupEffect::JoinWifi { ssid: self.view.ssid.clone(), passphrase }]
    }

    fn choose_zone(&mut self, now: Now, at: u16) -> Vec<SetupEffect> {
        let Some(zone) = self.view.zones.get(usize::from(at)).cloned() else { return Vec::new() };
        self.view.zone.clone_from(&zone);
        self.wait(now);
        vec![SetupEffect::SetZone(zone)]
    }

    fn set_clock(&mut self, now: Now, digits: &str) -> Vec<SetupEffect> {
        let Some(local) = local_time(digits) else {
            self.view.trouble = Some(SetupTrouble::NoDate);
            return Vec::new();
        };
        self.wait(now);
        vec![SetupEffect::SetClock { local }]
    }

    fn join(&mut self, now: Now, code: String) -> Vec<SetupEffect> {
        let code: String = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
        if !typed(&code) || self.view.backend.is_empty() {
            self.view.trouble = Some(if code.is_empty() { SetupTrouble::WrongCode } else { SetupTrouble::NoBackend });
            return Vec::new();
        }
        self.view.step = Step::Joining;
        self.view.joining = Joining::Asking;
        self.wait(now);
        vec![SetupEffect::Join { code, backend: self.view.backend.clone() }]
    }

    fn try_devices(&mut self, now: Now) -> Vec<SetupEffect> {
        self.view.devices = None;
        self.wait(now);
        vec![SetupEffect::TryDevices]
    }

    /// The network or its server has set the clock: nobody need confirm it.
    fn look_at_clock(&mut self, now: Now) {
        if now.quality == ClockQuality::Synced && !self.synced {
            self.synced = true;
            self.view.clock_known = true;
        }
    }

    fn wait(&mut self, now: Now) {
        self.view.busy = true;
        self.wait_until_ms = Some(now.mono_ms.saturating_add(WAIT_MS));
    }

    fn done(&mut self) {
        self.view.busy = false;
        self.wait_until_ms = None;
    }

    fn give_up_waiting(&mut self) {
        self.done();
        self.view.trouble = Some(SetupTrouble::NoAnswer);
        match self.view.step {
            Step::Joining => self.view.step = Step::Code,
            Step::Devices => self.view.devices = Some(Vec::new()),
            _ => {}
        }
    }
}

fn typed(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= TYPED_MAX
}

/// `202611221031` as `2026-11-22 10:31`, where that is a day and a time.
pub(crate) fn local_time(digits: &str) -> Option<String> {
    if digits.len() != 12 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<u32>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute) = (number(8, 10)?, number(10, 12)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 31,
    };
    let good = (2026..2100).contains(&year) && (1..=12).contains(&month) && (1..=days).contains(&day) && hour < 24 && minute < 60;
    good.then(|| alloc::format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"))
}

#[cfg(test)]
mod tests;
