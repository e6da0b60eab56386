//! The rules of fields in the words of those who read the answer.

use app::{FieldError, Rule, SertifikatRule};
use domain::tekst::TekstError;

use crate::failure::short;

/// What is wrong with a field, as part of a sentence: `«navn» har mer enn 200 tegn`.
pub(crate) fn tell(error: &FieldError) -> String {
    format!("«{}» {}", error.field, of_rule(&error.rule))
}

fn of_rule(rule: &Rule) -> String {
    match rule {
        Rule::Tekst(rule) => of_tekst(rule),
        Rule::Sertifikat(rule) => of_sertifikat(rule),
        Rule::NineDigits => "må ha ni siffer".to_owned(),
        Rule::ElevenDigits => "må ha elleve siffer".to_owned(),
        Rule::UnknownSprak => "må være nb, nn eller en".to_owned(),
        Rule::InThePast => "er et tidspunkt som har vært".to_owned(),
        Rule::TooFarOff { latest } => format!("må være før {latest}"),
        Rule::Length { min, max } => format!("må ha mellom {min} og {max} tegn"),
        Rule::TooMany { max } => format!("kan ha høyst {max} verdier"),
        Rule::Milliseconds { min_ms, max_ms } => format!("må være mellom {min_ms} og {max_ms} millisekunder"),
        Rule::HeadersTooLarge { max_bytes, each } => {
            format!(
                "kan ha høyst {max_bytes} byte til sammen, med {each} for hver av dem utenom navn og verdi"
            )
        }
        Rule::HeaderName { max_bytes } => format!("må ha navn på mellom 1 og {max_bytes} byte"),
        Rule::NoPart => "må ha minst én part".to_owned(),
        Rule::UnknownProtokoll { navn } => format!("er protokollen {}, som ikke finnes", short(navn)),
        Rule::UnknownVersjon { versjon } => format!("har versjon {}, som ikke finnes", short(versjon)),
        Rule::VersjonNotInUse { versjon } => format!("har versjon {}, som ikke er i bruk", short(versjon)),
        Rule::UnknownPart { navn, versjon, known } => {
            format!(
                "har parten {}, som ikke finnes (versjon {versjon} har {})",
                short(navn),
                known.join(", ")
            )
        }
        Rule::PartTwice { navn, versjon } => format!("har parten {navn} i versjon {versjon} to ganger"),
    }
}

fn of_tekst(rule: &TekstError) -> String {
    match rule {
        TekstError::Empty => "er tomt".to_owned(),
        TekstError::TooShort { min } => format!("har færre enn {min} tegn"),
        TekstError::TooLong { max } => format!("har mer enn {max} tegn"),
        TekstError::BadCharacter { character: ' ' } => {
            "kan ikke begynne eller slutte med mellomrom".to_owned()
        }
        TekstError::BadCharacter { character } => format!("kan ikke inneholde {character:?}"),
        TekstError::NotEpost => "har noe som ikke er en e-postadresse".to_owned(),
        TekstError::Duplicate { epost } => format!("har {} to ganger", short(epost)),
    }
}

fn of_sertifikat(rule: &SertifikatRule) -> String {
    match rule {
        SertifikatRule::TooLarge { max_bytes } => format!("kan ha høyst {max_bytes} byte"),
        SertifikatRule::PrivateKey => {
            "inneholder en privat nøkkel, som ikke er lagret; send bare sertifikatet, og bytt nøkkel om andre kan ha sett den"
                .to_owned()
        }
        SertifikatRule::NotPem => "er ikke PEM".to_owned(),
        SertifikatRule::NotCertificate => "må være et X.509-sertifikat i PEM (BEGIN CERTIFICATE)".to_owned(),
        SertifikatRule::Several => "inneholder flere sertifikater; send ett".to_owned(),
        SertifikatRule::NotX509 => "er ikke et X.509-sertifikat".to_owned(),
        SertifikatRule::TrailingBytes => "har noe mer etter sertifikatet".to_owned(),
        SertifikatRule::Key { min_bits } => format!("må ha en RSA-nøkkel på minst {min_bits} bit"),
        SertifikatRule::Expired { gyldig_til } => format!("gikk ut {gyldig_til}"),
        SertifikatRule::NotYetValid { gyldig_fra } => format!("er ikke gyldig før {gyldig_fra}"),
    }
}
