//! What the macros in `templates/macros` are given: the parts of a page as plain data, all texts already in the reader's language.

use std::fmt;

/// The meaning of a tag, an alert or a button, as Designsystemet names its colours. The text always says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Color {
    /// All is well.
    Success,
    /// Worth knowing.
    Info,
    /// Needs somebody's attention.
    Warning,
    /// Broken, or cannot be undone.
    Danger,
    /// Says nothing of good or bad.
    #[default]
    Neutral,
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "success",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Danger => "danger",
            Self::Neutral => "neutral",
        })
    }
}

/// One field of a form: its label, what was typed and what is wrong with it.
///
/// The parts around the input get their ids from the field's own: `{id}-hjelp`, `{id}-feil` and `{id}-teller`.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// The name it is sent under.
    pub(crate) name: String,
    /// Unique on the page; the name, until [`Field::id`] says otherwise.
    pub(crate) id: String,
    /// The text above it.
    pub(crate) label: String,
    /// Help, under the label.
    pub(crate) description: Option<String>,
    /// What it holds: as it was typed, also when that is wrong.
    pub(crate) value: String,
    /// What is wrong with it, word for word as in the error summary.
    pub(crate) error: Option<String>,
    /// Whether it must be filled in.
    pub(crate) required: bool,
    /// «Må fylles ut» or «Valgfritt», on forms that mix the two.
    pub(crate) tag: Option<String>,
    /// The `type` of the input.
    pub(crate) kind: &'static str,
    /// The `inputmode`: which keyboard a telephone shows.
    pub(crate) inputmode: Option<&'static str>,
    /// The `autocomplete`; off, as nothing here is about the person who fills in the form.
    pub(crate) autocomplete: &'static str,
    /// How many characters wide the input is drawn; the whole column without it.
    pub(crate) width: Option<u16>,
    /// Counts characters against a limit.
    pub(crate) counter: Option<Counter>,
}

impl Field {
    /// An empty text field that must be filled in.
    pub(crate) fn new(name: impl Into<String>, label: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            id: name.clone(),
            name,
            label: label.into(),
            description: None,
            value: String::new(),
            error: None,
            required: true,
            tag: None,
            kind: "text",
            inputmode: None,
            autocomplete: "off",
            width: None,
            counter: None,
        }
    }

    /// With another id than its name: where two forms of one page use the same name.
    pub(crate) fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// With help under the label.
    pub(crate) fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Holding what was typed, or what is stored.
    pub(crate) fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    /// With what is wrong with it, if anything is.
    pub(crate) fn error(mut self, text: Option<String>) -> Self {
        self.error = text;
        self
    }

    /// May be left empty.
    pub(crate) fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// With «Må fylles ut» or «Valgfritt» beside the label.
    pub(crate) fn tag(mut self, text: impl Into<String>) -> Self {
        self.tag = Some(text.into());
        self
    }

    /// With another `type` than `text`: `email`, `search`, `date`.
    pub(crate) fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// For digits: a keyboard of digits, never `type=number` (which drops leading zeros and steps on scroll).
    pub(crate) fn digits(mut self, width: u16) -> Self {
        self.inputmode = Some("numeric");
        self.width = Some(width);
        self
    }

    /// Drawn as wide as so many characters.
    pub(crate) fn width(mut self, characters: u16) -> Self {
        self.width = Some(characters);
        self
    }

    /// With a limit that is told before typing and counted while typing.
    pub(crate) fn counter(mut self, counter: Counter) -> Self {
        self.counter = Some(counter);
        self
    }

    /// The value of `aria-describedby`: what is wrong first, then the help and the limit. Empty when there is nothing.
    pub(crate) fn described_by(&self) -> String {
        let parts = [
            (self.error.is_some(), "feil"),
            (self.description.is_some(), "hjelp"),
            (self.counter.is_some(), "teller"),
        ];
        let ids: Vec<_> =
            parts.iter().filter(|(there, _)| *there).map(|(_, part)| format!("{}-{part}", self.id)).collect();
        ids.join(" ")
    }
}

