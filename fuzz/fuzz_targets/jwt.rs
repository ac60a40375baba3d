//! libFuzzer's entry for `sealpost_fuzz::jwt`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: sealpost_fuzz::begin("jwt"), |data: &[u8]| sealpost_fuzz::jwt::run(data));
