//! What the keyspaces of the log are called.

pub(super) const META: &str = "meta";
pub(super) const STEPS: &str = "steg";
pub(super) const PAYLOADS: &str = "payload";
pub(super) const KONTOER: &str = "konto";
pub(super) const ENTRIES: &str = "queue";
pub(super) const MELDINGER: &str = "melding";
pub(super) const SPORING: &str = "sporing";
pub(super) const IDS: &str = "melding_id";
pub(super) const BY_KONTO: &str = "konto_melding";
pub(super) const DEAD: &str = "dodko";

/// In the order in which they are made, so that in next to every log they have the numbers from 1 on.
pub(super) const NAMES: [&str; 10] =
    [META, STEPS, PAYLOADS, KONTOER, ENTRIES, MELDINGER, SPORING, IDS, BY_KONTO, DEAD];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::tests::{Place, store};

    /// One that is missing in a list would not be written out, given back or saved.
    #[test]
    fn all_keyspaces_of_a_log_are_known() {
        let folder = Place::new();
        let log = store(&folder, 3);
        let names: BTreeSet<_> = NAMES.into_iter().map(ToOwned::to_owned).collect();
        assert_eq!(names.len(), NAMES.len());
        let made: BTreeSet<_> = log.db.list_keyspace_names().iter().map(ToString::to_string).collect();
        assert_eq!(made, names);
        let held: BTreeSet<_> = log.keyspaces().iter().map(|keyspace| keyspace.name().to_string()).collect();
        assert_eq!(held, names);
    }
}
