use crate::ports::{Eiere, KontoFakta, Kontonavn};
use async_trait::async_trait;
use domain::Orgnummer;
use domain::konto::Konto;
use domain::nokkel::OffentligNokkel;
use domain::organisasjon::Organisasjon;
use domain::protokoll::Protokoll;
use domain::system::{Integrasjon, System};
use domain::tilgang::{Foresporsel, Tilgang};
use domain::utveksling::Protokollpart;
use jiff::Timestamp;
use wire::id::{DokumentId, FiksOrgId, IntegrasjonId, KontoId, MeldingId, SystemId, Uuid};

use crate::ports::{AvtaleRepository, ListeRepository, PersonRepository, SesjonRepository};

/// Who owns what and who may send to whom. Everything but meldinger.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Starts a unit of work. What it reads is consistent, what it writes is seen by others only after
    /// [`Tx::commit`], and two units of work that write never both succeed on the same stale facts.
    ///
    /// Others may have to wait until it is committed or dropped: hold it briefly, wait for nothing else meanwhile, and
    /// never start a second one while holding it.
    ///
    /// # Errors
    /// [`RegistryError::Backend`].
    async fn begin(&self) -> Result<Box<dyn Tx>, RegistryError>;

    /// Starts a unit of work that only reads: all of it as it was at one moment. It waits for nobody who writes, and
    /// nobody waits for it. To write in it is [`RegistryError::Backend`]; to drop it is enough.
    ///
    /// # Errors
    /// [`RegistryError::Backend`].
    async fn begin_read(&self) -> Result<Box<dyn Tx>, RegistryError> {
        self.begin().await
    }

    /// A number that is greater after each commit that may have changed anything but documents, audit lines, people,
    /// their sessions and signatures, seen at the latest when that `commit` returns; where other processes write to the same registry, within a second
    /// of their commit, or a few if the database is slow to answer. Facts read in a unit of work that began after a
    /// generation was fetched may be kept for as long as it stays the same.
    ///
    /// Cheap: it stands on the hot path of every send.
    fn generation(&self) -> u64;
}

/// One unit of work. Dropped without `commit` it leaves no trace.
#[async_trait]
pub trait Tx:
    OrganisasjonRepository
    + SystemRepository
    + IntegrasjonRepository
    + KontoRepository
    + TilgangRepository
    + ProtokollRepository
    + DokumentRepository
    + AuditRepository
    + FjernetKoRepository
    + PersonRepository
    + SesjonRepository
    + AvtaleRepository
    + ListeRepository
    + Send
{
    /// Makes everything written durable, all or nothing.
    ///
    /// # Errors
    /// [`RegistryError::Conflict`] where the database finds a broken rule only now, else [`RegistryError::Backend`];
    /// after either nothing has been written.
    async fn commit(self: Box<Self>) -> Result<(), RegistryError>;
}

/// Why the registry did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A uniqueness rule would break, or somebody else changed the same thing.
    #[error("{what} already exists or was changed by somebody else")]
    Conflict {
        /// What the rule is about, such as `tilgang`.
        what: &'static str,
    },
    /// The database failed or cannot be reached.
    #[error("the registry's database failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Organisasjoner.
#[async_trait]
pub trait OrganisasjonRepository {
    /// The organisasjon with that id.
    async fn organisasjon(&mut self, id: FiksOrgId) -> Result<Option<Organisasjon>, RegistryError>;
    /// The organisasjon with that organisasjonsnummer.
    async fn organisasjon_by_orgnummer(
        &mut self,
        orgnummer: Orgnummer,
    ) -> Result<Option<Organisasjon>, RegistryError>;
    /// All organisasjoner by name.
    async fn list_organisasjoner(&mut self) -> Result<Vec<Organisasjon>, RegistryError>;
    /// Adds one; [`RegistryError::Conflict`] (`organisasjon`) if its id or orgnummer is taken.
    async fn add_organisasjon(&mut self, organisasjon: &Organisasjon) -> Result<(), RegistryError>;
    /// Replaces the one with the same id. Nothing happens if there is none.
    async fn update_organisasjon(&mut self, organisasjon: &Organisasjon) -> Result<(), RegistryError>;
}

/// A part that a Konto must play to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partkrav {
    /// Name of the Protokoll.
    pub protokoll_navn: String,
    /// Its version.
    pub versjon: String,
    /// Name of the Part; `None` for whichever.
    pub navn: Option<String>,
}

impl From<Protokollpart> for Partkrav {
    fn from(part: Protokollpart) -> Self {
        Self { protokoll_navn: part.protokoll_navn, versjon: part.versjon, navn: Some(part.navn) }
    }
}

