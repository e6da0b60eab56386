//! Adapters that can be told to fail, around ones that work: what a use case or an edge does then is part of what it does.

#![expect(clippy::panic, reason = "one of the ways to fail is to panic")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use domain::melding::Melding;
use wire::id::{DokumentId, FiksOrgId, KontoId, MeldingId};

use crate::ports::{
    Availability, Broker, BrokerError, ChannelOptions, DeadLetter, DeletedQueue, KoRom, Kobytes,
    MeldingRecord, MeldingSok, MeldingTreff, OpenChannel, QueueStatus, Registry, RegistryError, Tx,
};

/// A broker that can be told to fail.
pub struct FragileBroker {
    inner: Arc<dyn Broker>,
    fault: AtomicU8,
    /// What is published hangs while somebody holds this.
    hangs: tokio::sync::Mutex<()>,
    publishing: AtomicUsize,
}

impl FragileBroker {
    /// A broker that works.
    pub fn new(inner: Arc<dyn Broker>) -> Self {
        Self {
            inner,
            fault: AtomicU8::new(0),
            hangs: tokio::sync::Mutex::default(),
            publishing: AtomicUsize::new(0),
        }
    }

    /// From now on the disk is full.
    pub fn fill(&self) {
        self.fault.store(1, Ordering::SeqCst);
    }

    /// From now on it does not answer.
    pub fn stop(&self) {
        self.fault.store(2, Ordering::SeqCst);
    }

    /// From now on it refuses without being asked, as while it is opened again.
    pub fn refuse(&self) {
        self.fault.store(4, Ordering::SeqCst);
    }

    /// From now on it panics.
    pub fn explode(&self) {
        self.fault.store(3, Ordering::SeqCst);
    }

    /// While this is held nothing that is published comes to an end, as on a disk that hangs.
    pub async fn hang(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.hangs.lock().await
    }

    /// How many publishes have begun.
    pub fn publishes(&self) -> usize {
        self.publishing.load(Ordering::SeqCst)
    }

    /// From now on it works again.
    pub fn mend(&self) {
        self.fault.store(0, Ordering::SeqCst);
    }

    /// What taking a melding does.
    fn take(&self) -> Result<(), BrokerError> {
        match self.fault.load(Ordering::SeqCst) {
            1 => Err(BrokerError::Full),
            _ => self.ask(),
        }
    }

    /// What asking does: a full disk can be read.
    fn ask(&self) -> Result<(), BrokerError> {
        match self.fault.load(Ordering::SeqCst) {
            0 | 1 => Ok(()),
            2 => Err(BrokerError::Unavailable("stopped by the test".into())),
            4 => Err(BrokerError::NotAsked("refused by the test".into())),
            _ => panic!("exploded by the test"),
        }
    }
}

#[async_trait]
impl Broker for FragileBroker {
    fn availability(&self) -> Availability {
        self.inner.availability()
    }

    fn begin_stop(&self) {
        self.inner.begin_stop();
    }

    async fn create_queue(&self, konto: KontoId) -> Result<(), BrokerError> {
        self.ask()?;
        self.inner.create_queue(konto).await
    }

    async fn delete_queue(&self, konto: KontoId) -> Result<DeletedQueue, BrokerError> {
        self.ask()?;
        self.inner.delete_queue(konto).await
    }

    async fn set_aside(&self, konto: KontoId) -> Result<(), BrokerError> {
        self.ask()?;
        self.inner.set_aside(konto).await
    }

    async fn list_set_aside(&self) -> Result<Vec<(KontoId, QueueStatus)>, BrokerError> {
        self.ask()?;
        self.inner.list_set_aside().await
    }

    async fn named_dokumenter(
        &self,
        dokumenter: BTreeSet<DokumentId>,
    ) -> Result<BTreeSet<DokumentId>, BrokerError> {
        self.ask()?;
        self.inner.named_dokumenter(dokumenter).await
    }

