//! The board from outside: bytes and levels in, bytes and pins out.
#![allow(clippy::unwrap_used)]

mod it {
    mod bench;
    mod board;
    mod noise;
}
