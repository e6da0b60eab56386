//! Use cases beside a running server, as the command line needs them: with the registry and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::id::{DokumentId, FiksOrgId, KontoId, MeldingId};
use domain::melding::Melding;
use jiff::Timestamp;

use crate::Adapters;
use crate::ports::{
    Availability, Broker, BrokerError, ChannelOptions, Clock, DeadLetter, DeletedQueue, IdSource, KoRom,
    Kobytes, MeldingRecord, MeldingSok, MeldingTreff, OpenChannel, QueueStatus, Registry, TokenError,
    TokenVerifier, VerifiedToken,
};

impl Adapters {
    /// Adapters for a process that has the registry alone: the queues and the payloads belong to the server, which may be
    /// running. A use case that needs more answers [`Error::Unavailable`](crate::Error::Unavailable).
    pub fn registry_only(registry: Arc<dyn Registry>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self {
            registry,
            broker: Arc::new(Absent),
            tokens: Arc::new(Absent),
            payloads: Arc::new(object_store::memory::InMemory::new()),
            clock,
            ids,
        }
    }
}

/// What only the server has.
#[derive(Debug, thiserror::Error)]
#[error("only the server has this")]
struct Absent;

fn absent<T>() -> Result<T, BrokerError> {
    Err(BrokerError::Unavailable(Box::new(Absent)))
}

#[async_trait]
impl Broker for Absent {
    fn availability(&self) -> Availability {
        Availability { available: false, since: Timestamp::UNIX_EPOCH }
    }

    fn begin_stop(&self) {}

    async fn create_queue(&self, _: KontoId) -> Result<(), BrokerError> {
        absent()
    }

    async fn delete_queue(&self, _: KontoId) -> Result<DeletedQueue, BrokerError> {
        absent()
    }

    async fn set_aside(&self, _: KontoId) -> Result<(), BrokerError> {
        absent()
    }

    async fn list_set_aside(&self) -> Result<Vec<(KontoId, QueueStatus)>, BrokerError> {
        absent()
    }

    async fn named_dokumenter(&self, _: BTreeSet<DokumentId>) -> Result<BTreeSet<DokumentId>, BrokerError> {
        absent()
    }

    async fn list_queues(&self) -> Result<Vec<KontoId>, BrokerError> {
        absent()
    }

    async fn publish_within(&self, _: Melding, _: Bytes, _: KoRom) -> Result<(), BrokerError> {
        absent()
    }

    fn kobytes(&self, _: FiksOrgId) -> Kobytes {
        Kobytes::default()
    }

    fn sporing_bytes(&self, _: FiksOrgId) -> u64 {
        0
    }

    fn list_sporing_bytes(&self) -> Vec<(FiksOrgId, u64)> {
        Vec::new()
    }

    fn list_kobytes(&self) -> Vec<(FiksOrgId, Kobytes)> {
        Vec::new()
    }

    async fn open_channel(&self, _: ChannelOptions) -> Result<OpenChannel, BrokerError> {
        absent()
    }

    async fn queue_status(&self, _: KontoId) -> Result<QueueStatus, BrokerError> {
        absent()
    }

    async fn queue_statuses(&self, _: &[KontoId]) -> Result<Vec<Option<QueueStatus>>, BrokerError> {
        absent()
    }

    async fn search_meldinger(&self, _: &MeldingSok) -> Result<MeldingTreff, BrokerError> {
        absent()
    }

    async fn list_svar(&self, _: MeldingId) -> Result<Vec<MeldingId>, BrokerError> {
        absent()
    }

    async fn requeue_dead_letter(&self, _: KontoId, _: MeldingId) -> Result<bool, BrokerError> {
        absent()
    }

    async fn set_aside_held(&self, _: KontoId, _: MeldingId) -> Result<bool, BrokerError> {
        absent()
    }

    async fn melding(&self, _: MeldingId) -> Result<Option<MeldingRecord>, BrokerError> {
        absent()
    }

    async fn list_meldinger(&self, _: KontoId, _: u32) -> Result<Vec<MeldingRecord>, BrokerError> {
        absent()
    }

    async fn list_dead_letters(&self, _: KontoId, _: u32) -> Result<Vec<DeadLetter>, BrokerError> {
        absent()
    }
}

#[async_trait]
impl TokenVerifier for Absent {
    async fn verify(&self, _: &str, _: Timestamp) -> Result<VerifiedToken, TokenError> {
        Err(TokenError::Unavailable(Box::new(Self)))
    }
}
