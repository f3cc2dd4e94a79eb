//! The protocol from outside: frozen bytes, noise, replays.
#![allow(clippy::unwrap_used)]

mod it {
    mod features;
    mod noise;
    mod session;
    mod version1;
}
