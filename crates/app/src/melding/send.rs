//! Sending a melding: the way of `docs/architecture.md`, steps 2 to 4.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::id::{DokumentId, KontoId, MeldingId};
use domain::melding::{DEFAULT_TTL, DOKUMENT_GRACE, Hendelse, MAX_TTL, MIN_TTL, Melding};
use domain::protokoll::Protokoll;
use domain::sending::{self, Sending, Svar};
use wire::send::{SendMetadata, SendtMelding};

use crate::cache::{KontoFacts, SendFacts};
use crate::error::{Error, FieldError, Forbidden, Missing};
use crate::melding::korom;
use crate::melding::payload::{self, Payload, Received, Stored};
use crate::memory::{Held, Owner, Part};
use crate::ports::{BrokerError, Dokument, Eiere, KoRom};
use crate::rule::Rule;
use crate::{App, Caller};

/// Longest name of a sender's own header in bytes: with its prefix it must fit an AMQP short string.
const HEADER_NAME_MAX_BYTES: usize = 255 - wire::headers::EGENDEFINERT_PREFIX.len();

/// What a header takes on the wire beside its name and its value: its prefix, a length of each, and a type. All of them go into one
/// frame, which must be one that every client takes.
const HEADER_BYTES: usize = wire::headers::EGENDEFINERT_PREFIX.len() + 6;

impl App {
    /// Sends a melding. Returns only when it is durable on the receiver's queue; on any error nothing was sent.
    ///
    /// # Errors
    /// [`Error::Invalid`] for metadata that break rules, [`Error::NotFound`] for an unknown Konto,
    /// [`Error::Forbidden`] when the sender's Konto is not the caller's, [`Error::Refused`] with the reason,
    /// [`Error::TooLarge`], [`Error::Interrupted`], [`Error::TooMany`], [`Error::QuotaFull`], [`Error::Full`], [`Error::Unavailable`].
    pub async fn send_melding(
        &self,
        caller: &Caller,
        metadata: SendMetadata,
        payload: Option<Payload>,
    ) -> Result<SendtMelding, Error> {
        let held = self.memory_to_send(caller).await?;
        self.send_melding_within(caller, metadata, payload, held).await
    }