/// The limit of a text field.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    /// The most characters that are taken.
    pub(crate) max: u16,
    /// «Høyst 500 tegn», shown before typing and without script.
    pub(crate) limit: String,
    /// «{n} tegn igjen», with `{n}` left for the script to fill in.
    pub(crate) under: String,
    /// «{n} tegn for mye», with `{n}` left for the script to fill in.
    pub(crate) over: String,
}

/// One of the choices of a select or a group of radio buttons.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// What is sent.
    pub(crate) value: String,
    /// What is shown.
    pub(crate) text: String,
    /// Help under the text (radio buttons only).
    pub(crate) description: Option<String>,
    /// Whether it is the chosen one.
    pub(crate) selected: bool,
    /// The id of the block that belongs to this choice. Script hides the blocks of the choices that are not chosen.
    pub(crate) block: Option<String>,
}

impl Choice {
    /// A choice that is not chosen.
    pub(crate) fn new(value: impl Into<String>, text: impl Into<String>) -> Self {
        Self { value: value.into(), text: text.into(), description: None, selected: false, block: None }
    }

    /// Chosen if so.
    pub(crate) fn selected(mut self, selected: bool) -> Self {
        self.selected = selected;
        self
    }

    /// With help under the text.
    pub(crate) fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// With the id of the block that belongs to it.
    pub(crate) fn block(mut self, id: impl Into<String>) -> Self {
        self.block = Some(id.into());
        self
    }
}

/// Choices under one heading of a select.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The heading; the choices of a group without one stand directly in the select.
    pub(crate) label: Option<String>,
    /// The value of the other select that this group belongs to, where one narrows the other.
    pub(crate) of: Option<String>,
    /// In the order shown.
    pub(crate) choices: Vec<Choice>,
}

/// A select.
#[derive(Debug, Clone)]
pub(crate) struct Select {
    /// Label, help and error; its value is not used.
    pub(crate) field: Field,
    /// In the order shown.
    pub(crate) groups: Vec<Group>,
    /// The id of the select that narrows this one to the groups `of` its value.
    pub(crate) narrowed_by: Option<String>,
}

impl Select {
    /// A select without headings.
    pub(crate) fn new(field: Field, choices: Vec<Choice>) -> Self {
        Self { field, groups: vec![Group { label: None, of: None, choices }], narrowed_by: None }
    }

    /// With a further group of choices under a heading.
    pub(crate) fn group(mut self, label: impl Into<String>, choices: Vec<Choice>) -> Self {
        self.groups.push(Group { label: Some(label.into()), of: None, choices });
        self
    }

    /// With a further group, shown only when the select `narrowed_by` has the value `of`.
    pub(crate) fn group_of(
        mut self,
        of: impl Into<String>,
        label: impl Into<String>,
        choices: Vec<Choice>,
    ) -> Self {
        self.groups.push(Group { label: Some(label.into()), of: Some(of.into()), choices });
        self
    }

    /// Narrowed by the select with this id.
    pub(crate) fn narrowed_by(mut self, id: impl Into<String>) -> Self {
        self.narrowed_by = Some(id.into());
        self
    }
}

/// A group of radio buttons.
#[derive(Debug, Clone)]
pub(crate) struct Radios {
    /// The label is the legend; its value is not used.
    pub(crate) field: Field,
    /// In the order shown.
    pub(crate) choices: Vec<Choice>,
}

impl Radios {
    /// A group of radio buttons.
    pub(crate) fn new(field: Field, choices: Vec<Choice>) -> Self {
        Self { field, choices }
    }
}

/// A checkbox. It is sent as `ja` when checked, and not at all otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Checkbox {
    /// Name, label, help and error; its value is not used.
    pub(crate) field: Field,
    /// Whether it is checked.
    pub(crate) checked: bool,
    /// The id of a block that script shows only while it is checked.
    pub(crate) block: Option<String>,
}

