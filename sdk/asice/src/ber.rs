//! The part of ASN.1 that CMS needs: a tolerant BER reader over slices and a DER writer.
//!
//! X.690. Tags of one byte only: CMS uses no others.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::Error;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OCTET_STRING_CONSTRUCTED: u8 = 0x24;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
/// `[0]`, primitive.
pub(crate) const CONTEXT_0: u8 = 0x80;
/// `[0]`, constructed.
pub(crate) const CONTEXT_0_CONSTRUCTED: u8 = 0xA0;
/// `[1]`, constructed.
pub(crate) const CONTEXT_1_CONSTRUCTED: u8 = 0xA1;
/// `[2]`, constructed.
pub(crate) const CONTEXT_2_CONSTRUCTED: u8 = 0xA2;

/// Deepest nesting that is followed. CMS with its certificates needs about ten.
pub(crate) const MAX_DEPTH: u8 = 24;

const CONSTRUCTED: u8 = 0x20;
const LONG_TAG: u8 = 0x1F;

/// One value with its tag.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    /// What stands between the length and the end.
    pub(crate) content: &'a [u8],
    /// Tag, length, content and, for indefinite length, the end mark.
    pub(crate) raw: &'a [u8],
    pub(crate) indefinite: bool,
}

impl<'a> Element<'a> {
    /// The values inside a constructed one.
    pub(crate) fn children(&self) -> Parser<'a> {
        Parser::new(self.content)
    }

    /// The bytes of an OCTET STRING that may be cut into pieces.
    pub(crate) fn octets(&self) -> Result<Cow<'a, [u8]>, Error> {
        if self.tag & CONSTRUCTED == 0 {
            return Ok(Cow::Borrowed(self.content));
        }
        let mut whole = Vec::new();
        collect_octets(self.content, MAX_DEPTH, &mut whole)?;
        Ok(Cow::Owned(whole))
    }
}

fn collect_octets(content: &[u8], depth: u8, whole: &mut Vec<u8>) -> Result<(), Error> {
    let depth = depth.checked_sub(1).ok_or(Error::MalformedCms("nested too deeply"))?;
    let mut pieces = Parser::new(content);
    while let Some(piece) = pieces.next()? {
        match piece.tag {
            OCTET_STRING => whole.extend_from_slice(piece.content),
            OCTET_STRING_CONSTRUCTED => collect_octets(piece.content, depth, whole)?,
            _ => return Err(Error::MalformedCms("octet string of other pieces")),
        }
    }
    Ok(())
}

/// Takes one value after another from a slice.
#[derive(Debug, Clone)]
pub(crate) struct Parser<'a> {
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Element<'a>>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (element, rest) = split(self.rest, MAX_DEPTH)?;
        self.rest = rest;
        Ok(Some(element))
    }

    /// The next value, which must have `tag`; `what` names it in the error.
    pub(crate) fn expect(&mut self, tag: u8, what: &'static str) -> Result<Element<'a>, Error> {
        self.next()?.filter(|element| element.tag == tag).ok_or(Error::MalformedCms(what))
    }

    /// The next value if it has `tag`.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Error> {
        if self.rest.first() == Some(&tag) { self.next() } else { Ok(None) }
    }
}

const TOO_SHORT: Error = Error::MalformedCms("value longer than what holds it");

fn split(bytes: &[u8], depth: u8) -> Result<(Element<'_>, &[u8]), Error> {
    let depth = depth.checked_sub(1).ok_or(Error::MalformedCms("nested too deeply"))?;
    let (&tag, rest) = bytes.split_first().ok_or(TOO_SHORT)?;
    if tag & LONG_TAG == LONG_TAG {
        return Err(Error::MalformedCms("tag of several bytes"));
    }
    let (&first, rest) = rest.split_first().ok_or(TOO_SHORT)?;
    if first == 0x80 {
        if tag & CONSTRUCTED == 0 {
            return Err(Error::MalformedCms("primitive value of indefinite length"));
        }
        let mut inner = rest;
        loop {
            if let Some(after) = inner.strip_prefix(&[0, 0]) {
                let content = rest.get(..rest.len() - inner.len()).ok_or(TOO_SHORT)?;
                let raw = bytes.get(..bytes.len() - after.len()).ok_or(TOO_SHORT)?;
                return Ok((Element { tag, content, raw, indefinite: true }, after));
            }
            (_, inner) = split(inner, depth)?;
        }
    }
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7F);
        if count > 8 {
            return Err(Error::MalformedCms("length of more than eight bytes"));
        }
        let digits = rest.get(..count).ok_or(TOO_SHORT)?;
        let length = digits.iter().fold(0u64, |sum, &digit| sum << 8 | u64::from(digit));
        (usize::try_from(length).map_err(|_| TOO_SHORT)?, rest.get(count..).ok_or(TOO_SHORT)?)
    };
    let content = rest.get(..length).ok_or(TOO_SHORT)?;
    let after = rest.get(length..).ok_or(TOO_SHORT)?;
    let raw = bytes.get(..bytes.len() - after.len()).ok_or(TOO_SHORT)?;
    Ok((Element { tag, content, raw, indefinite: false }, after))
}

