use domain::id::SesjonId;
use domain::person::Person;
use jiff::Timestamp;

use crate::error::Error;
use crate::grense::Grense;
use crate::hendelse::Hva;
use crate::person::innlogget;
use crate::ports::{Sesjon, VerifiedPerson};
use crate::sesjon::token::{self, SesjonToken};
use crate::{App, Caller, Change};

/// Longest name taken from a provider in characters.
const NAVN_MAX: usize = 200;
/// However often a person logs in, the log of an organisasjon gets one line of it in each hour of the clock.
const ONE_LINE_EACH: i64 = 60 * 60;

/// A session just begun, with the only chance to see its token.
#[derive(Debug)]
pub struct NySesjon {
    /// For the browser.
    pub token: SesjonToken,
    /// Who logged in.
    pub person: Person,
}

impl App {
    /// Begins a session for somebody whom the provider `issuer` vouches for, also if nobody here knows him: he then has no
    /// roller and sees nothing. `previous` is the session that the browser came with; it ends, so that nobody who planted it
    /// gets into the new one.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn log_in_person(
        &self,
        verified: &VerifiedPerson,
        issuer: &str,
        previous: Option<SesjonId>,
    ) -> Result<NySesjon, Error> {
        let now = self.now();
        let lookup = self.inner.passord_key.lookup_hash(&verified.identifier);
        let told = verified.navn.as_deref().map(str::trim).filter(|navn| !navn.is_empty());
        let navn: Option<String> =
            told.map(|navn| navn.chars().filter(|c| !c.is_control()).take(NAVN_MAX).collect());
        let mut tx = self.begin().await?;
        let mut is_in_log = false;
        let person = if let Some(mut person) = tx.person_by_lookup(&lookup).await? {
            let hour = |time: Timestamp| time.as_second().div_euclid(ONE_LINE_EACH);
            is_in_log = person.sist_innlogget.is_some_and(|before| hour(before) == hour(now));
            person.sist_innlogget = Some(now);
            // The provider knows better than whoever once typed it.
            person.navn = navn.unwrap_or(person.navn);
            tx.update_person(&person).await?;
            person
        } else {
            let mut person = self.new_person(lookup, navn.unwrap_or_default());
            person.sist_innlogget = Some(now);
            tx.add_person(&person).await?;
            person
        };
        if let Some(previous) = previous {
            tx.remove_sesjon(previous).await?;
        }
        let token = SesjonToken::from_secret(&self.inner.ids.secret());
        let sesjon = Sesjon {
            id: SesjonId::from_uuid(self.inner.ids.uuid()),
            token_hash: token::hash(token.reveal()).expect("a token is as long as a token"),
            person_id: person.id,
            issuer: issuer.to_owned(),
            sid: verified.sid.clone(),
            acr: verified.acr.clone(),
            id_token: token::seal(&token, &verified.id_token),
            logget_inn: now,
            sist_brukt: now,
        };
        // Room for this one: whoever forgets to log out must not be kept out, and nobody fills the registry by logging in.
        let others = self.inner.settings.grenser.get(Grense::SesjonerPerPerson).saturating_sub(1);
        tx.remove_oldest_sesjoner(person.id, others).await?;
        tx.add_sesjon(&sesjon).await?;
        let innlogget = innlogget(&mut *tx, &person).await?;
        let owners: Vec<_> = innlogget.roller.iter().map(|(owner, _)| *owner).collect();
        let caller = Caller::Person(innlogget);
        for owner in owners.into_iter().filter(|_| !is_in_log) {
            let change = Change::new(Hva::LoggetInn).organisasjon(owner);
            self.audit(&mut *tx, &caller, change).await?;
        }
        tx.commit().await?;
        Ok(NySesjon { token, person })
    }

    /// Gives a session another token, as when its person has proved himself again. The old one stops working.
    ///
    /// # Errors
    /// [`Error::Conflict`] (`sesjon`) if it has ended, [`Error::Unavailable`].
    pub async fn rotate_sesjon(&self, token: &str) -> Result<SesjonToken, Error> {
        const ENDED: Error = Error::Conflict { what: "sesjon" };
        let hash = token::hash(token).ok_or(ENDED)?;
        let mut tx = self.begin().await?;
        let mut sesjon = tx.sesjon_by_token(&hash).await?.ok_or(ENDED)?;
        if super::is_over(&sesjon, self.now()) {
            return Err(ENDED);
        }
        let next = SesjonToken::from_secret(&self.inner.ids.secret());
        sesjon.token_hash = token::hash(next.reveal()).expect("a token is as long as a token");
        let id_token = sesjon.id_token.and_then(|sealed| token::open(token, &sealed));
        sesjon.id_token = id_token.and_then(|id_token| token::seal(&next, &id_token));
        tx.update_sesjon(&sesjon).await?;
        tx.commit().await?;
        Ok(next)
    }
}
