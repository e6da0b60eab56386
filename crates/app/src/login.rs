//! Log-in of a machine, the same over HTTP and AMQP.

use std::sync::Arc;

use domain::id::{IntegrasjonId, KontoId};

use crate::cache::LoginFacts;
use crate::error::{Error, Forbidden, Missing};
use crate::{App, InnloggetIntegrasjon};

/// What a machine presents.
#[derive(Clone, Copy)]
pub struct LoginAttempt<'a> {
    /// The integrasjonId, as text from outside.
    pub integrasjon_id: &'a str,
    /// The integrasjonPassord.
    pub passord: &'a str,
    /// The Maskinporten access token.
    pub token: &'a str,
}

impl App {
    /// Logs an integrasjon in: the token must be good and its consumer the organisasjon of the integrasjon, and the
    /// passord must fit.
    ///
    /// # Errors
    /// [`Error::Token`] for a bad token. [`Error::Login`] for an unknown id, a wrong passord, another orgnummer or an
    /// integrasjon outside its validity, not told apart. [`Error::Unavailable`].
    pub async fn login_integrasjon(&self, attempt: LoginAttempt<'_>) -> Result<InnloggetIntegrasjon, Error> {
        let now = self.now();
        let token = self.inner.tokens.verify(attempt.token, now).await?;
        let refused = |reason| Error::Login {
            // Ids are short; whatever else was sent is cut, since it comes back in the answer.
            integrasjon: attempt.integrasjon_id.chars().take(36).filter(|c| !c.is_control()).collect(),
            reason,
        };
        let id: IntegrasjonId =
            attempt.integrasjon_id.parse().map_err(|_| refused("the id is not a UUID"))?;
        let facts = self.login_facts(id).await?.ok_or_else(|| refused("no such integrasjon"))?;
        let LoginFacts { integrasjon, system } = &*facts;
        if !self.inner.passord_key.matches(attempt.passord, &integrasjon.passord_hash) {
            return Err(refused("wrong passord"));
        }
        if !integrasjon.aktiv(now) {
            return Err(refused("the integrasjon is outside its validity"));
        }
        if token.consumer != integrasjon.orgnummer {
            return Err(refused("the token is for another organisasjon"));
        }
        Ok(InnloggetIntegrasjon {
            integrasjon_id: id,
            system_id: system.id,
            fiks_org_id: system.fiks_org_id,
            konfigurer: system.konfigureres_av_integrasjon,
        })
    }

    /// Whether the integrasjon may take meldinger from the queue of `konto`.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for the Konto of another System, [`Error::NotFound`], [`Error::Unavailable`].
    pub async fn authorize_consume(
        &self,
        integrasjon: &InnloggetIntegrasjon,
        konto: KontoId,
    ) -> Result<(), Error> {
        let owner = self
            .inner
            .facts
            .konto_owners
            .get(&*self.inner.registry, &konto, async || {
                Ok::<_, Error>(self.begin_read().await?.konto(konto).await?.map(|konto| konto.system_id))
            })
            .await?;
        match owner {
            Some(system) if system == integrasjon.system_id => Ok(()),
            Some(_) => Err(Forbidden::ForeignKonto { konto }.into()),
            None => Err(Missing::Konto(konto).into()),
        }
    }

    async fn login_facts(&self, id: IntegrasjonId) -> Result<Option<Arc<LoginFacts>>, Error> {
        self.inner
            .facts
            .logins
            .get(&*self.inner.registry, &id, async || {
                let mut tx = self.begin_read().await?;
                let Some(integrasjon) = tx.integrasjon(id).await? else { return Ok(None) };
                let Some(system) = tx.system(integrasjon.system_id).await? else { return Ok(None) };
                Ok(Some(Arc::new(LoginFacts { integrasjon, system })))
            })
            .await
    }
}
