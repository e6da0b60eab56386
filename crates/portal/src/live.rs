//! Values that a page keeps up to date: what they are called, in its markup as in `status.json`, and that answer itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use app::status::{KontoStatusRad, Kontostatus, Statustall};
use aws_lc_rs::digest;
use axum::response::{IntoResponse as _, Response};
use domain::id::KontoId;
use domain::status::Kontotilstand;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;

use crate::feil::Feil;
use crate::format;
use crate::tekster::Tekster;
use crate::tilstand::{self, Tall};
use crate::view::{Color, Live, Tag};

/// Whether somebody is connected to a Konto: a tag.
pub(crate) const KOBLING: &str = "kobling";
/// How many consumers a Konto has.
pub(crate) const KONSUMENTER: &str = "konsumenter";
/// The same in words: «2 konsumenter».
pub(crate) const KONSUMENTER_ORD: &str = "konsumenter-ord";
/// Meldinger of a Konto that no consumer holds.
pub(crate) const KO: &str = "ko";
/// Meldinger of a Konto that a consumer holds.
pub(crate) const UBEKREFTEDE: &str = "ubekreftede";
/// How long the oldest melding of a Konto has waited.
pub(crate) const ELDSTE: &str = "eldste";
/// Dead letters, of a Konto or of all together.
pub(crate) const ULEVERTE: &str = "uleverte";
/// How many kontoer there are.
pub(crate) const KONTOER: &str = "kontoer";
/// How many of them nobody is connected to.
pub(crate) const MANGLER_KOBLING: &str = "mangler-kobling";
/// Meldinger of all of them that no consumer holds.
pub(crate) const PA_KO: &str = "pa-ko";
/// Whether somebody should look at any of them: a tag.
pub(crate) const SAMLET: &str = "samlet";
/// The heading of the warning that nobody is connected to a Konto; empty while there is nothing to warn of.
pub(crate) const VARSEL_KOBLING: &str = "varsel-kobling";
/// The same of several kontoer.
pub(crate) const VARSEL_MANGLER_KOBLING: &str = "varsel-mangler-kobling";

/// In the address of `status.json`: a Konto that the page shows. All together are told of in any case.
pub(crate) const KONTO: &str = "konto";

/// What a value is called where there is one for each of several kontoer.
pub(crate) fn of(name: &str, konto: &KontoId) -> String {
    format!("{name}-{konto}")
}

/// The address of `status.json` below `sti` for the kontoer that the page shows.
pub(crate) fn url(sti: &str, kontoer: impl IntoIterator<Item = KontoId>) -> String {
    let mut url = format!("{sti}/status.json");
    for (at, konto) in kontoer.into_iter().enumerate() {
        let join = if at == 0 { '?' } else { '&' };
        let _ = write!(url, "{join}{KONTO}={konto}");
    }
    url
}

/// A number of several queues together, «Ukjent» where one of them did not say.
fn known(t: Tekster, number: Option<u64>) -> String {
    number.map_or_else(|| t.s("felles-ukjent"), format::number)
}

/// The numbers of several kontoer together.
pub(crate) fn totals(t: Tekster, tall: &Statustall) -> Vec<Live> {
    vec![
        Live::new(KONTOER, t.s("system-kontoer"), format::number(tall.kontoer)),
        Live::new(MANGLER_KOBLING, t.s("system-mangler-kobling"), known(t, tall.mangler_kobling)),
        Live::new(PA_KO, t.s("system-pa-ko"), known(t, tall.pa_ko)),
    ]
}

/// Whether somebody should look at any of several kontoer.
pub(crate) fn samlet(t: Tekster, status: &Kontostatus) -> Tag {
    let n = status.rader.iter().filter(|rad| rad.trenger_oppfolging).count();
    if status.totalt.mangler_kobling.is_none() {
        Tag::new(Color::Neutral, t.s("felles-ukjent"))
    } else if n == 0 {
        Tag::new(Color::Success, t.s("status-alle-koblet"))
    } else {
        Tag::new(Color::Warning, t.v("status-trenger-oppfolging", "n", n))
    }
}

/// The heading of [`VARSEL_KOBLING`].
pub(crate) fn uten_kobling(t: Tekster, kobling: Kontotilstand) -> String {
    if kobling == Kontotilstand::ManglerKobling { tilstand::tag(t, kobling).text } else { String::new() }
}

/// The heading of [`VARSEL_MANGLER_KOBLING`], of `n` kontoer that nobody is connected to.
pub(crate) fn mangler_kobling(t: Tekster, n: u64) -> String {
    if n > 0 { t.v("system-mangler-kobling-antall", "n", n) } else { String::new() }
}

/// The state of the connection of a Konto, which is always the first of its states.
pub(crate) fn kobling(rad: &KontoStatusRad) -> Kontotilstand {
    rad.tilstander.first().copied().unwrap_or(Kontotilstand::Ukjent)
}

/// `status.json` under way.
pub(crate) struct Statussvar {
    t: Tekster,
    tidspunkt: Timestamp,
    verdier: BTreeMap<String, Verdi>,
    /// Some numbers could not be had, and are left out.
    sent: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Verdi {
    Tekst(String),
    Tilstand {
        tekst: String,
        farge: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        melding: String,
    },
}

#[derive(Serialize)]
struct Json<'a> {
    oppdatert: Oppdatert,
    verdier: &'a BTreeMap<String, Verdi>,
    /// What to say of the numbers that are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<String>,
}

