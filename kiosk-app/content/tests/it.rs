//! Whole shops from files: the demo shop, broken ones, large ones, changing ones.
#![allow(clippy::unwrap_used)]

mod it {
    mod bad_input;
    mod changing;
    mod demo;
    mod shop_folder;
    mod size;
}