/// Tag and definite length.
pub(crate) fn header(tag: u8, length: usize) -> Vec<u8> {
    let mut out = vec![tag];
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        out.push(short);
    } else {
        let digits = length.to_be_bytes();
        let digits: Vec<u8> = digits.into_iter().skip_while(|&digit| digit == 0).collect();
        out.push(0x80 | u8::try_from(digits.len()).expect("a length has at most eight bytes"));
        out.extend_from_slice(&digits);
    }
    out
}

/// A value in DER.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = header(tag, content.len());
    out.extend_from_slice(content);
    out
}

/// A value in DER that holds `parts` one after another.
pub(crate) fn constructed(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    tlv(tag, &parts.concat())
}

/// AlgorithmIdentifier with NULL parameters.
pub(crate) fn algorithm_null(oid: &[u8]) -> Vec<u8> {
    constructed(SEQUENCE, &[&tlv(OID, oid), &[0x05, 0x00]])
}

/// Dotted form of an object identifier's content bytes, for error texts.
pub(crate) fn dotted(oid: &[u8]) -> String {
    let mut text = String::new();
    let mut value = 0u64;
    for &byte in oid.iter().take(64) {
        value = (value << 7) | u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            if text.is_empty() {
                let first = (value / 40).min(2);
                let _ = write!(text, "{first}.{}", value - first * 40);
            } else {
                let _ = write!(text, ".{value}");
            }
            value = 0;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn indefinite_length_ends_at_its_own_mark() {
        let bytes = [0x30, 0x80, 0x30, 0x80, 0x04, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x00];
        let mut parser = Parser::new(&bytes);
        let outer = parser.next().unwrap().unwrap();
        assert!(outer.indefinite);
        assert_eq!(outer.raw.len(), 12);
        let inner = outer.children().next().unwrap().unwrap();
        assert_eq!(inner.content, &[0x04, 0x02, 0x00, 0x00]);
        assert_eq!(parser.next().unwrap().unwrap().raw, &[0x05, 0x00]);
    }

    #[test]
    fn a_string_in_pieces_is_put_together() {
        let bytes = [0x24, 0x80, 0x04, 0x01, b'a', 0x24, 0x03, 0x04, 0x01, b'b', 0x00, 0x00];
        let element = Parser::new(&bytes).next().unwrap().unwrap();
        assert_eq!(&*element.octets().unwrap(), b"ab");
    }

    #[test]
    fn nesting_is_bounded() {
        let bytes = [0x30, 0x80].repeat(100);
        assert!(matches!(Parser::new(&bytes).next(), Err(Error::MalformedCms("nested too deeply"))));
    }

    #[test]
    fn lengths_are_written_short_or_long() {
        assert_eq!(header(4, 127), [4, 127]);
        assert_eq!(header(4, 128), [4, 0x81, 128]);
        assert_eq!(header(4, 65_536), [4, 0x83, 1, 0, 0]);
    }

    #[test]
    fn identifiers_are_shown_dotted() {
        assert_eq!(dotted(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x03]), "1.2.840.113549.1.7.3");
        assert_eq!(dotted(&[0x60, 0x86, 0x48, 0x01]), "2.16.840.1");
    }

    proptest! {
        #[test]
        fn written_values_are_read_back(tag in 0u8..0x1F, content in proptest::collection::vec(any::<u8>(), 0..400)) {
            let bytes = tlv(tag, &content);
            let element = Parser::new(&bytes).next().unwrap().unwrap();
            prop_assert_eq!(element.tag, tag);
            prop_assert_eq!(element.content, &content[..]);
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut parser = Parser::new(&bytes);
            while let Ok(Some(element)) = parser.next() {
                let _ = element.octets();
                let _ = dotted(element.content);
            }
        }
    }
}
