//! A buffered source with look-ahead and a position, under both pull parsers.

use std::io::{self, BufRead, Read};

use crate::Error;

const BUFFER_BYTES: usize = 64 * 1024;

/// Reads ahead in `inner` and counts what was consumed.
pub(crate) struct Source<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    position: u64,
}

impl<R: Read> Source<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, position: 0 }
    }

    /// Bytes consumed so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    fn buffered(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// The next `count` bytes without consuming them; fewer only at the end of the input. `count` is at most
    /// [`BUFFER_BYTES`].
    pub(crate) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.end - self.start < count {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            while self.end < count {
                let free = self.buffer.get_mut(self.end..).unwrap_or_default();
                match self.inner.read(free) {
                    Ok(0) => break,
                    Ok(read) => self.end += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let buffered = self.buffered();
        Ok(buffered.get(..count).unwrap_or(buffered))
    }

    /// The next `N` bytes.
    pub(crate) fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The next `count` bytes. Memory grows with what arrives, not with what `count` claims.
    pub(crate) fn take_vec(&mut self, count: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        if Read::take(&mut *self, count).read_to_end(&mut bytes)? as u64 == count {
            Ok(bytes)
        } else {
            Err(Error::Truncated)
        }
    }

    /// Reads past the next `count` bytes.
    pub(crate) fn skip(&mut self, mut count: u64) -> Result<(), Error> {
        while count > 0 {
            let available = self.fill_buf()?.len();
            if available == 0 {
                return Err(Error::Truncated);
            }
            let step = available.min(usize::try_from(count).unwrap_or(usize::MAX));
            self.consume(step);
            count -= step as u64;
        }
        Ok(())
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.end = loop {
                match self.inner.read(&mut self.buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
        }
        Ok(self.buffered())
    }

    fn consume(&mut self, amount: usize) {
        let amount = amount.min(self.end - self.start);
        self.start += amount;
        self.position += amount as u64;
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peek_does_not_consume_and_stops_at_the_end() {
        let mut source = Source::new(&b"abcdef"[..]);
        assert_eq!(source.peek(4).unwrap(), b"abcd");
        assert_eq!(source.position(), 0);
        assert_eq!(source.take_array::<2>().unwrap(), *b"ab");
        assert_eq!(source.peek(10).unwrap(), b"cdef");
        source.skip(3).unwrap();
        assert_eq!(source.position(), 5);
        assert!(matches!(source.take_array::<2>(), Err(Error::Truncated)));
    }

    #[test]
    fn a_claimed_length_beyond_the_input_is_truncation() {
        assert!(matches!(Source::new(&b"abc"[..]).take_vec(u64::MAX), Err(Error::Truncated)));
        assert!(matches!(Source::new(&b"abc"[..]).skip(4), Err(Error::Truncated)));
    }
}
