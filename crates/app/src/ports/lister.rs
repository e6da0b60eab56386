use async_trait::async_trait;
use domain::id::{FiksOrgId, KontoId, PersonId, SystemId};
use domain::konto::Konto;
use domain::organisasjon::Organisasjon;
use domain::system::System;
use domain::tilgang::{Foresporsel, Tilgang};
use domain::utveksling::Protokollpart;
use jiff::Timestamp;

use crate::paging::{Page, Side};
use crate::ports::{AuditLine, RegistryError};

/// What systemer are sorted by; those alike by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SystemSortering {
    /// Name, as in Norwegian.
    #[default]
    Navn,
    /// How many kontoer they have.
    Kontoer,
    /// When they were last changed.
    SistEndret,
}

/// Which systemer of an organisasjon.
#[derive(Debug, Clone, Default)]
pub struct SystemListe {
    /// Words that must all stand in navn or beskrivelse, or a whole systemId; empty means all.
    pub sok: String,
    /// Their order.
    pub sortering: SystemSortering,
    /// The other way round.
    pub synkende: bool,
    /// Which of them.
    pub page: Page,
}

/// What kontoer are sorted by; those alike by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KontoSortering {
    /// Name, as in Norwegian.
    #[default]
    Navn,
    /// Name of the Protokoll.
    Protokoll,
}

/// Which kontoer of a System.
#[derive(Debug, Clone, Default)]
pub struct KontoListe {
    /// Words that must all stand in navn or beskrivelse, or a whole kontoId; empty means all.
    pub sok: String,
    /// Their order.
    pub sortering: KontoSortering,
    /// The other way round.
    pub synkende: bool,
    /// Which of them.
    pub page: Page,
}

/// What the kontoer of an organisasjon are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrgKontoSortering {
    /// Name of the System, as in Norwegian; those of one System by their own.
    #[default]
    System,
    /// Their own name; those alike by that of the System.
    Navn,
}

/// Which kontoer of an organisasjon.
#[derive(Debug, Clone, Default)]
pub struct OrgKontoListe {
    /// Words that must all stand in navn or beskrivelse of the Konto or its System, or a whole kontoId; empty means all.
    pub sok: String,
    /// Their order.
    pub sortering: OrgKontoSortering,
    /// The other way round.
    pub synkende: bool,
}

/// What tilganger and forespørsler are sorted by; those alike by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TilgangSortering {
    /// Name of the System or Konto at the other end.
    #[default]
    Navn,
    /// When they were given or sent.
    Tidspunkt,
}

/// Which tilganger or forespørsler of a Konto or System.
#[derive(Debug, Clone, Default)]
pub struct TilgangListe {
    /// Words that must all stand in navn or beskrivelse of what is at the other end, its System if it is a Konto, or
    /// its organisasjon; empty means all.
    pub sok: String,
    /// Their order.
    pub sortering: TilgangSortering,
    /// The other way round.
    pub synkende: bool,
    /// Which of them.
    pub page: Page,
}

/// How long the current nøkkel of a Konto is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NokkelTilstand {
    /// Start of its validity.
    pub gyldig_fra: Timestamp,
    /// End of its validity.
    pub gyldig_til: Timestamp,
}

/// How much an organisasjon has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrganisasjonTall {
    /// Its systemer.
    pub systemer: u64,
    /// The kontoer of all of them.
    pub kontoer: u64,
}

/// Which systemer or kontoer can be found.
#[derive(Debug, Clone)]
pub struct Utvalg {
    /// Those that it owns and those that are offentlige.
    pub synlig_for: FiksOrgId,
    /// Not this System, nor its kontoer.
    pub unntatt: SystemId,
    /// Words, in lower case, that must all stand in the texts.
    pub ord: Vec<String>,
    /// Only those of this owner.
    pub eier: Option<FiksOrgId>,
    /// Only kontoer of this Protokoll. Not for systemer.
    pub protokoll: Option<String>,
    /// Only systemer with a Konto, or kontoer, that plays one of these; `None` means whichever.
    pub parter: Option<Vec<Protokollpart>>,
    /// Which of them.
    pub page: Page,
}

/// Which lines of the audit log of an organisasjon.
#[derive(Debug, Clone, Default)]
pub struct HendelseFilter {
    /// Only about this System.
    pub system: Option<SystemId>,
    /// Only about this Konto.
    pub konto: Option<KontoId>,
    /// Only of this kind, see [`Hva`](crate::hendelse::Hva).
    pub hva: Option<String>,
    /// Not before this time.
    pub fra: Option<Timestamp>,
    /// Before this time.
    pub til: Option<Timestamp>,
    /// Which of them.
    pub page: Page,
}

/// A line of the audit log with the names that its ids have now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAuditLine {
    /// The line.
    pub line: AuditLine,
    /// The name behind `hvem`: of the person, of the System of the integrasjon, or of the organisasjon.
    pub hvem_navn: Option<String>,
    /// The name of the System.
    pub system_navn: Option<String>,
    /// The name of the Konto.
    pub konto_navn: Option<String>,
}

