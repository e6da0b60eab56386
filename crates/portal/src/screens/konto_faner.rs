//! The tabs of a Konto.

use crate::feil::Feil;
use crate::innlogget::KontoSide;
use crate::view::Tab;

/// The tabs of a Konto with `current` as the one shown: `oversikt`, `tilganger`, `sok`, `foresporsler` or `konfigurasjon`.
/// Who may only read does not get those for changing.
pub(crate) async fn tabs(side: &KontoSide, current: &str) -> Result<Vec<Tab>, Feil> {
    let foresporsler = side.app().count_foresporsler(&side.caller(), side.konto_sti()).await?;
    Ok(counted(side, current, foresporsler))
}

/// The same, for a page that knows already how many `foresporsler` wait for an answer.
pub(crate) fn counted(side: &KontoSide, current: &str, foresporsler: u64) -> Vec<Tab> {
    let t = side.t();
    [
        ("oversikt", "", true),
        ("tilganger", "/tilganger", true),
        ("sok", "/sok", side.side.side.may_change()),
        ("foresporsler", "/foresporsler", true),
        ("konfigurasjon", "/konfigurasjon", side.side.side.may_change()),
    ]
    .into_iter()
    .filter(|(.., shown)| *shown)
    .map(|(key, path, _)| {
        let tab =
            Tab::new(format!("{}{path}", side.sti()), t.s(&format!("konto-fane-{key}")), key == current);
        if key == "foresporsler" && foresporsler > 0 {
            tab.count(crate::format::number(foresporsler))
        } else {
            tab
        }
    })
    .collect()
}

/// The name of the landmark that they stand in.
pub(crate) fn label(side: &KontoSide) -> String {
    side.t().v("konto-faner", "navn", side.navn())
}
