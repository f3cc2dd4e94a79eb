//! Identifiers made inside the core: 128-bit UUIDv7 values from [`crate::Now`] and a seeded generator.

/// A UUIDv7 as 16 bytes, big-endian (RFC 9562). Made once, kept for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);
