//! Framing. Buffers that held an APDU are overwritten, because a card number may have stood in them.

use std::fmt;

/// One application protocol data unit. `Debug` shows no data.
#[derive(Clone, PartialEq, Eq)]
pub struct Apdu {
    control: [u8; 2],
    data: Vec<u8>,
}

impl Apdu {
    /// Positive acknowledgement.
    pub const ACK: [u8; 3] = [0x80, 0x00, 0x00];

    /// Class and instruction with data; what is beyond 65,535 bytes of it is cut.
    pub fn new(control: [u8; 2], data: &[u8]) -> Self {
        Self { control, data: data[..data.len().min(usize::from(u16::MAX))].to_vec() }
    }

    /// Class and instruction.
    pub fn control(&self) -> [u8; 2] {
        self.control
    }

    /// What stands behind the length.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let n = self.data.len();
        let mut out = Vec::with_capacity(n + 5);
        out.extend(self.control);
        match u8::try_from(n) {
            Ok(short @ 0..=0xFE) => out.push(short),
            _ => {
                out.push(0xFF);
                out.extend((n as u16).to_le_bytes());
            }
        }
        out.extend(&self.data);
        out
    }
}

impl fmt::Debug for Apdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Apdu({:02X} {:02X}, {} bytes)", self.control[0], self.control[1], self.data.len())
    }
}

impl Drop for Apdu {
    fn drop(&mut self) {
        wipe(&mut self.data);
    }
}

/// Finds APDUs in a stream of bytes, however it is cut. Holds at most one APDU and what was pushed last.
#[derive(Default)]
pub struct Framer {
    buffer: Vec<u8>,
}

impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Framer({} bytes)", self.buffer.len())
    }
}

impl Framer {
    /// Takes what came in. Take out what [`Framer::next`] gives before pushing more.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut grown = Vec::with_capacity(self.buffer.len() + bytes.len());
        grown.extend_from_slice(&self.buffer);
        grown.extend_from_slice(bytes);
        wipe(&mut self.buffer);
        self.buffer = grown;
    }

    /// The next whole APDU.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Apdu> {
        let (head, n) = match *self.buffer.get(..3)? {
            [_, _, 0xFF] => {
                let length: [u8; 2] = self.buffer.get(3..5)?.try_into().ok()?;
                (5, usize::from(u16::from_le_bytes(length)))
            }
            [_, _, n] => (3, usize::from(n)),
            _ => return None,
        };
        let end = head + n;
        let apdu = Apdu::new([self.buffer[0], self.buffer[1]], self.buffer.get(head..end)?);
        let left = self.buffer.len() - end;
        self.buffer.copy_within(end.., 0);
        wipe(&mut self.buffer[left..]);
        self.buffer.truncate(left);
        Some(apdu)
    }

    /// True if no byte is left over.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

impl Drop for Framer {
    fn drop(&mut self) {
        wipe(&mut self.buffer);
    }
}

/// Overwrites. `black_box` keeps the compiler from seeing that nobody reads the zeros.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_from_255_are_written_in_three_bytes() {
        assert_eq!(Apdu::new([6, 1], &[7; 254]).encode()[..4], [6, 1, 254, 7]);
        assert_eq!(Apdu::new([6, 1], &[7; 255]).encode()[..6], [6, 1, 0xFF, 255, 0, 7]);
        assert_eq!(Apdu::new([6, 1], &[7; 300]).encode()[..6], [6, 1, 0xFF, 0x2C, 0x01, 7]);
        assert_eq!(Apdu::new([6, 1], &[0; 70_000]).data().len(), 65_535);
    }

    #[test]
    fn debug_shows_no_data() {
        assert_eq!(format!("{:?}", Apdu::new([4, 15], &[0x22, 0x47])), "Apdu(04 0F, 2 bytes)");
    }

    fn all(framer: &mut Framer) -> Vec<Apdu> {
        std::iter::from_fn(|| framer.next()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_stream_cut_anywhere_gives_the_same_frames(
            sizes in proptest::collection::vec(prop_oneof![0usize..8, 250usize..260, Just(600)], 1..5),
            cuts in proptest::collection::vec(1usize..300, 1..40),
        ) {
            let sent: Vec<_> = sizes.iter().enumerate().map(|(i, n)| Apdu::new([4, i as u8], &vec![i as u8 + 1; *n])).collect();
            let bytes: Vec<u8> = sent.iter().flat_map(Apdu::encode).collect();
            let (mut framer, mut heard, mut rest) = (Framer::default(), vec![], &bytes[..]);
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                framer.push(now);
                heard.extend(all(&mut framer));
                rest = later;
                if rest.is_empty() { break }
            }
            prop_assert_eq!(sent, heard);
            prop_assert!(framer.is_empty());
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), as_status in any::<bool>()) {
            if as_status && bytes.len() > 3 {
                let n = (bytes.len() - 3).min(254) as u8;
                bytes[..3].copy_from_slice(&[0x04, 0x0F, n]);
            }
            let mut framer = Framer::default();
            framer.push(&bytes);
            for apdu in all(&mut framer) {
                let _ = crate::zvt::FromTerminal::read(&apdu);
            }
        }
    }
}
