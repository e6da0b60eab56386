//! What the use cases need from outside. Each port's doc says what an adapter must do, above all on failure.

mod broker;
mod clock;
mod health;
mod ids;
mod kontostatus;
mod lister;
mod person_login;
mod personer;
mod registry;
mod rom;
mod tokens;

pub use broker::{
    Availability, Broker, BrokerChannel, BrokerError, ChannelOptions, Consumer, DeadLetter, DeletedQueue,
    Delivery, DeliveryId, Eiere, Ende, EndedBy, KoRom, Kobytes, MeldingRecord, MeldingSok, MeldingTreff,
    OpenChannel, QueueStatus, SEARCH_MAX, SVAR_MAX, Settlement,
};
pub use clock::Clock;
pub use health::{Del, Deltilstand, Funn, HealthCheck, Helse};
pub use ids::IdSource;
pub use kontostatus::{KontoFakta, Kontonavn};
pub use lister::{
    HendelseFilter, KontoListe, KontoSortering, ListeRepository, NamedAuditLine, NokkelTilstand,
    OrgKontoListe, OrgKontoSortering, OrganisasjonTall, SystemListe, SystemSortering, TilgangListe,
    TilgangSortering, Utvalg,
};
pub use person_login::{
    LoginAnswer, LoginStart, PersonIdentifier, PersonLogin, PersonLoginError, VerifiedPerson,
};
pub use personer::{AvtaleRepository, PersonRepository, Sesjon, SesjonRepository};
pub use registry::{
    AuditLine, AuditRepository, Dokument, DokumentRepository, Dokumentbytes, FjernetKoRepository,
    IntegrasjonRepository, KontoRepository, OrganisasjonRepository, Partkrav, ProtokollRepository, Registry,
    RegistryError, SattTilSide, SystemRepository, TilgangRepository, Tx,
};
pub use rom::Rom;
pub use tokens::{TokenError, TokenVerifier, VerifiedToken};
