//! Messages. The order of variants and fields is the wire format: only append variants.

use serde::{Deserialize, Serialize};

/// Bits of what a board can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features(pub u32);

impl Features {
    /// Tactile keypad.
    pub const KEYPAD: Self = Self(1);
    /// Presence sensor.
    pub const PRESENCE: Self = Self(1 << 1);
    /// Headphone socket with detection.
    pub const HEADPHONES: Self = Self(1 << 2);
    /// Light ring.
    pub const LIGHT_RING: Self = Self(1 << 3);
    /// Cash-drawer output.
    pub const DRAWER: Self = Self(1 << 4);
    /// Everything of version 1.
    pub const V1: Self = Self(0b1_1111);
    /// Temperature, fan, ambient light, supply: `Climate`.
    pub const CLIMATE: Self = Self(1 << 5);
    /// Door and tamper contacts: `Contact`.
    pub const CONTACTS: Self = Self(1 << 6);
    /// The board switches the host's supply: `AskTime` and `Time`.
    pub const HOST_POWER: Self = Self(1 << 7);
    /// Reports of its own past: `Started`, `LastWords`, and the faults behind `WatchdogReset`.
    pub const REPORT: Self = Self(1 << 8);
    /// Takes a new program over the link: `Update…`.
    pub const UPDATE: Self = Self(1 << 9);
    /// `KeyRepeat` while a key is held.
    pub const KEY_REPEAT: Self = Self(1 << 10);
    /// `Comfort` and `Signal::Ready`.
    pub const COMFORT: Self = Self(1 << 11);
    /// Keeps the time for a host that loses it: `SetTime` and `Clock`.
    pub const CLOCK: Self = Self(1 << 12);
    /// Says which pins it was built for: `Layout`.
    pub const LAYOUT: Self = Self(1 << 13);
    /// Everything there is.
    pub const ALL: Self = Self(0x3FFF);

    /// True if all bits of `other` are set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Version of the MCU's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Firmware {
    pub major: u8,
    pub minor: u8,
    pub patch: u8,
}

/// What the light ring and the buzzer mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Signal {
    Idle,
    TapHere,
    Thinking,
    Approved,
    Declined,
    CallStaff,
    /// Order ready for collection. Needs [`Features::COMFORT`].
    Ready,
}

/// A key of the tactile pad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Key {
    Up,
    Down,
    Select,
    Back,
    Help,
}

/// What became of a drawer command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Drawer {
    /// The pulse was given.
    Pulsed,
    /// Too soon after the last pulse: the coil is cooling.
    TooSoon,
    /// No drawer output on this board.
    NotFitted,
}

/// What is wrong with the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// A key has been down for longer than a person holds it; `detail` is its number.
    KeyStuck,
    /// The presence sensor does not answer.
    PresenceSensor,
    /// The light ring draws too much or nothing.
    LightRing,
    /// The supply dipped; `detail` is the lowest value in millivolts.
    BrownOut,
    /// The program was restarted by its watchdog.
    WatchdogReset,
    /// Too hot inside; `detail` is the temperature in hundredths of a degree Celsius.
    Overheat,
    /// The program panicked and restarted itself; its words follow as `LastWords`.
    Panic,
    /// The host was silent and its supply was switched off and on; `detail` is how often in a row.
    HostPowerCycled,
    /// A new program did not prove itself and the old one is back; `detail` is the CRC-32 of the new one.
    UpdateRolledBack,
}

/// For what a silent host may ask for time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grace {
    /// It restarts: 180 s.
    Boot,
    /// It installs: 600 s.
    Update,
    /// A payment is open at the terminal: 180 s.
    Payment,
}

/// Why the board started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResetCause {
    /// Power came on, or the reset pin was pulled.
    Power,
    /// Its watchdog was not fed.
    Watchdog,
    /// It panicked.
    Panic,
    /// It restarted itself, to change programs.
    Own,
}

/// A contact of the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contact {
    /// The service door.
    Door,
    /// The tamper switch under the terminal's bracket.
    Tamper,
}

/// How far a new program has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateState {
    /// `offset` bytes are in flash; send what follows.
    Ready,
    /// Signed and whole: it runs after the restart that follows this message.
    Accepted,
    /// Begin again: too long, out of order, or beyond the announced length.
    Refused,
    /// The CRC-32 of what arrived is not the announced one.
    WrongCrc,
    /// The signature does not fit, or no key has been provisioned.
    WrongSignature,
    /// Flash does not hold what was written to it.
    FlashFault,
    /// The running program is on trial.
    Trial,
    /// The running program has proved itself.
    Confirmed,
    /// The program before it runs again.
    RolledBack,
}

/// Why an intact frame could not be obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NackReason {
    /// A message that this version does not know.
    UnknownMessage,
    /// A value outside its range.
    OutOfRange,
}

