//! libFuzzer's entry for `sealpost_fuzz::provider_yaml`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: sealpost_fuzz::begin("provider_yaml"), |data: &[u8]| sealpost_fuzz::provider_yaml::run(data));
