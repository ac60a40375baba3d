//! libFuzzer's entry for `sealpost_fuzz::signature_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: sealpost_fuzz::begin("signature_text"), |data: &[u8]| sealpost_fuzz::signature_text::run(data));
