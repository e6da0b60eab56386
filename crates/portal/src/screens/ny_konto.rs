//! Screen 11: «Opprett ny konto», one page. What was typed comes back with each answer; only a certificate, which a browser
//! does not send twice, is kept in the session until the rest of the form is right.

use app::Error;
use app::konto::NyKonto;
use app::sesjon::Once;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use domain::id::KontoId;
use domain::protokoll::Protokoll;
use domain::tekst::{MAX_BESKRIVELSE, MAX_NAVN, check_beskrivelse, check_navn};
use serde::{Deserialize, Serialize};

use crate::feil::Feil;
use crate::innlogget::SystemSide;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::regler::{Felt, of_sertifikat, tell_all};
use crate::render::{invalid, ok};
use crate::screens::nytt_system::counter;
use crate::screens::parter::{self, PartValg};
use crate::skjema::{Felter, Mangler, Opplastet, Skjema};
use crate::tekster::Tekster;
use crate::view::{Choice, ErrorSummary, Field, FileField, Radios, Select};

/// Longest name of a file that is shown.
const MAX_FILNAVN: usize = 100;

pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/o/{org}/protokoll/systemer/{system}/kontoer/ny", get(show).post(create))
}

/// What stands in the fields.
struct Skrevet {
    navn: String,
    beskrivelse: String,
    protokoll: String,
    parter: Vec<String>,
    /// The key is uploaded now, and not by the client.
    last_opp: bool,
}

impl Skrevet {
    fn of(felter: &Felter) -> Self {
        Self {
            navn: felter.text("navn"),
            beskrivelse: felter.lines("beskrivelse"),
            protokoll: felter.text("protokoll"),
            parter: parter::sent(felter),
            last_opp: felter.raw("nokkel") != "senere",
        }
    }
}

/// What the session keeps of one form.
#[derive(Default, Serialize, Deserialize)]
struct Beholdt {
    fil: Option<Fil>,
}

/// A certificate that was found good.
#[derive(Serialize, Deserialize)]
struct Fil {
    navn: String,
    pem: String,
}

/// One form, with what is kept of it.
struct Utkast {
    id: String,
    beholdt: Beholdt,
}

impl Utkast {
    fn key(&self) -> String {
        format!("ny-konto-{}", self.id)
    }

    /// The form can become one Konto only, however often it is sent.
    fn once(&self, side: &SystemSide) -> Once {
        Once { sesjon: side.side.innlogget.sesjon.id, key: format!("opprett-konto-{}", self.id) }
    }

    /// The form that names itself by `id`; a new one where that is none of ours.
    async fn load(side: &SystemSide, id: &str) -> Result<Self, Feil> {
        let app = side.app();
        let known = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !known {
            return Ok(Self { id: app.ids().uuid().simple().to_string(), beholdt: Beholdt::default() });
        }
        let utkast = Self { id: id.to_owned(), beholdt: Beholdt::default() };
        let kept = app.sesjon_value(side.side.innlogget.sesjon.id, &utkast.key()).await?;
        let beholdt = kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Ok(Self { beholdt, ..utkast })
    }

    /// Takes the file that was sent, if it is good.
    fn take(&mut self, side: &SystemSide, fil: &Opplastet, mangler: &mut Mangler) {
        match side.app().check_sertifikat(&fil.bytes) {
            Ok(pem) => self.beholdt.fil = Some(Fil { navn: shown(&fil.navn), pem }),
            Err(rule) => mangler.add("fil", of_sertifikat(side.t(), &rule)),
        }
    }

