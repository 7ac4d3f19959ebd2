#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gridpass_tests::fuzz::messaging::bundle(data));
