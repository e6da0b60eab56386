use domain::tekst::TekstError;

use crate::ports::PersonIdentifier;
use crate::rule::Rule;

/// Digits of a fødselsnummer or D-nummer.
const DIGITS: usize = 11;
/// Longest identifier in characters; no `sub` is longer (OpenID Connect Core §2).
const MAX: usize = 255;

/// What the login provider knows people by, and so what has to be told of somebody who has not logged in yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Identifikator {
    /// A fødselsnummer or D-nummer.
    #[default]
    Fodselsnummer,
    /// What stands in the claim of this name.
    Claim(String),
}

impl Identifikator {
    /// What people are known by where this claim identifies them. ID-porten calls the number `pid`; HelseID, whose claims
    /// are addresses, ends the address with it.
    pub fn of_claim(claim: &str) -> Self {
        match claim.rsplit('/').next() {
            Some("pid") => Self::Fodselsnummer,
            _ => Self::Claim(claim.to_owned()),
        }
    }

    /// The identifier as the provider writes it, if it can be one; whether it is anybody's cannot be known here. Of a
    /// fødselsnummer the blanks are left out that people put in, and what looks like one must have its length. Anything
    /// else is taken as it stands, but for blanks around it.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(&self, identifier: &PersonIdentifier) -> Result<PersonIdentifier, Rule> {
        let text = match self {
            Self::Fodselsnummer => number(identifier.reveal())?,
            Self::Claim(_) => value(identifier.reveal())?,
        };
        Ok(PersonIdentifier::new(text))
    }
}

fn number(text: &str) -> Result<String, Rule> {
    let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    if text.is_empty() {
        Err(TekstError::Empty.into())
    } else if text.len() != DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Err(Rule::ElevenDigits)
    } else {
        Ok(text)
    }
}

fn value(text: &str) -> Result<String, Rule> {
    let text = text.trim();
    let blank = |character: char| if character.is_whitespace() { ' ' } else { character };
    if text.is_empty() {
        Err(TekstError::Empty.into())
    } else if text.chars().count() > MAX {
        Err(TekstError::TooLong { max: MAX }.into())
    } else if let Some(bad) = text.chars().find(|bad| bad.is_whitespace() || bad.is_control()) {
        Err(TekstError::BadCharacter { character: blank(bad) }.into())
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifier_that_looks_like_a_number_must_have_eleven_digits() {
        let of = |text: &str| Identifikator::Fodselsnummer.check(&PersonIdentifier::new(text));
        assert_eq!(of("010190\u{a0}12345 ").unwrap().reveal(), "01019012345");
        assert_eq!(of("b3f1-subject").unwrap().reveal(), "b3f1-subject");
        assert_eq!(of("0101901234").unwrap_err(), Rule::ElevenDigits);
        assert_eq!(of(" ").unwrap_err(), Rule::Tekst(TekstError::Empty));
    }

    #[test]
    fn value_of_another_claim_is_taken_as_it_stands() {
        let of = |text: &str| Identifikator::of_claim("sub").check(&PersonIdentifier::new(text));
        let longest = "æ".repeat(255);
        for text in ["1", "0101901234", "Kari@Eksempel.no", "https://login.no/kari?x=1", &longest] {
            assert_eq!(of(&format!(" {text}\n")).unwrap().reveal(), text);
        }
        let bad = |character| Rule::Tekst(TekstError::BadCharacter { character });
        for (text, rule) in [
            ("", Rule::Tekst(TekstError::Empty)),
            (" \u{a0}", Rule::Tekst(TekstError::Empty)),
            (&format!("{longest}a"), Rule::Tekst(TekstError::TooLong { max: 255 })),
            ("kari nordmann", bad(' ')),
            ("kari\u{a0}nordmann", bad(' ')),
            ("kari\u{7}", bad('\u{7}')),
        ] {
            assert_eq!(of(text).unwrap_err(), rule, "{text:?}");
        }
    }

    #[test]
    fn number_is_known_by_the_name_of_its_claim() {
        for claim in ["pid", "helseid://claims/identity/pid"] {
            assert_eq!(Identifikator::of_claim(claim), Identifikator::Fodselsnummer);
        }
        for claim in ["sub", "oid", "email", "stupid", "https://pid/sub"] {
            assert_eq!(Identifikator::of_claim(claim), Identifikator::Claim(claim.to_owned()));
        }
    }
}
