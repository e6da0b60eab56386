//! The limits that keep one caller from taking what belongs to all.

use std::fmt;

macro_rules! grenser {
    ($($(#[doc = $doc:literal])+ $variant:ident = $key:literal;)+) => {
        /// A limit that a caller can meet. Each is a key of the configuration.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Grense {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Grense {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The key of the configuration that sets it.
            pub fn nokkel(self) -> &'static str {
                match self { $(Self::$variant => concat!("grenser.", $key),)+ }
            }
        }
    };
}

grenser! {
    /// Connections of one address that are not logged in.
    UinnloggedePerAdresse = "uinnloggede_per_adresse";
    /// Requests a second of one address that are not logged in.
    KallPerAdresse = "kall_per_adresse";
    /// Requests a second of one integrasjon.
    KallPerIntegrasjon = "kall_per_integrasjon";
    /// Requests a second of all integrasjoner of one organisasjon.
    KallPerOrganisasjon = "kall_per_organisasjon";
    /// Requests of one organisasjon that are being answered.
    SamtidigeKallPerOrganisasjon = "samtidige_kall_per_organisasjon";
    /// AMQP connections of one integrasjon.
    TilkoblingerPerIntegrasjon = "tilkoblinger_per_integrasjon";
    /// AMQP connections of one organisasjon.
    TilkoblingerPerOrganisasjon = "tilkoblinger_per_organisasjon";
    /// AMQP channels of one integrasjon.
    KanalerPerIntegrasjon = "kanaler_per_integrasjon";
    /// AMQP channels of one organisasjon.
    KanalerPerOrganisasjon = "kanaler_per_organisasjon";
    /// Consumers of one integrasjon.
    KonsumenterPerIntegrasjon = "konsumenter_per_integrasjon";
    /// Consumers of one organisasjon.
    KonsumenterPerOrganisasjon = "konsumenter_per_organisasjon";
    /// Bytes that one organisasjon has sent and that are still kept.
    SendteBytesPerOrganisasjon = "sendte_bytes_per_organisasjon";
    /// Bytes that are kept for one organisasjon to fetch.
    MottatteBytesPerOrganisasjon = "mottatte_bytes_per_organisasjon";
    /// Svar to one melding.
    SvarPerMelding = "svar_per_melding";
    /// Versions of the public key of one Konto that are kept.
    NoklerPerKonto = "nokler_per_konto";
    /// Parter of one Konto.
    ParterPerKonto = "parter_per_konto";
    /// Tilganger to one Konto.
    TilgangerPerKonto = "tilganger_per_konto";
    /// Forespørsler of one System that wait for an answer.
    ForesporslerPerSystem = "foresporsler_per_system";
    /// Kontoer of one System.
    KontoerPerSystem = "kontoer_per_system";
    /// Integrasjoner of one System.
    IntegrasjonerPerSystem = "integrasjoner_per_system";
    /// E-mail addresses of one System.
    EposterPerSystem = "eposter_per_system";
    /// Systemer of one organisasjon.
    SystemerPerOrganisasjon = "systemer_per_organisasjon";
    /// Sessions of one person.
    SesjonerPerPerson = "sesjoner_per_person";
}

impl fmt::Display for Grense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.nokkel())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_limit_has_a_key_of_its_own() {
        let keys: BTreeSet<_> = Grense::ALL.iter().map(|grense| grense.nokkel()).collect();
        assert_eq!(keys.len(), Grense::ALL.len());
    }
}
