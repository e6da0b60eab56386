//! The small world: two municipalities with a fagsystem and an arkiv, and one that has nothing yet.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use app::konto::{KontoSti, NyKonto};
use app::system::NyttSystem;
use app::{App, Caller};
use domain::Orgnummer;
use domain::id::{FiksOrgId, IntegrasjonId, KontoId, SystemId};
use domain::konto::PartRef;
use domain::organisasjon::Organisasjon;
use domain::system::SystemInfo;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use simulator::ca::{KeyedCertificate, RsaBits, TestCa, Virksomhetssertifikat};

/// Password of every key store that is written.
pub const KEYSTORE_PASSWORD: &str = "changeit";
/// Alias of the key in every key store that is written.
pub const KEYSTORE_ALIAS: &str = "virksomhet";
/// Protokoll of the world.
pub const PROTOKOLL: &str = "no.ks.fiks.arkiv";
/// Its version.
pub const VERSJON: &str = "v1";

/// An organisasjon of the world: name, orgnummer (synthetic, with a valid control digit) and kommunenummer.
#[derive(Debug, Clone, Copy)]
pub struct OrganisasjonMal {
    /// Its name.
    pub navn: &'static str,
    /// Nine digits.
    pub orgnummer: &'static str,
    /// Four digits.
    pub kommunenummer: &'static str,
}

/// Who sends.
pub const STOREVIK: OrganisasjonMal =
    OrganisasjonMal { navn: "Storevik kommune", orgnummer: "310000108", kommunenummer: "9901" };
/// Who receives.
pub const LILLEFJORD: OrganisasjonMal =
    OrganisasjonMal { navn: "Lillefjord kommune", orgnummer: "310000205", kommunenummer: "9902" };
/// Who has not taken Fiks Protokoll into use, so that the whole way can be walked from its start.
pub const NYVIK: OrganisasjonMal =
    OrganisasjonMal { navn: "Nyvik kommune", orgnummer: "310000302", kommunenummer: "9903" };

/// A System with one Konto in `no.ks.fiks.arkiv` v1.
#[derive(Debug, Clone, Copy)]
pub struct SystemMal {
    /// Its name, and that of its Konto.
    pub navn: &'static str,
    /// What it is for.
    pub beskrivelse: &'static str,
    /// The part its Konto plays.
    pub part: &'static str,
}

/// What sends.
pub const FAGSYSTEM: SystemMal = SystemMal {
    navn: "Mitt fagsystem",
    beskrivelse: "Saksbehandling som sender dokumenter til arkivet",
    part: "klient.full",
};
/// What receives.
pub const ARKIV: SystemMal =
    SystemMal { navn: "Mitt arkiv", beskrivelse: "Arkiv som tar imot dokumenter", part: "arkiv.full" };

/// A System of the world with all that a client needs to be it. Holds the password: for development only.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Innlogging {
    /// Name of the owner.
    pub organisasjon: String,
    /// The owner.
    pub fiks_org_id: FiksOrgId,
    /// Organisasjonsnummer of the owner and of the virksomhetssertifikat.
    pub orgnummer: Orgnummer,
    /// Name of the System.
    pub system_navn: String,
    /// The System.
    pub system_id: SystemId,
    /// Its integrasjon.
    pub integrasjon_id: IntegrasjonId,
    /// The password of the integrasjon.
    pub integrasjon_passord: String,
    /// Its Konto.
    pub konto_id: KontoId,
    /// The part its Konto plays.
    pub part: String,
    /// Name of its key files in the folder of keys.
    pub nokkel: String,
}

impl Innlogging {
    /// Where the Konto stands.
    pub fn sti(&self) -> KontoSti {
        KontoSti { fiks_org_id: self.fiks_org_id, system_id: self.system_id, konto_id: self.konto_id }
    }
}

/// Registers an organisasjon, or finds it.
///
/// # Errors
/// What the use cases answer.
pub async fn registered(app: &App, mal: OrganisasjonMal) -> anyhow::Result<Organisasjon> {
    let orgnummer: Orgnummer = mal.orgnummer.parse()?;
    let operator = Caller::Operator;
    if let Some(found) = app.organisasjon_by_orgnummer(&operator, orgnummer).await? {
        return Ok(found);
    }
    let kommunenummer = Some(mal.kommunenummer.to_owned());
    Ok(app.create_organisasjon(&operator, mal.navn.to_owned(), orgnummer, kommunenummer).await?)
}

/// Registers an organisasjon that has taken Fiks Protokoll into use, or finds it.
///
/// # Errors
/// What the use cases answer.
pub async fn organisasjon(app: &App, mal: OrganisasjonMal) -> anyhow::Result<Organisasjon> {
    let found = registered(app, mal).await?;
    Ok(app.ta_i_bruk(&Caller::Operator, found.id).await?)
}