impl Checkbox {
    /// A checkbox that may be left alone, unless the field says that it must be checked.
    pub(crate) fn new(field: Field, checked: bool) -> Self {
        Self { field, checked, block: None }
    }

    /// With the id of a block that belongs to its being checked.
    pub(crate) fn block(mut self, id: impl Into<String>) -> Self {
        self.block = Some(id.into());
        self
    }
}

/// One row of a [`Rows`].
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The input; its label is for screen readers («E-postadresse 2»).
    pub(crate) field: Field,
    /// «Fjern {adresse}» and what `handling` is sent as; `None` on the only row.
    pub(crate) remove: Option<(String, String)>,
}

/// A field with one input for each of several values, and buttons that add and remove inputs.
///
/// The buttons submit the form with `handling` set, so they work without script.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    /// The label is the legend; name and value are not used. Its error is about the whole («Skriv inn minst én e-postadresse»).
    pub(crate) field: Field,
    /// At least one.
    pub(crate) inputs: Vec<Row>,
    /// «Legg til e-postadresse» and what `handling` is sent as; `None` when no more fit.
    pub(crate) add: Option<(String, String)>,
    /// The id of the input to focus when the page has loaded: the one just added.
    pub(crate) focus: Option<String>,
}

/// A field for a file.
#[derive(Debug, Clone)]
pub(crate) struct FileField {
    /// Name, label, help and error; its value is not used.
    pub(crate) field: Field,
    /// The `accept` of the input.
    pub(crate) accept: &'static str,
    /// «Dra .pem-filen hit, eller velg en fil».
    pub(crate) prompt: String,
    /// «Valgt fil: {navn} ({storrelse})», with both left for the script to fill in.
    pub(crate) chosen: String,
    /// «Valgt fil: {filnavn}» and «Bytt fil», when a file from an earlier try is kept.
    pub(crate) kept: Option<(String, String)>,
}

/// All that is wrong with a form, at the top of the page.
#[derive(Debug, Clone, Default)]
pub(crate) struct ErrorSummary {
    /// «Du må rette {n} feil for å gå videre».
    pub(crate) heading: String,
    /// The id of the field, and what is wrong with it. Nothing is drawn when empty.
    pub(crate) errors: Vec<(String, String)>,
}

impl ErrorSummary {
    /// A summary of these errors: the id of the field and what is wrong with it.
    pub(crate) fn new(heading: impl Into<String>, errors: Vec<(String, String)>) -> Self {
        Self { heading: heading.into(), errors }
    }
}

/// A short text with a colour: the state of something.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    /// What it means.
    pub(crate) color: Color,
    /// What it says.
    pub(crate) text: String,
}

impl Tag {
    /// A tag.
    pub(crate) fn new(color: Color, text: impl Into<String>) -> Self {
        Self { color, text: text.into() }
    }
}

/// A time as machines and people read it.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    /// For `datetime`: UTC, RFC 3339.
    pub(crate) iso: String,
    /// «22.11.2026 kl. 14.30».
    pub(crate) text: String,
}

/// One of the tabs of a page.
#[derive(Debug, Clone)]
pub(crate) struct Tab {
    /// Where it leads.
    pub(crate) href: String,
    /// What it is called.
    pub(crate) text: String,
    /// How many there are of what it leads to, when that is worth knowing: shown as «(3)».
    pub(crate) count: Option<String>,
    /// Whether it is this page.
    pub(crate) current: bool,
}

impl Tab {
    /// A tab; `current` if it leads to this page.
    pub(crate) fn new(href: impl Into<String>, text: impl Into<String>, current: bool) -> Self {
        Self { href: href.into(), text: text.into(), count: None, current }
    }

    /// With a number behind the text.
    pub(crate) fn count(mut self, count: impl Into<String>) -> Self {
        self.count = Some(count.into());
        self
    }
}

