//! Time as an argument. Time-outs are measured by `mono_ms`, windows (dayparts, business date) by `utc_ms`.

/// How far [`Now::utc_ms`] can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockQuality {
    /// Set by an authenticated source since boot.
    Synced,
    /// Derived from a stored floor or an unauthenticated source.
    Estimated,
    /// Nobody knows: a board without a real-time clock that has not been told.
    Unset,
}

/// The time at which an input is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since boot; never goes back.
    pub mono_ms: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z, `None` while the clock is unset.
    pub utc_ms: Option<i64>,
    /// Local offset from UTC in minutes, east positive.
    pub offset_min: i16,
    /// How far `utc_ms` can be trusted.
    pub quality: ClockQuality,
}
