//! Each adapter of kiosk-devices against its simulator, over the real channel.
#![allow(clippy::unwrap_used)]

mod it {
    mod all;
    mod board;
    mod fiscal;
    mod issue;
    mod link;
    mod money;
    mod paper;
    mod printer;
    mod program;
    mod terminal;
}
