//! How many requests whoever has logged in may make: a second, and at a time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use app::crowd::neighbourhood;
use app::memory::Owner;
use app::{Caller, Doorkeeper, Error, Grense};
use domain::id::{FiksOrgId, IntegrasjonId, PersonId};
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::connections::Connections;
use super::kept::Kept;
use super::limits::Limits;
use super::slot::Slot;
use super::waiting::WaitingRoom;

/// Callers that are remembered before those who are at rest are forgotten.
const MANY: usize = 4_096;

/// Seconds' worth of requests that may be made at once after a pause.
const BURST: f64 = 4.0;

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Integrasjon(IntegrasjonId),
    Organisasjon(FiksOrgId),
    Person(PersonId),
    /// Of those who failed to log in.
    Address(IpAddr),
}

impl Who {
    /// Requests a second, and which limit says so. Persons click: there is none for them.
    fn rate(self, limits: &Limits) -> (f64, Grense) {
        let (rate, what) = match self {
            Self::Integrasjon(_) => (limits.per_integrasjon, Grense::KallPerIntegrasjon),
            Self::Organisasjon(_) | Self::Person(_) => (limits.per_organisasjon, Grense::KallPerOrganisasjon),
            Self::Address(_) => (limits.per_address, Grense::KallPerAdresse),
        };
        (f64::from(rate), what)
    }
}

/// Counts the requests of each caller.
pub(super) struct Gate {
    limits: Arc<Limits>,
    callers: Mutex<HashMap<Who, Usage>>,
    waiting: Arc<WaitingRoom>,
}

struct Usage {
    /// Requests that may be made at once, as of `at`.
    left: f64,
    at: Instant,
    under_way: usize,
}

/// A request under way, until it is dropped.
struct UnderWay {
    gate: Arc<Gate>,
    who: Who,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(usage) = self.gate.callers().get_mut(&self.who) {
            usage.under_way -= 1;
        }
    }
}

impl Gate {
    pub(super) fn new(limits: Arc<Limits>) -> Arc<Self> {
        let waiting = WaitingRoom::new(limits.waiting, limits.waiting_per_address);
        Arc::new(Self { limits, callers: Mutex::default(), waiting })
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<Who, Usage>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one request of `who`.
    fn take(&self, callers: &mut HashMap<Who, Usage>, who: Who, now: Instant) -> Result<(), Error> {
        let (rate, what) = who.rate(&self.limits);
        if rate <= 0.0 {
            return Ok(());
        }
        let usage = usage(callers, &self.limits, who, now);
        usage.refill(rate, now);
        if usage.left < 1.0 {
            let seconds = ((1.0 - usage.left) / rate).ceil().max(1.0);
            return Err(Error::TooMany { retry_after: Duration::from_secs_f64(seconds), what });
        }
        usage.left -= 1.0;
        Ok(())
    }

    /// Lets in one request, which is counted with those of `machine` and of `whole`.
    fn enter(self: &Arc<Self>, machine: Option<Who>, whole: Who, now: Instant) -> Result<UnderWay, Error> {
        let mut callers = self.callers();
        let under_way = usage(&mut callers, &self.limits, whole, now).under_way;
        if under_way >= self.limits.at_a_time {
            let what = Grense::SamtidigeKallPerOrganisasjon;
            return Err(Error::TooMany { retry_after: Duration::from_secs(1), what });
        }
        if let Some(machine) = machine {
            self.take(&mut callers, machine, now)?;
            self.take(&mut callers, whole, now)?;
        }
        usage(&mut callers, &self.limits, whole, now).under_way += 1;
        Ok(UnderWay { gate: Arc::clone(self), who: whole })
    }

    /// Counts one log-in from `address` that was refused, over whatever protocol.
    pub(super) fn log_in_refused(&self, address: IpAddr, now: Instant) -> Result<(), Error> {
        self.take(&mut self.callers(), Who::Address(address), now)
    }
}

impl Usage {
    fn refill(&mut self, rate: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left, self.at) = ((self.left + rate * passed).min(rate * BURST), now);
    }
}

/// What is known of `who`. Those who are at rest are forgotten when there are many.
fn usage<'a>(callers: &'a mut HashMap<Who, Usage>, limits: &Limits, who: Who, now: Instant) -> &'a mut Usage {
    if callers.len() >= MANY && !callers.contains_key(&who) {
        callers.retain(|who, usage| {
            let (rate, _) = who.rate(limits);
            usage.refill(rate, now);
            usage.under_way > 0 || usage.left < rate * BURST
        });
        if callers.len() >= MANY {
            // Strangers from everywhere at once: to forget them all costs less than to let them fill the memory.
            callers.retain(|who, _| !matches!(who, Who::Address(_)));
        }
    }
    let (rate, _) = who.rate(limits);
    callers.entry(who).or_insert(Usage { left: rate * BURST, at: now, under_way: 0 })
}

/// One request: whose it turns out to be, and that it is under way for as long as this lives.
pub(super) struct Ticket {
    slot: Arc<Slot>,
    connections: Arc<Connections>,
    gate: Arc<Gate>,
    waiting: Arc<WaitingRoom>,
    under_way: Mutex<Option<UnderWay>>,
    /// The memory that the request takes.
    kept: Option<Arc<Kept>>,
}

impl Ticket {
    pub(super) fn new(
        slot: Arc<Slot>,
        connections: Arc<Connections>,
        gate: Arc<Gate>,
        kept: Option<Arc<Kept>>,
    ) -> Arc<Self> {
        let waiting = Arc::clone(&gate.waiting);
        Arc::new(Self { slot, connections, gate, waiting, under_way: Mutex::new(None), kept })
    }
}

