//! libFuzzer's way into `read/record.rs`.
#![no_main]

#[path = "../read/record.rs"]
mod record;

libfuzzer_sys::fuzz_target!(|input: &[u8]| record::read(input));
