//! Fuzzes one of the parsers; see parsers.rs.

#![no_main]

#[path = "../parsers.rs"]
#[allow(dead_code)]
mod parsers;

#[path = "../../integration/support/sim_disk.rs"]
#[allow(dead_code)]
mod sim_disk;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parsers::chain_page(bytes));
