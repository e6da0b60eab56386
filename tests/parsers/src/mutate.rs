//! Mutations of a seed, the same for the same number: what a fuzzer does first, without one.

/// xorshift64*: small, fast, and good enough to choose bytes with.
struct Choices(u64);

impl Choices {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`, which is more than zero.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or_default()
    }
}

/// Bytes that parsers trip over: ends of ranges, lengths, separators.
const INTERESTING: &[&[u8]] = &[
    &[0],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff; 4],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0; 8],
    &[0xff; 8],
    &[0x80, 0, 0, 0],
    b"\r\n",
    b"\r\n\r\n",
    b"--",
    b"\"",
    b"\\u0000",
    b"1e999",
    b"-1",
    b"{",
    b"[",
    b"%00",
    b"&",
    b"=",
    b"-----BEGIN ",
];

/// Changes `seed` in one to four places.
pub fn mutate(seed: &[u8], number: u64) -> Vec<u8> {
    let mut choices = Choices(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut bytes = seed.to_vec();
    for _ in 0..=choices.below(4) {
        let at = choices.below(bytes.len() + 1);
        match choices.below(7) {
            0 => bytes.truncate(at),
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << choices.below(8);
                }
            }
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = choices.next().to_le_bytes()[0];
                }
            }
            3 => {
                let piece = INTERESTING[choices.below(INTERESTING.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            4 => {
                let piece = INTERESTING[choices.below(INTERESTING.len())];
                let end = (at + piece.len()).min(bytes.len());
                bytes.splice(at..end, piece.iter().copied());
            }
            5 => {
                let end = (at + choices.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + choices.below(64)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}
