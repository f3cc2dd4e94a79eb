//! Bounds of the wire. Both ends hold to them; the backend refuses what is beyond.

/// Events in one batch.
pub const BATCH_EVENTS: usize = 1_000;
/// Bytes of one event as JSON.
pub const EVENT_BYTES: usize = 32 * 1024;
/// Bytes of a request body after decompression.
pub const BODY_BYTES: usize = 2 * 1024 * 1024;
/// Entries of one page of a list.
pub const PAGE: usize = 500;
/// Days for which a device keeps acknowledged events, so that they can be sent again.
pub const RETENTION_DAYS: u32 = 35;
/// Tokens in one request to resolve.
pub const RESOLVE_TOKENS: usize = 16;
/// Bytes of the history inside a signed profile.
pub const HISTORY_BYTES: usize = 2 * 1024;
