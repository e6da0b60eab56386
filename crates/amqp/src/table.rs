//! Looks through field tables before the real parser does.
//!
//! The parser of `amq-protocol` recurses for each table in a table and allocates for each entry, both without limit. This
//! pass allocates nothing and goes no deeper than [`MAX_DEPTH`], so what comes after it is bounded.
#![deny(clippy::indexing_slicing)]

/// Tables and arrays within each other. The clients that were looked at use two.
pub(crate) const MAX_DEPTH: usize = 8;
/// Entries of all tables and arrays of a method together. The clients that were looked at use less than 20.
pub(crate) const MAX_ENTRIES: usize = 512;

/// What stands in a method's arguments up to its table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field {
    /// Two octets.
    Short,
    /// One octet of flags.
    Bits,
    /// A text of at most 255 bytes.
    ShortStr,
    /// A field table.
    Table,
}

/// Checks `arguments`, which start with `fields`; what follows them is not looked at.
pub(crate) fn check(arguments: &[u8], fields: &[Field]) -> Result<(), &'static str> {
    let mut scan = Scan { rest: arguments, entries: 0 };
    for field in fields {
        match field {
            Field::Short => scan.skip(2)?,
            Field::Bits => scan.skip(1)?,
            Field::ShortStr => scan.short_str()?,
            Field::Table => scan.table(1)?,
        }
    }
    Ok(())
}

struct Scan<'a> {
    rest: &'a [u8],
    entries: usize,
}

impl<'a> Scan<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("arguments are cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<(), &'static str> {
        self.take(count).map(drop)
    }

    fn octet(&mut self) -> Result<u8, &'static str> {
        let (octet, rest) = self.rest.split_first().ok_or("arguments are cut short")?;
        self.rest = rest;
        Ok(*octet)
    }

    fn long_len(&mut self) -> Result<usize, &'static str> {
        let (len, rest) = self.rest.split_first_chunk().ok_or("arguments are cut short")?;
        self.rest = rest;
        usize::try_from(u32::from_be_bytes(*len)).map_err(|_| "a length is out of range")
    }

    fn short_str(&mut self) -> Result<(), &'static str> {
        let len = self.octet()?;
        self.skip(usize::from(len))
    }

    fn table(&mut self, depth: usize) -> Result<(), &'static str> {
        self.nested(depth, |inner| {
            inner.short_str()?;
            inner.value(depth)
        })
    }

    fn array(&mut self, depth: usize) -> Result<(), &'static str> {
        self.nested(depth, |inner| inner.value(depth))
    }

    fn nested(
        &mut self,
        depth: usize,
        mut entry: impl FnMut(&mut Self) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        if depth > MAX_DEPTH {
            return Err("a table is nested too deeply");
        }
        let len = self.long_len()?;
        let mut inner = Self { rest: self.take(len)?, entries: self.entries };
        while !inner.rest.is_empty() {
            inner.entries += 1;
            if inner.entries > MAX_ENTRIES {
                return Err("tables have too many entries");
            }
            entry(&mut inner)?;
        }
        self.entries = inner.entries;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), &'static str> {
        match self.octet()? {
            b'V' => Ok(()),
            b't' | b'b' | b'B' => self.skip(1),
            b's' | b'u' | b'U' => self.skip(2),
            b'I' | b'i' | b'f' => self.skip(4),
            b'D' => self.skip(5),
            b'l' | b'L' | b'd' | b'T' => self.skip(8),
            b'S' | b'x' => {
                let len = self.long_len()?;
                self.skip(len)
            }
            b'A' => self.array(depth + 1),
            b'F' => self.table(depth + 1),
            _ => Err("a table holds a value of unknown type"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        let mut table = Vec::new();
        for level in 0..depth {
            let mut outer = Vec::new();
            if level > 0 {
                outer.extend_from_slice(b"\x01aF");
                outer.extend_from_slice(&table);
            }
            table = u32::try_from(outer.len()).unwrap().to_be_bytes().to_vec();
            table.extend_from_slice(&outer);
        }
        table
    }

    #[test]
    fn table_within_the_limit_of_depth_passes_and_one_more_is_refused() {
        assert_eq!(check(&nested(MAX_DEPTH), &[Field::Table]), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1), &[Field::Table]), Err("a table is nested too deeply"));
        assert_eq!(check(&nested(10_000), &[Field::Table]), Err("a table is nested too deeply"));
    }

    #[test]
    fn array_of_endless_voids_is_refused() {
        let mut table = b"\x01aA".to_vec();
        table.extend_from_slice(&600_u32.to_be_bytes());
        table.extend_from_slice(&[b'V'; 600]);
        let mut bytes = u32::try_from(table.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(&table);
        assert_eq!(check(&bytes, &[Field::Table]), Err("tables have too many entries"));
    }

    #[test]
    fn length_beyond_the_arguments_is_refused() {
        assert_eq!(check(&u32::MAX.to_be_bytes(), &[Field::Table]), Err("arguments are cut short"));
        assert_eq!(
            check(b"\0\0\0\x07\x01aS\xff\xff\xff\xff", &[Field::Table]),
            Err("arguments are cut short")
        );
    }

    #[test]
    fn every_type_letter_of_the_rabbitmq_dialect_passes() {
        let mut table = Vec::new();
        for (letter, len) in [
            (b't', 1),
            (b'b', 1),
            (b'B', 1),
            (b's', 2),
            (b'u', 2),
            (b'I', 4),
            (b'i', 4),
            (b'l', 8),
            (b'L', 8),
            (b'f', 4),
        ]
        .into_iter()
        .chain([
            (b'd', 8),
            (b'D', 5),
            (b'S', 4),
            (b'A', 4),
            (b'T', 8),
            (b'F', 4),
            (b'V', 0),
            (b'x', 4),
        ]) {
            table.extend_from_slice(&[1, b'k', letter]);
            table.extend(std::iter::repeat_n(0, len));
        }
        let mut bytes = u32::try_from(table.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(&table);
        assert_eq!(check(&bytes, &[Field::Table]), Ok(()));
    }
}
