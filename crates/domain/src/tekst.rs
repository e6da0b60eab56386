//! What names, descriptions and addresses may look like.
//!
//! The patterns and limits are those of the published konfigurasjon API.

use std::sync::LazyLock;

use regex::Regex;

/// Longest name of a System, Konto or Part in characters.
pub const MAX_NAVN: usize = 200;
/// Longest beskrivelse in characters.
pub const MAX_BESKRIVELSE: usize = 500;
/// Longest name of, or way to reach, a vendor in characters.
pub const MAX_LEVERANDOR: usize = 100;

const NAVN_CHAR: &str = r"A-ZÆØÅa-zæøå0-9ÁáÀàÂâÉéÈèÊêÍíÌìÎîÓóÒòÔôÚúÙùÛûÝýÄäËëÏïÖöÜü,.!?\-:;/\\'()&+*=%§";

static NAVN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!("^[{NAVN_CHAR}]+[{NAVN_CHAR} ]*[{NAVN_CHAR}]+$")).expect("the pattern is constant")
});
static NAVN_BAD_CHAR: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("[^{NAVN_CHAR} ]")).expect("the pattern is constant"));
static EPOST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[A-Za-zæøåÆØÅ0-9\-_]+([.+][A-Za-zæøåÆØÅ0-9\-_]+)*@[A-Za-zæøåÆØÅ0-9-]+(\.[A-Za-zæøåÆØÅ0-9-]+)*(\.[A-Za-z]{2,})$")
        .expect("the pattern is constant")
});
static PROTONAVN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[A-Za-z0-9.\-_]+$").expect("the pattern is constant"));

/// A rule that a text breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TekstError {
    /// Nothing, or only blanks.
    #[error("is empty")]
    Empty,
    /// Fewer characters than the rule asks for.
    #[error("has fewer than {min} characters")]
    TooShort {
        /// Least number of characters.
        min: usize,
    },
    /// More characters than the rule allows.
    #[error("has more than {max} characters")]
    TooLong {
        /// Greatest number of characters.
        max: usize,
    },
    /// A character that may not stand there.
    #[error("may not contain {character:?}")]
    BadCharacter {
        /// The first such character.
        character: char,
    },
    /// Not of the form `name@example.no`.
    #[error("is not an e-mail address")]
    NotEpost,
    /// The same address stands twice.
    #[error("{epost} stands twice")]
    Duplicate {
        /// The address.
        epost: String,
    },
}

/// Checks the name of a System, Konto or Part: 2–200 characters, no blank at either end, no line break.
///
/// # Errors
/// The first rule broken.
pub fn check_navn(text: &str) -> Result<(), TekstError> {
    match text.chars().count() {
        0 => return Err(TekstError::Empty),
        1 => return Err(TekstError::TooShort { min: 2 }),
        n if n > MAX_NAVN => return Err(TekstError::TooLong { max: MAX_NAVN }),
        _ => {}
    }
    if NAVN.is_match(text) {
        return Ok(());
    }
    let bad = NAVN_BAD_CHAR.find(text).and_then(|found| found.as_str().chars().next());
    // Every character is allowed somewhere, so it is a blank at one end.
    Err(TekstError::BadCharacter { character: bad.unwrap_or(' ') })
}

/// Checks a beskrivelse: 1–500 characters.
///
/// # Errors
/// The first rule broken.
pub fn check_beskrivelse(text: &str) -> Result<(), TekstError> {
    if text.trim().is_empty() {
        return Err(TekstError::Empty);
    }
    check_max(text, MAX_BESKRIVELSE)
}

/// Checks that `text` has at most `max` characters, and no control characters but those that end lines or indent.
///
/// # Errors
/// [`TekstError::TooLong`], [`TekstError::BadCharacter`].
pub fn check_max(text: &str, max: usize) -> Result<(), TekstError> {
    if text.chars().count() > max {
        return Err(TekstError::TooLong { max });
    }
    // What no page can show, and U+0000 cannot even be kept by every database.
    let is_bad = |character: &char| character.is_control() && !['\n', '\r', '\t'].contains(character);
    match text.chars().find(is_bad) {
        Some(character) => Err(TekstError::BadCharacter { character }),
        None => Ok(()),
    }
}

