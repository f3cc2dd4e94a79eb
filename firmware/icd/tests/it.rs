//! The protocol from outside: frozen bytes, noise, replays.
#![allow(clippy::unwrap_used)]

mod it {
    mod corpus;
    mod features;
    mod noise;
    mod session;
    mod version1;
}
