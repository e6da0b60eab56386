//! A registry as large as a whole country's, made up: the same one each time, with a few very large organisasjoner and
//! many small ones.

use std::collections::HashSet;

use anyhow::Context as _;
use app::konto::KontoSti;
use app::ports::{AuditLine, Registry, Tx};
use aws_lc_rs::digest;
use domain::katalog;
use domain::konto::{Konto, PartRef};
use domain::nokkel::OffentligNokkel;
use domain::organisasjon::Organisasjon;
use domain::protokoll::{Protokoll, Protokollstatus};
use domain::system::{Integrasjon, System, SystemInfo};
use domain::tilgang::{Foresporsel, Tilgang};
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize, SerialNumber, date_time_ymd};
use wire::id::{FiksOrgId, IntegrasjonId, KontoId, SystemId, Uuid};

/// How much is made.
#[derive(Debug, Clone, Copy)]
pub struct Storrelse {
    /// Organisasjoner, at most 400.
    pub organisasjoner: usize,
    /// Systemer, of which a tenth belongs to the first organisasjon.
    pub systemer: usize,
    /// Kontoer.
    pub kontoer: usize,
    /// Tilganger.
    pub tilganger: usize,
    /// Forespørsler.
    pub foresporsler: usize,
    /// Lines of the audit log.
    pub hendelser: usize,
}

impl Storrelse {
    /// Every municipality with all its vendors.
    pub const LANDET: Self = Self {
        organisasjoner: 400,
        systemer: 5_000,
        kontoer: 21_000,
        tilganger: 100_000,
        foresporsler: 3_000,
        hendelser: 60_000,
    };

    /// Enough to find what goes wrong only where there are several.
    pub const FYLKET: Self = Self {
        organisasjoner: 12,
        systemer: 80,
        kontoer: 300,
        tilganger: 900,
        foresporsler: 60,
        hendelser: 200,
    };
}

/// Rows written in one unit of work.
const BATCH: usize = 5_000;

const FORSTE: [&str; 25] = [
    "Stor", "Lille", "Nord", "Sør", "Øst", "Vest", "Ålve", "Bær", "Fjell", "Skog", "Elve", "Havn", "Gran",
    "Furu", "Bjørk", "Lang", "Kvit", "Svart", "Grå", "Øvre", "Nedre", "Ytre", "Indre", "Mel", "Haug",
];
const ANDRE: [&str; 16] = [
    "vik", "fjord", "dal", "nes", "sund", "bø", "ås", "øy", "heim", "stad", "vær", "mo", "vang", "land",
    "berg", "eid",
];
const LEVERANDOR: [&str; 14] = [
    "Ærlig",
    "Blåfjell",
    "Nordlys",
    "Kvikk",
    "Østavind",
    "Tindra",
    "Havgap",
    "Åpen",
    "Fjære",
    "Vidde",
    "Solsida",
    "Ramme",
    "Mørk",
    "Granitt",
];
const PRODUKT: [&str; 16] = [
    "Arkiv",
    "Sak",
    "Byggesak",
    "Plan",
    "Barnevern",
    "Skjema",
    "Innsyn",
    "Oppvekst",
    "Helse",
    "Økonomi",
    "Matrikkel",
    "eByggesak",
    "Politisk sak",
    "Postmottak",
    "Sak/arkiv",
    "Bekymring",
];
const TILLEGG: [&str; 8] = ["", "", "", " test", " drift", " 2", "-sky", " (gammel)"];
const FORMAL: [&str; 8] = [
    "Fagsystem for saksbehandlere i kommunen.",
    "Tar imot dokumenter og journalfører dem.",
    "Sender byggesøknader fra innbyggere og foretak.",
    "Brukes av barneverntjenesten på tvers av kommunene.",
    "Felles løsning for hele regionen, driftet av leverandøren.",
    "Prøvemiljø. Ikke send ekte opplysninger hit.",
    "Henter planer og målebrev fra kartavdelingen.",
    "Overføring av møteinnkallinger, møtebøker og høringssvar.",
];
const KONTO: [&str; 14] = [
    "Inngående post",
    "Saker",
    "Byggesaksarkiv",
    "Journal",
    "Klient for fagsystem",
    "Innsynsforespørsler",
    "Bekymringsmeldinger",
    "Planregister",
    "Møtebehandling",
    "Matrikkelføring",
    "Økonomibilag",
    "Skjemamottak",
    "Oppfølging",
    "Åpne henvendelser",
];

