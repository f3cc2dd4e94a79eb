//! Which pin is what: the table that firmware, wiring page and board-configs have to agree on.
//!
//! The board does not send the table, it sends a checksum of it; the host makes the same of its board-config.

use crate::Crc32;

/// What the program in `firmware/` uses, by GPIO number, in the order in which a checksum takes it.
pub const FIRMWARE: [(Part, u8); PARTS] = [
    (Part::UartTx, 0),
    (Part::UartRx, 1),
    (Part::KeyUp, 2),
    (Part::KeyDown, 3),
    (Part::KeySelect, 4),
    (Part::KeyBack, 5),
    (Part::KeyHelp, 6),
    (Part::Presence, 7),
    (Part::Headphones, 8),
    (Part::Door, 9),
    (Part::Tamper, 10),
    (Part::LightRing, 11),
    (Part::Buzzer, 12),
    (Part::Drawer, 13),
    (Part::HostSupply, 14),
    (Part::Fan, 15),
    (Part::Light, 26),
    (Part::Thermistor, 27),
    (Part::Supply, 28),
];

/// How many parts there are.
pub const PARTS: usize = 19;

/// Something that has a pin of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Part {
    UartTx,
    UartRx,
    KeyUp,
    KeyDown,
    KeySelect,
    KeyBack,
    KeyHelp,
    Presence,
    Headphones,
    Door,
    Tamper,
    LightRing,
    Buzzer,
    Drawer,
    HostSupply,
    Fan,
    Light,
    Thermistor,
    Supply,
}

impl Part {
    /// Its name in a board-config.
    pub const fn word(self) -> &'static str {
        match self {
            Self::UartTx => "uart_tx",
            Self::UartRx => "uart_rx",
            Self::KeyUp => "key_up",
            Self::KeyDown => "key_down",
            Self::KeySelect => "key_select",
            Self::KeyBack => "key_back",
            Self::KeyHelp => "key_help",
            Self::Presence => "presence",
            Self::Headphones => "headphones",
            Self::Door => "door",
            Self::Tamper => "tamper",
            Self::LightRing => "light_ring",
            Self::Buzzer => "buzzer",
            Self::Drawer => "drawer",
            Self::HostSupply => "host_supply",
            Self::Fan => "fan",
            Self::Light => "light",
            Self::Thermistor => "thermistor",
            Self::Supply => "supply",
        }
    }
}

/// CRC-32 of two bytes a part, its number and its GPIO, in the order of the table.
pub fn checksum(table: &[(Part, u8)]) -> u32 {
    let mut crc = Crc32::new();
    table.iter().for_each(|&(part, gpio)| crc.update(&[part as u8, gpio]));
    crc.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_stands_once_in_its_place_and_no_pin_has_two_parts() {
        for (place, (part, gpio)) in FIRMWARE.iter().enumerate() {
            assert_eq!(*part as usize, place);
            assert_eq!(FIRMWARE.iter().filter(|(_, other)| other == gpio).count(), 1);
        }
    }

    #[test]
    fn one_pin_elsewhere_is_another_checksum() {
        let mut other = FIRMWARE;
        other[13].1 = 16;
        assert_ne!(checksum(&other), checksum(&FIRMWARE));
    }
}