    /// Memory for reading what `caller` sends, to be taken before its first byte is read: whoever waits for it holds nothing.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub async fn memory_to_send(&self, caller: &Caller) -> Result<Held, Error> {
        // The operator sends as often as a person clicks.
        let owner = Owner::of(caller).unwrap_or(Owner::Strangers);
        let share = self.memory_in().share(owner);
        let share = match caller {
            Caller::Integrasjon(one) => share.part(Part::SentBy(one.integrasjon_id)),
            Caller::Person(_) | Caller::Operator => share,
        };
        share.take_soon(payload::READ_AHEAD_BYTES).await
    }

    /// The same as [`App::send_melding`], with memory that was taken before.
    ///
    /// # Errors
    /// As there.
    pub async fn send_melding_within(
        &self,
        caller: &Caller,
        metadata: SendMetadata,
        payload: Option<Payload>,
        mut held: Held,
    ) -> Result<SendtMelding, Error> {
        let ttl = self.check_metadata(&metadata)?;
        let (avsender, mottaker) = (metadata.avsender_konto_id, metadata.mottaker_konto_id);
        let facts = self.send_facts(avsender, mottaker).await?;
        may_send_as(caller, &facts)?;

        let mut payload = payload;
        let first = match &mut payload {
            Some(payload) => payload::first_bytes(payload).await?,
            None => None,
        };
        self.judge(&facts, &metadata, first.is_some()).await?;
        self.ko_rom(&facts, metadata.svar_pa_melding).await?;
        let svar = match metadata.svar_pa_melding {
            Some(original) => {
                Some(self.inner.svar.one_more(&self.inner.settings.grenser, (original, avsender))?)
            }
            None => None,
        };

        let body = match (first, &mut payload) {
            (Some(first), Some(payload)) => self.receive(first, payload, &facts, ttl, &mut held).await?,
            _ => Body::Inline(Bytes::new()),
        };
        // The payload may have taken minutes: what was allowed then may be gone, and its owner counts on that.
        let judged = async {
            let facts = self.send_facts(avsender, mottaker).await?;
            may_send_as(caller, &facts)?;
            self.judge(&facts, &metadata, body.is_some()).await?;
            self.ko_rom(&facts, metadata.svar_pa_melding).await
        };
        let room = match judged.await {
            Ok(room) => room,
            Err(refused) => {
                self.forget(&body).await;
                return Err(refused);
            }
        };
        let sent = self.put_on_queue(metadata, ttl, body, room, held).await;
        // A broker that could not answer may have taken it; its sender is told to send again.
        if let (Some(svar), Ok(_)) = (svar, &sent) {
            svar.keep();
        }
        sent
    }

    async fn put_on_queue(
        &self,
        metadata: SendMetadata,
        ttl: Duration,
        body: Body,
        room: KoRom,
        held: Held,
    ) -> Result<SendtMelding, Error> {
        let headere = metadata.headere.unwrap_or_default();
        let melding = Melding {
            id: body.melding().unwrap_or_else(|| MeldingId::from_uuid(self.inner.ids.uuid())),
            avsender: metadata.avsender_konto_id,
            mottaker: metadata.mottaker_konto_id,
            meldingstype: metadata.melding_type.clone(),
            svar_pa_melding: metadata.svar_pa_melding,
            svar_til_type: None,
            dokumentlager_id: body.dokument(),
            headere: headere.clone(),
            ttl,
            mottatt: self.now(),
        };
        let sendt = SendtMelding {
            melding_id: melding.id,
            melding_type: metadata.melding_type,
            avsender_konto_id: metadata.avsender_konto_id,
            mottaker_konto_id: metadata.mottaker_konto_id,
            ttl: i64::try_from(ttl.as_millis()).expect("checked against the longest TTL"),
            dokumentlager_id: melding.dokumentlager_id,
            svar_pa_melding: metadata.svar_pa_melding,
            headere,
        };
        let inline = match &body {
            Body::Inline(bytes) => bytes.clone(),
            Body::Dokument { .. } => Bytes::new(),
        };
        // The queue has the payload until it is written, also when the sender goes away and nobody waits for that any more.
        let broker = Arc::clone(&self.inner.broker);
        let published = tokio::spawn(async move {
            let published = broker.publish_within(melding, inline, room).await;
            drop(held);
            published
        });
        let published = match published.await {
            Ok(published) => published,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => Err(BrokerError::Unavailable(cancelled.into())),
            },
        };
        match published {
            Ok(()) => Ok(sendt),
            Err(error) => {
                // A broker that was asked and did not answer may still have taken it.
                let may_be_sent = matches!(error, BrokerError::Unavailable(_));
                let error = match error {
                    BrokerError::NoRoom { ende } => korom::full(&self.inner.settings.grenser, ende),
                    BrokerError::NoRoomForSporing => korom::too_much_sporing(&self.inner.settings.grenser),
                    other => Error::from(other),
                };
                if !may_be_sent {
                    self.forget(&body).await;
                }
                Err(error)
            }
        }
    }

    /// Checks what can be checked without looking anything up, and tells the TTL.
    fn check_metadata(&self, metadata: &SendMetadata) -> Result<Duration, Error> {
        let mut errors = Vec::new();
        if metadata.melding_type.is_empty() || metadata.melding_type.len() > 255 {
            errors.push(FieldError::new("meldingType", Rule::Length { min: 1, max: 255 }));
        }
        let ttl = match metadata.ttl {
            None => DEFAULT_TTL,
            Some(ms) => match u64::try_from(ms).map(Duration::from_millis) {
                Ok(ttl) if (MIN_TTL..=MAX_TTL).contains(&ttl) => ttl,
                _ => {
                    let rule =
                        Rule::Milliseconds { min_ms: MIN_TTL.as_millis(), max_ms: MAX_TTL.as_millis() };
                    errors.push(FieldError::new("ttl", rule));
                    DEFAULT_TTL
                }
            },
        };
        let headere = metadata.headere.iter().flatten();
        let bytes: usize = headere.clone().map(|(name, value)| HEADER_BYTES + name.len() + value.len()).sum();
        if bytes > self.inner.settings.headers_max_bytes {
            let max_bytes = self.inner.settings.headers_max_bytes;
            errors.push(FieldError::new("headere", Rule::HeadersTooLarge { max_bytes, each: HEADER_BYTES }));
        }
        if headere.clone().any(|(name, _)| name.is_empty() || name.len() > HEADER_NAME_MAX_BYTES) {
            errors.push(FieldError::new("headere", Rule::HeaderName { max_bytes: HEADER_NAME_MAX_BYTES }));
        }
        if errors.is_empty() { Ok(ttl) } else { Err(Error::Invalid(errors)) }
    }

    async fn judge(
        &self,
        facts: &SendFacts,
        metadata: &SendMetadata,
        har_payload: bool,
    ) -> Result<(), Error> {
        let svar = match metadata.svar_pa_melding {
            None => Svar::Ingen,
            // With tilgang it makes no difference what is answered, so nothing is looked up.
            Some(id) if facts.har_tilgang => Svar::PaAnnen(id),
            Some(id) if self.was_received(id, facts).await? => Svar::PaMottatt(id),
            Some(id) => Svar::PaAnnen(id),
        };
        let sending = Sending {
            avsender: &facts.avsender.konto,
            mottaker: &facts.mottaker.konto,
            protokoller: &facts.protokoller,
            meldingstype: &metadata.melding_type,
            har_payload,
            har_tilgang: facts.har_tilgang,
            svar,
        };
        Ok(sending::judge(&sending, self.inner.settings.send_rules)?)
    }

    /// Whether the sender of a svar really got the melding that it answers from the receiver of the svar.
    pub(super) async fn was_received(&self, id: MeldingId, facts: &SendFacts) -> Result<bool, Error> {
        let Some(record) = self.inner.broker.melding(id).await? else { return Ok(false) };
        let between = record.melding.avsender == facts.mottaker.konto.id
            && record.melding.mottaker == facts.avsender.konto.id;
        Ok(between && record.sporing.iter().any(|line| matches!(line.hendelse, Hendelse::Levert { .. })))
    }

    async fn receive(
        &self,
        first: Bytes,
        payload: &mut Payload,
        facts: &SendFacts,
        ttl: Duration,
        held: &mut Held,
    ) -> Result<Body, Error> {
        let settings = &self.inner.settings;
        let begun = match payload::collect(first, payload, settings.inline_payload_max_bytes, held).await? {
            Received::Inline(bytes) => return Ok(Body::Inline(bytes)),
            Received::Large(begun) => begun,
        };
        let id = DokumentId::from_uuid(self.inner.ids.uuid());
        let mut reserved = self.reserve_dokument(facts.avsender.eier, facts.mottaker.eier).await?;
        let mut take_room = |bytes| {
            self.ask_room()?;
            reserved.grow(&settings.grenser, bytes)
        };
        let max_bytes = settings.payload_max_bytes;
        let Stored { size_bytes, sha256 } =
            payload::store(&*self.inner.payloads, id, begun, payload, max_bytes, &mut take_room, held)
                .await?;
        let now = self.now();
        let melding = MeldingId::from_uuid(self.inner.ids.uuid());
        let body = Body::Dokument { id, melding };
        let dokument = Dokument {
            id,
            avsender: facts.avsender.konto.id,
            mottaker: facts.mottaker.konto.id,
            eiere: Some(Eiere { avsender: facts.avsender.eier, mottaker: facts.mottaker.eier }),
            size_bytes,
            opprettet: now,
            utloper: now.checked_add(ttl.saturating_add(DOKUMENT_GRACE)).unwrap_or(jiff::Timestamp::MAX),
            sha256: Some(sha256),
            melding: Some(melding),
        };
        reserved.begin_indexing();
        let indexed = async {
            let mut tx = self.begin().await?;
            tx.add_dokument(&dokument).await?;
            Ok(tx.commit().await?)
        };
        match indexed.await {
            Ok(()) => {
                reserved.keep();
                Ok(body)
            }
            Err(error) => {
                self.forget(&body).await;
                Err(error)
            }
        }
    }

    /// Removes a payload whose melding was not sent after all. What cannot be removed now goes when its time is over.
    async fn forget(&self, body: &Body) {
        let Body::Dokument { id, .. } = *body else { return };
        // Somebody copies the payloads, this one perhaps.
        let Ok(_removing) = self.inner.removal.try_read() else { return };
        if let Err(error) = self.remove_dokument(id).await {
            tracing::warn!(
                dokument.id = %id,
                error = &error as &dyn std::error::Error,
                "failed to remove the payload of a melding that was not sent"
            );
        }
    }

    async fn send_facts(&self, avsender: KontoId, mottaker: KontoId) -> Result<SendFacts, Error> {
        let (from, to) = (self.konto_facts(avsender).await?, self.konto_facts(mottaker).await?);
        let system = from.konto.system_id;
        let tilganger = &self.inner.facts.tilganger;
        let har_tilgang = tilganger
            .get(&*self.inner.registry, &(avsender, mottaker), async || {
                Ok::<_, Error>(self.begin_read().await?.tilgang(mottaker, system).await?.is_some())
            })
            .await?;
        let protokoller = self.versjoner(&from.konto.protokoll_navn).await?;
        Ok(SendFacts { avsender: from, mottaker: to, har_tilgang, protokoller })
    }

    async fn konto_facts(&self, id: KontoId) -> Result<Arc<KontoFacts>, Error> {
        let kontoer = &self.inner.facts.kontoer;
        kontoer
            .get(&*self.inner.registry, &id, async || {
                let mut tx = self.begin_read().await?;
                let konto = tx.konto(id).await?.ok_or(Missing::Konto(id))?;
                let system = tx.system(konto.system_id).await?.ok_or(Missing::System(konto.system_id))?;
                Ok(Arc::new(KontoFacts { konto, eier: system.fiks_org_id }))
            })
            .await
    }

    /// All versions of one Protokoll. To be called outside of a unit of work, since it may begin one of its own.
    pub(crate) async fn versjoner(&self, navn: &str) -> Result<Arc<Vec<Protokoll>>, Error> {
        let registry = &*self.inner.registry;
        self.inner
            .facts
            .protokoller
            .get(registry, &navn.to_owned(), async || {
                Ok(Arc::new(self.begin_read().await?.list_versjoner(navn).await?))
            })
            .await
    }
}

