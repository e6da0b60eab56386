//! Ids as types of their own, so that a [`KontoId`] can never stand where a [`SystemId`] belongs.
//!
//! Each is a UUID, written lower-case with hyphens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
pub use uuid::Uuid;

/// The text is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a UUID")
    }
}

impl std::error::Error for InvalidId {}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Takes a UUID as this kind of id.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The id as a plain UUID, for storage.
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
    )+};
}

ids! {
    /// An organisasjon in Fiks (fiksOrgId).
    FiksOrgId;
    /// A System.
    SystemId;
    /// An Integrasjon: what a machine logs in as.
    IntegrasjonId;
    /// A Konto; also the Fiks IO kontoId and the name of its queue.
    KontoId;
    /// A person who manages systemer in the portal.
    PersonId;
    /// A session of a person.
    SesjonId;
    /// A Melding.
    MeldingId;
    /// A document in Dokumentlager.
    DokumentId;
    /// One error answer, for finding it again in the log.
    ErrorId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_written_lower_case_with_hyphens() {
        let id: KontoId = "5C6EBC4E-5B3C-4CEA-8C54-2E1F0F0AA0C1".parse().unwrap();
        assert_eq!(id.to_string(), "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1");
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1\"");
    }

    #[test]
    fn text_that_is_no_uuid_is_refused() {
        assert_eq!("konto".parse::<KontoId>(), Err(InvalidId));
    }
}