    async fn save(&mut self, side: &SystemSide) -> Result<(), Feil> {
        let text = serde_json::to_string(&self.beholdt).map_err(Feil::intern)?;
        match side.app().put_sesjon_value(side.side.innlogget.sesjon.id, &self.key(), &text).await {
            Ok(()) => Ok(()),
            // More than a session keeps: it has to be chosen again.
            Err(Error::TooLarge { .. }) => {
                self.beholdt.fil = None;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A file's name as it is shown: it comes from outside and means nothing to us.
pub(crate) fn shown(filnavn: &str) -> String {
    filnavn.chars().filter(|character| !character.is_control()).take(MAX_FILNAVN).collect()
}

/// The field for a certificate; `kept` is the name of the file that is kept already.
pub(crate) fn fil_felt(t: Tekster, mangler: &Mangler, kept: Option<&str>) -> FileField {
    FileField {
        field: Field::new("fil", t.s("ny-konto-fil")).error(mangler.of("fil")),
        accept: ".pem",
        prompt: t.s("ny-konto-fil-slipp"),
        chosen: t.s("ny-konto-fil-valgt"),
        kept: kept.map(|navn| (t.v("ny-konto-fil-beholdt", "filnavn", navn), t.s("ny-konto-bytt-fil"))),
    }
}

#[derive(Template)]
#[template(path = "ny-konto/ny.html")]
struct NySide {
    ramme: Ramme,
    summary: ErrorSummary,
    u: String,
    avbryt: String,
    /// Nothing on the page is voluntary.
    alle_felt: bool,
    navn: Field,
    beskrivelse: Field,
    protokoll: Select,
    parter: PartValg,
    nokkel: Radios,
    fil: FileField,
}

fn ny_side(
    side: &SystemSide,
    utkast: &Utkast,
    skrevet: &Skrevet,
    protokoller: &[Protokoll],
    mangler: &Mangler,
    focus: Option<usize>,
) -> NySide {
    let t = side.t();
    let alle_felt = skrevet.parter.len() <= 1;
    let marked = |field: Field| if alle_felt { field } else { field.tag(t.s("felles-ma-fylles-ut")) };
    let kept = utkast.beholdt.fil.as_ref().map(|fil| fil.navn.as_str());
    let mut fil = fil_felt(t, mangler, kept);
    fil.field = marked(fil.field);
    let tittel = t.s("ny-konto-tittel");
    NySide {
        ramme: side.under_ramme(&tittel).here(&tittel).errors(!mangler.is_empty()),
        summary: mangler.summary(t),
        u: utkast.id.clone(),
        avbryt: format!("{}/kontoer", side.sti()),
        alle_felt,
        navn: marked(
            Field::new("navn", t.s("felles-navn"))
                .description(t.s("ny-konto-hjelp"))
                .counter(counter(t, MAX_NAVN))
                .value(&skrevet.navn)
                .error(mangler.of("navn")),
        ),
        beskrivelse: marked(
            Field::new("beskrivelse", t.s("felles-beskrivelse"))
                .description(t.s("ny-konto-hjelp"))
                .counter(counter(t, MAX_BESKRIVELSE))
                .value(&skrevet.beskrivelse)
                .error(mangler.of("beskrivelse")),
        ),
        protokoll: protokoll_valg(
            t,
            marked(
                Field::new("protokoll", t.s("regler-felt-protokoll"))
                    .description(t.s("ny-konto-protokoll-hjelp"))
                    .error(mangler.of("protokoll")),
            ),
            protokoller,
            &skrevet.protokoll,
        ),
        parter: parter::part_valg(t, protokoller, &skrevet.parter, Some("protokoll"), mangler, focus),
        nokkel: Radios::new(
            marked(Field::new("nokkel", t.s("regler-felt-nokkel"))),
            vec![
                Choice::new("na", t.s("ny-konto-last-opp-na")).selected(skrevet.last_opp).block("nokkel-fil"),
                Choice::new("senere", t.s("ny-konto-klienten-laster-opp")).selected(!skrevet.last_opp),
            ],
        ),
        fil,
    }
}

/// Each Protokoll once, however many versions of it are in use.
fn protokoll_valg(t: Tekster, field: Field, protokoller: &[Protokoll], valgt: &str) -> Select {
    let mut choices = vec![Choice::new("", t.s("regler-velg-protokoll"))];
    for protokoll in protokoller {
        if choices.iter().all(|choice| choice.value != protokoll.navn) {
            choices.push(Choice::new(&protokoll.navn, &protokoll.navn).selected(protokoll.navn == valgt));
        }
    }
    Select::new(field, choices)
}

/// What a Konto can be made for.
async fn protokoller(side: &SystemSide) -> Result<Vec<Protokoll>, Feil> {
    let protokoller = side.app().list_protokoller().await?;
    Ok(protokoller.iter().filter(|protokoll| parter::in_use(protokoll)).cloned().collect())
}

async fn show(side: SystemSide) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let skrevet = Skrevet::of(&Felter::default());
    let protokoller = protokoller(&side).await?;
    let utkast = Utkast::load(&side, "").await?;
    Ok(ok(&ny_side(&side, &utkast, &skrevet, &protokoller, &Mangler::default(), None)))
}

async fn create(side: SystemSide, skjema: Skjema) -> Result<Response, Feil> {
    side.side.demand_change()?;
    let t = side.t();
    let mut utkast = Utkast::load(&side, skjema.felter.raw("u")).await?;
    let once = utkast.once(&side);
    if let Some(konto) = side.app().konto_of_form(&once).await? {
        return made(&side, Some(konto)).await;
    }
    let mut skrevet = Skrevet::of(&skjema.felter);
    let protokoller = protokoller(&side).await?;
    let mut mangler = Mangler::default();
    if skrevet.last_opp
        && let Some(fil) = skjema.fil("fil")
    {
        utkast.take(&side, fil, &mut mangler);
    }
    if let Some(focus) = parter::change_rader(&mut skrevet.parter, skjema.felter.raw("handling")) {
        utkast.save(&side).await?;
        let page = ny_side(&side, &utkast, &skrevet, &protokoller, &mangler, Some(focus));
        return Ok(if mangler.is_empty() { ok(&page) } else { invalid(&page) });
    }
    let ny = check(t, &utkast, &skrevet, &protokoller, &mut mangler);
    if !mangler.is_empty() {
        return redraw(&side, utkast, &skrevet, &protokoller, mangler).await;
    }
    match side
        .app()
        .create_konto(&side.caller(), side.side.id(), side.system.id, ny, Some(once.clone()))
        .await
    {
        Ok(detaljer) => {
            utkast.beholdt = Beholdt::default();
            // Only to keep less; the Konto is there, and that is what has to be said.
            let _ = utkast.save(&side).await;
            made(&side, Some(detaljer.konto.id)).await
        }
        // The same form, sent twice at once.
        Err(Error::Conflict { what: "engangsnokkel" }) => {
            made(&side, side.app().konto_of_form(&once).await?).await
        }
        Err(Error::Invalid(errors)) => {
            let felter = [
                Felt { json: "navn", id: "navn", navn: "navn" },
                Felt { json: "beskrivelse", id: "beskrivelse", navn: "beskrivelse" },
                Felt { json: "stottetProtokollNavn", id: "protokoll", navn: "protokoll" },
                Felt { json: "parts", id: "part-0", navn: "part" },
                Felt { json: "offentligNokkel", id: "fil", navn: "nokkel" },
            ];
            tell_all(t, &errors, &felter, &mut mangler);
            redraw(&side, utkast, &skrevet, &protokoller, mangler).await
        }
        Err(error) => {
            // The page for trying again has the fields, but no file.
            let _ = utkast.save(&side).await;
            Err(error.into())
        }
    }
}

/// To the Konto that the form became. A repeat is led there too: to whoever pressed twice it is the first answer he sees.
async fn made(side: &SystemSide, konto: Option<KontoId>) -> Result<Response, Feil> {
    let kontoer = format!("{}/kontoer", side.sti());
    let sti = match konto {
        Some(konto) => format!("{kontoer}/{konto}"),
        // So much was done since that the session no longer knows which one it is.
        None => kontoer,
    };
    side.side.innlogget.to(&sti, Melding::ok("konto-opprettet")).await
}

async fn redraw(
    side: &SystemSide,
    mut utkast: Utkast,
    skrevet: &Skrevet,
    protokoller: &[Protokoll],
    mangler: Mangler,
) -> Result<Response, Feil> {
    if utkast.beholdt.fil.is_some() {
        utkast.save(side).await?;
    }
    Ok(invalid(&ny_side(side, &utkast, skrevet, protokoller, &mangler, None)))
}

/// Tells all that is wrong at once, before anything is made.
fn check(
    t: Tekster,
    utkast: &Utkast,
    skrevet: &Skrevet,
    protokoller: &[Protokoll],
    mangler: &mut Mangler,
) -> NyKonto {
    let errors: Vec<_> =
        [("navn", check_navn(&skrevet.navn)), ("beskrivelse", check_beskrivelse(&skrevet.beskrivelse))]
            .into_iter()
            .filter_map(|(field, checked)| {
                checked.err().map(|rule| app::FieldError { field, rule: rule.into() })
            })
            .collect();
    let felter = [
        Felt { json: "navn", id: "navn", navn: "navn" },
        Felt { json: "beskrivelse", id: "beskrivelse", navn: "beskrivelse" },
    ];
    tell_all(t, &errors, &felter, mangler);
    let known = protokoller.iter().any(|protokoll| protokoll.navn == skrevet.protokoll);
    let chosen = skrevet.parter.iter().any(|part| !part.is_empty());
    let mut valgte = Vec::new();
    if !known {
        mangler.add("protokoll", t.s("regler-velg-protokoll"));
    }
    // Parter chosen before the Protokoll belong to none; to say so would only confuse.
    if known || !chosen {
        valgte = parter::check(t, protokoller, &skrevet.protokoll, &skrevet.parter, mangler);
    }
    let pem = utkast.beholdt.fil.as_ref().map(|fil| fil.pem.clone()).filter(|_| skrevet.last_opp);
    if skrevet.last_opp && pem.is_none() {
        mangler.add("fil", t.s("regler-nokkel-mangler"));
    }
    let mut order: Vec<String> = ["navn", "beskrivelse", "protokoll"].map(str::to_owned).into();
    order.extend((0..skrevet.parter.len()).map(|at| format!("part-{at}")));
    mangler.in_order(&order.iter().map(String::as_str).collect::<Vec<_>>());
    NyKonto {
        navn: skrevet.navn.clone(),
        beskrivelse: skrevet.beskrivelse.clone(),
        protokoll_navn: skrevet.protokoll.clone(),
        parter: valgte,
        offentlig_nokkel: pem,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::LazyLock;

    use app::Caller;
    use app::konto::KontoSti;
    use domain::nokkel::OffentligNokkel;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, date_time_ymd};

    use crate::testing::{Answer, Browser, CHANGERS, Hvem, World, certificate, opens};

    const ARKIV: &str = "no.ks.fiks.arkiv/v1/arkiv.full";
    const KLIENT: &str = "no.ks.fiks.arkiv/v1/klient.full";

    fn key() -> &'static KeyPair {
        static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap());
        &KEY
    }

    /// A certificate that is good from the start of `from` to the start of `to`, both years.
    pub(crate) fn valid(from: i32, to: i32) -> String {
        let mut params = CertificateParams::new(vec![]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        params.self_signed(key()).unwrap().pem()
    }

    /// Every kind of file that is no good, with what is said of it.
    pub(crate) fn bad_files() -> Vec<(Vec<u8>, &'static str)> {
        let good = certificate();
        let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let ec = CertificateParams::new(vec![]).unwrap().self_signed(&ec).unwrap().pem();
        let not_pem = "Filen må være et X.509-sertifikat i PEM-format";
        vec![
            // The head of a P12 file.
            (vec![0x30, 0x82, 0x0a, 0x21, 0x02, 0x01, 0x03, 0x30, 0x82, 0xff], not_pem),
            (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_vec(), not_pem),
            (b"Hei".to_vec(), not_pem),
            (Vec::new(), not_pem),
            (format!("{good}{good}").into_bytes(), "Filen inneholder flere sertifikater. Last opp ett."),
            (
                format!("{good}{}", key().serialize_pem()).into_bytes(),
                "Filen inneholder en privat nøkkel. Den er ikke lagret. Last opp bare sertifikatet.",
            ),
            (ec.into_bytes(), "Nøkkelen må være RSA på minst 2048 bit"),
            (valid(2019, 2020).into_bytes(), "Sertifikatet gikk ut 01.01.2020"),
            (valid(2090, 2091).into_bytes(), "Sertifikatet gjelder først fra 01.01.2090"),
            (vec![b'x'; 65 * 1024], "Filen er for stor. Største tillatte størrelse er 64 kB."),
        ]
    }

    fn fields<'a>(u: &'a str, navn: &'a str) -> Vec<(&'static str, &'a str)> {
        vec![
            ("u", u),
            ("handling", ""),
            ("navn", navn),
            ("beskrivelse", "Arkiv for test"),
            ("protokoll", "no.ks.fiks.arkiv"),
            ("part", ARKIV),
            ("nokkel", "na"),
        ]
    }

    fn with<'a>(
        fields: &[(&'static str, &'a str)],
        name: &'static str,
        value: &'a str,
    ) -> Vec<(&'static str, &'a str)> {
        let mut fields = fields.to_vec();
        fields.iter_mut().filter(|(known, _)| *known == name).for_each(|(_, old)| *old = value);
        fields
    }

