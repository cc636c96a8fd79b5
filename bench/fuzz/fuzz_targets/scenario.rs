//! libFuzzer's way into `read/scenario.rs`.
#![no_main]

#[path = "../read/scenario.rs"]
mod scenario;

libfuzzer_sys::fuzz_target!(|input: &[u8]| scenario::read(input));
