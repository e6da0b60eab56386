//! A form of the send API, first byte the size of the pieces that it arrives in.

#![no_main]

use knutepunkt_api::fuzzing::read_form;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some((piece, bytes)) = input.split_first() {
        read_form(bytes, usize::from(*piece));
    }
});
