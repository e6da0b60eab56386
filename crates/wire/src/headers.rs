//! Names of headers: those of an HTTP request and those of an AMQP delivery.

/// HTTP: id of the integrasjon, a UUID. Matched without regard to case.
pub const INTEGRASJON_ID: &str = "IntegrasjonId";
/// HTTP: the integrasjon's password, in clear.
pub const INTEGRASJON_PASSORD: &str = "IntegrasjonPassord";

/// AMQP: id of the Melding, a UUID. Mandatory.
pub const MELDING_ID: &str = "melding-id";
/// AMQP: the meldingstype. Mandatory.
pub const TYPE: &str = "type";
/// AMQP: the sender's kontoId. Mandatory.
pub const AVSENDER_ID: &str = "avsender-id";
/// AMQP: name of the sender's Konto; read by no client.
pub const AVSENDER_NAVN: &str = "avsender-navn";
/// AMQP: the melding that this one answers (`svarPaMelding` in JSON).
pub const SVAR_TIL: &str = "svar-til";
/// AMQP: on a tidsavbrudd or serverfeil, the type of the original melding.
pub const SVAR_TIL_TYPE: &str = "svar-til-type";
/// AMQP: where the payload lies when it is not in the body.
pub const DOKUMENTLAGER_ID: &str = "dokumentlager-id";
/// AMQP: prefix of each header that the sender made itself.
pub const EGENDEFINERT_PREFIX: &str = "egendefinert-header.";
/// AMQP: how often the melding has been returned to its queue; present only when that is more than zero.
pub const DELIVERY_COUNT: &str = "x-delivery-count";

/// A sender's own header: its id for the melding, UUID as text.
pub const KLIENT_MELDING_ID: &str = "klientMeldingId";
/// A sender's own header: free text that follows a conversation; copied to kvitteringer.
pub const KLIENT_KORRELASJONS_ID: &str = "klientKorrelasjonsId";
/// Deprecated twin of [`KLIENT_KORRELASJONS_ID`]; the Java client up to 3.5.0 writes and reads nothing else.
pub const KLIENT_KORRELASJON_ID: &str = "klientKorrelasjonId";
