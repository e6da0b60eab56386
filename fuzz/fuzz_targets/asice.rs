#![no_main]

use knutepunkt_parsers::{Target, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| read(Target::Asice, bytes));
