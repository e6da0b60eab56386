//! Every macro in every state on one page: for the tests here, and for looking at, as `target/…/portal-gallery/*.html`.

use std::fs;
use std::path::PathBuf;

use askama::Template;

use crate::assets;
use crate::view::{
    Checkbox, Choice, Color, Counter, Crumb, ErrorSummary, Field, FileField, Live, Paging, Radios, Row, Rows,
    Select, SessionEnd, Sort, Step, Steps, Tab, Tag, Time,
};

const ID: &str = "5d2b6e7c-93a4-4f0e-8a55-0c1f6a7d2e11";

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"
{%- import "macros/form.html" as form -%}
{%- import "macros/show.html" as show -%}
<!doctype html>
<html lang="nb" data-color-scheme="{{ scheme }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Galleri</title>
<link rel="stylesheet" href="{{ css }}">
<script type="module" src="{{ js }}"></script>
</head>
<body class="side">
<a class="ds-skip-link" href="#innhold">Hopp til hovedinnhold</a>
<header class="topp">
  <div class="topp__rad"><a class="topp__navn" href="#">Knutepunkt</a> {{ show::tag("warning", "Testmiljø") }}</div>
  <form class="sprak" method="post" action="#" aria-label="Språk">
    <button class="sprak__valg" lang="nb" type="submit" aria-current="true">Bokmål</button>
    <button class="sprak__valg" lang="nn" type="submit">Nynorsk</button>
    <button class="sprak__valg" lang="en" type="submit">English</button>
  </form>
  <div class="topp__hvem">
    <p class="topp__org">Nordre Follo kommune · 922 092 648 <a class="ds-link" href="#">Bytt organisasjon</a></p>
    <form class="topp__bruker" method="post" action="#"><span class="topp__person">Kari Nordmann</span> <button class="ds-button" type="submit" data-variant="tertiary" data-size="sm">Logg ut</button></form>
  </div>
