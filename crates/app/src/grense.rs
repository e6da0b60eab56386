//! The limits that keep one caller from taking what belongs to all.

use std::fmt;

use crate::error::Error;

macro_rules! grenser {
    ($($(#[doc = $doc:literal])+ $variant:ident = $key:literal, $default:literal;)+) => {
        /// A limit that a caller can meet. Each is a key of the configuration.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Grense {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Grense {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The key of the configuration that sets it.
            pub const fn nokkel(self) -> &'static str {
                match self { $(Self::$variant => concat!("grenser.", $key),)+ }
            }

            /// What it is where nobody configures anything: such that no honest client meets it.
            pub const fn default(self) -> u64 {
                match self { $(Self::$variant => $default,)+ }
            }
        }
    };
}

grenser! {
    /// Failed log-ins a second from one address.
    KallPerAdresse = "kall_per_adresse", 50;
    /// Requests a second of one integrasjon.
    KallPerIntegrasjon = "kall_per_integrasjon", 5_000;
    /// Requests a second of all integrasjoner of one organisasjon.
    KallPerOrganisasjon = "kall_per_organisasjon", 10_000;
    /// Requests of one organisasjon that are being answered.
    SamtidigeKallPerOrganisasjon = "samtidige_kall_per_organisasjon", 0;
    /// AMQP connections of one integrasjon.
    TilkoblingerPerIntegrasjon = "tilkoblinger_per_integrasjon", 2_000;
    /// AMQP connections of one organisasjon.
    TilkoblingerPerOrganisasjon = "tilkoblinger_per_organisasjon", 5_000;
    /// AMQP channels of one integrasjon.
    KanalerPerIntegrasjon = "kanaler_per_integrasjon", 10_000;
    /// AMQP channels of one organisasjon.
    KanalerPerOrganisasjon = "kanaler_per_organisasjon", 20_000;
    /// Consumers of one integrasjon.
    KonsumenterPerIntegrasjon = "konsumenter_per_integrasjon", 10_000;
    /// Consumers of one organisasjon.
    KonsumenterPerOrganisasjon = "konsumenter_per_organisasjon", 20_000;
    /// Meldinger that all consumers of one organisasjon may hold together without having settled them.
    UbekreftedePerOrganisasjon = "ubekreftede_per_organisasjon", 1_000_000;
    /// Bytes of memory for channels and consumers of all organisasjoner; 0 where they have no bound.
    MinneBytesForKanaler = "minne_bytes_for_kanaler", 0;
    /// Bytes of payloads in memory on their way in, and as many on their way out.
    MinneBytes = "minne_bytes", 0;
    /// Of those, for one organisasjon.
    MinneBytesPerOrganisasjon = "minne_bytes_per_organisasjon", 0;
    /// Bytes that one organisasjon has sent and that are still kept; 0 where it has no bound.
    SendteBytesPerOrganisasjon = "sendte_bytes_per_organisasjon", 0;
    /// Bytes that are kept for one organisasjon to fetch; 0 where it has no bound.
    MottatteBytesPerOrganisasjon = "mottatte_bytes_per_organisasjon", 0;
    /// Bytes that wait on queues, dead letters included, of what one organisasjon has sent; 0 where it has no bound.
    SendteBytesIKoPerOrganisasjon = "sendte_bytes_i_ko_per_organisasjon", 0;
    /// Bytes that wait on queues, dead letters included, for one organisasjon; 0 where it has no bound.
    MottatteBytesIKoPerOrganisasjon = "mottatte_bytes_i_ko_per_organisasjon", 0;
    /// Bytes of sporing that meldinger of one organisasjon leave behind; 0 where it has no bound.
    SporingBytesPerOrganisasjon = "sporing_bytes_per_organisasjon", 0;
    /// Svar to one melding.
    SvarPerMelding = "svar_per_melding", 1_000;
    /// Versions of the public key of one Konto that are kept.
    NoklerPerKonto = "nokler_per_konto", 100;
    /// Parter of one Konto.
    ParterPerKonto = "parter_per_konto", 100;
    /// Tilganger to one Konto.
    TilgangerPerKonto = "tilganger_per_konto", 10_000;
    /// Tilganger of one System; half of them may be given without being asked for.
    TilgangerPerSystem = "tilganger_per_system", 5_000;
    /// Forespørsler of one System that wait for an answer.
    ForesporslerPerSystem = "foresporsler_per_system", 5_000;
    /// Kontoer of one System.
    KontoerPerSystem = "kontoer_per_system", 5_000;
    /// Integrasjoner of one System.
    IntegrasjonerPerSystem = "integrasjoner_per_system", 100;
    /// E-mail addresses of one System.
    EposterPerSystem = "eposter_per_system", 50;
    /// Systemer of one organisasjon.
    SystemerPerOrganisasjon = "systemer_per_organisasjon", 1_000;
    /// Changes an hour that one organisasjon makes, of all that stands in the log of hendelser.
    EndringerPerOrganisasjon = "endringer_per_organisasjon", 2_000;
    /// Sessions of one person in the portal. Nobody is refused for it: the oldest ends.
    SesjonerPerPerson = "sesjoner_per_person", 20;
}

