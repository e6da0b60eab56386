//! Long lists: what the address says of search, order and page, and the links that change it.

use app::paging::{Page, Side};

use crate::kontekst::Kontekst;
use crate::skjema::Felter;
use crate::tekster::Tekster;
use crate::view::{Paging, Sort};

/// Search, order and page of a list, as they stand in the address: `?sok=…&sorter=navn&retning=ned&side=2`.
#[derive(Debug, Clone)]
pub(crate) struct Liste {
    path: String,
    felter: Felter,
    t: Tekster,
}

/// Names that say where in the list one is, and are dropped when the list becomes another one.
const PLACE: [&str; 2] = ["side", "m"];

impl Liste {
    pub(crate) fn new(k: &Kontekst) -> Self {
        let query = k.sti.split_once('?').map_or("", |(_, query)| query);
        Self { path: k.path().to_owned(), felter: Felter::from_query(query), t: k.t }
    }

    /// What is searched for.
    pub(crate) fn sok(&self) -> String {
        self.text("sok")
    }

    /// A filter.
    pub(crate) fn text(&self, name: &str) -> String {
        self.felter.text(name)
    }

    /// Whether a filter stands in the address at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.felter.has(name)
    }

    /// Whether the form of a checkbox was sent with it on.
    pub(crate) fn checked(&self, name: &str) -> bool {
        self.felter.checked(name)
    }

    pub(crate) fn page(&self) -> Page {
        self.page_by("side")
    }

    /// The same for a further list of the page, whose place stands under another name.
    pub(crate) fn page_by(&self, name: &str) -> Page {
        Page::new(self.text(name).parse().unwrap_or(1))
    }

    /// By which column, and whether from the end; `default` where the address says nothing.
    pub(crate) fn sortering(&self, default: &str) -> (String, bool) {
        let by = self.text("sorter");
        (if by.is_empty() { default.to_owned() } else { by }, self.text("retning") == "ned")
    }

    /// The same list with other values; an empty one is left out.
    pub(crate) fn href(&self, changes: &[(&str, &str)]) -> String {
        self.address(&self.path, changes)
    }

    /// The same search and order at another path, such as that of the CSV file.
    pub(crate) fn address(&self, path: &str, changes: &[(&str, &str)]) -> String {
        let kept = self
            .felter
            .pairs()
            .filter(|(name, _)| !PLACE.contains(name) && !changes.iter().any(|(changed, _)| changed == name));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept.chain(changes.iter().copied()).filter(|(_, value)| !value.is_empty()));
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// The links to the pages before and after; nothing where there is one page.
    pub(crate) fn paging<T>(&self, side: &Side<T>, label: impl Into<String>) -> Option<Paging> {
        self.paging_by("side", side, label)
    }

    /// The same for a further list of the page, whose place stands under another name.
    pub(crate) fn paging_by<T>(
        &self,
        name: &str,
        side: &Side<T>,
        label: impl Into<String>,
    ) -> Option<Paging> {
        let (number, pages) = (u64::from(side.page.number.max(1)), side.pages());
        if pages == 1 && number == 1 {
            return None;
        }
        let link = |number: u64| self.href(&[(name, &number.to_string())]);
        Some(Paging {
            label: label.into(),
            position: self.t.v2("felles-side-av", "n", number, "m", pages),
            previous: (self.t.s("felles-forrige-side"), (number > 1).then(|| link((number - 1).min(pages)))),
            next: (self.t.s("felles-neste-side"), (number < pages).then(|| link(number + 1))),
        })
    }

    /// The head of a column to sort by. `default` is what the list is sorted by where the address says nothing.
    pub(crate) fn sort(&self, by: &str, text: impl Into<String>, default: &str) -> Sort {
        let (now, descending) = self.sortering(default);
        let current = now == by;
        let retning = if current && !descending { "ned" } else { "" };
        Sort {
            text: text.into(),
            href: self.href(&[("sorter", by), ("retning", retning)]),
            ascending: current.then_some(!descending),
            number: false,
        }
    }

    /// The same for a column of numbers.
    pub(crate) fn sort_number(&self, by: &str, text: impl Into<String>, default: &str) -> Sort {
        Sort { number: true, ..self.sort(by, text, default) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sprak::Sprak;

    fn liste(query: &str) -> Liste {
        Liste { path: "/x".to_owned(), felter: Felter::from_query(query), t: Tekster(Sprak::Nb) }
    }

    #[test]
    fn another_order_begins_at_the_first_page_and_keeps_the_search() {
        let liste = liste("sok=%C3%A5s&side=3&m=abc&sorter=navn");
        assert_eq!(liste.sort("navn", "Navn", "navn").href, "/x?sok=%C3%A5s&sorter=navn&retning=ned");
        assert_eq!(liste.sort("navn", "Navn", "navn").ascending, Some(true));
        assert_eq!(liste.sort("kontoer", "Kontoer", "navn").href, "/x?sok=%C3%A5s&sorter=kontoer");
        assert_eq!(liste.page().number, 3);
    }

    #[test]
    fn one_page_has_no_paging_and_ends_have_no_link() {
        let side = |number, total| Side::<()> { rows: vec![], total, page: Page::new(number) };
        assert!(liste("").paging(&side(1, 25), "x").is_none());
        let first = liste("a=b").paging(&side(1, 26), "x").unwrap();
        assert_eq!((first.previous.1, first.next.1.as_deref()), (None, Some("/x?a=b&side=2")));
        let behind = liste("side=9").paging(&side(9, 26), "x").unwrap();
        assert_eq!((behind.previous.1.as_deref(), behind.next.1), (Some("/x?side=2"), None));
    }
}