</header>
{{ show::breadcrumbs("Du er her:", crumbs) }}
<main class="innhold" id="innhold" tabindex="-1">
{{ form::error_summary(errors) }}
{{ form::error_summary(no_errors) }}
<h1 class="ds-heading" data-size="lg">Arkivsystemet til kommunen – Oversikt</h1>
{{ show::tabs("Faner for Arkivsystemet", tabs) }}
{{ show::alert("success", "Systeminfo er lagret") }}
{{ show::alert("warning", "", "Passordet vises bare nå. Lagre det på et trygt sted. Mister du det, må du generere et nytt.") }}
{% call show::alert_box("danger", "Noe gikk galt hos oss") %}
<p class="ds-paragraph">Det du skrev, er tatt vare på. Prøv igjen om litt.</p>
<p class="ds-paragraph">Feilkode: {{ show::copy("Feilkode", id, "Kopier", "feilkoden") }}</p>
{% endcall %}
{% call show::alert_box("info", "2 kontoer mangler kobling") %}
<p class="ds-paragraph">Ingen klient henter meldinger fra køen. <a class="ds-link" href="#">Se kontoene</a></p>
{% endcall %}
{% call show::live("status.json", "Sist oppdatert", time, "Gamle tall", "Status er ikke tilgjengelig akkurat nå") %}
{% call show::numbers() %}
{% for number in numbers %}{{ show::live_number(number) }}{% endfor %}
{% endcall %}
{% endcall %}
{% call show::section("fakta", "Fakta") %}
{% call show::facts() %}
{{ show::fact_id("systemId", id, "Kopier", "systemId for Arkivsystemet") }}
{{ show::fact("Beskrivelse", "Arkivet tar imot journalposter fra fagsystemene og svarer dem når de er lagret.") }}
{{ show::fact_time("Opprettet", time) }}
{% call show::fact_with("Kobling") %}{% for tag in tags %}{{ show::tag_of(tag) }} {% endfor %}{{ show::live_tag("kobling", tags[0]) }}{% endcall %}
{{ show::secret("integrasjonPassord", "u8Zt0u2mQeI4Yw2nq7s9B1kXcVfGhJ5L", "Kopier", "Passordet skrives ikke ut", "integrasjonPassord") }}
{% endcall %}
{{ show::copy_all("Kopier alle", "{\"systemId\":\"5d2b\"}", "Alle verdier") }}
{% endcall %}
{% call show::section("kontroll", "Kontroller") %}
{% call show::review() %}
{{ show::review_row("Systemnavn", "Arkivsystemet til kommunen", "#", "Endre", "systemnavn") }}
{{ show::review_row("E-post(er) for varsling", "drift@eksempel.no\narkiv@eksempel.no", "#", "Endre", "e-post") }}
{% endcall %}
{% endcall %}
{{ show::steps(steps) }}
{% call show::section("liste", "Kontoer") %}
{% call show::actions() %}
{{ form::link_button("#", "Opprett ny konto", variant="primary") }}
<a class="ds-link" href="#">Last ned som CSV</a>
{% endcall %}
{% call show::table("kontoer", "Kontoer", its_hide_caption=true) %}
<thead><tr>{% for sort in sorts %}{{ show::sort_header(sort) }}{% endfor %}<th scope="col">Konto-id</th><th scope="col">Valg</th></tr></thead>
<tbody>
{% for number in numbers %}
<tr><th scope="row"><a class="ds-link" href="#">Arkiv for byggesak {{ loop.index }}</a></th><td>no.ks.fiks.arkiv.v1 <br>arkiv.full</td><td>{{ show::tag_of(tags[loop.index0]) }}</td><td class="tall">{{ number.value }}</td><td>{{ show::copy("Konto-id", id, "Kopier", "konto-id for Arkiv") }}</td><td>{{ form::submit("Gi tilgang", "Gir tilgang …", variant="secondary", object="til Arkivsystemet", size="sm") }}</td></tr>
{% endfor %}
</tbody>
{% endcall %}
{{ show::pagination(paging) }}
{{ show::pagination(no_paging) }}
{% endcall %}
{{ show::empty_state("Ingen forespørsler", "") }}
{% call show::empty_with("Ingen systemer ennå", "Opprett ett system for hvert fagsystem eller arkiv som skal sende eller motta meldinger.") %}{{ form::link_button("#", "Opprett nytt system", variant="primary") }}{% endcall %}
<h2 class="ds-heading" data-size="sm">Tatt i bruk</h2>
<ul class="kort">
{% call show::card("Fiks Protokoll", "Kryptert meldingsutveksling mellom systemer.") %}<p class="ds-paragraph">12 systemer · 2 kontoer mangler kobling</p><a class="ds-link" href="#">Konfigurasjon</a>{% endcall %}
{% call show::card("En annen tjeneste", "") %}{{ form::dialog_link("slett", "#", "Ta i bruk", variant="primary") }}{% endcall %}
</ul>
{% call show::section("sporing", "Sporing") %}
{% call show::timeline("Det som har skjedd med meldingen") %}
{{ show::timeline_item(time, "Tatt imot", "") }}
{{ show::timeline_item(time, "Levert til konsument", "42 ms · forsøk 1 · 10.0.0.7", color="info") }}
{{ show::timeline_item(time, "Bekreftet", "120 ms", color="success") }}
{% endcall %}
{% endcall %}
<form class="skjema" method="post" action="#" novalidate enctype="multipart/form-data">
<h2 class="ds-heading" data-size="sm">Skjema</h2>
{{ form::all_required("Alle felt må fylles ut.") }}
{{ form::text_field(name) }}
{{ form::textarea_field(text) }}
{{ form::text_field(digits) }}
{{ form::text_field(voluntary) }}
{{ form::rows_field(rows) }}
{{ form::select_field(protokoll) }}
{{ form::select_field(part) }}
<div id="del-arkiv"><p class="ds-paragraph">Kan sende: arkivmelding.kvittering</p></div>
{{ form::radio_group(radios) }}
<div id="nokkel-na">
{{ form::file_zone(file) }}
</div>
{{ form::file_zone(kept) }}
{{ form::checkbox(checked) }}
{{ form::checkbox(unchecked) }}
{% call form::buttons() %}
{{ form::submit("Opprett konto", "Oppretter …") }}
{{ form::link_button("#", "Forrige steg") }}
{{ form::link_button("#", "Avbryt", variant="tertiary") }}
{% endcall %}
</form>
{% call show::danger_section("slett-del", "Slett system") %}
<p class="ds-paragraph">Kontoer, meldinger og tilganger slettes også.</p>
{{ form::dialog_link("slett", "#", "Slett system", variant="primary", color="danger") }}
{% endcall %}
{% call form::dialog("slett", "Slette Arkivsystemet?", "Lukk") %}
<p class="ds-paragraph">2 kontoer, 14 meldinger på kø og 3 tilganger slettes. Dette kan ikke angres.</p>
<form method="post" action="#" novalidate>
{{ form::text_field(confirm) }}
{% call form::buttons() %}{{ form::submit("Slett system", "Sletter …", color="danger") }}{{ form::close_button("slett", "Behold systemet") }}{% endcall %}
</form>
{% endcall %}
{{ show::print_footer("Nordre Follo kommune", time.text, "https://portal.example/o/1") }}
</main>
<footer class="bunn"><ul class="bunn__lenker"><li><a class="ds-link" href="#">Hjelp</a></li><li><a class="ds-link" href="#">Personvern</a></li><li><a class="ds-link" href="#">Informasjonskapsler</a></li><li><a class="ds-link" href="#">Tilgjengelighetserklæring</a></li></ul></footer>
{{ show::status_region("{felt} er kopiert", "{felt} er markert. Trykk Ctrl+C for å kopiere.") }}
{{ show::session_end(session) }}
</body>
</html>
"##
)]
struct Gallery {
    css: String,
    js: String,
    scheme: &'static str,
    id: &'static str,
    errors: ErrorSummary,
    no_errors: ErrorSummary,
    crumbs: Vec<Crumb>,
    tabs: Vec<Tab>,
    tags: Vec<Tag>,
    time: Time,
    numbers: Vec<Live>,
    steps: Steps,
    sorts: Vec<Sort>,
    paging: Option<Paging>,
    no_paging: Option<Paging>,
    name: Field,
    text: Field,
    digits: Field,
    voluntary: Field,
    confirm: Field,
    rows: Rows,
    protokoll: Select,
    part: Select,
    radios: Radios,
    file: FileField,
    kept: FileField,
    checked: Checkbox,
    unchecked: Checkbox,
    session: SessionEnd,
}