/// Systemer.
#[async_trait]
pub trait SystemRepository {
    /// The System with that id.
    async fn system(&mut self, id: SystemId) -> Result<Option<System>, RegistryError>;
    /// The systemer of an organisasjon by name.
    async fn list_systemer(&mut self, owner: FiksOrgId) -> Result<Vec<System>, RegistryError>;
    /// Adds one; [`RegistryError::Conflict`] (`system`) if its id is taken.
    async fn add_system(&mut self, system: &System) -> Result<(), RegistryError>;
    /// Replaces the one with the same id. Nothing happens if there is none.
    async fn update_system(&mut self, system: &System) -> Result<(), RegistryError>;
    /// Removes it with its integrasjoner, kontoer, nøkler, tilganger and forespørsler, in both directions.
    async fn remove_system(&mut self, id: SystemId) -> Result<(), RegistryError>;
    /// Systemer that match `term` in their navn or beskrivelse or in the navn or beskrivelse of one of their kontoer,
    /// without regard to case (æøå too), or whose id `term` is; only those that `visible_to` owns or that are offentlig;
    /// owned by one of `owners` if that is not empty; not `except`; where `krav` is given, with a Konto that plays one of those
    /// parter. By name, at most `limit`, of which each organisasjon gets as many, so that none hides the others. An empty
    /// `term` matches all.
    async fn search_systemer(
        &mut self,
        visible_to: FiksOrgId,
        except: Option<SystemId>,
        term: &str,
        owners: &[FiksOrgId],
        krav: Option<&[Partkrav]>,
        limit: u32,
    ) -> Result<Vec<System>, RegistryError>;
}

/// Integrasjoner.
#[async_trait]
pub trait IntegrasjonRepository {
    /// The Integrasjon with that id.
    async fn integrasjon(&mut self, id: IntegrasjonId) -> Result<Option<Integrasjon>, RegistryError>;
    /// The integrasjoner of a System, the primary one first, then the newest first.
    async fn list_integrasjoner(&mut self, system: SystemId) -> Result<Vec<Integrasjon>, RegistryError>;
    /// Adds one; [`RegistryError::Conflict`] (`integrasjon`) if its id is taken or the System has another primary one.
    async fn add_integrasjon(&mut self, integrasjon: &Integrasjon) -> Result<(), RegistryError>;
    /// Replaces the one with the same id. Nothing happens if there is none.
    async fn update_integrasjon(&mut self, integrasjon: &Integrasjon) -> Result<(), RegistryError>;
    /// Removes it.
    async fn remove_integrasjon(&mut self, id: IntegrasjonId) -> Result<(), RegistryError>;
}

/// Kontoer and their nøkler.
#[async_trait]
pub trait KontoRepository {
    /// The Konto with that id.
    async fn konto(&mut self, id: KontoId) -> Result<Option<Konto>, RegistryError>;
    /// The kontoer of a System by name.
    async fn list_kontoer(&mut self, system: SystemId) -> Result<Vec<Konto>, RegistryError>;
    /// How many kontoer a System has.
    async fn count_kontoer_of_system(&mut self, system: SystemId) -> Result<u64, RegistryError>;
    /// How many nøkler were ever uploaded for a Konto.
    async fn count_nokler(&mut self, konto: KontoId) -> Result<u64, RegistryError>;
    /// Every kontoId there is; for bringing the broker's queues in line at start.
    async fn list_konto_ids(&mut self) -> Result<Vec<KontoId>, RegistryError>;
    /// What is known of the kontoer of an organisasjon, or of one System of it, by name of System and Konto.
    async fn list_kontostatus(
        &mut self,
        owner: FiksOrgId,
        system: Option<SystemId>,
        limit: u32,
    ) -> Result<Vec<KontoFakta>, RegistryError>;
    /// How those of `kontoer` that exist are called, in no order.
    async fn list_kontonavn(&mut self, kontoer: &[KontoId]) -> Result<Vec<Kontonavn>, RegistryError>;
    /// Adds one with its parter; [`RegistryError::Conflict`] (`konto`) if its id is taken.
    async fn add_konto(&mut self, konto: &Konto) -> Result<(), RegistryError>;
    /// Replaces the one with the same id, its parter too. Nothing happens if there is none.
    async fn update_konto(&mut self, konto: &Konto) -> Result<(), RegistryError>;
    /// Removes it with its nøkler, tilganger and forespørsler.
    async fn remove_konto(&mut self, id: KontoId) -> Result<(), RegistryError>;
    /// The nøkkel uploaded last.
    async fn nokkel(&mut self, konto: KontoId) -> Result<Option<OffentligNokkel>, RegistryError>;
    /// All nøkler ever uploaded, the newest first.
    async fn list_nokler(&mut self, konto: KontoId) -> Result<Vec<OffentligNokkel>, RegistryError>;
    /// Adds a nøkkel, which becomes the current one.
    async fn add_nokkel(&mut self, nokkel: &OffentligNokkel) -> Result<(), RegistryError>;
    /// Takes the current nøkkel out of use; [`KontoRepository::nokkel`] then finds none. The history keeps it.
    async fn remove_nokkel(&mut self, konto: KontoId) -> Result<(), RegistryError>;
    /// Kontoer that match `term` in their navn or beskrivelse or in those of their System, without regard to case, or
    /// whose id `term` is; visible, filtered and limited as [`SystemRepository::search_systemer`]; not those of `except`.
    async fn search_kontoer(
        &mut self,
        visible_to: FiksOrgId,
        except: Option<SystemId>,
        term: &str,
        owners: &[FiksOrgId],
        krav: Option<&[Partkrav]>,
        limit: u32,
    ) -> Result<Vec<Konto>, RegistryError>;
}

