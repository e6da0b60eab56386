//! The name of a Konto's queue, which is also the routing key of each delivery from it.
//!
//! Source: observed in fiks-io-klient-java, which strips the prefix and reads the rest as a UUID.

use crate::id::KontoId;

/// What stands before the kontoId.
pub const PREFIX: &str = "fiksio.konto.";

/// The queue of `konto`: `fiksio.konto.<uuid>`.
pub fn queue_name(konto: KontoId) -> String {
    format!("{PREFIX}{konto}")
}

/// The Konto whose queue `name` is, or `None` if it is not the name of any.
///
/// Only the lower-case hyphenated form is a queue name: queue names are compared byte by byte.
pub fn konto_of_queue(name: &str) -> Option<KontoId> {
    let konto = name.strip_prefix(PREFIX)?.parse().ok()?;
    (queue_name(konto) == name).then_some(konto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_name_round_trips() {
        let konto = "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1".parse().unwrap();
        assert_eq!(queue_name(konto), "fiksio.konto.5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1");
        assert_eq!(konto_of_queue(&queue_name(konto)), Some(konto));
    }

    #[test]
    fn other_spellings_are_no_queue_name() {
        for name in [
            "fiksio.konto.",
            "fiksio.konto.5C6EBC4E-5B3C-4CEA-8C54-2E1F0F0AA0C1",
            "fiksio.konto.5c6ebc4e5b3c4cea8c542e1f0f0aa0c1",
            "konto.5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1",
        ] {
            assert_eq!(konto_of_queue(name), None, "{name}");
        }
    }
}
