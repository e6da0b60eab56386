//! How a Konto stands, in words and colours: the same on every page that tells of it.

use app::ports::QueueStatus;
use domain::status::Kontotilstand;
use jiff::Timestamp;

use crate::format;
use crate::tekster::Tekster;
use crate::view::{Color, Tag};

/// A state as a tag.
pub(crate) fn tag(t: Tekster, tilstand: Kontotilstand) -> Tag {
    let (color, text) = match tilstand {
        Kontotilstand::Koblet => (Color::Success, t.s("felles-tilstand-koblet")),
        Kontotilstand::ManglerKobling => (Color::Warning, t.s("felles-tilstand-mangler-kobling")),
        Kontotilstand::Ukjent => (Color::Neutral, t.s("felles-ukjent")),
        Kontotilstand::ManglerNokkel => (Color::Warning, t.s("felles-tilstand-mangler-nokkel")),
        Kontotilstand::NokkelUtloper { gyldig_til } => {
            let dato = format::date(gyldig_til, t.sprak());
            (Color::Warning, t.v("felles-tilstand-nokkel-utloper", "dato", dato))
        }
        Kontotilstand::NokkelUtlopt => (Color::Danger, t.s("felles-tilstand-nokkel-utlopt")),
        Kontotilstand::SendingStoppet => (Color::Danger, t.s("felles-tilstand-sending-stoppet")),
    };
    Tag::new(color, text)
}

/// The numbers of a queue as they are shown, «Ukjent» where the broker did not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tall {
    /// `2`.
    pub(crate) konsumenter: String,
    /// `2 konsumenter`; nothing where it is not known, since the state says that already.
    pub(crate) konsumenter_ord: String,
    /// Meldinger that no consumer holds.
    pub(crate) pa_ko: String,
    /// Meldinger that a consumer holds.
    pub(crate) ubekreftede: String,
    /// How long the oldest one has waited.
    pub(crate) eldste: String,
    /// Dead letters.
    pub(crate) uleverte: String,
}

impl Tall {
    pub(crate) fn new(t: Tekster, now: Timestamp, tall: Option<&QueueStatus>) -> Self {
        let number = |of: fn(&QueueStatus) -> u64| {
            tall.map_or_else(|| t.s("felles-ukjent"), |tall| format::number(of(tall)))
        };
        Self {
            konsumenter: number(|tall| tall.consumers.into()),
            konsumenter_ord: tall
                .map(|tall| t.v("felles-konsumenter", "n", tall.consumers))
                .unwrap_or_default(),
            pa_ko: number(|tall| tall.ready),
            ubekreftede: number(|tall| tall.unacked),
            eldste: tall.map_or_else(|| t.s("felles-ukjent"), |tall| eldste(t, now, tall.oldest)),
            uleverte: number(|tall| tall.dead),
        }
    }
}

fn eldste(t: Tekster, now: Timestamp, eldste: Option<Timestamp>) -> String {
    // Two clocks may differ a little: what seems to come from the future came now.
    let waited = |since: Timestamp| now.duration_since(since).try_into().unwrap_or_default();
    eldste.map_or_else(|| t.s("felles-ingen"), |since| format::duration(waited(since), t))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sprak::Sprak;

    const NB: Tekster = Tekster(Sprak::Nb);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn each_state_has_its_text_and_colour() {
        let gyldig_til = at("2026-12-01T11:00:00Z");
        for (tilstand, color, text) in [
            (Kontotilstand::Koblet, "success", "Koblet til"),
            (Kontotilstand::ManglerKobling, "warning", "Mangler kobling"),
            (Kontotilstand::Ukjent, "neutral", "Ukjent"),
            (Kontotilstand::ManglerNokkel, "warning", "Mangler nøkkel"),
            (Kontotilstand::NokkelUtloper { gyldig_til }, "warning", "Nøkkelen utløper 01.12.2026"),
            (Kontotilstand::NokkelUtlopt, "danger", "Nøkkelen er utløpt"),
            (Kontotilstand::SendingStoppet, "danger", "Sending er stoppet"),
        ] {
            let tag = tag(NB, tilstand);
            assert_eq!((tag.color.to_string().as_str(), tag.text.as_str()), (color, text));
        }
    }

    #[test]
    fn numbers_that_nobody_knows_are_not_zero() {
        let now = at("2026-11-22T12:00:00Z");
        let known = QueueStatus {
            consumers: 1,
            ready: 1204,
            unacked: 2,
            dead: 0,
            oldest: Some(at("2026-11-22T09:00:00Z")),
        };
        let tall = Tall::new(NB, now, Some(&known));
        assert_eq!((tall.konsumenter_ord.as_str(), tall.pa_ko.as_str()), ("1 konsument", "1\u{a0}204"));
        assert_eq!((tall.eldste.as_str(), tall.uleverte.as_str()), ("3 timer", "0"));
        let ahead = QueueStatus { oldest: Some(at("2026-11-22T12:00:05Z")), ..known };
        assert_eq!(Tall::new(NB, now, Some(&ahead)).eldste, "0 sekunder");
        assert_eq!(Tall::new(NB, now, Some(&QueueStatus::default())).eldste, "Ingen");
        let unknown = Tall::new(NB, now, None);
        assert_eq!((unknown.konsumenter.as_str(), unknown.konsumenter_ord.as_str()), ("Ukjent", ""));
        assert_eq!(unknown.eldste, "Ukjent");
    }
}
