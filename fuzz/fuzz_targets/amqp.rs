//! One AMQP connection, from its first octet on. The first byte of the input says in what pieces the rest arrives.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((piece, bytes)) = data.split_first() {
        knutepunkt_amqp::fuzzing::feed(bytes, usize::from(*piece) + 1);
    }
});
