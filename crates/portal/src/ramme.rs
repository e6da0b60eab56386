//! The frame that every page stands in.

use crate::config::Miljo;
use crate::format;
use crate::innlogget::OrgSide;
use crate::kontekst::Kontekst;
use crate::melding::Melding;
use crate::sprak::Sprak;
use crate::tekster::Tekster;
use crate::view::{Color, Crumb, SessionEnd};

/// What `layout.html` shows around a page. Every template has one in its field `ramme`.
#[derive(Debug, Clone)]
pub(crate) struct Ramme {
    /// The texts.
    pub(crate) t: Tekster,
    pub(crate) h1: String,
    pub(crate) portal_navn: String,
    /// What kind of installation this is; nothing in production.
    pub(crate) miljo: Option<String>,
    pub(crate) org: Option<OrgTopp>,
    pub(crate) bruker: Option<Bruker>,
    pub(crate) crumbs: Vec<Crumb>,
    pub(crate) sprak: Vec<SprakLenke>,
    /// What the page before says.
    pub(crate) melding: Option<(Color, String)>,
    /// The form below has to be mended.
    pub(crate) has_errors: bool,
    pub(crate) tema_css: bool,
    pub(crate) logo: bool,
    /// For print: where and when.
    pub(crate) utskrift: (String, String),
}

/// The organisasjon in the head of a page.
#[derive(Debug, Clone)]
pub(crate) struct OrgTopp {
    pub(crate) navn: String,
    pub(crate) orgnummer: String,
    /// Address of the page to choose another one, if there is one to choose.
    pub(crate) bytt: Option<&'static str>,
}

/// Who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Bruker {
    pub(crate) navn: String,
    pub(crate) csrf: String,
    pub(crate) session_end: SessionEnd,
    /// Where to come back to when the language was chosen.
    pub(crate) retur: String,
}

/// A link to the page in another language.
#[derive(Debug, Clone)]
pub(crate) struct SprakLenke {
    pub(crate) sprak: Sprak,
    pub(crate) href: String,
    pub(crate) current: bool,
}

impl Ramme {
    /// The frame of a page with that heading.
    pub(crate) fn new(k: &Kontekst, h1: impl Into<String>) -> Self {
        let (t, config) = (k.t, k.portal.config());
        let miljo = match config.miljo {
            Miljo::Produksjon => None,
            Miljo::Test => Some(t.s("felles-testmiljo")),
            Miljo::Utvikling => Some(t.s("felles-utviklingsmiljo")),
        };
        let bruker = k.aktiv().map(|sesjon| {
            let left = |until: jiff::Timestamp| {
                u64::try_from(until.duration_since(k.now).as_secs()).unwrap_or_default()
            };
            Bruker {
                navn: sesjon.person.navn.clone(),
                csrf: sesjon.csrf.clone(),
                retur: k.path().to_owned(),
                session_end: SessionEnd {
                    idle_seconds: left(sesjon.utloper_inaktiv),
                    rest_seconds: left(sesjon.utloper_absolutt),
                    keep_url: "/sesjon/hold".to_owned(),
                    log_out_url: "/logg-ut".to_owned(),
                    ended_url: "/logg-inn?melding=utlopt".to_owned(),
                    csrf: sesjon.csrf.clone(),
                    heading: t.s("felles-fortsatt-palogget"),
                    text: t.s("felles-fortsatt-palogget-tekst"),
                    keep: t.s("felles-hold-meg-palogget"),
                    log_out: t.s("felles-logg-ut"),
                },
            }
        });
        Self {
            t,
            h1: h1.into(),
            portal_navn: config.navn.clone(),
            miljo,
            org: None,
            bruker,
            crumbs: Vec::new(),
            sprak: sprak_lenker(k),
            melding: k.melding.as_deref().map(|melding: &Melding| (melding.slag.color(), melding.text(t))),
            has_errors: false,
            tema_css: config.tema_css.is_some(),
            logo: config.logo.is_some(),
            utskrift: (format::date_time(k.now, t.sprak()), format!("{}{}", config.url.origin(), k.path())),
        }
    }

    /// Names the organisasjon in the head.
    pub(crate) fn of_org(mut self, side: &OrgSide) -> Self {
        self.org = Some(OrgTopp {
            navn: side.org.navn.clone(),
            orgnummer: format::orgnummer(side.org.orgnummer),
            bytt: (side.innlogget.sesjon.person.roller.len() > 1).then_some("/velg-organisasjon"),
        });
        self
    }

    /// One more step of «Du er her».
    pub(crate) fn crumb(mut self, crumb: Crumb) -> Self {
        self.crumbs.push(crumb);
        self
    }

    /// The page itself as the last step of «Du er her».
    pub(crate) fn here(self, text: impl Into<String>) -> Self {
        self.crumb(Crumb::here(text))
    }

    /// Says in the title that the form has to be mended, if so.
    pub(crate) fn errors(mut self, has_errors: bool) -> Self {
        self.has_errors = has_errors;
        self
    }

    /// `{h1} – {orgNavn} – {portalnavn}`.
    pub(crate) fn title(&self) -> String {
        let mut title = if self.has_errors { self.t.s("felles-feil-i-tittel") } else { String::new() };
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(&self.h1);
        if let Some(org) = &self.org {
            title.push_str(" – ");
            title.push_str(&org.navn);
        }
        title.push_str(" – ");
        title.push_str(&self.portal_navn);
        title
    }

    /// The token that every form carries; nothing where nobody is logged in.
    pub(crate) fn csrf(&self) -> &str {
        self.bruker.as_ref().map_or("", |bruker| &bruker.csrf)
    }
}

fn sprak_lenker(k: &Kontekst) -> Vec<SprakLenke> {
    let (path, query) = k.sti.split_once('?').unwrap_or((&k.sti, ""));
    let rest: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("sprak=")).collect();
    Sprak::ALL
        .map(|sprak| {
            let mut pairs = rest.clone();
            let chosen = format!("sprak={sprak}");
            pairs.push(&chosen);
            SprakLenke { sprak, href: format!("{path}?{}", pairs.join("&")), current: sprak == k.t.sprak() }
        })
        .into()
}
