//! libFuzzer's entry for `sealpost_fuzz::target`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: sealpost_fuzz::begin("target"), |data: &[u8]| sealpost_fuzz::target::run(data));