fn email(number: u16, value: &str, error: Option<&str>) -> Row {
    Row {
        field: Field::new("epost", format!("E-postadresse {number}"))
            .id(format!("epost-{number}"))
            .kind("email")
            .value(value)
            .error(error.map(str::to_owned)),
        remove: Some((format!("Fjern {value}"), format!("fjern-epost-{}", number - 1))),
    }
}

fn key_file(id: &str, kept: Option<(String, String)>) -> FileField {
    FileField {
        field: Field::new("nokkel", "Last opp offentlig nøkkel")
            .id(id)
            .description("Dette er ikke virksomhetssertifikatet. Last aldri opp den private nøkkelen."),
        accept: ".pem",
        prompt: "Dra .pem-filen hit, eller velg en fil".into(),
        chosen: "Valgt fil: {navn} ({storrelse})".into(),
        kept,
    }
}

#[expect(clippy::too_many_lines, reason = "one value for each macro and state, and nothing else")]
fn gallery(scheme: &'static str, css: &str, js: &str) -> Gallery {
    let long = "Skriv inn systemnavn";
    let address = "E-postadressen drift@ er ikke gyldig. Skriv den som navn@eksempel.no".to_owned();
    let tag = |color, text: &str| Tag::new(color, text);
    let step = |text: &str, done: bool| Step { text: text.into(), href: done.then(|| "#".into()), done };
    let sort =
        |text: &str, ascending, number| Sort { text: text.into(), href: "#".into(), ascending, number };
    Gallery {
        css: css.into(),
        js: js.into(),
        scheme,
        id: ID,
        errors: ErrorSummary::new(
            "Du må rette 2 feil for å gå videre",
            vec![("navn".into(), long.into()), ("epost-2".into(), address.clone())],
        ),
        no_errors: ErrorSummary::default(),
        crumbs: vec![
            Crumb::link("#", "Tjenester"),
            Crumb::link("#", "Fiks Protokoll"),
            Crumb::here("Arkivsystemet til kommunen"),
        ],
        tabs: vec![
            Tab::new("#", "Oversikt", true),
            Tab::new("#", "Kontoer", false),
            Tab::new("#", "Søk etter systemer", false),
            Tab::new("#", "Forespørsler", false).count("3"),
            Tab::new("#", "Konfigurasjon", false),
        ],
        tags: vec![
            tag(Color::Success, "Koblet til"),
            tag(Color::Warning, "Mangler kobling"),
            tag(Color::Danger, "Nøkkelen er utløpt"),
            tag(Color::Neutral, "Ukjent"),
            tag(Color::Info, "Til opplysning"),
        ],
        time: Time { iso: "2026-11-22T13:30:00Z".into(), text: "22.11.2026 kl. 14.30".into() },
        numbers: vec![
            Live::new("kontoer", "Kontoer", "12"),
            Live::new("mangler", "Mangler kobling", "2"),
            Live::new("ko", "Meldinger på kø", "1 204"),
        ],
        steps: Steps {
            label: "Steg".into(),
            done: "Ferdig".into(),
            all: vec![
                step("Systeminfo", true),
                step("Sett opp integrasjon", false),
                step("Kontroller og opprett", false),
                step("System opprettet", false),
            ],
            current: 2,
        },
        sorts: vec![
            sort("Navn", Some(true), false),
            sort("Protokoll og part", None, false),
            sort("Kobling", None, false),
            sort("Meldinger på kø", Some(false), true),
        ],
        paging: Some(Paging {
            label: "Sider med kontoer".into(),
            position: "Side 2 av 5".into(),
            previous: ("Forrige side".into(), Some("#".into())),
            next: ("Neste side".into(), Some("#".into())),
        }),
        no_paging: None,
        name: Field::new("navn", "Systemnavn")
            .description("Vises for andre organisasjoner. Bruk gjerne leverandør og produkt.")
            .error(Some(long.into()))
            .tag("Må fylles ut"),
        text: Field::new("beskrivelse", "Beskrivelse").value("\nTar imot <b>journalposter</b>").counter(
            Counter {
                max: 500,
                limit: "Høyst 500 tegn".into(),
                under: "{n} tegn igjen".into(),
                over: "{n} tegn for mye".into(),
            },
        ),
        digits: Field::new("orgnr", "Organisasjonsnummer").digits(11).value("974 760 673"),
        voluntary: Field::new("kontakt", "Leverandørkontaktpunkt").optional().tag("Valgfritt").width(30),
        confirm: Field::new("bekreft", "Skriv systemnavnet for å bekrefte"),
        rows: Rows {
            field: Field::new("eposter", "E-post(er) for varsling")
                .description("Vi bruker adressene når noe er galt med systemet."),
            inputs: vec![email(1, "arkiv@eksempel.no", None), email(2, "drift@", Some(&address))],
            add: Some(("Legg til e-postadresse".into(), "legg-til-epost".into())),
            focus: Some("epost-2".into()),
        },
        protokoll: Select::new(
            Field::new("protokoll", "Protokoll")
                .description("Kontoen kan bare utveksle meldinger med kontoer i samme protokoll."),
            vec![
                Choice::new("", "Velg protokoll"),
                Choice::new("arkiv", "no.ks.fiks.arkiv").selected(true),
                Choice::new("plan", "no.ks.fiks.plan"),
            ],
        ),
        part: Select::new(Field::new("part", "Protokollpart"), vec![Choice::new("", "Velg protokollpart")])
            .group_of(
                "arkiv",
                "v1",
                vec![Choice::new("arkiv.full", "arkiv.full").selected(true).block("del-arkiv")],
            )
            .group_of("plan", "v2", vec![Choice::new("plan.klient", "plan.klient")])
            .group("Uten protokoll", vec![Choice::new("annet", "annet")])
            .narrowed_by("protokoll"),
        radios: Radios::new(
            Field::new("nokkelvalg", "Offentlig nøkkel"),
            vec![
                Choice::new("na", "Last opp nå").selected(true).block("nokkel-na"),
                Choice::new("klient", "Klienten laster den opp selv ved oppstart")
                    .description("Krever at klienten har lov til det."),
            ],
        ),
        file: key_file("nokkel", None),
        kept: key_file("nokkel-2", Some(("Valgt fil: nokkel.pem".into(), "Bytt fil".into()))),
        checked: Checkbox::new(
            Field::new("api", "Konfigureres av integrasjon (API)")
                .description("Leverandøren kan da opprette kontoer og gi tilganger med API-et.")
                .optional(),
            true,
        )
        .block("finnes-ikke"),
        unchecked: Checkbox::new(
            Field::new("lest", "Jeg har lest avtalen")
                .error(Some("Kryss av for at du har lest avtalen".into())),
            false,
        ),
        session: SessionEnd {
            idle_seconds: 1800,
            rest_seconds: 28800,
            keep_url: "/okt".into(),
            log_out_url: "/logg-ut".into(),
            ended_url: "/logg-inn".into(),
            csrf: "token".into(),
            heading: "Vil du fortsatt være pålogget?".into(),
            text: "Du blir logget ut om 2 minutter.".into(),
            keep: "Hold meg pålogget".into(),
            log_out: "Logg ut".into(),
        },
    }
}

