//! The rules of fields in the words of those who fill them in.

use app::{FieldError, Rule, SertifikatRule};
use domain::tekst::{self, TekstError};

use crate::format;
use crate::skjema::Mangler;
use crate::tekster::Tekster;

/// What a field is called in texts: key of its name, such as `systemnavn` for `regler-felt-systemnavn`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Felt<'a> {
    /// JSON name, as the use cases call it.
    pub(crate) json: &'a str,
    /// Id of the field on the page.
    pub(crate) id: &'a str,
    /// Key of its name.
    pub(crate) navn: &'a str,
}

/// Tells of every broken rule at its field on the page. One of a field that the page does not have is told at the first.
pub(crate) fn tell_all(t: Tekster, errors: &[FieldError], felter: &[Felt<'_>], mangler: &mut Mangler) {
    for error in errors {
        if let Some(felt) = felter.iter().find(|felt| felt.json == error.field).or(felter.first()) {
            mangler.add(felt.id, tell(t, &error.rule, felt.navn));
        }
    }
}

/// A broken rule as a sentence.
pub(crate) fn tell(t: Tekster, rule: &Rule, navn: &str) -> String {
    let name = || t.s(&format!("regler-felt-{navn}"));
    match rule {
        Rule::Tekst(rule) => of_tekst(t, rule, navn),
        Rule::Sertifikat(rule) => of_sertifikat(t, rule),
        Rule::NineDigits => t.s("regler-orgnummer"),
        Rule::NoPart => t.s("regler-velg-part"),
        Rule::UnknownProtokoll { .. } => t.s("regler-velg-protokoll"),
        Rule::UnknownVersjon { .. } | Rule::VersjonNotInUse { .. } | Rule::UnknownPart { .. } => {
            t.s("regler-part-horer-ikke-til")
        }
        Rule::PartTwice { navn, versjon } => t.v2("regler-part-to-ganger", "part", navn, "versjon", versjon),
        Rule::InThePast => t.s("regler-dato-passert"),
        Rule::TooFarOff { latest } => t.v("regler-dato-for-sen", "dato", format::date(*latest, t.sprak())),
        Rule::Length { min, max } => t.with(
            "regler-lengde",
            &[("felt", name().into()), ("min", (*min).into()), ("max", (*max).into())],
        ),
        _ => t.v("regler-ugyldig", "felt", name()),
    }
}

fn of_tekst(t: Tekster, rule: &TekstError, navn: &str) -> String {
    let name = t.s(&format!("regler-felt-{navn}"));
    match rule {
        TekstError::Empty if navn == "eposter" => t.s("regler-epost-mangler"),
        TekstError::Empty => t.v("regler-skriv-inn", "felt", lower_first(&name)),
        TekstError::TooShort { min } => t.v2("regler-for-kort", "felt", name, "n", *min),
        TekstError::TooLong { max } => t.v2("regler-for-lang", "felt", name, "n", *max),
        TekstError::BadCharacter { character: ' ' } => t.v("regler-mellomrom", "felt", name),
        TekstError::BadCharacter { character: '\n' | '\r' } => t.v("regler-linjeskift", "felt", name),
        TekstError::BadCharacter { character } => {
            t.v2("regler-tegn", "felt", name, "tegn", character.to_string())
        }
        TekstError::NotEpost => t.v("regler-ugyldig", "felt", name),
        TekstError::Duplicate { epost } => t.v("regler-epost-to-ganger", "adresse", epost),
    }
}

/// What is wrong with an uploaded certificate.
pub(crate) fn of_sertifikat(t: Tekster, rule: &SertifikatRule) -> String {
    match rule {
        SertifikatRule::TooLarge { .. } => t.s("feil-for-stor-forklaring"),
        SertifikatRule::PrivateKey => t.s("regler-privat-nokkel"),
        SertifikatRule::NotPem
        | SertifikatRule::NotCertificate
        | SertifikatRule::NotX509
        | SertifikatRule::TrailingBytes => t.s("regler-ikke-sertifikat"),
        SertifikatRule::Several => t.s("regler-flere-sertifikater"),
        SertifikatRule::Key { .. } => t.s("regler-rsa"),
        SertifikatRule::Expired { gyldig_til } => {
            t.v("regler-utlopt", "dato", format::date(*gyldig_til, t.sprak()))
        }
        SertifikatRule::NotYetValid { gyldig_fra } => {
            t.v("regler-ikke-gyldig-enna", "dato", format::date(*gyldig_fra, t.sprak()))
        }
    }
}

/// Checks a list of addresses with one input each, whose ids are `{id}-0`, `{id}-1` …: each broken rule at its own input.
pub(crate) fn tell_eposter(t: Tekster, eposter: &[String], id: &str, mangler: &mut Mangler) {
    let filled = || eposter.iter().enumerate().filter(|(_, epost)| !epost.is_empty());
    if filled().next().is_none() {
        mangler.add(format!("{id}-0"), t.s("regler-epost-mangler"));
    }
    for (at, epost) in filled() {
        let field = format!("{id}-{at}");
        if tekst::check_eposter(&[epost]).is_err() {
            mangler.add(field, t.v("regler-epost-ugyldig", "adresse", epost));
        } else if filled().any(|(before, other)| before < at && other.eq_ignore_ascii_case(epost)) {
            mangler.add(field, t.v("regler-epost-to-ganger", "adresse", epost));
        }
    }
}

/// As a name stands within a sentence. `E-post` stays, as nobody writes `e-Post`.
fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
