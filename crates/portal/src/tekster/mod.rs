//! The texts of the portal: one catalogue a language, one file a screen.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::types::FluentNumber;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

use crate::format;
use crate::sprak::Sprak;

/// Reads the files of every screen at build time.
macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$((
            $name,
            [
                include_str!(concat!("../../tekster/nb/", $name, ".ftl")),
                include_str!(concat!("../../tekster/nn/", $name, ".ftl")),
                include_str!(concat!("../../tekster/en/", $name, ".ftl")),
            ],
        )),+]
    };
}

/// Name of each file with its text in nb, nn and en.
pub(crate) const FILES: &[(&str, [&str; 3])] = files![
    "felles",
    "feil",
    "regler",
    "hendelser",
    "logg-inn",
    "organisasjon",
    "tjenester",
    "avtale",
    "personer",
    "systemer",
    "nytt-system",
    "system",
    "system-konfigurasjon",
    "kontoer",
    "ny-konto",
    "konto",
    "konto-konfigurasjon",
    "tilganger",
    "sok",
    "status",
    "bruk",
    "drift",
    "sporing",
    "sider",
    "utvikling",
];

type Bundle = FluentBundle<FluentResource>;

static CATALOGUES: LazyLock<[Bundle; 3]> = LazyLock::new(|| {
    Sprak::ALL.map(|language| {
        let mut bundle = Bundle::new_concurrent(vec![
            language.tag().parse().expect("the tags of our languages are well formed"),
        ]);
        // The marks would stand around each value; all our languages run from left to right.
        bundle.set_use_isolating(false);
        bundle.set_formatter(Some(|value, _| match value {
            FluentValue::Number(number) => Some(format::number_text(number.value)),
            _ => None,
        }));
        for (_, texts) in FILES {
            // What cannot be read or stands twice is left out here; a test finds it.
            let resource = match FluentResource::try_new(texts[language as usize].to_owned()) {
                Ok(resource) | Err((resource, _)) => resource,
            };
            let _ = bundle.add_resource(resource);
        }
        bundle
    })
});

/// A value within a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdi {
    /// Put in as it is.
    Tekst(String),
    /// Written the Norwegian way, and what a plural is chosen by.
    Antall(u64),
}

impl From<&str> for Verdi {
    fn from(text: &str) -> Self {
        Self::Tekst(text.to_owned())
    }
}

impl From<&String> for Verdi {
    fn from(text: &String) -> Self {
        Self::Tekst(text.clone())
    }
}

impl From<String> for Verdi {
    fn from(text: String) -> Self {
        Self::Tekst(text)
    }
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl From<$number> for Verdi {
            fn from(number: $number) -> Self {
                Self::Antall(number.try_into().unwrap_or(u64::MAX))
            }
        }
        impl From<&$number> for Verdi {
            fn from(number: &$number) -> Self {
                Self::from(*number)
            }
        }
    )+};
}
numbers!(u32, u64, usize);

/// The catalogue of one language. Small enough to be handed around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tekster(pub(crate) Sprak);

impl Tekster {
    /// The language.
    pub(crate) fn sprak(self) -> Sprak {
        self.0
    }

    /// The text without values.
    pub(crate) fn s(self, key: &str) -> String {
        self.with(key, &[])
    }

    /// The text with one value.
    pub(crate) fn v(self, key: &str, name: &str, value: impl Into<Verdi>) -> String {
        self.with(key, &[(name, value.into())])
    }

    /// The text with two values.
    pub(crate) fn v2(
        self,
        key: &str,
        name: &str,
        value: impl Into<Verdi>,
        other_name: &str,
        other: impl Into<Verdi>,
    ) -> String {
        self.with(key, &[(name, value.into()), (other_name, other.into())])
    }

    /// The text with any number of values.
    pub(crate) fn with(self, key: &str, values: &[(&str, Verdi)]) -> String {
        let bundle = &CATALOGUES[self.0 as usize];
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            // The tests go through every key that a template or a file of ours names.
            tracing::error!(key, language = %self.0, "a text is missing");
            return key.to_owned();
        };
        let mut args = FluentArgs::with_capacity(values.len());
        for (name, value) in values {
            match value {
                Verdi::Tekst(text) => args.set(*name, text.as_str()),
                #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 of anything")]
                Verdi::Antall(number) => args.set(*name, FluentNumber::from(*number as f64)),
            }
        }
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&args), &mut errors);
        if !errors.is_empty() {
            tracing::error!(key, language = %self.0, ?errors, "a text lacks a value");
        }
        text.into_owned()
    }

    /// Whether there is such a text.
    pub(crate) fn has(self, key: &str) -> bool {
        CATALOGUES[self.0 as usize].has_message(key)
    }
}

#[cfg(test)]
mod tests;
