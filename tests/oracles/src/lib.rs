//! Other people's readings of what this project implements, held against ours: two that were written apart from each other
//! and agree are seldom wrong in the same place.
//!
//! | Here | Oracle | What it knows |
//! |---|---|---|
//! | ZVT codec of `kiosk-devices` | crate `zvt` 0.1 | `04 0F`, `04 FF`, `05 01`, `06 00`, `06 0F`, `06 1E`, `06 50`, `06 D1`; it has no `06 01`, `06 20`, `06 30`, `06 31`, `06 B0` |
//!
//! Each oracle is asked with random values, in both directions where both can write.

#[cfg(test)]
mod payment_terminal;
