//! Names in a data folder, most of which a backup uses, too.

/// The queue log.
pub(crate) const LOG: &str = "ko";
/// What was promised by the queue log.
pub(crate) const WITNESS: &str = "ko.vitne";
/// Whose the queue log is, and how far the registry had come.
pub(crate) const MARK: &str = "ko.installasjon";
/// The key of passwords and persons.
pub(crate) const KEY: &str = "passord.key";
/// Dokumentlager.
pub(crate) const PAYLOADS: &str = "dokumentlager";
/// A registry that lies in the data folder.
pub(crate) const SQLITE: &str = "register.sqlite";
