#![no_main]

libfuzzer_sys::fuzz_target!(|line: &[u8]| peripheral_icd_fuzz::frames(line));