impl Doorkeeper for Ticket {
    fn admit(&self, caller: &Caller) -> Result<(), Error> {
        let (machine, whole, owner) = match caller {
            Caller::Integrasjon(one) => (
                Some(Who::Integrasjon(one.integrasjon_id)),
                Who::Organisasjon(one.fiks_org_id),
                Owner::Organisasjon(one.fiks_org_id),
            ),
            Caller::Person(one) => (None, Who::Person(one.person_id), Owner::Person(one.person_id)),
            Caller::Operator => return Ok(()),
        };
        self.connections.belongs_to(&self.slot, owner);
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.is_none() {
            *under_way = Some(self.gate.enter(machine, whole, Instant::now())?);
        }
        Ok(())
    }

    fn log_in_refused(&self) -> Result<(), Error> {
        if self.slot.is_proxied {
            return Ok(());
        }
        self.gate.log_in_refused(self.slot.address, Instant::now())
    }

    fn takes(&self, bytes: u64) -> Result<(), Error> {
        self.kept.as_ref().map_or(Ok(()), |kept| kept.grow(&self.slot, bytes))
    }

    fn waits(&self, address: IpAddr) -> BoxFuture<'static, Option<app::Waiting>> {
        let waits = Arc::clone(&self.waiting).begin(neighbourhood(address), self.slot.gives_way.clone());
        Box::pin(async move { waits.await.map(|waits| Box::new(waits) as app::Waiting) })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.slot.request_ends();
    }
}

#[cfg(test)]
mod tests {
    use domain::id::Uuid;

    use super::*;
    use crate::http::limits::tests::limits;

    fn machine(n: u128) -> Who {
        Who::Integrasjon(IntegrasjonId::from_uuid(Uuid::from_u128(n)))
    }

    fn org(n: u128) -> Who {
        Who::Organisasjon(FiksOrgId::from_uuid(Uuid::from_u128(n)))
    }

    fn gate(per_integrasjon: u32, per_organisasjon: u32, at_a_time: usize) -> Arc<Gate> {
        Gate::new(Arc::new(Limits { per_integrasjon, per_organisasjon, at_a_time, ..limits() }))
    }

    fn refused<T>(entered: Result<T, Error>) -> (Duration, Grense) {
        match entered.err() {
            Some(Error::TooMany { retry_after, what }) => (retry_after, what),
            _ => panic!("it was not refused"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_over_the_rate_are_refused_until_it_has_room_again_and_others_go_on() {
        let gate = gate(5, 100, 100);
        let start = Instant::now();
        for _ in 0..20 {
            drop(gate.enter(Some(machine(1)), org(1), start).unwrap());
        }
        let (retry_after, what) = refused(gate.enter(Some(machine(1)), org(1), start));
        assert_eq!((retry_after, what), (Duration::from_secs(1), Grense::KallPerIntegrasjon));
        assert!(gate.enter(Some(machine(2)), org(1), start).is_ok());
        for _ in 0..5 {
            assert!(gate.enter(Some(machine(1)), org(1), start + retry_after).is_ok());
        }
        assert!(gate.enter(Some(machine(1)), org(1), start + retry_after).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn many_integrasjoner_of_one_organisasjon_are_counted_together() {
        let gate = gate(100, 5, 100);
        let start = Instant::now();
        let made = (0..100).filter(|n| gate.enter(Some(machine(*n)), org(1), start).is_ok()).count();
        assert_eq!(made, 20);
        assert_eq!(refused(gate.enter(Some(machine(0)), org(1), start)).1, Grense::KallPerOrganisasjon);
        assert!(gate.enter(Some(machine(200)), org(2), start).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_at_a_time_are_counted_until_they_end() {
        let gate = gate(0, 0, 2);
        let now = Instant::now();
        let first = gate.enter(Some(machine(1)), org(1), now).unwrap();
        let _second = gate.enter(Some(machine(2)), org(1), now).unwrap();
        let refusal = refused(gate.enter(Some(machine(3)), org(1), now));
        assert_eq!(refusal.1, Grense::SamtidigeKallPerOrganisasjon);
        assert!(gate.enter(Some(machine(4)), org(2), now).is_ok());
        drop(first);
        assert!(gate.enter(Some(machine(3)), org(1), now).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn failed_log_ins_of_an_address_are_limited_and_no_log_in_that_is_right() {
        let gate = gate(0, 0, 100);
        let (now, address) = (Instant::now(), IpAddr::from([10, 0, 0, 1]));
        let refusals = (0..1_000).filter(|_| gate.log_in_refused(address, now).is_err()).count();
        assert!(refusals > 0);
        assert!(gate.log_in_refused(IpAddr::from([10, 0, 0, 2]), now).is_ok());
        assert!(gate.enter(Some(machine(1)), org(1), now).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn memory_does_not_grow_with_callers_or_addresses() {
        let gate = gate(10, 10, 2);
        let start = Instant::now();
        let _busy = gate.enter(Some(machine(0)), org(0), start).unwrap();
        for n in 1..20_000_u32 {
            let now = start + Duration::from_millis(n.into());
            drop(gate.enter(Some(machine(n.into())), org(n.into()), now));
            let _ = gate.log_in_refused(IpAddr::from(n.to_be_bytes()), start);
        }
        let callers = gate.callers();
        assert!(callers.len() <= MANY + 2 && callers.contains_key(&org(0)), "{}", callers.len());
    }
}
