//! The tabs of a System, which its screens share.

use crate::innlogget::SystemSide;
use crate::view::Tab;

/// The tabs as this person may open them; `current` is one of `oversikt`, `kontoer`, `tilganger` and `konfigurasjon`.
pub(crate) fn tabs(side: &SystemSide, current: &str) -> Vec<Tab> {
    let t = side.t();
    let tab = |name: &str, href: String| Tab::new(href, t.s(&format!("system-fane-{name}")), name == current);
    let mut tabs = vec![
        tab("oversikt", side.sti()),
        tab("kontoer", format!("{}/kontoer", side.sti())),
        tab("tilganger", format!("{}/tilganger", side.sti())),
    ];
    if side.side.may_change() {
        tabs.push(tab("konfigurasjon", format!("{}/konfigurasjon", side.sti())));
    }
    tabs
}

/// What the list of tabs is called: «Faner for {systemNavn}».
pub(crate) fn label(side: &SystemSide) -> String {
    side.t().v("system-faner", "navn", side.navn())
}