/// Tilganger and forespørsler.
#[async_trait]
pub trait TilgangRepository {
    /// The tilgang of `system` to `konto`.
    async fn tilgang(&mut self, konto: KontoId, system: SystemId) -> Result<Option<Tilgang>, RegistryError>;
    /// Who has tilgang to `konto`, oldest first.
    async fn list_tilganger_til_konto(&mut self, konto: KontoId) -> Result<Vec<Tilgang>, RegistryError>;
    /// How many have tilgang to `konto`.
    async fn count_tilganger_til_konto(&mut self, konto: KontoId) -> Result<u64, RegistryError>;

    /// How many kontoer a System has tilgang to.
    ///
    /// # Errors
    /// [`RegistryError`].
    async fn count_tilganger_for_system(&mut self, system: SystemId) -> Result<u64, RegistryError>;
    /// How many forespørsler of `system` wait for an answer.
    async fn count_foresporsler_for_system(&mut self, system: SystemId) -> Result<u64, RegistryError>;
    /// What `system` has tilgang to, oldest first.
    async fn list_tilganger_for_system(&mut self, system: SystemId) -> Result<Vec<Tilgang>, RegistryError>;
    /// How many tilganger go with `system`: its own, and those to its kontoer; one that is both counts once.
    async fn count_tilganger_of_system(&mut self, system: SystemId) -> Result<u64, RegistryError>;
    /// Adds one; [`RegistryError::Conflict`] (`tilgang`) if it is there already.
    async fn add_tilgang(&mut self, tilgang: &Tilgang) -> Result<(), RegistryError>;
    /// Removes it; whether it was there.
    async fn remove_tilgang(&mut self, konto: KontoId, system: SystemId) -> Result<bool, RegistryError>;
    /// The forespørsel of `system` for `konto`.
    async fn foresporsel(
        &mut self,
        konto: KontoId,
        system: SystemId,
    ) -> Result<Option<Foresporsel>, RegistryError>;
    /// Who has asked for `konto`, oldest first.
    async fn list_foresporsler_til_konto(
        &mut self,
        konto: KontoId,
    ) -> Result<Vec<Foresporsel>, RegistryError>;
    /// What `system` has asked for, oldest first.
    async fn list_foresporsler_for_system(
        &mut self,
        system: SystemId,
    ) -> Result<Vec<Foresporsel>, RegistryError>;
    /// Adds one; [`RegistryError::Conflict`] (`foresporsel`) if it is there already.
    async fn add_foresporsel(&mut self, foresporsel: &Foresporsel) -> Result<(), RegistryError>;
    /// Removes it; whether it was there.
    async fn remove_foresporsel(&mut self, konto: KontoId, system: SystemId) -> Result<bool, RegistryError>;
}

/// Protokoller.
#[async_trait]
pub trait ProtokollRepository {
    /// One version of a Protokoll.
    async fn protokoll(&mut self, navn: &str, versjon: &str) -> Result<Option<Protokoll>, RegistryError>;
    /// All versions of one Protokoll, by version.
    async fn list_versjoner(&mut self, navn: &str) -> Result<Vec<Protokoll>, RegistryError>;
    /// All versions of all protokoller, by name and version.
    async fn list_protokoller(&mut self) -> Result<Vec<Protokoll>, RegistryError>;
    /// Adds it, or replaces the one with the same name and version.
    async fn put_protokoll(&mut self, protokoll: &Protokoll) -> Result<(), RegistryError>;
    /// The fingerprint of the catalogue loaded last, if any.
    async fn katalog_fingerprint(&mut self) -> Result<Option<String>, RegistryError>;
    /// Keeps the fingerprint of the catalogue just loaded.
    async fn set_katalog_fingerprint(&mut self, fingerprint: &str) -> Result<(), RegistryError>;
}

