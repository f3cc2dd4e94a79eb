//! Codes of the guest's page: shown there as a QR code, read by a kiosk's scanner, and sent by it as `message` of
//! `POST /v1/visitors/resolve` together with the pseudonym that it has made of the code.
//!
//! A code is [`GUEST_CODE_PREFIX`] and upper-case hex digits, which a QR code holds in its smallest form and which no
//! keyboard layout of a scanner turns into others. What is in it only the backend reads.

/// How every code begins.
pub const GUEST_CODE_PREFIX: &str = "CEMG";
/// How long a code counts, milliseconds.
pub const GUEST_CODE_MS: i64 = 45_000;
/// How often the page shows another one, seconds.
pub const GUEST_CODE_ROTATES_S: u32 = 25;
/// `urn:cem:problem:code-refused`: the code is forged, too old, used before, or of somebody who is not known any more.
pub const CODE_REFUSED_PROBLEM: &str = "urn:cem:problem:code-refused";
