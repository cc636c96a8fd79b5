//! libFuzzer's way into `read/qmp.rs`.
#![no_main]

#[path = "../read/qmp.rs"]
mod qmp;

libfuzzer_sys::fuzz_target!(|input: &[u8]| qmp::read(input));
