//! libFuzzer's entry for `sealpost_fuzz::gateway_yaml`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: sealpost_fuzz::begin("gateway_yaml"), |data: &[u8]| sealpost_fuzz::gateway_yaml::run(data));