/// A payload that lies in the object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dokument {
    /// Its id; the object store's key is derived from it.
    pub id: DokumentId,
    /// Who sent it.
    pub avsender: KontoId,
    /// Who may fetch it, besides the sender.
    pub mottaker: KontoId,
    /// The organisasjoner that answer for it, also when their kontoer are gone; `None` in a row from before they were kept, of which
    /// a Konto was gone already.
    pub eiere: Option<Eiere>,
    /// Bytes as stored.
    pub size_bytes: u64,
    /// When it was stored.
    pub opprettet: Timestamp,
    /// From when it may be removed.
    pub utloper: Timestamp,
    /// SHA-256 of the bytes as stored; `None` in a row from before it was kept.
    pub sha256: Option<[u8; 32]>,
    /// The melding whose payload it is; `None` in a row from before it was kept.
    pub melding: Option<MeldingId>,
}

/// What an organisasjon has in Dokumentlager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dokumentbytes {
    /// Bytes that its kontoer sent.
    pub sendt: u64,
    /// Bytes that were sent to its kontoer.
    pub mottatt: u64,
}

/// Dokumentlager's index.
#[async_trait]
pub trait DokumentRepository {
    /// The document with that id.
    async fn dokument(&mut self, id: DokumentId) -> Result<Option<Dokument>, RegistryError>;
    /// Adds one; [`RegistryError::Conflict`] (`dokument`) if its id is taken.
    async fn add_dokument(&mut self, dokument: &Dokument) -> Result<(), RegistryError>;
    /// The sums of the documents from and to the kontoer that an organisasjon has now.
    async fn dokumentbytes(&mut self, organisasjon: FiksOrgId) -> Result<Dokumentbytes, RegistryError>;
    /// The same of every organisasjon that has any, in no order.
    async fn list_dokumentbytes(&mut self) -> Result<Vec<(FiksOrgId, Dokumentbytes)>, RegistryError>;
    /// Documents whose time is over at `now`, at most `limit`.
    async fn list_expired_dokumenter(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Dokument>, RegistryError>;
    /// Lets a document live until `utloper` if it would end before. Nothing happens if there is none.
    async fn extend_dokument(&mut self, id: DokumentId, utloper: Timestamp) -> Result<(), RegistryError>;
    /// Removes it.
    async fn remove_dokument(&mut self, id: DokumentId) -> Result<(), RegistryError>;
}

/// A queue that is set aside: the registry does not know its Konto.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SattTilSide {
    /// Whose it is.
    pub konto: KontoId,
    /// Meldinger in it.
    pub meldinger: u64,
    /// Its dead letters.
    pub uleverte: u64,
}

/// Queues that go with their Konto: what is to be done in the queues after the registry has forgotten a Konto. Noted in the
/// unit of work that removes it, so that a queue without Konto tells whether somebody wanted it gone.
#[async_trait]
pub trait FjernetKoRepository {
    /// The queues that are set aside, as the last start found them, by id.
    async fn list_set_aside(&mut self) -> Result<Vec<SattTilSide>, RegistryError>;
    /// Replaces what [`FjernetKoRepository::list_set_aside`] tells.
    async fn put_set_aside(&mut self, queues: &[SattTilSide]) -> Result<(), RegistryError>;
    /// The kontoer that were removed and whose queue may still be there.
    async fn list_fjernede_koer(&mut self) -> Result<Vec<KontoId>, RegistryError>;
    /// Notes that the queue of `konto` goes. Nothing happens if it is noted already.
    async fn add_fjernet_ko(&mut self, konto: KontoId, at: Timestamp) -> Result<(), RegistryError>;
    /// The queue is gone. Nothing happens if it was not noted.
    async fn remove_fjernet_ko(&mut self, konto: KontoId) -> Result<(), RegistryError>;
}

/// One change of the configuration, for the append-only audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub tidspunkt: Timestamp,
    /// Who: `integrasjon:<id>`, `person:<id>`, `drift`, `system`, or `organisasjon:<id>` for somebody of another one.
    pub hvem: String,
    /// What, such as `opprettet konto`; see [`Hva`](crate::hendelse::Hva).
    pub hva: String,
    /// The organisasjon that it concerns.
    pub fiks_org_id: Option<FiksOrgId>,
    /// The System that it concerns.
    pub system_id: Option<SystemId>,
    /// The Konto that it concerns.
    pub konto_id: Option<KontoId>,
    /// More, for a reader; never a secret.
    pub detaljer: Option<String>,
}

/// The audit log.
#[async_trait]
pub trait AuditRepository {
    /// Appends a line.
    async fn add_audit_line(&mut self, line: &AuditLine) -> Result<(), RegistryError>;
    /// The newest lines of an organisasjon, newest first.
    async fn list_audit_lines(
        &mut self,
        owner: FiksOrgId,
        limit: u32,
    ) -> Result<Vec<AuditLine>, RegistryError>;
}
