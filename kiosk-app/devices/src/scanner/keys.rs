//! From the kernel's input events (linux/input.h, linux/input-event-codes.h) to characters.

/// Bytes of one event where a time has 16: every machine that this kiosk is built for.
pub(super) const EVENT_BYTES: usize = 24;
const EV_KEY: u16 = 1;
const LEFT_SHIFT: u16 = 42;
const RIGHT_SHIFT: u16 = 54;

/// What a key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Character(char),
    End,
}

/// A keyboard of the United States.
#[derive(Debug, Default)]
pub(super) struct Keyboard {
    shifts: u8,
}

impl Keyboard {
    /// What one event types, if anything. A key that is held is pressed once.
    pub(super) fn event(&mut self, bytes: &[u8; EVENT_BYTES]) -> Option<Typed> {
        let word = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let value = i32::from_ne_bytes([bytes[20], bytes[21], bytes[22], bytes[23]]);
        let (kind, code) = (word(16), word(18));
        if kind != EV_KEY {
            return None;
        }
        let shift = match code {
            LEFT_SHIFT => 1,
            RIGHT_SHIFT => 2,
            _ if value == 1 => return typed(code, self.shifts != 0),
            _ => return None,
        };
        self.shifts = if value == 0 { self.shifts & !shift } else { self.shifts | shift };
        None
    }
}

fn typed(code: u16, shifted: bool) -> Option<Typed> {
    // Rows of keys by their first code: as they are, and with shift.
    const ROWS: [(u16, &str, &str); 4] = [
        (2, "1234567890-=", "!@#$%^&*()_+"),
        (16, "qwertyuiop[]", "QWERTYUIOP{}"),
        (30, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
        (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    ];
    // The keypad, whatever the state of Num Lock: a scanner means digits.
    const PAD: [(u16, char); 14] = [
        (71, '7'),
        (72, '8'),
        (73, '9'),
        (74, '-'),
        (75, '4'),
        (76, '5'),
        (77, '6'),
        (78, '+'),
        (79, '1'),
        (80, '2'),
        (81, '3'),
        (82, '0'),
        (83, '.'),
        (55, '*'),
    ];
    match code {
        // Enter, Tab, the keypad's Enter.
        28 | 15 | 96 => return Some(Typed::End),
        57 => return Some(Typed::Character(' ')),
        98 => return Some(Typed::Character('/')),
        _ => {}
    }
    if let Some((_, character)) = PAD.iter().find(|(key, _)| *key == code) {
        return Some(Typed::Character(*character));
    }
    let (first, plain, with_shift) = ROWS.iter().rev().find(|(first, ..)| code >= *first)?;
    let row = if shifted { with_shift } else { plain };
    row.chars().nth(usize::from(code - first)).map(Typed::Character)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::scanner) fn event(kind: u16, code: u16, value: i32) -> [u8; EVENT_BYTES] {
        let mut bytes = [0; EVENT_BYTES];
        bytes[16..18].copy_from_slice(&kind.to_ne_bytes());
        bytes[18..20].copy_from_slice(&code.to_ne_bytes());
        bytes[20..].copy_from_slice(&value.to_ne_bytes());
        bytes
    }

    fn press(keyboard: &mut Keyboard, code: u16) -> Option<Typed> {
        let down = keyboard.event(&event(EV_KEY, code, 1));
        assert_eq!(keyboard.event(&event(EV_KEY, code, 2)), None, "a key that is held is pressed once");
        assert_eq!(keyboard.event(&event(EV_KEY, code, 0)), None);
        down
    }

    #[test]
    fn keys_are_characters_with_and_without_shift() {
        let mut keyboard = Keyboard::default();
        let text = |keyboard: &mut Keyboard, codes: &[u16]| -> String {
            let typed = codes.iter().filter_map(|code| press(keyboard, *code));
            typed.map(|typed| if let Typed::Character(character) = typed { character } else { '\n' }).collect()
        };
        // KEY_1 KEY_0 KEY_Q KEY_P KEY_A KEY_L KEY_Z KEY_M KEY_SLASH KEY_SPACE KEY_KP7 KEY_KPSLASH KEY_ENTER
        let codes = [2, 11, 16, 25, 30, 38, 44, 50, 53, 57, 71, 98, 28];
        assert_eq!(text(&mut keyboard, &codes), "10qpalzm/ 7/\n");
        assert_eq!(keyboard.event(&event(EV_KEY, LEFT_SHIFT, 1)), None);
        assert_eq!(text(&mut keyboard, &codes), "!)QPALZM? 7/\n");
        assert_eq!(keyboard.event(&event(EV_KEY, LEFT_SHIFT, 0)), None);
        assert_eq!(text(&mut keyboard, &[12, 13, 26, 41, 43]), "-=[`\\");
    }

    #[test]
    fn what_types_nothing_says_nothing() {
        let mut keyboard = Keyboard::default();
        // Synchronisation, a scan code, Escape, a function key, Caps Lock.
        for (kind, code) in [(0, 0), (4, 4), (EV_KEY, 1), (EV_KEY, 59), (EV_KEY, 58), (EV_KEY, 300)] {
            assert_eq!(keyboard.event(&event(kind, code, 1)), None, "{kind} {code}");
        }
    }
}
