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
}