    /// The id of the form on the page.
    fn u(answer: &Answer) -> String {
        answer.text.split("name=\"u\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    async fn open(browser: &mut Browser, world: &World) -> (String, String) {
        let path = format!("{}/kontoer/ny", world.storevik.s());
        let answer = browser.get(&path).await;
        answer.is(200).says("Alle felt må fylles ut.").says("Kontoen kan bare utveksle meldinger");
        let u = u(&answer);
        (path, u)
    }

    /// The kontoer of Storevik's System, by name.
    async fn kontoer(world: &World) -> Vec<String> {
        let operator = Caller::Operator;
        let system = world.app.system(&operator, world.storevik.org, world.storevik.system).await.unwrap();
        system.kontoer.into_iter().map(|konto| konto.konto.navn).collect()
    }

    async fn nokkel(world: &World, location: &str) -> Option<OffentligNokkel> {
        let id = location.split("/kontoer/").nth(1).unwrap().split('?').next().unwrap();
        let sti = KontoSti { konto_id: id.parse().unwrap(), ..world.storevik.sti };
        world.app.konto(&Caller::Operator, sti).await.unwrap().nokkel
    }

    #[tokio::test]
    async fn page_is_for_those_who_may_change_something() {
        let world = World::new().await;
        let path = format!("{}/kontoer/ny", world.storevik.s());
        opens(&world, &path, CHANGERS).await;
        for (hvem, status) in CHANGERS {
            let answer = world.browser(hvem).await.post(&path, &fields("", "")).await;
            answer.is(if status == 200 { 422 } else { status });
        }
        assert!(world.anonymous().get(&path).await.location().starts_with("/logg-inn?retur="));
    }

    #[tokio::test]
    async fn konto_is_made_once_with_its_parter_and_key() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Protokoll).await;
        let (path, u) = open(&mut browser, &world).await;
        let mut typed = fields(&u, "Nytt arkiv");
        typed.push(("part", ""));
        typed.push(("part", KLIENT));
        let file = ("fil", "min.pem", certificate().as_bytes());
        let answer = browser.post_file(&path, &typed, file).await;
        let location = answer.location().to_owned();
        assert_eq!(nokkel(&world, &location).await.unwrap().pem, certificate());
        browser
            .get(&location)
            .await
            .is(200)
            .says("Kontoen er opprettet. Konto-id-en skal inn i klienten.")
            .says("arkiv.full v1")
            .says("klient.full v1");
        // A reload, or Back and the button once more: the same Konto, and the same answer.
        for _ in 0..2 {
            let again = browser.post_file(&path, &typed, file).await.location().to_owned();
            assert_eq!(again.split('?').next(), location.split('?').next());
            browser.get(&again).await.is(200).says("Kontoen er opprettet.");
        }
        assert_eq!(kontoer(&world).await.len(), 2);
        // The page opened anew is another form.
        let (_, u) = open(&mut browser, &world).await;
        browser.post_file(&path, &fields(&u, "Nytt arkiv"), file).await.is(303);
        assert_eq!(kontoer(&world).await.len(), 3);
    }

    #[tokio::test]
    async fn form_sent_several_times_at_once_makes_one_konto() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let (path, u) = open(&mut browser, &world).await;
        let typed = with(&fields(&u, "Nytt arkiv"), "nokkel", "senere");
        let (mut second, mut third) = (browser.clone(), browser.clone());
        let answers =
            tokio::join!(browser.post(&path, &typed), second.post(&path, &typed), third.post(&path, &typed));
        assert_eq!(kontoer(&world).await.len(), 2);
        let konto = |answer: &Answer| answer.location().split('?').next().unwrap().to_owned();
        assert_eq!(konto(&answers.0), konto(&answers.1));
        assert_eq!(konto(&answers.0), konto(&answers.2));
        for answer in [&answers.0, &answers.1, &answers.2] {
            browser.get(answer.location()).await.is(200).says("Kontoen er opprettet.").says("Nytt arkiv");
        }
    }

    #[tokio::test]
    async fn client_may_upload_the_key_itself() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let (path, u) = open(&mut browser, &world).await;
        let typed = with(&fields(&u, "Nytt arkiv"), "nokkel", "senere");
        let answer = browser.post(&path, &typed).await;
        assert!(nokkel(&world, answer.location()).await.is_none());
    }

    #[tokio::test]
    async fn each_broken_rule_is_told_and_nothing_typed_is_lost() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let (path, u) = open(&mut browser, &world).await;
        let (long, longer) = ("a".repeat(201), "b".repeat(501));
        let good = with(&fields(&u, "Nytt arkiv"), "nokkel", "senere");
        for (name, value, text) in [
            ("navn", "", "Skriv inn navn"),
            ("navn", "a", "Navn må ha minst 2 tegn"),
            ("navn", long.as_str(), "Navn kan ha høyst 200 tegn"),
            ("navn", "mitt_arkiv", "Navn kan ikke inneholde _"),
            ("beskrivelse", "", "Skriv inn beskrivelse"),
            ("beskrivelse", longer.as_str(), "Beskrivelse kan ha høyst 500 tegn"),
            ("protokoll", "", "Velg protokoll"),
            ("protokoll", "no.ukjent", "Velg protokoll"),
            // Not in use.
            ("protokoll", "no.ks.fiks.politisk.behandling", "Velg protokoll"),
            ("part", "", "Velg protokollpart"),
            ("part", "no.ks.fiks.plan/v2/klient.full", "Parten hører ikke til protokollen du har valgt"),
            ("part", "no.ks.fiks.arkiv/v2/arkiv.full", "Parten hører ikke til protokollen du har valgt"),
            ("nokkel", "na", "Velg en .pem-fil med offentlig nøkkel"),
        ] {
            let answer = browser.post(&path, &with(&good, name, value)).await;
            answer
                .is(422)
                .says("Feil: Opprett ny konto")
                .says("Du må rette 1 feil for å gå videre")
                .says(text);
            // Once in the summary, once at its field.
            assert_eq!(answer.text.matches("ds-validation-message").count(), 1, "{name}: {value}");
            let kept = if name == "navn" { value } else { "Nytt arkiv" };
            assert!(answer.text.contains(&format!("value=\"{kept}\"")), "{name}: {value}");
        }
        let twice: Vec<_> = good.iter().copied().chain([("part", ARKIV)]).collect();
        browser.post(&path, &twice).await.is(422).says("arkiv.full i versjon v1 er valgt to ganger");
        let empty = [("u", u.as_str()), ("nokkel", "na")];
        browser.post(&path, &empty).await.is(422).says("Du må rette 5 feil for å gå videre");
        for (sprak, text) in [("nn", "Vel protokollpart"), ("en", "Choose a protocol part")] {
            browser.sprak = sprak;
            browser.post(&path, &with(&good, "part", "")).await.is(422).says(text);
        }
        assert_eq!(kontoer(&world).await.len(), 1);
    }

    #[tokio::test]
    async fn file_that_is_no_good_is_refused_with_its_reason_and_not_kept() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let (path, u) = open(&mut browser, &world).await;
        let typed = fields(&u, "Nytt arkiv");
        for (bytes, text) in bad_files() {
            let answer = browser.post_file(&path, &typed, ("fil", "min.pem", &bytes)).await;
            answer.is(422).says(text).says_not("Valgt fil: min.pem");
            assert!(!answer.text.contains("-----BEGIN"), "{text}");
            let answer = browser.post(&path, &typed).await;
            answer.is(422).says("Velg en .pem-fil med offentlig nøkkel");
        }
        let answer = browser.post_file(&path, &typed, ("fil", "min.pem", &vec![b'x'; 300 * 1024])).await;
        answer.is(413).says("Filen er for stor. Største tillatte størrelse er 64 kB.");
        assert_eq!(kontoer(&world).await.len(), 1);
    }

    #[tokio::test]
    async fn good_certificate_survives_what_is_wrong_elsewhere() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let (path, first) = open(&mut browser, &world).await;
        let (_, second) = open(&mut browser, &world).await;
        let file = ("fil", "min.pem", certificate().as_bytes());
        let answer = browser.post_file(&path, &fields(&first, ""), file).await;
        answer.is(422).says("Skriv inn navn").says("Valgt fil: min.pem").says("Bytt fil");
        assert!(!answer.text.contains("-----BEGIN"));
        // Another form knows nothing of it.
        browser.post(&path, &fields(&second, "Nytt arkiv")).await.is(422).says("Velg en .pem-fil");
        let answer = browser.post(&path, &fields(&first, "Nytt arkiv")).await;
        assert_eq!(nokkel(&world, answer.location()).await.unwrap().pem, certificate());
        // Nor does the form of somebody else, should he learn its id.
        let mut other = world.browser(Hvem::Mange).await;
        let (_, third) = open(&mut browser, &world).await;
        browser.post_file(&path, &fields(&third, ""), file).await.is(422);
        other.post(&path, &fields(&third, "Nytt arkiv")).await.is(422).says("Velg en .pem-fil");
    }

    #[tokio::test]
    async fn parter_are_added_and_removed_without_losing_anything() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let (path, u) = open(&mut browser, &world).await;
        let add = with(&fields(&u, "Nytt arkiv"), "handling", "legg-til-part");
        let file = ("fil", "min.pem", certificate().as_bytes());
        let answer = browser.post_file(&path, &add, file).await;
        answer
            .is(200)
            .says("Protokollpart 2")
            .says("Fjern protokollpart 1")
            .says("Valgfritt")
            .says("Må fylles ut")
            .says_not("Alle felt må fylles ut.")
            .says("Valgt fil: min.pem");
        assert!(answer.text.contains("value=\"Nytt arkiv\""));
        assert!(answer.text.contains(&format!("value=\"{ARKIV}\" selected")));
        // What the chosen one may do is shown, what the others may do is not.
        let block = |part: &str| {
            let id = format!("<section id=\"om-no.ks.fiks.arkiv-v1-{part}\"");
            answer.text.split(&id).nth(1).unwrap().split('>').next().unwrap().contains(" hidden")
        };
        assert!(!block("arkiv.full") && block("klient.full"));
        let mut remove = with(&fields(&u, "Nytt arkiv"), "handling", "fjern-part-0");
        remove.push(("part", KLIENT));
        let answer = browser.post(&path, &remove).await;
        answer.is(200).says_not("Protokollpart 2").says("Valgt fil: min.pem");
        assert!(answer.text.contains(&format!("value=\"{KLIENT}\" selected")));
        assert!(!answer.text.contains(&format!("value=\"{ARKIV}\" selected")));
    }

    #[tokio::test]
    async fn nothing_is_lost_while_the_queues_are_down() {
        let world = World::new().await;
        let mut browser = world.browser(Hvem::Admin).await;
        let (path, u) = open(&mut browser, &world).await;
        world.broker.stop();
        let file = ("fil", "min.pem", certificate().as_bytes());
        let answer = browser.post_file(&path, &fields(&u, "Nytt arkiv"), file).await;
        answer.is(503).says("Noe gikk galt hos oss.");
        world.broker.mend();
        let answer = browser.post(&path, &fields(&u, "Nytt arkiv")).await;
        assert_eq!(nokkel(&world, answer.location()).await.unwrap().pem, certificate());
    }
}
