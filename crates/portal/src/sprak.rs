//! The three languages of the portal, and how one is chosen.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language that every text exists in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sprak {
    /// Bokmål.
    #[default]
    Nb,
    /// Nynorsk.
    Nn,
    /// English.
    En,
}

impl Sprak {
    /// All of them, in the order of the links.
    pub(crate) const ALL: [Self; 3] = [Self::Nb, Self::Nn, Self::En];

    /// The language tag, as in `lang` and `ui_locales`.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Nb => "nb",
            Self::Nn => "nn",
            Self::En => "en",
        }
    }

    /// Its own name for itself.
    pub(crate) fn own_name(self) -> &'static str {
        match self {
            Self::Nb => "Bokmål",
            Self::Nn => "Nynorsk",
            Self::En => "English",
        }
    }

    /// The first of ours that an `Accept-Language` header asks for, by weight and then order. `no` means bokmål.
    pub(crate) fn from_accept_language(header: &str) -> Option<Self> {
        let mut best: Option<(Self, f32)> = None;
        // A browser sends a handful; more is not looked at.
        for range in header.split(',').take(20) {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let weight = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(Some(1.0), |weight| weight.trim().parse::<f32>().ok().filter(|w| w.is_finite()));
            let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
            let language = match primary.as_str() {
                "no" => Some(Self::Nb),
                other => other.parse().ok(),
            };
            if let (Some(language), Some(weight)) = (language, weight)
                && weight > 0.0
                && best.is_none_or(|(_, known)| weight > known)
            {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }
}

/// The text is none of `nb`, `nn` and `en`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnknownSprak;

impl FromStr for Sprak {
    type Err = UnknownSprak;

    fn from_str(text: &str) -> Result<Self, UnknownSprak> {
        Self::ALL.into_iter().find(|language| language.tag() == text).ok_or(UnknownSprak)
    }
}

impl fmt::Display for Sprak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_is_the_one_the_browser_wants_most() {
        for (header, wanted) in [
            ("nn", Some(Sprak::Nn)),
            ("no,en;q=0.5", Some(Sprak::Nb)),
            ("de, en-GB;q=0.8, nn-NO;q=0.9", Some(Sprak::Nn)),
            ("en;q=0", None),
            ("de", None),
            ("en;q=x, nb;q=0.1", Some(Sprak::Nb)),
            ("", None),
        ] {
            assert_eq!(Sprak::from_accept_language(header), wanted, "{header}");
        }
    }
}
