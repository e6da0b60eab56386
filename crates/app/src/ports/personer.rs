//! The part of the registry that is about people. Nothing here counts as a change of the registry's generation: rights of
//! people are read anew at each request, and nobody keeps them.

use std::fmt;

use async_trait::async_trait;
use domain::avtale::AvtaleSignatur;
use domain::organisasjon::Organisasjon;
use domain::person::{Person, Rolle, Rolletildeling};
use jiff::Timestamp;
use wire::id::{FiksOrgId, PersonId, SesjonId};

use crate::paging::{Page, Side};
use crate::ports::RegistryError;

/// People and their roller.
#[async_trait]
pub trait PersonRepository {
    /// The person with that id.
    async fn person(&mut self, id: PersonId) -> Result<Option<Person>, RegistryError>;
    /// The person with that keyed hash of his identifier.
    async fn person_by_lookup(&mut self, lookup: &[u8; 32]) -> Result<Option<Person>, RegistryError>;
    /// Adds one; [`RegistryError::Conflict`] (`person`) if his id or lookup is taken.
    async fn add_person(&mut self, person: &Person) -> Result<(), RegistryError>;
    /// Replaces the one with the same id. Nothing happens if there is none.
    async fn update_person(&mut self, person: &Person) -> Result<(), RegistryError>;
    /// The organisasjoner in which a person has a rolle, by name as in Norwegian, each with that rolle.
    async fn list_roller(&mut self, person: PersonId) -> Result<Vec<(Organisasjon, Rolle)>, RegistryError>;
    /// Those who have a rolle in an organisasjon, by name as in Norwegian.
    async fn list_personer(
        &mut self,
        owner: FiksOrgId,
        page: Page,
    ) -> Result<Side<(Person, Rolletildeling)>, RegistryError>;
    /// The rolle of a person in an organisasjon.
    async fn rolle(
        &mut self,
        person: PersonId,
        owner: FiksOrgId,
    ) -> Result<Option<Rolletildeling>, RegistryError>;
    /// Gives a rolle, in place of the one that the person has there.
    async fn put_rolle(&mut self, tildeling: &Rolletildeling) -> Result<(), RegistryError>;
    /// Takes the rolle away; whether there was one.
    async fn remove_rolle(&mut self, person: PersonId, owner: FiksOrgId) -> Result<bool, RegistryError>;
    /// How many administratorer an organisasjon has.
    async fn count_administratorer(&mut self, owner: FiksOrgId) -> Result<u64, RegistryError>;
}

/// A session of a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Sesjon {
    /// Its id, which stays when its token is changed. No secret.
    pub id: SesjonId,
    /// Hash of the token that the browser shows.
    pub token_hash: [u8; 32],
    /// Whose it is.
    pub person_id: PersonId,
    /// The login provider.
    pub issuer: String,
    /// The provider's own id of the login.
    pub sid: Option<String>,
    /// The level at which the person proved himself.
    pub acr: Option<String>,
    /// The id token, sealed with the session's token: without the browser nobody can read it.
    pub id_token: Option<Vec<u8>>,
    /// When it began.
    pub logget_inn: Timestamp,
    /// When the person last did something in it.
    pub sist_brukt: Timestamp,
}

impl fmt::Debug for Sesjon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sesjon")
            .field("id", &self.id)
            .field("person_id", &self.person_id)
            .field("logget_inn", &self.logget_inn)
            .field("sist_brukt", &self.sist_brukt)
            .finish_non_exhaustive()
    }
}

/// Sessions, and what is kept within each. All that is kept goes with the session.
#[async_trait]
pub trait SesjonRepository {
    /// Adds one; [`RegistryError::Conflict`] (`sesjon`) if its id or token is taken.
    async fn add_sesjon(&mut self, sesjon: &Sesjon) -> Result<(), RegistryError>;
    /// The session with that id.
    async fn sesjon(&mut self, id: SesjonId) -> Result<Option<Sesjon>, RegistryError>;
    /// The session with that hash of its token.
    async fn sesjon_by_token(&mut self, token_hash: &[u8; 32]) -> Result<Option<Sesjon>, RegistryError>;
    /// Replaces the one with the same id. Nothing happens if there is none.
    async fn update_sesjon(&mut self, sesjon: &Sesjon) -> Result<(), RegistryError>;
    /// Sets when it was last used, and nothing else.
    async fn touch_sesjon(&mut self, id: SesjonId, at: Timestamp) -> Result<(), RegistryError>;
    /// Removes it.
    async fn remove_sesjon(&mut self, id: SesjonId) -> Result<(), RegistryError>;
    /// Removes those that began with one login at a provider, and tells how many there were.
    async fn remove_sesjoner_by_sid(&mut self, issuer: &str, sid: &str) -> Result<u64, RegistryError>;
    /// Removes the sessions of a person but the `keep` that began last, and tells how many there were.
    async fn remove_oldest_sesjoner(&mut self, person: PersonId, keep: u64) -> Result<u64, RegistryError>;
    /// Removes those last used at or before `idle`, and those begun at or before `begun`; tells how many there were.
    async fn remove_expired_sesjoner(
        &mut self,
        idle: Timestamp,
        begun: Timestamp,
    ) -> Result<u64, RegistryError>;
    /// What a session keeps under `key`.
    async fn sesjon_value(&mut self, id: SesjonId, key: &str) -> Result<Option<String>, RegistryError>;
    /// Keeps `value` under `key`, in place of what was there. The session must exist. Of its other values only the
    /// `keep_others` set last stay.
    async fn put_sesjon_value(
        &mut self,
        id: SesjonId,
        key: &str,
        value: &str,
        at: Timestamp,
        keep_others: u32,
    ) -> Result<(), RegistryError>;
    /// Removes what is kept under `key`.
    async fn remove_sesjon_value(&mut self, id: SesjonId, key: &str) -> Result<(), RegistryError>;
    /// Spends a one-time key of a session, which must exist; [`RegistryError::Conflict`] (`engangsnokkel`) if it was spent
    /// before.
    async fn add_engangsnokkel(&mut self, id: SesjonId, key: &str) -> Result<(), RegistryError>;
}

/// Signatures of avtaler.
#[async_trait]
pub trait AvtaleRepository {
    /// The newest signature of an organisasjon.
    async fn avtale_signatur(&mut self, owner: FiksOrgId) -> Result<Option<AvtaleSignatur>, RegistryError>;
    /// Adds one; [`RegistryError::Conflict`] (`avtale_signatur`) if its id is taken.
    async fn add_avtale_signatur(&mut self, signatur: &AvtaleSignatur) -> Result<(), RegistryError>;
}