/// Numbers that look random and are the same each time (SplitMix64).
struct Tall(u64);

impl Tall {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).expect("a length fits 64 bits");
        usize::try_from(self.next() % limit).expect("it is less than a length")
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn uuid(&mut self) -> Uuid {
        let random = u128::from(self.next()) << 64 | u128::from(self.next());
        let (version, variant) = (4_u128 << 76, 2_u128 << 62);
        Uuid::from_u128(random & !(0xf << 76) & !(0x3 << 62) | version | variant)
    }

    /// Up to so many days before `now`.
    fn before(&mut self, now: Timestamp, days: usize) -> Timestamp {
        let millis = i64::try_from(self.below(days * 86_400_000)).expect("some years fit");
        now - SignedDuration::from_millis(millis)
    }
}

/// Fills an empty registry. `now` is when it shall look as if it was made.
///
/// # Errors
/// What the registry answers.
pub async fn fill(registry: &dyn Registry, size: Storrelse, now: Timestamp) -> anyhow::Result<()> {
    let mut writer = Writer { registry, tx: registry.begin().await?, rows: 0 };
    let mut tall = Tall(1);
    let katalog: Vec<_> = katalog::standard();
    for protokoll in &katalog {
        writer.tx().await?.put_protokoll(protokoll).await?;
    }
    let organisasjoner = organisasjoner(size.organisasjoner, &mut tall, now);
    for organisasjon in &organisasjoner {
        writer.tx().await?.add_organisasjon(organisasjon).await?;
    }
    let systemer = systemer(&organisasjoner, size.systemer, &mut tall, now);
    for (system, integrasjon) in &systemer {
        writer.tx().await?.add_system(system).await?;
        writer.tx().await?.add_integrasjon(integrasjon).await?;
    }
    let aktive: Vec<_> =
        katalog.into_iter().filter(|protokoll| protokoll.status == Protokollstatus::Aktiv).collect();
    let kontoer = kontoer(&systemer, &aktive, size.kontoer, &mut tall, now);
    let sertifikater = sertifikater(now)?;
    for konto in &kontoer {
        writer.tx().await?.add_konto(konto).await?;
        if !tall.chance(4) {
            let nokkel = tall.one_of(&sertifikater).clone();
            writer.tx().await?.add_nokkel(&OffentligNokkel { konto_id: konto.id, ..nokkel }).await?;
        }
    }
    let mut pairs = HashSet::new();
    for at in 0..size.tilganger + size.foresporsler {
        let (konto, system) = loop {
            // Some kontoer receive from very many, and some systemer send to very many.
            let receivers = if tall.chance(20) { kontoer.len().min(50) } else { kontoer.len() };
            let senders = if tall.chance(20) { systemer.len().min(50) } else { systemer.len() };
            let (konto, system) = (&kontoer[tall.below(receivers)], &systemer[tall.below(senders)].0);
            if konto.system_id != system.id && pairs.insert((konto.id, system.id)) {
                break (konto.id, system.id);
            }
        };
        let since = tall.before(now, 900);
        let tx = writer.tx().await?;
        if at < size.tilganger {
            tx.add_tilgang(&Tilgang { konto_id: konto, system_id: system, gitt: since }).await?;
        } else {
            tx.add_foresporsel(&Foresporsel { konto_id: konto, system_id: system, sendt: since }).await?;
        }
    }
    let mut times: Vec<_> = (0..size.hendelser).map(|_| tall.before(now, 900)).collect();
    times.sort_unstable();
    for tidspunkt in times {
        let (system, integrasjon) = tall.one_of(&systemer);
        let line = AuditLine {
            id: tall.uuid(),
            tidspunkt,
            hvem: format!("integrasjon:{}", integrasjon.id),
            hva: (*tall.one_of(&["endret systeminfo", "opprettet konto", "ga tilgang", "fikk tilgang"]))
                .to_owned(),
            fiks_org_id: Some(system.fiks_org_id),
            system_id: Some(system.id),
            konto_id: None,
            detaljer: Some(format!("system: {}", system.info.navn)),
        };
        writer.tx().await?.add_audit_line(&line).await?;
    }
    writer.tx.commit().await?;
    Ok(())
}

