//! Marks and numbers of the zip format (PKWARE APPNOTE 6.3).

pub(crate) const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
pub(crate) const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
pub(crate) const CENTRAL_HEADER: [u8; 4] = *b"PK\x01\x02";
pub(crate) const ZIP64_END: [u8; 4] = *b"PK\x06\x06";
pub(crate) const ZIP64_LOCATOR: [u8; 4] = *b"PK\x06\x07";
pub(crate) const END: [u8; 4] = *b"PK\x05\x06";

pub(crate) const METHOD_STORE: u16 = 0;
pub(crate) const METHOD_DEFLATE: u16 = 8;

pub(crate) const FLAG_ENCRYPTED: u16 = 1;
/// Checksum and sizes stand behind the content.
pub(crate) const FLAG_DESCRIPTOR: u16 = 1 << 3;
/// The name is in UTF-8.
pub(crate) const FLAG_UTF8: u16 = 1 << 11;

pub(crate) const VERSION_DEFLATE: u16 = 20;
pub(crate) const VERSION_ZIP64: u16 = 45;

pub(crate) const ZIP64_EXTRA: u16 = 1;
