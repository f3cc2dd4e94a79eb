//! Ed25519 (RFC 8032): whether a program is signed. Verification only, so there is no secret that timing could betray, and
//! in the manner of TweetNaCl (Bernstein, van Gastel, Janssen, Lange, Schwabe, Smetsers, 2014): a tenth of the flash of a
//! library that is fast, and a third of a second once an update on a Cortex-M0+. Checked in its tests against ed25519-dalek.

use sha2::{Digest, Sha512};

/// True if `signature` over `message` was made by the holder of the key behind `public`. A scalar that is not reduced, a
/// key that is no point and a key of small order are refused.
pub fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let (mut r, mut s) = ([0; 32], [0; 32]);
    r.copy_from_slice(&signature[..32]);
    s.copy_from_slice(&signature[32..]);
    let Some(minus_a) = unpack_negated(public) else { return false };
    if !s.iter().rev().lt(ORDER.iter().rev()) || small_order(&minus_a) {
        return false;
    }
    let hash = Sha512::new().chain_update(r).chain_update(public).chain_update(message).finalize();
    let mut wide = [0; 64];
    wide.copy_from_slice(&hash);
    let h = reduce(&wide);
    // R = sB - hA
    pack(&double_scalar(&s, &base(), &h, &minus_a)) == r
}

/// A number modulo 2^255 - 19 in sixteen limbs of 16 bits, loosely reduced.
type Field = [i64; 16];

/// Extended coordinates X, Y, Z, T of twisted Edwards points.
type Point = [Field; 4];

const ZERO: Field = [0; 16];
const ONE: Field = small(1);

/// A constant as it lies in flash: a quarter of a [`Field`].
type Constant = [u16; 16];

fn wide(constant: &Constant) -> Field {
    constant.map(i64::from)
}

const fn small(n: i64) -> Field {
    let mut field = [0; 16];
    field[0] = n;
    field
}

const D: Constant = [
    0x78a3, 0x1359, 0x4dca, 0x75eb, 0xd8ab, 0x4141, 0x0a4d, 0x0070, 0xe898, 0x7779, 0x4079, 0x8cc7, 0xfe73, 0x2b6f, 0x6cee,
    0x5203,
];
const D2: Constant = [
    0xf159, 0x26b2, 0x9b94, 0xebd6, 0xb156, 0x8283, 0x149a, 0x00e0, 0xd130, 0xeef3, 0x80f2, 0x198e, 0xfce7, 0x56df, 0xd9dc,
    0x2406,
];
const X: Constant = [
    0xd51a, 0x8f25, 0x2d60, 0xc956, 0xa7b2, 0x9525, 0xc760, 0x692c, 0xdc5c, 0xfdd6, 0xe231, 0xc0a4, 0x53fe, 0xcd6e, 0x36d3,
    0x2169,
];
const Y: Constant = [
    0x6658, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666,
    0x6666,
];
/// The product of X and Y of the base point.
const XY: Constant = [
    0xdda3, 0xa5b7, 0x8ab3, 0x6dde, 0x52f5, 0x7751, 0x9f80, 0x20f0, 0xe37d, 0x64ab, 0x4e8e, 0x66ea, 0x7665, 0xd78b, 0x5f0f,
    0x6787,
];
/// A square root of -1.
const ROOT: Constant = [
    0xa0b0, 0x4a0e, 0x1b27, 0xc4ee, 0xe478, 0xad2f, 0x1806, 0x2f43, 0xd7a7, 0x3dfb, 0x0099, 0x2b4d, 0xdf0b, 0x4fc1, 0x2480,
    0x2b83,
];

fn base() -> Point {
    [wide(&X), wide(&Y), ONE, wide(&XY)]
}

/// The order of the base point, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0x10,
];

fn carry(o: &mut Field) {
    for i in 0..16 {
        o[i] += 1 << 16;
        let c = o[i] >> 16;
        if i < 15 {
            o[i + 1] += c - 1;
        } else {
            o[0] += 38 * (c - 1);
        }
        o[i] -= c << 16;
    }
}