/// Commits now and then.
struct Writer<'a> {
    registry: &'a dyn Registry,
    tx: Box<dyn Tx>,
    rows: usize,
}

impl Writer<'_> {
    async fn tx(&mut self) -> anyhow::Result<&mut dyn Tx> {
        self.rows += 1;
        if self.rows.is_multiple_of(BATCH) {
            // The next one cannot begin before this one has ended, so a reader stands in for a moment.
            let between = self.registry.begin_read().await?;
            std::mem::replace(&mut self.tx, between).commit().await?;
            self.tx = self.registry.begin().await?;
        }
        Ok(&mut *self.tx)
    }
}

fn organisasjoner(count: usize, tall: &mut Tall, now: Timestamp) -> Vec<Organisasjon> {
    let names =
        FORSTE.iter().flat_map(|forste| ANDRE.iter().map(move |andre| format!("{forste}{andre} kommune")));
    names
        .take(count)
        .enumerate()
        .map(|(at, navn)| Organisasjon {
            id: FiksOrgId::from_uuid(tall.uuid()),
            navn,
            orgnummer: format!("{:09}", 910_000_000 + at * 37).parse().expect("it has nine digits"),
            kommunenummer: Some(format!("{:04}", 1101 + at)),
            tatt_i_bruk: Some(tall.before(now, 900)),
        })
        .collect()
}

/// A tenth for the first organisasjon, then ever fewer; each has one.
fn systemer(
    organisasjoner: &[Organisasjon],
    count: usize,
    tall: &mut Tall,
    now: Timestamp,
) -> Vec<(System, Integrasjon)> {
    let mut made = Vec::with_capacity(count);
    let mut left = count.saturating_sub(organisasjoner.len());
    for (at, eier) in organisasjoner.iter().enumerate() {
        let more = (left.min(count) / 10).max(1).min(left);
        left -= more;
        let last = at + 1 == organisasjoner.len();
        for _ in 0..=(if last { more + left } else { more }) {
            made.push(system(eier, tall, now));
        }
    }
    made
}

fn system(eier: &Organisasjon, tall: &mut Tall, now: Timestamp) -> (System, Integrasjon) {
    let leverandor = *tall.one_of(&LEVERANDOR);
    let opprettet = tall.before(now, 900);
    let system = System {
        id: SystemId::from_uuid(tall.uuid()),
        fiks_org_id: eier.id,
        info: SystemInfo {
            navn: format!("{leverandor} {}{}", tall.one_of(&PRODUKT), tall.one_of(&TILLEGG)),
            beskrivelse: (*tall.one_of(&FORMAL)).to_owned(),
            eposter: vec!["drift@eksempel.no".to_owned()],
            offentlig: tall.chance(70),
            automatisk_godkjenning: tall.chance(5),
            leverandor_navn: Some(format!("{leverandor} AS")),
            leverandor_kontaktpunkt: None,
        },
        konfigureres_av_integrasjon: tall.chance(60),
        opprettet,
        sist_endret: tall.before(now, 400).max(opprettet),
    };
    let integrasjon = Integrasjon {
        id: IntegrasjonId::from_uuid(tall.uuid()),
        system_id: system.id,
        orgnummer: eier.orgnummer,
        gyldig_fra: opprettet,
        utlops_dato: None,
        primer: true,
        passord_hash: [0; 32],
    };
    (system, integrasjon)
}

fn kontoer(
    systemer: &[(System, Integrasjon)],
    protokoller: &[Protokoll],
    count: usize,
    tall: &mut Tall,
    now: Timestamp,
) -> Vec<Konto> {
    const OF_A_SYSTEM: [usize; 8] = [1, 2, 3, 4, 4, 5, 6, 8];
    let mut made = Vec::with_capacity(count);
    for (system, _) in systemer {
        for _ in 0..(*tall.one_of(&OF_A_SYSTEM)).min(count - made.len()) {
            made.push(konto(system, protokoller, tall, now));
        }
    }
    while made.len() < count {
        let (system, _) = tall.one_of(systemer);
        made.push(konto(system, protokoller, tall, now));
    }
    made
}