/// A payload that has arrived.
enum Body {
    Inline(Bytes),
    Dokument {
        id: DokumentId,
        /// The melding that will name it.
        melding: MeldingId,
    },
}

impl Body {
    fn is_some(&self) -> bool {
        !matches!(self, Self::Inline(bytes) if bytes.is_empty())
    }

    fn dokument(&self) -> Option<DokumentId> {
        match self {
            Self::Inline(_) => None,
            Self::Dokument { id, .. } => Some(*id),
        }
    }

    /// The melding that it was stored for.
    fn melding(&self) -> Option<MeldingId> {
        match self {
            Self::Inline(_) => None,
            Self::Dokument { melding, .. } => Some(*melding),
        }
    }
}

/// A machine sends from the kontoer of its own System; people do not send.
fn may_send_as(caller: &Caller, facts: &SendFacts) -> Result<(), Error> {
    match caller {
        Caller::Integrasjon(integrasjon) if integrasjon.system_id == facts.avsender.konto.system_id => Ok(()),
        Caller::Integrasjon(_) => Err(Forbidden::ForeignKonto { konto: facts.avsender.konto.id }.into()),
        Caller::Person(_) => Err(Missing::Konto(facts.avsender.konto.id).into()),
        Caller::Operator => caller.may_act_for(facts.avsender.eier),
    }
}
