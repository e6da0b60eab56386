//! Adapters that do nothing, for use cases that need none of them.

use std::sync::Arc;

use app::contract::CountingIds;
use app::ports::{
    Broker, BrokerError, Clock, DeadLetter, DeletedQueue, MeldingRecord, OpenChannel, QueueStatus, Registry,
    TokenError, TokenVerifier, VerifiedToken,
};
use app::{Adapters, App, PassordKey, Settings};
use async_trait::async_trait;
use bytes::Bytes;
use domain::melding::Melding;
use jiff::Timestamp;
use wire::id::{KontoId, MeldingId};

/// The use cases over `registry` alone: queues are empty, and nobody can log in.
pub fn app(registry: Arc<dyn Registry>, clock: Arc<dyn Clock>) -> App {
    let adapters = Adapters {
        registry,
        broker: Arc::new(Stille),
        tokens: Arc::new(Stille),
        payloads: Arc::new(object_store::memory::InMemory::new()),
        clock,
        ids: Arc::new(CountingIds::new(7)),
    };
    App::new(adapters, PassordKey::new(&[7; 32]), Settings::default())
}

struct Stille;

fn unavailable() -> BrokerError {
    BrokerError::Unavailable("there are no queues here".into())
}

#[async_trait]
impl Broker for Stille {
    async fn create_queue(&self, _konto: KontoId) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn delete_queue(&self, _konto: KontoId) -> Result<DeletedQueue, BrokerError> {
        Err(unavailable())
    }

    async fn list_queues(&self) -> Result<Vec<KontoId>, BrokerError> {
        Ok(Vec::new())
    }

    async fn publish(&self, _melding: Melding, _payload: Bytes) -> Result<(), BrokerError> {
        Err(unavailable())
    }

    async fn open_channel(&self) -> Result<OpenChannel, BrokerError> {
        Err(unavailable())
    }

    async fn queue_status(&self, konto: KontoId) -> Result<QueueStatus, BrokerError> {
        Err(BrokerError::NoQueue { konto })
    }

    async fn melding(&self, _id: MeldingId) -> Result<Option<MeldingRecord>, BrokerError> {
        Ok(None)
    }

    async fn list_meldinger(&self, _konto: KontoId, _limit: u32) -> Result<Vec<MeldingRecord>, BrokerError> {
        Ok(Vec::new())
    }

    async fn list_dead_letters(&self, _konto: KontoId, _limit: u32) -> Result<Vec<DeadLetter>, BrokerError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl TokenVerifier for Stille {
    async fn verify(&self, _token: &str, _now: Timestamp) -> Result<VerifiedToken, TokenError> {
        Err(TokenError::Invalid { reason: "nobody can log in here".to_owned() })
    }
}
