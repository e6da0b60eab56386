//! What state a Konto is in, for those who look after it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A nøkkel that ends sooner than this is told of beforehand.
pub const NOKKEL_VARSEL: Duration = Duration::from_hours(30 * 24);
/// A melding that has waited longer than this needs somebody's attention.
pub const LANG_VENTETID: Duration = Duration::from_hours(1);

/// A state of a Konto. It can be in several at a time, but in one of the first three always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kontotilstand {
    /// «Koblet til»: somebody consumes from its queue.
    Koblet,
    /// «Mangler kobling»: nobody does.
    ManglerKobling,
    /// «Ukjent»: the broker did not say.
    Ukjent,
    /// «Mangler nøkkel»: there is none, or none that is valid yet.
    ManglerNokkel,
    /// «Nøkkelen utløper»: in less than [`NOKKEL_VARSEL`].
    NokkelUtloper {
        /// When.
        gyldig_til: Timestamp,
    },
    /// «Nøkkelen er utløpt».
    NokkelUtlopt,
    /// «Sending er stoppet».
    SendingStoppet,
}

/// The states of a Konto at `now`: whether it is connected, then what is wrong with its nøkkel, then whether it may send.
///
/// `konsumenter` is `None` where the broker did not say, `nokkel` the start and end of validity of the one in use.
pub fn konto_tilstander(
    now: Timestamp,
    konsumenter: Option<u32>,
    nokkel: Option<(Timestamp, Timestamp)>,
    send_meldinger_deaktivert: bool,
) -> Vec<Kontotilstand> {
    let mut tilstander = vec![match konsumenter {
        None => Kontotilstand::Ukjent,
        Some(0) => Kontotilstand::ManglerKobling,
        Some(_) => Kontotilstand::Koblet,
    }];
    match nokkel {
        Some((_, gyldig_til)) if gyldig_til <= now => tilstander.push(Kontotilstand::NokkelUtlopt),
        Some((gyldig_fra, _)) if now < gyldig_fra => tilstander.push(Kontotilstand::ManglerNokkel),
        Some((_, gyldig_til)) if within(now, gyldig_til, NOKKEL_VARSEL) => {
            tilstander.push(Kontotilstand::NokkelUtloper { gyldig_til });
        }
        Some(_) => {}
        None => tilstander.push(Kontotilstand::ManglerNokkel),
    }
    if send_meldinger_deaktivert {
        tilstander.push(Kontotilstand::SendingStoppet);
    }
    tilstander
}

/// Whether somebody should look at a Konto: it is in another state than [`Kontotilstand::Koblet`], has dead letters, or a
/// melding taken at `eldste` waits longer than [`LANG_VENTETID`].
pub fn trenger_oppfolging(
    now: Timestamp,
    tilstander: &[Kontotilstand],
    eldste: Option<Timestamp>,
    uleverte: u64,
) -> bool {
    uleverte > 0
        || tilstander.iter().any(|tilstand| *tilstand != Kontotilstand::Koblet)
        || eldste.is_some_and(|eldste| eldste < now && !within(eldste, now, LANG_VENTETID))
}

/// Whether `to` is less than `span` after `from`; a span that no calendar holds is longer than any.
fn within(from: Timestamp, to: Timestamp, span: Duration) -> bool {
    SignedDuration::try_from(span).map_or(true, |span| to.duration_since(from) < span)
}

#[cfg(test)]
mod tests {
    use Kontotilstand::{
        Koblet, ManglerKobling, ManglerNokkel, NokkelUtloper, NokkelUtlopt, SendingStoppet, Ukjent,
    };

    use super::*;

    fn day(n: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + n * 24 * 3600).unwrap()
    }

    #[test]
    fn states_tell_of_connection_nokkel_and_sending() {
        let good = Some((day(-10), day(100)));
        for (konsumenter, nokkel, stopped, expected) in [
            (Some(1), good, false, vec![Koblet]),
            (Some(7), good, false, vec![Koblet]),
            (Some(0), good, false, vec![ManglerKobling]),
            (None, good, false, vec![Ukjent]),
            (Some(1), None, false, vec![Koblet, ManglerNokkel]),
            (Some(1), Some((day(1), day(100))), false, vec![Koblet, ManglerNokkel]),
            (Some(1), Some((day(0), day(100))), false, vec![Koblet]),
            (Some(1), Some((day(-10), day(30))), false, vec![Koblet]),
            (Some(1), Some((day(-10), day(29))), false, vec![Koblet, NokkelUtloper { gyldig_til: day(29) }]),
            (Some(1), Some((day(-10), day(0))), false, vec![Koblet, NokkelUtlopt]),
            (Some(1), good, true, vec![Koblet, SendingStoppet]),
            (Some(0), None, true, vec![ManglerKobling, ManglerNokkel, SendingStoppet]),
        ] {
            let states = konto_tilstander(day(0), konsumenter, nokkel, stopped);
            assert_eq!(states, expected, "{konsumenter:?} {nokkel:?} {stopped}");
        }
    }

    #[test]
    fn attention_is_needed_for_bad_states_dead_letters_and_long_waits() {
        let now = day(0);
        let before = |seconds| Some(now.checked_sub(SignedDuration::from_secs(seconds)).unwrap());
        for (tilstander, eldste, uleverte, expected) in [
            (vec![Koblet], None, 0, false),
            (vec![Koblet], before(3599), 0, false),
            (vec![Koblet], before(3600), 0, true),
            (vec![Koblet], before(-5), 0, false),
            (vec![Koblet], None, 1, true),
            (vec![ManglerKobling], None, 0, true),
            (vec![Ukjent], None, 0, true),
            (vec![Koblet, SendingStoppet], None, 0, true),
            (vec![Koblet, NokkelUtloper { gyldig_til: day(3) }], None, 0, true),
        ] {
            let needed = trenger_oppfolging(now, &tilstander, eldste, uleverte);
            assert_eq!(needed, expected, "{tilstander:?} {eldste:?} {uleverte}");
        }
    }
}
