//! What a page says of what was done on the page before: kept in the session under an id that stands in the address, so
//! that a reload shows it again and the next page does not.

use std::sync::Arc;

use app::App;
use domain::id::SesjonId;
use serde::{Deserialize, Serialize};

use crate::feil::Feil;
use crate::kontekst::Kontekst;
use crate::tekster::{Tekster, Verdi};
use crate::view::Color;

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Slag {
    /// Something was done.
    Ok,
    /// Something worth knowing.
    Info,
    /// Something was not done, and why.
    Advarsel,
}

impl Slag {
    pub(crate) fn color(self) -> Color {
        match self {
            Self::Ok => Color::Success,
            Self::Info => Color::Info,
            Self::Advarsel => Color::Warning,
        }
    }
}

/// A message to be shown by the next page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Melding {
    pub(crate) slag: Slag,
    /// Key of the text.
    key: String,
    /// Its values.
    values: Vec<(String, String)>,
}

impl Melding {
    /// Something was done.
    pub(crate) fn ok(key: &str) -> Self {
        Self { slag: Slag::Ok, key: key.to_owned(), values: Vec::new() }
    }

    /// Something worth knowing.
    pub(crate) fn info(key: &str) -> Self {
        Self { slag: Slag::Info, ..Self::ok(key) }
    }

    /// Something was not done.
    pub(crate) fn advarsel(key: &str) -> Self {
        Self { slag: Slag::Advarsel, ..Self::ok(key) }
    }

    /// With a value in its text.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.push((name.to_owned(), value.into()));
        self
    }

    /// The text.
    pub(crate) fn text(&self, t: Tekster) -> String {
        let values: Vec<_> =
            self.values.iter().map(|(name, value)| (name.as_str(), Verdi::from(value))).collect();
        t.with(&self.key, &values)
    }

    /// Keeps it and answers the address of `sti` that shows it.
    pub(crate) async fn address(&self, kontekst: &Kontekst, sti: &str) -> Result<String, Feil> {
        let Some(sesjon) = kontekst.aktiv() else { return Ok(sti.to_owned()) };
        let app = kontekst.portal.app();
        let id = app.ids().uuid().simple().to_string();
        let text = serde_json::to_string(self).map_err(Feil::intern)?;
        app.put_sesjon_value(sesjon.id, &name(&id), &text).await?;
        let join = if sti.contains('?') { '&' } else { '?' };
        Ok(format!("{sti}{join}m={id}"))
    }

    pub(crate) async fn load(app: &App, sesjon: SesjonId, id: &str) -> Result<Option<Self>, Arc<Feil>> {
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let found = app.sesjon_value(sesjon, &name(id)).await.map_err(|error| Arc::new(error.into()))?;
        Ok(found.and_then(|text| serde_json::from_str(&text).ok()))
    }
}

fn name(id: &str) -> String {
    format!("melding-{id}")
}
