//! The tabs of a Konto.

use crate::innlogget::KontoSide;
use crate::view::Tab;

/// The tabs of a Konto with `current` as the one shown: `oversikt`, `tilganger`, `sok`, `foresporsler` or `konfigurasjon`.
/// `foresporsler` is how many wait for an answer, where that is known. Who may only read does not get those for changing.
pub(crate) fn tabs(side: &KontoSide, current: &str, foresporsler: Option<u64>) -> Vec<Tab> {
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
        match foresporsler.filter(|n| key == "foresporsler" && *n > 0) {
            Some(n) => tab.count(crate::format::number(n)),
            None => tab,
        }
    })
    .collect()
}

/// The name of the landmark that they stand in.
pub(crate) fn label(side: &KontoSide) -> String {
    side.t().v("konto-faner", "navn", side.navn())
}
