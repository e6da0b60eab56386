//! Protokoller: the catalogue and its definitions.

use std::sync::Arc;

use domain::katalog;
use domain::protokoll::Protokoll;

use crate::App;
use crate::error::{Error, Missing};

impl App {
    /// Loads the catalogue that this version of the program brings, unless it is loaded already. Definitions that the
    /// operator made stay.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn load_katalog(&self) -> Result<(), Error> {
        let fingerprint = katalog::fingerprint();
        let mut tx = self.begin().await?;
        if tx.katalog_fingerprint().await?.as_deref() == Some(fingerprint.as_str()) {
            return Ok(());
        }
        for protokoll in katalog::standard() {
            tx.put_protokoll(&protokoll).await?;
        }
        tx.set_katalog_fingerprint(&fingerprint).await?;
        Ok(tx.commit().await?)
    }

    /// All versions of all protokoller, kept in memory. The caller has logged in; more is not asked. To be called outside of
    /// a unit of work, since it may begin one of its own.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list_protokoller(&self) -> Result<Arc<Vec<Protokoll>>, Error> {
        self.inner
            .facts
            .alle_protokoller
            .get(&*self.inner.registry, &(), async || {
                Ok(Arc::new(self.begin_read().await?.list_protokoller().await?))
            })
            .await
    }

    /// All versions of one Protokoll.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn protokoll_versjoner(&self, navn: &str) -> Result<Vec<Protokoll>, Error> {
        let versjoner = self.begin_read().await?.list_versjoner(navn).await?;
        if versjoner.is_empty() { Err(Missing::Protokoll(navn.to_owned()).into()) } else { Ok(versjoner) }
    }

    /// One version of a Protokoll.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn protokoll(&self, navn: &str, versjon: &str) -> Result<Protokoll, Error> {
        let found = self.begin_read().await?.protokoll(navn, versjon).await?;
        Ok(found.ok_or_else(|| Missing::Protokoll(format!("{navn} {versjon}")))?)
    }
}
