//! Fiks Protokoll konfigurasjon: systemer, kontoer, tilganger and protokoller.
//!
//! `parts` and `parter` are not slips: the published document says `parts` where a Konto is made or read and `parter`
//! everywhere else.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{FiksOrgId, IntegrasjonId, KontoId, SystemId};
pub use crate::katalog::OffentligNokkel;

macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident : $type:ty,)* })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $($(#[$fdoc])* pub $field: $type,)* }
    )+};
}

bodies! {
    /// `POST …/kontoer`.
    CreateProtokollKontoRequest {
        /// 1–200 characters.
        navn: String,
        /// 1–500 characters.
        beskrivelse: String,
        /// Name of the Protokoll.
        stottet_protokoll_navn: String,
        /// At least one.
        parts: Vec<PartRequest>,
        /// X.509 certificate as PEM; may also be set later.
        #[serde(default)] offentlig_nokkel: Option<String>,
    }
    /// A Part asked for.
    PartRequest {
        /// Name of the Part.
        part_navn: String,
        /// Version of the Protokoll.
        stottet_protokoll_versjon: String,
    }
    /// `PUT …/kontoer/{kontoId}/info`.
    UpdateProtokollKontoInfoRequest {
        /// 1–200 characters.
        navn: String,
        /// 1–500 characters.
        beskrivelse: String,
    }
    /// `PUT …/kontoer/{kontoId}/pem`.
    UpdateOffentligNokkelRequest {
        /// X.509 certificate as PEM.
        offentlig_nokkel: String,
    }
    /// `POST …/kontoer/{kontoId}/parter`.
    UpdateParterRequest {
        /// All parts that the Konto shall play; at least one.
        parts: Vec<PartRequest>,
    }
    /// Answer to [`UpdateParterRequest`].
    UpdateParterResponse {
        /// The parts now played.
        parter: Vec<PartResponse>,
    }
    /// `PUT …/info` of a System.
    UpdateSystemInfoRequest {
        /// 1–200 characters.
        navn: String,
        /// 1–500 characters.
        beskrivelse: String,
        /// At least one e-mail address for varsling.
        eposter: Vec<String>,
        /// Visible to other organisasjoner.
        offentlig: bool,
        /// Requests for tilgang are granted at once.
        #[serde(default)] automatisk_godkjenning: Option<bool>,
        /// Name of the vendor.
        #[serde(default)] leverandor_navn: Option<String>,
        /// How to reach the vendor.
        #[serde(default)] leverandor_kontaktpunkt: Option<String>,
    }
    /// `POST /{fiksOrgId}/systemer`.
    CreateProtokollSystemRequest {
        /// Organisasjonsnummer of the virksomhetssertifikat, nine digits.
        orgnummer: String,
        /// 1–200 characters.
        navn: String,
        /// 1–500 characters.
        beskrivelse: String,
        /// At least one e-mail address for varsling.
        eposter: Vec<String>,
        /// Visible to other organisasjoner.
        offentlig: bool,
        /// The integrasjon may configure the system by API.
        konfigureres_av_integrasjon: bool,
        /// Requests for tilgang are granted at once.
        #[serde(default)] automatisk_godkjenning: Option<bool>,
        /// Name of the vendor, at most 100 characters.
        #[serde(default)] leverandor_navn: Option<String>,
        /// How to reach the vendor, at most 100 characters.
        #[serde(default)] leverandor_kontaktpunkt: Option<String>,
    }
    /// Answer to [`CreateProtokollSystemRequest`].
    CreateProtokollSystemResponse {
        /// The new System.
        system: ProtokollSystemResponse,
        /// The only time it is shown.
        integrasjon_passord: String,
    }
    /// A Konto with all that belongs to it.
    ProtokollKontoResponse {
        /// The kontoId, also in Fiks IO.
        id: KontoId,
        /// Its name.
        navn: String,
        /// Its Protokoll.
        stottet_protokoll_navn: String,
        /// What it is for.
        beskrivelse: String,
        /// The parts it plays.
        parts: Vec<PartResponse>,
        /// Its public key, if one is set.
        #[serde(skip_serializing_if = "Option::is_none", default)] offentlig_nokkel: Option<OffentligNokkel>,
        /// When it was made.
        #[serde(skip_serializing_if = "Option::is_none", default)] opprettet: Option<Timestamp>,
        /// When it was last changed.
        #[serde(skip_serializing_if = "Option::is_none", default)] sist_endret: Option<Timestamp>,
        /// It may only receive.
        #[serde(skip_serializing_if = "Option::is_none", default)] send_meldinger_deaktivert: Option<bool>,
    }
    /// A Konto in a list.
    ProtokollKontoSummaryResponse {
        /// The kontoId.
        id: KontoId,
        /// Its name.
        navn: String,
        /// Its Protokoll.
        stottet_protokoll_navn: String,
        /// What it is for.
        beskrivelse: String,
        /// The parts it plays.
        parter: Vec<PartSummaryResponse>,
        /// Live numbers; left out when they cannot be had.
        #[serde(skip_serializing_if = "Option::is_none", default)] metrikk: Option<KontoMetrikk>,
        /// It may only receive.
        #[serde(skip_serializing_if = "Option::is_none", default)] send_meldinger_deaktivert: Option<bool>,
    }
    /// Live numbers of a Konto.
    KontoMetrikk {
        /// Meldinger on the queue.
        meldinger_pa_ko: i32,
        /// AMQP consumers on the queue.
        antall_konsumenter: i32,
    }
    /// Somebody else's Konto.
    EksternProtokollKontoResponse {
        /// The kontoId.
        id: KontoId,
        /// Its name.
        navn: String,
        /// Its Protokoll.
        stottet_protokoll_navn: String,
        /// What it is for.
        beskrivelse: String,
        /// The parts it plays.
        parter: Vec<PartResponse>,
        /// The System it belongs to.
        system: EksternProtokollSystemResponse,
    }
    /// Somebody else's System.
    EksternProtokollSystemResponse {
        /// The System.
        id: SystemId,
        /// Its name.
        navn: String,
        /// What it is for.
        beskrivelse: String,
        /// Its owner.
        fiks_org: FiksOrgResponse,
    }
    /// An organisasjon.
    FiksOrgResponse {
        /// Its name.
        navn: String,
        /// Its id.
        id: FiksOrgId,
        /// Its kommunenummer, if it is a municipality.
        #[serde(skip_serializing_if = "Option::is_none", default)] kommunenummer: Option<String>,
    }
    /// A Part with what it may send and receive.
    PartResponse {
        /// Its name.
        navn: String,
        /// What it is for.
        beskrivelse: String,
        /// Its Protokoll.
        protokollnavn: String,
        /// Version of the Protokoll.
        protokollversjon: String,
        /// Meldingstyper it may send.
        avsender_meldingstyper: Vec<String>,
        /// Meldingstyper it may receive.
        mottaker_meldingstyper: Vec<String>,
        /// Parter it may talk with.
        stottede_parter: Vec<String>,
    }
    /// A Part in a list.
    PartSummaryResponse {
        /// Its name.
        navn: String,
        /// Its Protokoll.
        protokollnavn: String,
        /// Version of the Protokoll.
        protokollversjon: String,
    }
    /// All parter of a Protokoll.
    ParterResponse {
        /// Over all versions.
        parter: Vec<PartResponse>,
    }
    /// A System with all that belongs to it.
    ProtokollSystemResponse {
        /// The System.
        id: SystemId,
        /// Its primary integrasjon.
        integrasjon_id: IntegrasjonId,
        /// Organisasjonsnummer of the primary integrasjon.
        orgnummer: String,
        /// Its name.
        navn: String,
        /// What it is for.
        beskrivelse: String,
        /// Addresses for varsling.
        eposter: Vec<String>,
        /// Its kontoer.
        kontoer: Vec<ProtokollKontoSummaryResponse>,
        /// Kontoer of others that it may send to.
        tilgang_til_kontoer: Vec<EksternProtokollKontoResponse>,
        /// Kontoer of others that it has asked for.
        forespurte_tilganger_til_kontoer: Vec<EksternProtokollKontoResponse>,
        /// Visible to other organisasjoner.
        offentlig: bool,
        /// Requests for tilgang are granted at once.
        automatisk_godkjenning: bool,
        /// The integrasjon may configure it by API.
        konfigureres_av_integrasjon: bool,
        /// What machines log in as.
        integrasjoner: Vec<IntegrasjonResponse>,
        /// Name of the vendor.
        #[serde(skip_serializing_if = "Option::is_none", default)] leverandor_navn: Option<String>,
        /// How to reach the vendor.
        #[serde(skip_serializing_if = "Option::is_none", default)] leverandor_kontaktpunkt: Option<String>,
        /// Its owner.
        #[serde(skip_serializing_if = "Option::is_none", default)] fiks_org: Option<FiksOrgResponse>,
        /// When it was made.
        #[serde(skip_serializing_if = "Option::is_none", default)] opprettet: Option<Timestamp>,
        /// When it was last changed.
        #[serde(skip_serializing_if = "Option::is_none", default)] sist_endret: Option<Timestamp>,
    }
    /// An Integrasjon of a System.
    IntegrasjonResponse {
        /// Its id.
        id: IntegrasjonId,
        /// From when it works.
        gyldig_fra: Timestamp,
        /// Until when it works; absent means without end.
        #[serde(skip_serializing_if = "Option::is_none", default)] utlops_dato: Option<Timestamp>,
        /// Whose virksomhetssertifikat it needs.
        organisasjon: IntegrasjonOrganisasjon,
        /// It works now.
        aktiv: bool,
        /// It is the one shown first.
        primer: bool,
    }
    /// Whose virksomhetssertifikat an Integrasjon needs.
    IntegrasjonOrganisasjon {
        /// Nine digits.
        organisasjonsnummer: String,
    }
    /// A System in a list.
    ProtokollSystemSummaryResponse {
        /// The System.
        id: SystemId,
        /// Its name.
        navn: String,
        /// What it is for.
        beskrivelse: String,
    }
    /// A System in a list, with its owner's name.
    ProtokollSystemSummaryWithOrgNameResponse {
        /// The System.
        id: SystemId,
        /// Its name.
        navn: String,
        /// What it is for.
        beskrivelse: String,
        /// Its owner's name.
        fiks_org_navn: String,
    }
    /// `POST …/systemer/{systemId}/konto-sok`.
    ProtokollKontoSokRequest {
        /// Which kontoer; absent means all.
        #[serde(default)] filter: Option<KontoFilter>,
        /// Text to look for in names, descriptions and ids, without regard to case.
        #[serde(default)] term: Option<String>,
    }
    /// Which kontoer a search finds.
    KontoFilter {
        /// Owned by one of these; absent or empty means by anybody.
        #[serde(default)] fiks_org_ider: Option<Vec<FiksOrgId>>,
        /// Fitting one of these; absent or empty means whatever they speak.
        #[serde(default)] protokoll_filter: Option<Vec<ProtokollFilter>>,
    }
    /// What a Konto speaks.
    ProtokollFilter {
        /// Name of the Protokoll.
        protokoll_navn: String,
        /// Its version.
        protokoll_versjon: String,
        /// It plays one of these parts; absent or empty means any.
        #[serde(default)] parter: Option<Vec<String>>,
    }
    /// Answer to [`ProtokollKontoSokRequest`].
    ProtokollKontoSokResponse {
        /// By name.
        kontoer: Vec<EksternProtokollKontoResponse>,
    }
    /// `POST …/kontoer/{kontoId}/system-sok`.
    ProtokollSystemSokRequest {
        /// Which systemer; absent means all that can talk with the Konto.
        #[serde(default)] filter: Option<SystemFilter>,
        /// Text to look for in names, descriptions and ids, without regard to case.
        #[serde(default)] term: Option<String>,
    }
    /// Which systemer a search finds.
    SystemFilter {
        /// Owned by one of these; absent or empty means by anybody.
        #[serde(default)] fiks_org_ider: Option<Vec<FiksOrgId>>,
        /// Only those with a Konto that may exchange meldinger with the one asked for; absent means yes.
        #[serde(default)] stotter_konto: Option<bool>,
    }
    /// Answer to [`ProtokollSystemSokRequest`].
    ProtokollSystemSokResponse {
        /// By name.
        systemer: Vec<EksternProtokollSystemResponse>,
    }
    /// A Protokoll in one version.
    ProtokollDefinisjonResponse {
        /// Its name.
        navn: String,
        /// Its version.
        protokollversjon: String,
        /// What it is for.
        beskrivelse: String,
        /// All its meldingstyper.
        meldingstyper: Vec<MeldingstypeResponse>,
        /// All its parter.
        parter: Vec<PartResponse>,
        /// Whether it may be used.
        status: Protokollstatus,
    }
    /// A Protokoll in one version, in a list.
    ProtokollDefinisjonSummaryResponse {
        /// Its name.
        navn: String,
        /// Its version.
        protokollversjon: String,
        /// What it is for.
        beskrivelse: String,
        /// Names of its parter.
        parter: Vec<String>,
        /// Whether it may be used.
        status: Protokollstatus,
    }
    /// A Meldingstype.
    MeldingstypeResponse {
        /// Its name.
        meldingstype_navn: String,
        /// Whether it has payload.
        #[serde(skip_serializing_if = "Option::is_none", default)] payload_kriterie: Option<PayloadKriterie>,
        /// It tells that something went wrong.
        er_feilmelding: bool,
    }
}

/// Whether a Meldingstype has payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PayloadKriterie {
    /// Never.
    Never,
    /// Always.
    Required,
    /// As the sender likes.
    Optional,
}

/// Whether a Protokoll may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Protokollstatus {
    /// It may.
    Aktiv,
    /// No new Konto and no melding.
    Deaktivert,
}