#[derive(Serialize)]
struct Oppdatert {
    iso: String,
    tekst: String,
}

impl Statussvar {
    /// An answer that tells how things stood at `tidspunkt`.
    pub(crate) fn new(t: Tekster, tidspunkt: Timestamp) -> Self {
        Self { t, tidspunkt, verdier: BTreeMap::new(), sent: false }
    }

    /// With a text.
    pub(crate) fn text(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.verdier.insert(name.into(), Verdi::Tekst(text.into()));
    }

    /// With a tag; `melding` is read out when it has changed.
    pub(crate) fn tag(&mut self, name: impl Into<String>, tag: Tag, melding: String) {
        let verdi = Verdi::Tilstand { tekst: tag.text, farge: tag.color.to_string(), melding };
        self.verdier.insert(name.into(), verdi);
    }

    /// A number, left out where it is not known: the page keeps the one it has, and says that it is old.
    fn number(&mut self, name: &str, number: Option<u64>) {
        match number {
            Some(number) => self.text(name, format::number(number)),
            None => self.sent = true,
        }
    }

    /// With the numbers of several kontoer together.
    pub(crate) fn totals(&mut self, status: &Kontostatus) {
        self.number(KONTOER, Some(status.totalt.kontoer));
        self.number(MANGLER_KOBLING, status.totalt.mangler_kobling);
        self.number(PA_KO, status.totalt.pa_ko);
        self.number(ULEVERTE, status.totalt.uleverte);
        if let Some(n) = status.totalt.mangler_kobling {
            self.text(VARSEL_MANGLER_KOBLING, mangler_kobling(self.t, n));
        }
        // Each Konto tells of its own change; the sum of them need not be read out as well.
        self.tag(SAMLET, samlet(self.t, status), String::new());
    }

    /// With what there is to say of the Konto called `navn`; `name` tells what a value of it is called.
    pub(crate) fn konto(&mut self, rad: &KontoStatusRad, navn: &str, name: impl Fn(&str) -> String) {
        let t = self.t;
        let tilstand = kobling(rad);
        let melding = match tilstand {
            Kontotilstand::Koblet => t.v("status-melding-koblet", "konto", navn),
            Kontotilstand::ManglerKobling => t.v("status-melding-mangler-kobling", "konto", navn),
            _ => t.v("status-melding-ukjent", "konto", navn),
        };
        self.tag(name(KOBLING), tilstand::tag(t, tilstand), melding);
        if rad.tall.is_none() {
            self.sent = true;
            return;
        }
        let tall = Tall::new(t, self.tidspunkt, rad.tall.as_ref());
        self.text(name(KONSUMENTER), tall.konsumenter);
        self.text(name(KONSUMENTER_ORD), tall.konsumenter_ord);
        self.text(name(KO), tall.pa_ko);
        self.text(name(UBEKREFTEDE), tall.ubekreftede);
        self.text(name(ELDSTE), tall.eldste);
        self.text(name(ULEVERTE), tall.uleverte);
    }

    /// The answer; an empty one to whoever has it already. It counts as another one when a value or the minute did.
    pub(crate) fn answer(self, headers: &HeaderMap) -> Result<Response, Feil> {
        let tekst = format::date_time(self.tidspunkt, self.t.sprak());
        let sent = self.sent.then(|| self.t.s("felles-status-ikke-tilgjengelig"));
        let values = serde_json::to_vec(&(&self.verdier, &tekst, &sent)).map_err(Feil::intern)?;
        let mut etag = String::from("\"");
        for byte in digest::digest(&digest::SHA256, &values).as_ref().iter().take(12) {
            let _ = write!(etag, "{byte:02x}");
        }
        etag.push('"');
        let has_it = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| is_among(&etag, value));
        let etag = HeaderValue::try_from(etag).map_err(Feil::intern)?;
        if has_it {
            return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
        }
        let oppdatert = Oppdatert { iso: format::machine(self.tidspunkt), tekst };
        let json = serde_json::to_string(&Json { oppdatert, verdier: &self.verdier, sent });
        let headers =
            [(header::ETAG, etag), (header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        Ok((headers, json.map_err(Feil::intern)?).into_response())
    }
}

/// Whether `etag` stands in `If-None-Match`.
fn is_among(etag: &str, value: &HeaderValue) -> bool {
    let value = value.to_str().unwrap_or_default();
    value.split(',').map(str::trim).any(|one| one.strip_prefix("W/").unwrap_or(one) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_names_the_kontoer_that_are_shown() {
        let konto = |n| KontoId::from_uuid(domain::id::Uuid::from_u128(n));
        assert_eq!(url("/o/x", []), "/o/x/status.json");
        let two = url("/o/x", [konto(1), konto(2)]);
        assert_eq!(two, format!("/o/x/status.json?konto={}&konto={}", konto(1), konto(2)));
        assert_eq!(of(KO, &konto(1)), format!("ko-{}", konto(1)));
    }

    #[test]
    fn etag_is_found_in_a_list_and_when_a_proxy_has_weakened_it() {
        let among = |text| is_among("\"abc\"", &HeaderValue::from_static(text));
        assert!(among("\"abc\"") && among("W/\"abc\"") && among("\"x\", \"abc\""));
        assert!(!among("abc") && !among("\"abcd\"") && !among(""));
    }
}
