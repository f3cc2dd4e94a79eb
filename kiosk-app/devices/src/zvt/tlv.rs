//! Containers: tag, length, value, by the specification's chapter 'TLV-Container'.

/// Deepest container that is looked into.
const DEEPEST: u8 = 8;

/// The objects of a container, in order, those inside constructed ones after them. Reading ends where the bytes make no
/// sense.
pub(super) fn objects(data: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    read(data, DEEPEST, &mut found);
    found
}

fn read<'a>(mut data: &'a [u8], deep: u8, found: &mut Vec<(u16, &'a [u8])>) {
    while let Some((tag, value, rest)) = object(data) {
        found.push((tag, value));
        let first = if tag > 0xFF { tag >> 8 } else { tag };
        if first & 0x20 != 0 && deep > 0 {
            read(value, deep - 1, found);
        }
        data = rest;
    }
}

/// The first object: tag of one byte, or of two if the low five bits of the first are set.
fn object(data: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (tag, rest) = match *data {
        [first, second, ref rest @ ..] if first & 0x1F == 0x1F => (u16::from_be_bytes([first, second]), rest),
        [first, ref rest @ ..] if first & 0x1F != 0x1F => (u16::from(first), rest),
        _ => return None,
    };
    let (head, n) = length(rest)?;
    Some((tag, rest.get(head..head + n)?, rest.get(head + n..)?))
}

/// Bytes that the length itself takes, and the length.
pub(super) fn length(data: &[u8]) -> Option<(usize, usize)> {
    Some(match *data.first()? {
        n @ 0..=0x7F => (1, usize::from(n)),
        0x81 => (2, usize::from(*data.get(1)?)),
        0x82 => (3, usize::from(u16::from_be_bytes([*data.get(1)?, *data.get(2)?]))),
        _ => return None,
    })
}

/// Writes an object. `value` has at most 65,535 bytes; what is beyond is cut.
pub fn write(out: &mut Vec<u8>, tag: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    if tag > 0xFF {
        out.push((tag >> 8) as u8);
    }
    out.push(tag as u8);
    match value.len() {
        n @ 0..=0x7F => out.push(n as u8),
        n @ 0x80..=0xFF => out.extend([0x81, n as u8]),
        n => {
            out.push(0x82);
            out.extend((n as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn objects_inside_objects_are_found_in_order() {
        // 25 (constructed) with two text lines, then 1F07.
        let data = [0x25, 7, 0x07, 2, b'a', b'b', 0x07, 1, b'c', 0x1F, 0x07, 1, 2];
        let found = objects(&data);
        assert_eq!(found[1..], [(0x07, &b"ab"[..]), (0x07, b"c"), (0x1F07, &[2])]);
        assert_eq!(found[0].0, 0x25);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tag in prop_oneof![Just(0x07u16), Just(0x45), Just(0x1F07)], value in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut out = vec![];
            write(&mut out, tag, &value);
            prop_assert_eq!(objects(&out), vec![(tag, &value[..])]);
        }

        #[test]
        fn any_bytes_end(data in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = objects(&data);
        }
    }
}