/// One step of the way to this page.
#[derive(Debug, Clone)]
pub(crate) struct Crumb {
    /// Where it leads; `None` is this page.
    pub(crate) href: Option<String>,
    /// What it is called.
    pub(crate) text: String,
}

impl Crumb {
    /// A page above this one.
    pub(crate) fn link(href: impl Into<String>, text: impl Into<String>) -> Self {
        Self { href: Some(href.into()), text: text.into() }
    }

    /// This page.
    pub(crate) fn here(text: impl Into<String>) -> Self {
        Self { href: None, text: text.into() }
    }
}

/// The way to the other pages of a long list. Nothing is drawn when there is one page only.
#[derive(Debug, Clone)]
pub(crate) struct Paging {
    /// The name of the landmark: «Sider med systemer».
    pub(crate) label: String,
    /// «Side 2 av 5».
    pub(crate) position: String,
    /// «Forrige side», and where it leads unless this is the first.
    pub(crate) previous: (String, Option<String>),
    /// «Neste side», and where it leads unless this is the last.
    pub(crate) next: (String, Option<String>),
}

/// The head of a column that the list can be sorted by.
#[derive(Debug, Clone)]
pub(crate) struct Sort {
    /// The name of the column.
    pub(crate) text: String,
    /// The same list sorted by it, or the other way round when it already is.
    pub(crate) href: String,
    /// How the list is sorted by it now: `Some(true)` is ascending.
    pub(crate) ascending: Option<bool>,
    /// Whether it holds numbers, which stand to the right.
    pub(crate) number: bool,
}

impl Sort {
    /// The value of `aria-sort`.
    pub(crate) fn aria(&self) -> &'static str {
        match self.ascending {
            Some(true) => "ascending",
            Some(false) => "descending",
            None => "none",
        }
    }
}

/// One step of a wizard.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// What it is called.
    pub(crate) text: String,
    /// Where a step stands that is done and can be gone back to.
    pub(crate) href: Option<String>,
    /// Whether it is done: it gets a tick, and the text of [`Steps::done`] for screen readers.
    pub(crate) done: bool,
}

/// The steps of a wizard.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    /// The name of the landmark: «Steg».
    pub(crate) label: String,
    /// «Ferdig», behind the steps that are done.
    pub(crate) done: String,
    /// In order.
    pub(crate) all: Vec<Step>,
    /// Which is shown, counted from 1.
    pub(crate) current: usize,
}

/// A value that the page keeps up to date.
///
/// `status.json` sends the same under `verdier.{key}`: a text, or `{tekst, farge, melding}` for a tag.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// Unique on the page.
    pub(crate) key: String,
    /// The name of the number.
    pub(crate) label: String,
    /// The number now.
    pub(crate) value: String,
}

impl Live {
    /// A live value.
    pub(crate) fn new(key: impl Into<String>, label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), label: label.into(), value: value.into() }
    }
}

/// The question before a session ends for want of use.
#[derive(Debug, Clone)]
pub(crate) struct SessionEnd {
    /// For how long the session lasts from when this page was made, if nothing is done.
    pub(crate) idle_seconds: u64,
    /// For how long it lasts at the very most from when this page was made; it is never prolonged beyond that.
    pub(crate) rest_seconds: u64,
    /// What a POST prolongs it at.
    pub(crate) keep_url: String,
    /// What a POST logs out at.
    pub(crate) log_out_url: String,
    /// Where the page goes when the session has ended.
    pub(crate) ended_url: String,
    /// The token against forged requests, sent as `csrf`.
    pub(crate) csrf: String,
    /// «Vil du fortsatt være pålogget?»
    pub(crate) heading: String,
    /// What happens otherwise.
    pub(crate) text: String,
    /// «Hold meg pålogget».
    pub(crate) keep: String,
    /// «Logg ut».
    pub(crate) log_out: String,
}