fn plus(a: &Field, b: &Field) -> Field {
    core::array::from_fn(|i| a[i] + b[i])
}

fn minus(a: &Field, b: &Field) -> Field {
    core::array::from_fn(|i| a[i] - b[i])
}

fn times(a: &Field, b: &Field) -> Field {
    let mut wide = [0i64; 31];
    for (i, a) in a.iter().enumerate() {
        for (j, b) in b.iter().enumerate() {
            wide[i + j] += a * b;
        }
    }
    let mut o: Field = core::array::from_fn(|i| wide[i] + if i < 15 { 38 * wide[i + 16] } else { 0 });
    carry(&mut o);
    carry(&mut o);
    o
}

/// `a` to the power of 2^255 - 21, its inverse, or of 2^252 - 3: both are ones but for two bits.
fn power(a: &Field, bits: u8, zeros: [u8; 2]) -> Field {
    let mut c = *a;
    for bit in (0..bits).rev() {
        c = times(&c, &c);
        if !zeros.contains(&bit) {
            c = times(&c, a);
        }
    }
    c
}

fn inverse(a: &Field) -> Field {
    power(a, 254, [2, 4])
}

fn bytes(a: &Field) -> [u8; 32] {
    let mut t = *a;
    (0..3).for_each(|_| carry(&mut t));
    for _ in 0..2 {
        let mut m = ZERO;
        m[0] = t[0] - 0xffed;
        for i in 1..16 {
            m[i] = t[i] - if i < 15 { 0xffff } else { 0x7fff } - ((m[i - 1] >> 16) & 1);
            m[i - 1] &= 0xffff;
        }
        let borrowed = (m[15] >> 16) & 1 == 1;
        if !borrowed {
            t = m;
        }
    }
    core::array::from_fn(|i| (t[i / 2] >> (8 * (i % 2))) as u8)
}

fn field(bytes: &[u8; 32]) -> Field {
    let mut o = core::array::from_fn(|i| i64::from(bytes[2 * i]) | i64::from(bytes[2 * i + 1]) << 8);
    o[15] &= 0x7fff;
    o
}

fn add(p: &Point, q: &Point) -> Point {
    let a = times(&minus(&p[1], &p[0]), &minus(&q[1], &q[0]));
    let b = times(&plus(&p[0], &p[1]), &plus(&q[0], &q[1]));
    let c = times(&times(&p[3], &q[3]), &wide(&D2));
    let d = times(&p[2], &q[2]);
    let d = plus(&d, &d);
    let (e, f, g, h) = (minus(&b, &a), minus(&d, &c), plus(&d, &c), plus(&b, &a));
    [times(&e, &f), times(&h, &g), times(&g, &f), times(&e, &h)]
}

/// s P + t Q, both at once (Straus and Shamir).
fn double_scalar(s: &[u8; 32], p: &Point, t: &[u8; 32], q: &Point) -> Point {
    let both = add(p, q);
    let bit = |n: &[u8; 32], i: usize| n[i / 8] >> (i % 8) & 1 == 1;
    let mut o = [ZERO, ONE, ONE, ZERO];
    for i in (0..256).rev() {
        o = add(&o, &o);
        match (bit(s, i), bit(t, i)) {
            (true, true) => o = add(&o, &both),
            (true, false) => o = add(&o, p),
            (false, true) => o = add(&o, q),
            (false, false) => {}
        }
    }
    o
}

fn pack(p: &Point) -> [u8; 32] {
    let z = inverse(&p[2]);
    let mut out = bytes(&times(&p[1], &z));
    out[31] ^= (bytes(&times(&p[0], &z))[0] & 1) << 7;
    out
}