/// Checks the addresses for varsling: at least one, each an address, none twice.
///
/// # Errors
/// The first rule broken.
pub fn check_eposter<S: AsRef<str>>(eposter: &[S]) -> Result<(), TekstError> {
    if eposter.is_empty() {
        return Err(TekstError::Empty);
    }
    for (at, epost) in eposter.iter().map(AsRef::as_ref).enumerate() {
        // The longest address that mail can carry (RFC 5321 §4.5.3.1).
        check_max(epost, 254)?;
        if !EPOST.is_match(epost) {
            return Err(TekstError::NotEpost);
        }
        if eposter[..at].iter().any(|other| other.as_ref().eq_ignore_ascii_case(epost)) {
            return Err(TekstError::Duplicate { epost: epost.to_owned() });
        }
    }
    Ok(())
}

/// Whether `text` may name a Protokoll, a version, a Part or a Meldingstype in a definition.
pub fn is_protokollnavn(text: &str) -> bool {
    PROTONAVN.is_match(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_follow_the_published_pattern() {
        for good in [
            "Ås",
            "Mitt fagsystem",
            "Acos – nei".replace('–', "-").as_str(),
            "Sak & arkiv (test) 50% §3",
            "a\\b",
        ] {
            assert_eq!(check_navn(good), Ok(()), "{good}");
        }
        assert_eq!(check_navn(""), Err(TekstError::Empty));
        assert_eq!(check_navn("a"), Err(TekstError::TooShort { min: 2 }));
        assert_eq!(check_navn(&"a".repeat(201)), Err(TekstError::TooLong { max: 200 }));
        assert_eq!(check_navn("mitt_system"), Err(TekstError::BadCharacter { character: '_' }));
        assert_eq!(check_navn("to\nlinjer"), Err(TekstError::BadCharacter { character: '\n' }));
        assert_eq!(check_navn(" foran"), Err(TekstError::BadCharacter { character: ' ' }));
        assert_eq!(check_navn("bak "), Err(TekstError::BadCharacter { character: ' ' }));
    }

    #[test]
    fn beskrivelse_has_lines_and_no_control_characters() {
        assert_eq!(check_beskrivelse("To\r\nlinjer\tog litt til"), Ok(()));
        for character in ['\0', '\u{1b}', '\u{85}'] {
            let bad = Err(TekstError::BadCharacter { character });
            assert_eq!(check_beskrivelse(&format!("a{character}b")), bad);
        }
    }

    #[test]
    fn eposter_are_checked_one_by_one() {
        assert_eq!(check_eposter(&["drift@storevik.no", "a.b+c@test.kommune.no"]), Ok(()));
        assert_eq!(check_eposter::<&str>(&[]), Err(TekstError::Empty));
        assert_eq!(check_eposter(&["drift@storevik"]), Err(TekstError::NotEpost));
        assert_eq!(
            check_eposter(&["drift@storevik.no", "Drift@storevik.no"]),
            Err(TekstError::Duplicate { epost: "Drift@storevik.no".into() })
        );
    }

    #[test]
    fn protokollnavn_has_no_blanks_or_norwegian_letters() {
        assert!(is_protokollnavn("no.ks.fiks.arkiv_v1-x"));
        assert!(!is_protokollnavn("no ks"));
        assert!(!is_protokollnavn("plan.åpen"));
        assert!(!is_protokollnavn(""));
    }

    proptest! {
        #[test]
        fn every_text_gets_an_answer(text in ".{0,220}") {
            let told = check_navn(&text);
            if told.is_ok() {
                prop_assert!(text.trim() == text && text.chars().count() >= 2);
            }
        }
    }
}
