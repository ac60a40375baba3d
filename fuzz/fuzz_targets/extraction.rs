//! libFuzzer's entry for `sealpost_fuzz::extraction`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: sealpost_fuzz::begin("extraction"), |data: &[u8]| sealpost_fuzz::extraction::run(data));