impl fmt::Display for Grense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.nokkel())
    }
}

/// What each limit is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grenser(Vec<u64>);

impl Default for Grenser {
    fn default() -> Self {
        Self(Grense::ALL.iter().map(|grense| grense.default()).collect())
    }
}

impl Grenser {
    /// The value of one.
    pub fn get(&self, grense: Grense) -> u64 {
        self.0.get(grense as usize).copied().unwrap_or_else(|| grense.default())
    }

    /// The value of one of which 0 means that there is no bound.
    pub(crate) fn bound(&self, grense: Grense) -> u64 {
        match self.get(grense) {
            0 => u64::MAX,
            bound => bound,
        }
    }

    /// The same with another value for one.
    #[must_use]
    pub fn with(mut self, grense: Grense, value: u64) -> Self {
        if let Some(slot) = self.0.get_mut(grense as usize) {
            *slot = value;
        }
        self
    }

    /// Whether one more fits where there are `present` already.
    ///
    /// # Errors
    /// [`Error::QuotaFull`].
    pub(crate) fn one_more(&self, grense: Grense, present: u64) -> Result<(), Error> {
        self.fits(grense, present.saturating_add(1))
    }

    /// Whether there may be `count` where there were `before`. What is above a limit that was lowered since may stay.
    ///
    /// # Errors
    /// [`Error::QuotaFull`].
    pub(crate) fn grows_to(&self, grense: Grense, before: usize, count: usize) -> Result<(), Error> {
        if count <= before { Ok(()) } else { self.fits(grense, count as u64) }
    }

    /// Whether there may be `count`.
    ///
    /// # Errors
    /// [`Error::QuotaFull`].
    pub(crate) fn fits(&self, grense: Grense, count: u64) -> Result<(), Error> {
        let limit = self.get(grense);
        if count <= limit { Ok(()) } else { Err(Error::QuotaFull { what: grense, limit }) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_limit_has_a_key_and_a_place_of_its_own() {
        let keys: BTreeSet<_> = Grense::ALL.iter().map(|grense| grense.nokkel()).collect();
        assert_eq!(keys.len(), Grense::ALL.len());
        for &grense in Grense::ALL {
            let grenser = Grenser::default().with(grense, 7);
            for &other in Grense::ALL {
                assert_eq!(grenser.get(other), if other == grense { 7 } else { other.default() });
            }
        }
    }

    #[test]
    fn as_many_as_the_limit_fit_and_not_one_more() {
        let grenser = Grenser::default().with(Grense::NoklerPerKonto, 2);
        assert!(grenser.one_more(Grense::NoklerPerKonto, 1).is_ok());
        let refused = grenser.one_more(Grense::NoklerPerKonto, 2);
        assert!(matches!(refused, Err(Error::QuotaFull { what: Grense::NoklerPerKonto, limit: 2 })));
        assert!(grenser.grows_to(Grense::NoklerPerKonto, 0, 2).is_ok());
        assert!(grenser.grows_to(Grense::NoklerPerKonto, 2, 3).is_err());
        assert!(grenser.grows_to(Grense::NoklerPerKonto, 3, 3).is_ok(), "it does not grow");
    }
}