fn konto(system: &System, protokoller: &[Protokoll], tall: &mut Tall, now: Timestamp) -> Konto {
    // Arkiv is what most of them speak.
    let arkiv = protokoller.iter().find(|protokoll| protokoll.navn == "no.ks.fiks.arkiv");
    let protokoll = match arkiv {
        Some(arkiv) if tall.chance(40) => arkiv,
        _ => tall.one_of(protokoller),
    };
    let mut parter = vec![tall.one_of(&protokoll.parter).navn.clone()];
    if tall.chance(15) {
        parter.push(tall.one_of(&protokoll.parter).navn.clone());
        parter.dedup();
    }
    let parter =
        parter.into_iter().map(|navn| PartRef { versjon: protokoll.versjon.clone(), navn }).collect();
    let opprettet = tall.before(now, 800).max(system.opprettet);
    Konto {
        id: KontoId::from_uuid(tall.uuid()),
        system_id: system.id,
        navn: format!("{}{}", tall.one_of(&KONTO), tall.one_of(&TILLEGG)),
        beskrivelse: (*tall.one_of(&FORMAL)).to_owned(),
        protokoll_navn: protokoll.navn.clone(),
        parter,
        send_meldinger_deaktivert: tall.chance(2),
        opprettet,
        sist_endret: tall.before(now, 300).max(opprettet),
    }
}

/// One that is good for long, one that ends soon and one that has ended.
fn sertifikater(now: Timestamp) -> anyhow::Result<Vec<OffentligNokkel>> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let year = i32::try_from(1970 + now.as_second() / 31_556_952)?;
    [(year - 1, year + 3), (year - 2, year + 1), (year - 5, year - 1)]
        .into_iter()
        .enumerate()
        .map(|(at, (fra, til))| {
            let mut params = CertificateParams::new(vec![])?;
            params.not_before = date_time_ymd(fra, 1, 1);
            params.not_after = date_time_ymd(til, 1, 1);
            params.serial_number = Some(SerialNumber::from(vec![u8::try_from(at + 1)?]));
            let certificate = params.self_signed(&key)?;
            let time = |time: i64| Timestamp::from_second(time).context("outside the calendar");
            Ok(OffentligNokkel {
                konto_id: KontoId::from_uuid(Uuid::nil()),
                pem: certificate.pem(),
                gyldig_fra: time(params.not_before.unix_timestamp())?,
                gyldig_til: time(params.not_after.unix_timestamp())?,
                serienummer: format!("{:02x}", at + 1),
                utstedt_til: "CN=rcgen self signed cert".to_owned(),
                utsteder: "CN=rcgen self signed cert".to_owned(),
                fingeravtrykk: hex(digest::digest(&digest::SHA256, certificate.der()).as_ref()),
                opprettet: now,
            })
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

/// Where things are, for asking about them.
#[derive(Debug, Clone)]
pub struct Innhold {
    /// The organisasjoner that have kontoer, the one with the most first.
    pub organisasjoner: Vec<FiksOrgId>,
    /// All kontoer, owner by owner.
    pub kontoer: Vec<KontoSti>,
}

impl Innhold {
    /// Reads it out of a registry, whoever filled it.
    ///
    /// # Errors
    /// What the registry answers.
    pub async fn read(registry: &dyn Registry) -> anyhow::Result<Self> {
        let mut tx = registry.begin_read().await?;
        let mut found = Vec::new();
        for organisasjon in tx.list_organisasjoner().await? {
            let kontoer = tx.list_konto_ids_for_org(organisasjon.id).await?;
            if !kontoer.is_empty() {
                found.push((organisasjon.id, kontoer));
            }
        }
        found.sort_by_key(|(_, kontoer)| std::cmp::Reverse(kontoer.len()));
        let organisasjoner = found.iter().map(|(owner, _)| *owner).collect();
        let stier = found.into_iter().flat_map(|(fiks_org_id, kontoer)| {
            kontoer.into_iter().map(move |(system_id, konto_id)| KontoSti {
                fiks_org_id,
                system_id,
                konto_id,
            })
        });
        let kontoer = stier.collect();
        Ok(Self { organisasjoner, kontoer })
    }
}
