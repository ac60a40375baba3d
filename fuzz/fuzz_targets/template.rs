//! libFuzzer's entry for `sealpost_fuzz::template`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: sealpost_fuzz::begin("template"), |data: &[u8]| sealpost_fuzz::template::run(data));
