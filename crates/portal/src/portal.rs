//! What every request needs.

use std::sync::Arc;

use app::App;
use app::ports::PersonLogin;

use crate::config::{Config, Miljo};
use crate::cookies::Cookies;
use crate::limit::Limits;
use crate::utvikling::Verktoy;

/// The portal over the use cases of an [`App`]. Cheap to clone.
#[derive(Clone)]
pub struct Portal {
    inner: Arc<Inner>,
    verktoy: Option<Arc<dyn Verktoy>>,
}

struct Inner {
    app: App,
    login: Option<Arc<dyn PersonLogin>>,
    config: Config,
    cookies: Cookies,
    limits: Limits,
}

impl Portal {
    /// Puts the portal together. Without `login` nobody can log in, and the page for it says so.
    pub fn new(app: App, login: Option<Arc<dyn PersonLogin>>, config: Config) -> Self {
        let cookies = Cookies::new(&config.url);
        let inner = Inner { app, login, config, cookies, limits: Limits::default() };
        Self { inner: Arc::new(inner), verktoy: None }
    }

    /// With tools for development. In any other environment they are not taken.
    #[must_use]
    pub fn with_verktoy(self, verktoy: Arc<dyn Verktoy>) -> Self {
        let verktoy = (self.inner.config.miljo == Miljo::Utvikling).then_some(verktoy);
        Self { verktoy, ..self }
    }

    pub(crate) fn app(&self) -> &App {
        &self.inner.app
    }

    pub(crate) fn login(&self) -> Option<&Arc<dyn PersonLogin>> {
        self.inner.login.as_ref()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    pub(crate) fn cookies(&self) -> &Cookies {
        &self.inner.cookies
    }

    /// The tools for development, where there are any.
    pub(crate) fn verktoy(&self) -> Option<&Arc<dyn Verktoy>> {
        self.verktoy.as_ref()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.limits
    }
}