/// Lists for people: in pages, with a number of queries that does not grow with the rows.
///
/// Names are in Norwegian order; rows that are alike in all else are in the order of their ids, so that no row stands on
/// two pages. Words are looked for without regard to case (æøå too), inside of words as well.
#[async_trait]
pub trait ListeRepository {
    /// Those of `ids` that exist, in no order.
    async fn organisasjoner_by_id(&mut self, ids: &[FiksOrgId]) -> Result<Vec<Organisasjon>, RegistryError>;
    /// Those of `ids` that exist, in no order.
    async fn systemer_by_id(&mut self, ids: &[SystemId]) -> Result<Vec<System>, RegistryError>;
    /// Those of `ids` that exist, in no order.
    async fn kontoer_by_id(&mut self, ids: &[KontoId]) -> Result<Vec<Konto>, RegistryError>;
    /// The current nøkkel of each of `kontoer` that has one, in no order.
    async fn list_nokkeltilstander(
        &mut self,
        kontoer: &[KontoId],
    ) -> Result<Vec<(KontoId, NokkelTilstand)>, RegistryError>;
    /// How many kontoer each of `systemer` has, without those that have none, in no order.
    async fn count_kontoer(&mut self, systemer: &[SystemId]) -> Result<Vec<(SystemId, u64)>, RegistryError>;
    /// How much an organisasjon has.
    async fn count_organisasjon(&mut self, owner: FiksOrgId) -> Result<OrganisasjonTall, RegistryError>;

    /// The systemer of an organisasjon.
    async fn list_systemer_side(
        &mut self,
        owner: FiksOrgId,
        liste: &SystemListe,
    ) -> Result<Side<System>, RegistryError>;
    /// The kontoer of a System.
    async fn list_kontoer_side(
        &mut self,
        system: SystemId,
        liste: &KontoListe,
    ) -> Result<Side<Konto>, RegistryError>;
    /// The ids of one page of the kontoer of an organisasjon.
    async fn list_konto_ids_side(
        &mut self,
        owner: FiksOrgId,
        liste: &OrgKontoListe,
        page: Page,
    ) -> Result<Side<KontoId>, RegistryError>;
    /// The same of all pages: for what is sorted by something that the registry does not know.
    async fn list_konto_ids_sorted(
        &mut self,
        owner: FiksOrgId,
        liste: &OrgKontoListe,
    ) -> Result<Vec<KontoId>, RegistryError>;
    /// The ids of the kontoer of an organisasjon, each with its System, in no order.
    async fn list_konto_ids_for_org(
        &mut self,
        owner: FiksOrgId,
    ) -> Result<Vec<(SystemId, KontoId)>, RegistryError>;
    /// The ids of the kontoer of `systemer`, each with its System, in no order.
    async fn list_konto_ids_for_systemer(
        &mut self,
        systemer: &[SystemId],
    ) -> Result<Vec<(SystemId, KontoId)>, RegistryError>;

    /// Who has tilgang to `konto`.
    async fn list_tilganger_til_konto_side(
        &mut self,
        konto: KontoId,
        liste: &TilgangListe,
    ) -> Result<Side<Tilgang>, RegistryError>;
    /// Who has asked for `konto`.
    async fn list_foresporsler_til_konto_side(
        &mut self,
        konto: KontoId,
        liste: &TilgangListe,
    ) -> Result<Side<Foresporsel>, RegistryError>;
    /// How many have asked for `konto`.
    async fn count_foresporsler_til_konto(&mut self, konto: KontoId) -> Result<u64, RegistryError>;
    /// What `system` has tilgang to.
    async fn list_tilganger_for_system_side(
        &mut self,
        system: SystemId,
        liste: &TilgangListe,
    ) -> Result<Side<Tilgang>, RegistryError>;
    /// What `system` has asked for.
    async fn list_foresporsler_for_system_side(
        &mut self,
        system: SystemId,
        liste: &TilgangListe,
    ) -> Result<Side<Foresporsel>, RegistryError>;
    /// Those of `systemer` that have tilgang to `konto`, and those that have asked for it.
    async fn tilganger_til_konto_of(
        &mut self,
        konto: KontoId,
        systemer: &[SystemId],
    ) -> Result<(Vec<SystemId>, Vec<SystemId>), RegistryError>;
    /// Those of `kontoer` that `system` has tilgang to, and those that it has asked for.
    async fn tilganger_for_system_of(
        &mut self,
        system: SystemId,
        kontoer: &[KontoId],
    ) -> Result<(Vec<KontoId>, Vec<KontoId>), RegistryError>;

    /// Systemer in which, or in one of whose kontoer, each word stands. First those with every word at the start of one
    /// of theirs, then by how many stand inside only, then by name.
    async fn sok_systemer(&mut self, utvalg: &Utvalg) -> Result<Side<System>, RegistryError>;
    /// Kontoer in which, or in whose System, each word stands; in the same order.
    async fn sok_kontoer(&mut self, utvalg: &Utvalg) -> Result<Side<Konto>, RegistryError>;
    /// Organisasjoner by name that have a System which `synlig_for` owns or that is offentlig, without `unntatt`.
    async fn list_organisasjoner_with_synlige(
        &mut self,
        synlig_for: FiksOrgId,
        unntatt: SystemId,
    ) -> Result<Vec<Organisasjon>, RegistryError>;

    /// Lines of the audit log of an organisasjon, newest first.
    async fn list_hendelser_side(
        &mut self,
        owner: FiksOrgId,
        filter: &HendelseFilter,
    ) -> Result<Side<NamedAuditLine>, RegistryError>;
    /// The names of those of `personer` that exist, in no order.
    async fn list_personnavn(
        &mut self,
        personer: &[PersonId],
    ) -> Result<Vec<(PersonId, String)>, RegistryError>;
    /// Removes lines from before `before`, oldest first, at most `limit`; how many.
    async fn remove_old_audit_lines(&mut self, before: Timestamp, limit: u32) -> Result<u64, RegistryError>;
}