/// Host to MCU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToMcu {
    /// Opens a session.
    Hello {
        /// Lowest version spoken.
        min: u8,
        /// Highest version spoken.
        max: u8,
        /// What the host can use.
        features: Features,
        /// Fresh for each `Hello`.
        nonce: u32,
    },
    /// Are you there?
    Ping {
        /// Echoed.
        token: u32,
    },
    /// Light and sound.
    Show(Signal),
    /// One pulse for the cash drawer.
    OpenDrawer {
        /// Echoed.
        id: u32,
        /// Within [`crate::DRAWER_PULSE_MS`].
        pulse_ms: u16,
    },
    /// Silence is to be expected: do not switch me off for it. Each kind once in a row.
    AskTime(Grace),
    /// How light and sound are to be.
    Comfort {
        /// No movement, no blinking.
        reduced_motion: bool,
        /// 0 silent to 100.
        volume: u8,
    },
    /// A new program follows.
    UpdateBegin {
        /// Bytes.
        length: u32,
        /// CRC-32 of all of them.
        crc: u32,
    },
    /// The next bytes of the new program; beyond its end they are ignored.
    UpdateData {
        /// Of the first of them; a multiple of 32.
        offset: u32,
        /// What stands there.
        bytes: [u8; 32],
    },
    /// Half of the Ed25519 signature over the new program.
    UpdateSignature {
        /// 0 or 1.
        half: u8,
        /// 32 of its 64 bytes.
        bytes: [u8; 32],
    },
    /// All was sent: check it and start it.
    UpdateCommit,
    /// What time it is, by a source that the host trusts. Never sent by a host that is not sure.
    SetTime {
        /// Seconds since 1970-01-01T00:00:00Z.
        utc_s: u32,
    },
}

impl ToMcu {
    /// What a board must be able to do to obey; nothing for the messages that every board knows or answers.
    pub fn needs(&self) -> Features {
        match self {
            Self::Hello { .. } | Self::Ping { .. } | Self::OpenDrawer { .. } => Features(0),
            Self::Show(Signal::Ready) | Self::Comfort { .. } => Features::COMFORT,
            Self::Show(_) => Features(0),
            Self::AskTime(_) => Features::HOST_POWER,
            Self::UpdateBegin { .. } | Self::UpdateData { .. } | Self::UpdateSignature { .. } | Self::UpdateCommit => {
                Features::UPDATE
            }
            Self::SetTime { .. } => Features::CLOCK,
        }
    }
}

/// MCU to host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToHost {
    /// Opens the session whose id stands in the header.
    Hello {
        /// The version spoken from here on, 0 if there is none in common.
        version: u8,
        /// Lowest version spoken.
        min: u8,
        /// Highest version spoken.
        max: u8,
        /// What is fitted.
        features: Features,
        /// The host's.
        nonce: u32,
        /// The MCU's program.
        firmware: Firmware,
    },
    /// Answer to `Ping`.
    Pong {
        /// The ping's.
        token: u32,
        /// Since the MCU started.
        uptime_ms: u32,
    },
    /// A debounced edge.
    Key {
        /// Which.
        key: Key,
        /// True when pressed.
        down: bool,
    },
    /// Somebody is near.
    Presence(bool),
    /// Headphones are plugged in.
    Headphones(bool),
    /// What became of a drawer command.
    Drawer {
        /// The command's.
        id: u32,
        /// What became of it.
        state: Drawer,
    },
    /// Something is wrong with the board.
    Fault {
        /// What.
        fault: Fault,
        /// By fault.
        detail: u32,
    },
    /// An intact frame could not be obeyed.
    Nack {
        /// Its number.
        sequence: u32,
        /// Why.
        reason: NackReason,
    },
    /// Answer to `AskTime`.
    Time {
        /// The question's.
        grace: Grace,
        /// How long silence is borne from now on; 0: refused, this kind was the last one granted.
        granted_ms: u32,
    },
    /// Once after `Hello`: why the board runs since when it runs.
    Started {
        /// Why.
        cause: ResetCause,
        /// How often it has started in its life.
        boots: u32,
    },
    /// A piece of what the program said before it panicked: UTF-8, padded with zeros.
    LastWords {
        /// From 0.
        part: u8,
        /// The piece.
        bytes: [u8; 32],
    },
    /// Every 10 s, and once after `Hello`.
    Climate {
        /// Inside the case, hundredths of a degree Celsius.
        centi_celsius: i16,
        /// 0 to 100.
        fan_percent: u8,
        /// Ambient light, 0 dark to 255.
        ambient: u8,
        /// The board's 12 V supply, millivolts.
        supply_mv: u16,
    },
    /// On change, and once after `Hello`.
    Contact {
        /// Which.
        contact: Contact,
        /// True: not closed.
        open: bool,
    },
    /// The key is still held.
    KeyRepeat(Key),
    /// Answer to each `Update…`, and once after `Hello`.
    Update {
        /// How far.
        state: UpdateState,
        /// Bytes in flash.
        offset: u32,
    },
    /// Once after `Hello`, if a host has set it since the board started: what time it is by the board's crystal.
    Clock {
        /// Seconds since 1970-01-01T00:00:00Z.
        utc_s: u32,
        /// Seconds since it was set: 30 millionths of them, give or take, is how far it may be off.
        age_s: u32,
    },
    /// Once after `Hello`: which pins the program uses.
    Layout {
        /// [`crate::pins::checksum`] of its table.
        pins: u32,
    },
}

impl ToHost {
    /// What a host must have announced in its `Hello` before this is sent to it.
    pub fn needs(&self) -> Features {
        match self {
            Self::Time { .. } => Features::HOST_POWER,
            Self::Started { .. } | Self::LastWords { .. } => Features::REPORT,
            Self::Fault { fault, .. } if *fault as u8 > Fault::WatchdogReset as u8 => Features::REPORT,
            Self::Climate { .. } => Features::CLIMATE,
            Self::Contact { .. } => Features::CONTACTS,
            Self::KeyRepeat(_) => Features::KEY_REPEAT,
            Self::Update { .. } => Features::UPDATE,
            Self::Clock { .. } => Features::CLOCK,
            Self::Layout { .. } => Features::LAYOUT,
            _ => Features(0),
        }
    }
}
