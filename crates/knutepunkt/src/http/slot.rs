//! What is known of one open connection: what it is doing, since when, and for whom.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use app::memory::Owner;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::limits::Limits;

/// Time in which the rest of a body that nobody wants may still come.
const DRAIN: Duration = Duration::from_secs(30);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// In the TLS handshake.
    Handshake,
    /// Between two requests.
    Idle,
    /// The head of a request has begun and is not whole.
    Head,
    /// A request is being answered.
    Request,
    /// The answer is out, but more of the request keeps coming.
    Drain,
}

/// The body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// There is none, or nobody reads it any more.
    Done,
    /// More of it may come.
    Open,
    /// The server waits for more of it.
    Awaited,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    owner: Option<Owner>,
    body: Body,
    /// The client does not take what is sent.
    is_blocked: bool,
    /// What it fetches is a payload.
    fetches_payload: bool,
    /// Something has come since it was opened or had its last answer.
    has_begun: bool,
}

/// How easily a connection is given up for a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// Nobody has logged in over it, and the server waits for the client.
    Stranger,
    /// Nobody has logged in over it yet, and the server works on what it asked for, or waits for somebody else.
    Unknown,
    /// Somebody has, and it is between two requests.
    Idle,
    /// Somebody has, and the server waits for the client in the middle of a request.
    Slow,
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: u64,
    /// Under which it is counted.
    pub(super) address: IpAddr,
    /// It comes from a proxy of ours, like everybody else.
    pub(super) is_proxied: bool,
    /// It was let in although there was no room, and is answered nothing but how the server is.
    pub(super) is_last_resort: bool,
    /// Cancelled when it has to go at once.
    pub(super) gives_way: CancellationToken,
    state: Mutex<State>,
}

impl Slot {
    pub(super) fn new(id: u64, address: IpAddr, is_proxied: bool, is_last_resort: bool) -> Self {
        let state = State {
            phase: Phase::Handshake,
            since: Instant::now(),
            owner: None,
            body: Body::Done,
            is_blocked: false,
            fetches_payload: false,
            has_begun: false,
        };
        let gives_way = CancellationToken::new();
        Self { id, address, is_proxied, is_last_resort, gives_way, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(state: &mut State, phase: Phase) {
        (state.phase, state.since) = (phase, Instant::now());
    }

    /// Requests may come.
    pub(super) fn is_ready(&self) {
        Self::turn(&mut self.state(), Phase::Idle);
    }

    /// Bytes have come.
    pub(super) fn received(&self) {
        let mut state = self.state();
        if state.phase == Phase::Idle {
            Self::turn(&mut state, Phase::Head);
        }
        if state.phase != Phase::Drain {
            state.has_begun = true;
        }
    }

    /// The head of a request is whole.
    pub(super) fn request_begins(&self, has_body: bool, fetches_payload: bool) {
        let mut state = self.state();
        state.body = if has_body { Body::Open } else { Body::Done };
        state.fetches_payload = fetches_payload;
        Self::turn(&mut state, Phase::Request);
    }

    /// The whole answer was handed over.
    pub(super) fn request_ends(&self) {
        let mut state = self.state();
        if state.phase == Phase::Request {
            let phase = if state.body == Body::Done { Phase::Idle } else { Phase::Drain };
            Self::turn(&mut state, phase);
            state.has_begun = false;
        }
    }

    /// Nobody reads the body of the request any more.
    pub(super) fn body_ends(&self) {
        let mut state = self.state();
        state.body = Body::Done;
        if state.phase == Phase::Drain {
            Self::turn(&mut state, Phase::Idle);
        }
    }

    pub(super) fn awaits_body(&self, awaits: bool) {
        self.state().body = if awaits { Body::Awaited } else { Body::Open };
    }

    pub(super) fn is_blocked(&self, blocked: bool) {
        self.state().is_blocked = blocked;
    }

    /// Whether the server waits for more of a body.
    #[cfg(test)]
    pub(super) fn is_awaited(&self) -> bool {
        self.state().body == Body::Awaited
    }

    /// Whether a request is being answered.
    pub(super) fn is_in_request(&self) -> bool {
        self.state().phase == Phase::Request
    }

    /// Whether the answer that is being fetched is a payload.
    pub(super) fn fetches_payload(&self) -> bool {
        let state = self.state();
        state.fetches_payload && state.phase == Phase::Request
    }

    /// No more requests are taken.
    pub(super) fn is_closing(&self) {
        Self::turn(&mut self.state(), Phase::Drain);
    }

    /// When the client must have sent something; `None` while nobody waits for it here.
    pub(super) fn read_deadline(&self, limits: &Limits) -> Option<Instant> {
        let state = self.state();
        let time = match state.phase {
            Phase::Handshake => limits.handshake,
            Phase::Idle => limits.idle,
            Phase::Head => limits.head,
            Phase::Request => return None,
            Phase::Drain => DRAIN,
        };
        Some(state.since + time)
    }

    /// Notes who has logged in. Returns whether nobody had before.
    pub(super) fn belongs_to(&self, owner: Owner) -> bool {
        self.state().owner.replace(owner).is_none()
    }

    pub(super) fn owner(&self) -> Option<Owner> {
        self.state().owner
    }

    /// Since when it has been such that it gives way as one of `rank`.
    pub(super) fn yields(&self, rank: Rank) -> Option<Instant> {
        let state = self.state();
        let waits = state.body == Body::Awaited || state.is_blocked;
        let yields = match (rank, state.owner) {
            (Rank::Stranger, None) => state.phase != Phase::Request || waits,
            (Rank::Unknown, None) => state.phase == Phase::Request && !waits,
            (Rank::Idle, Some(_)) => state.phase != Phase::Request,
            (Rank::Slow, Some(_)) => waits,
            _ => false,
        };
        yields.then_some(state.since)
    }

    /// Whether its client has begun something that is not answered yet.
    pub(super) fn has_begun(&self) -> bool {
        self.state().has_begun
    }

    /// Whether a stop of the server has nothing to wait for here.
    pub(super) fn is_unused(&self) -> bool {
        let state = self.state();
        match state.phase {
            Phase::Handshake | Phase::Head | Phase::Drain => true,
            Phase::Idle => false,
            Phase::Request => state.owner.is_none() && (state.body == Body::Awaited || state.is_blocked),
        }
    }
}