fn page() -> String {
    gallery("auto", assets::css_path(), assets::js_path()).render().unwrap()
}

#[test]
fn the_gallery_is_written_for_looking_at() {
    let folder = PathBuf::from(env!("OUT_DIR")).join("portal-gallery");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("app.css"), assets::css()).unwrap();
    fs::write(folder.join("app.js"), assets::js()).unwrap();
    for scheme in ["light", "dark"] {
        let page = gallery(scheme, "app.css", "app.js").render().unwrap();
        fs::write(folder.join(format!("{scheme}.html")), page).unwrap();
    }
}

#[test]
fn macros_write_nothing_that_the_csp_forbids() {
    let page = page();
    for forbidden in [" style=", "<style", "onclick", "javascript:"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn ids_are_unique_and_all_references_lead_to_one() {
    let page = page();
    let values = |attribute: &str| -> Vec<String> {
        page.split(&format!(" {attribute}=\""))
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect()
    };
    let mut ids = values("id");
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id stands twice");
    for attribute in ["for", "aria-describedby", "aria-labelledby", "commandfor", "data-dialog"] {
        for id in values(attribute) {
            assert!(ids.contains(&id), "{attribute}={id}");
        }
    }
}

#[test]
fn a_field_with_an_error_points_at_it_and_keeps_what_was_typed() {
    let page = page();
    assert!(page.contains(r#"aria-describedby="epost-2-feil" aria-invalid="true""#));
    assert!(page.contains(r#"value="drift@""#));
    assert!(page.contains(r##"href="#epost-2""##));
}

#[test]
fn values_are_escaped() {
    let page = page();
    assert!(page.contains("Tar imot &#60;b&#62;journalposter"));
    assert!(!page.contains("<b>journalposter"));
}

#[test]
fn an_empty_summary_and_a_single_page_draw_nothing() {
    let page = page();
    assert_eq!(page.matches("ds-error-summary").count(), 1);
    assert_eq!(page.matches(r#"class="sider""#).count(), 1);
}

#[test]
fn a_body_sees_the_names_of_its_own_page() {
    // In the alert, among the facts, and in the three rows of the table.
    assert_eq!(page().matches(&format!(">{ID}</code>")).count(), 5);
}