/// The point of which `packed` is the negative.
fn unpack_negated(packed: &[u8; 32]) -> Option<Point> {
    let y = field(packed);
    let y2 = times(&y, &y);
    let (num, den) = (minus(&y2, &ONE), plus(&ONE, &times(&y2, &wide(&D))));
    // x = num den^3 (num den^7)^((p - 5) / 8), or that times the root of -1.
    let den2 = times(&den, &den);
    let den4 = times(&den2, &den2);
    let num_den3 = times(&times(&den2, &den), &num);
    let mut x = times(&power(&times(&num_den3, &den4), 251, [1, 1]), &num_den3);
    let fits = |x: &Field| bytes(&times(&times(x, x), &den)) == bytes(&num);
    if !fits(&x) {
        x = times(&x, &wide(&ROOT));
    }
    if !fits(&x) {
        return None;
    }
    if bytes(&x)[0] & 1 == packed[31] >> 7 {
        x = minus(&ZERO, &x);
    }
    Some([x, y, ONE, times(&x, &y)])
}

/// Eight times the point is the neutral one.
fn small_order(p: &Point) -> bool {
    let eight = (0..3).fold(*p, |p, _| add(&p, &p));
    bytes(&eight[0]) == [0; 32]
}

/// A number of 512 bits modulo the order.
fn reduce(wide: &[u8; 64]) -> [u8; 32] {
    let mut x: [i64; 64] = core::array::from_fn(|i| wide[i].into());
    for i in (32..64).rev() {
        let mut c = 0;
        for j in i - 32..i - 12 {
            let order = ORDER.get(j - (i - 32)).copied().unwrap_or(0);
            x[j] += c - 16 * x[i] * i64::from(order);
            c = (x[j] + 128) >> 8;
            x[j] -= c << 8;
        }
        x[i - 12] += c;
        x[i] = 0;
    }
    let mut c = 0;
    for j in 0..32 {
        x[j] += c - (x[31] >> 4) * i64::from(ORDER[j]);
        c = x[j] >> 8;
        x[j] &= 255;
    }
    for j in 0..32 {
        x[j] -= c * i64::from(ORDER[j]);
    }
    for i in 0..32 {
        x[i + 1] += x[i] >> 8;
    }
    core::array::from_fn(|i| x[i] as u8)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_a_library_signs_is_accepted_and_one_bit_off_is_not(
            seed in any::<[u8; 32]>(), message in proptest::collection::vec(any::<u8>(), 0..300), bit in 0usize..(96 * 8),
        ) {
            let key = SigningKey::from_bytes(&seed);
            let (public, signature) = (key.verifying_key().to_bytes(), key.sign(&message).to_bytes());
            prop_assert!(verify(&public, &message, &signature));
            let (mut other_public, mut other_signature) = (public, signature);
            match bit / 8 {
                byte @ 0..32 => other_public[byte] ^= 1 << (bit % 8),
                byte => other_signature[byte - 32] ^= 1 << (bit % 8),
            }
            prop_assert!(!verify(&other_public, &message, &other_signature));
            let mut other: Vec<u8> = message.clone();
            other.push(0);
            prop_assert!(!verify(&public, &other, &signature));
        }

        #[test]
        fn it_agrees_with_the_library_on_rubbish(
            public in any::<[u8; 32]>(), r in any::<[u8; 32]>(), s in any::<[u8; 32]>(), small in any::<bool>(),
        ) {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&r);
            signature[32..].copy_from_slice(&s);
            if small {
                signature[63] &= 0x0f;
            }
            let theirs = ed25519_dalek::VerifyingKey::from_bytes(&public)
                .is_ok_and(|key| key.verify_strict(b"m", &ed25519_dalek::Signature::from_bytes(&signature)).is_ok());
            prop_assert_eq!(verify(&public, b"m", &signature), theirs);
        }
    }

    #[test]
    fn a_scalar_with_the_order_added_is_refused() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let mut signature = key.sign(b"program").to_bytes();
        let mut c = 0;
        for (s, order) in signature[32..].iter_mut().zip(ORDER) {
            c += u16::from(*s) + u16::from(order);
            (*s, c) = (c as u8, c >> 8);
        }
        assert!(!verify(&key.verifying_key().to_bytes(), b"program", &signature));
    }

    #[test]
    fn a_key_of_small_order_signs_nothing() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&neutral);
        assert!(!verify(&neutral, b"anything", &signature));
    }
}