/// A virksomhetssertifikat for `organisasjon`, kept in `keys`.
///
/// # Errors
/// When it cannot be made or kept.
pub fn virksomhetssertifikat(
    ca: &TestCa,
    keys: &Path,
    orgnummer: Orgnummer,
    navn: &str,
    now: Timestamp,
) -> anyhow::Result<KeyedCertificate> {
    let name = format!("virksomhet-{orgnummer}");
    let order = Virksomhetssertifikat::new(orgnummer.as_str(), navn);
    let issue = || ca.virksomhetssertifikat(&order, now);
    Ok(ca.keep(keys, &name, KEYSTORE_ALIAS, KEYSTORE_PASSWORD, now, issue)?)
}

/// Creates a System through the use case that the portal's wizard uses, with one Konto whose key pair is made here.
///
/// # Errors
/// What the use cases answer, or when the key pair cannot be kept.
pub async fn system(
    app: &App,
    ca: &TestCa,
    keys: &Path,
    eier: &Organisasjon,
    mal: SystemMal,
    now: Timestamp,
) -> anyhow::Result<Innlogging> {
    let operator = Caller::Operator;
    let nytt = NyttSystem {
        info: SystemInfo {
            navn: mal.navn.to_owned(),
            beskrivelse: mal.beskrivelse.to_owned(),
            eposter: vec!["drift@eksempel.no".to_owned()],
            offentlig: true,
            automatisk_godkjenning: false,
            leverandor_navn: None,
            leverandor_kontaktpunkt: None,
        },
        orgnummer: eier.orgnummer.as_str().to_owned(),
        konfigureres_av_integrasjon: true,
    };
    let opprettet = app.create_system(&operator, eier.id, nytt, None).await?;
    let nokkel = format!("konto-{}", mal.part.replace('.', "-"));
    let key = ca.konto_key(mal.navn, RsaBits::B2048, now)?;
    key.save(keys, &nokkel, KEYSTORE_ALIAS, KEYSTORE_PASSWORD)?;
    let konto = NyKonto {
        navn: mal.navn.to_owned(),
        beskrivelse: mal.beskrivelse.to_owned(),
        protokoll_navn: PROTOKOLL.to_owned(),
        parter: vec![PartRef { versjon: VERSJON.to_owned(), navn: mal.part.to_owned() }],
        offentlig_nokkel: Some(key.certificate_pem()),
    };
    let konto = app.create_konto(&operator, eier.id, opprettet.system.id, konto, None).await?.konto;
    Ok(Innlogging {
        organisasjon: eier.navn.clone(),
        fiks_org_id: eier.id,
        orgnummer: eier.orgnummer,
        system_navn: mal.navn.to_owned(),
        system_id: opprettet.system.id,
        integrasjon_id: opprettet.integrasjon.id,
        integrasjon_passord: opprettet.passord.reveal().to_owned(),
        konto_id: konto.id,
        part: mal.part.to_owned(),
        nokkel,
    })
}

/// The world of `dev`: made at the first start, found again later. The fagsystem may send to the arkiv.
///
/// # Errors
/// What the use cases answer, or when files cannot be kept.
pub async fn ensure(app: &App, ca: &TestCa, data: &Path, now: Timestamp) -> anyhow::Result<Vec<Innlogging>> {
    let keys = super::keys_folder(data);
    for mal in [STOREVIK, LILLEFJORD] {
        let organisasjon = organisasjon(app, mal).await?;
        virksomhetssertifikat(ca, &keys, organisasjon.orgnummer, mal.navn, now)?;
    }
    super::personer::ensure(app).await?;
    if let Some(world) = load(data)?
        && still_there(app, &world).await
    {
        return Ok(world);
    }
    let storevik = organisasjon(app, STOREVIK).await?;
    let lillefjord = organisasjon(app, LILLEFJORD).await?;
    let fagsystem = system(app, ca, &keys, &storevik, FAGSYSTEM, now).await?;
    let arkiv = system(app, ca, &keys, &lillefjord, ARKIV, now).await?;
    app.grant_tilgang(&Caller::Operator, arkiv.sti(), fagsystem.system_id).await?;
    let world = vec![fagsystem, arkiv];
    keep(data, &world)?;
    Ok(world)
}

/// Remembers the world, with its passwords.
///
/// # Errors
/// When the file cannot be written.
pub fn keep(data: &Path, world: &[Innlogging]) -> anyhow::Result<()> {
    write_private(&file(data), &serde_json::to_vec_pretty(world)?)
}

fn file(data: &Path) -> PathBuf {
    data.join("verden.json")
}

/// The world as it was made; `None` before.
///
/// # Errors
/// When its file cannot be read.
pub fn load(data: &Path) -> anyhow::Result<Option<Vec<Innlogging>>> {
    let file = file(data);
    match fs::read(&file) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).with_context(|| {
            format!("{} is damaged; remove it, and the world is made anew beside the old one", file.display())
        })?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Whether nobody removed a Konto of the world since.
async fn still_there(app: &App, world: &[Innlogging]) -> bool {
    for innlogging in world {
        if app.konto(&Caller::Operator, innlogging.sti()).await.is_err() {
            return false;
        }
    }
    true
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    crate::files::replace(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}