    fn kobytes(&self, organisasjon: FiksOrgId) -> Kobytes {
        self.inner.kobytes(organisasjon)
    }

    fn sporing_bytes(&self, organisasjon: FiksOrgId) -> u64 {
        self.inner.sporing_bytes(organisasjon)
    }

    fn list_sporing_bytes(&self) -> Vec<(FiksOrgId, u64)> {
        self.inner.list_sporing_bytes()
    }

    fn list_kobytes(&self) -> Vec<(FiksOrgId, Kobytes)> {
        self.inner.list_kobytes()
    }

    async fn set_aside_held(&self, konto: KontoId, id: MeldingId) -> Result<bool, BrokerError> {
        self.ask()?;
        self.inner.set_aside_held(konto, id).await
    }

    async fn list_queues(&self) -> Result<Vec<KontoId>, BrokerError> {
        self.ask()?;
        self.inner.list_queues().await
    }

    async fn publish_within(&self, melding: Melding, payload: Bytes, room: KoRom) -> Result<(), BrokerError> {
        self.take()?;
        self.publishing.fetch_add(1, Ordering::SeqCst);
        drop(self.hangs.lock().await);
        self.inner.publish_within(melding, payload, room).await
    }

    async fn open_channel(&self, options: ChannelOptions) -> Result<OpenChannel, BrokerError> {
        self.ask()?;
        self.inner.open_channel(options).await
    }

    async fn queue_status(&self, konto: KontoId) -> Result<QueueStatus, BrokerError> {
        self.ask()?;
        self.inner.queue_status(konto).await
    }

    async fn queue_statuses(&self, kontoer: &[KontoId]) -> Result<Vec<Option<QueueStatus>>, BrokerError> {
        self.ask()?;
        self.inner.queue_statuses(kontoer).await
    }

    async fn melding(&self, id: MeldingId) -> Result<Option<MeldingRecord>, BrokerError> {
        self.ask()?;
        self.inner.melding(id).await
    }

    async fn list_meldinger(&self, konto: KontoId, limit: u32) -> Result<Vec<MeldingRecord>, BrokerError> {
        self.ask()?;
        self.inner.list_meldinger(konto, limit).await
    }

    async fn search_meldinger(&self, sok: &MeldingSok) -> Result<MeldingTreff, BrokerError> {
        self.ask()?;
        self.inner.search_meldinger(sok).await
    }

    async fn list_svar(&self, id: MeldingId) -> Result<Vec<MeldingId>, BrokerError> {
        self.ask()?;
        self.inner.list_svar(id).await
    }

    async fn list_dead_letters(&self, konto: KontoId, limit: u32) -> Result<Vec<DeadLetter>, BrokerError> {
        self.ask()?;
        self.inner.list_dead_letters(konto, limit).await
    }

    async fn requeue_dead_letter(&self, konto: KontoId, id: MeldingId) -> Result<bool, BrokerError> {
        self.ask()?;
        self.inner.requeue_dead_letter(konto, id).await
    }
}

/// A registry that can be told to fail.
pub struct FragileRegistry {
    inner: Arc<dyn Registry>,
    stopped: AtomicBool,
}

impl FragileRegistry {
    /// A registry that works.
    pub fn new(inner: Arc<dyn Registry>) -> Self {
        Self { inner, stopped: AtomicBool::new(false) }
    }

    /// From now on its database does not answer.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// From now on it works again.
    pub fn mend(&self) {
        self.stopped.store(false, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), RegistryError> {
        if self.stopped.load(Ordering::SeqCst) {
            Err(RegistryError::Backend("stopped by the test".into()))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl Registry for FragileRegistry {
    async fn begin(&self) -> Result<Box<dyn Tx>, RegistryError> {
        self.check()?;
        self.inner.begin().await
    }

    async fn begin_read(&self) -> Result<Box<dyn Tx>, RegistryError> {
        self.check()?;
        self.inner.begin_read().await
    }

    fn generation(&self) -> u64 {
        self.inner.generation()
    }
}
