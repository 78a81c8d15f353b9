#![no_main]

#[path = "../web.rs"]
#[allow(dead_code)]
mod web;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| web::http(bytes));
