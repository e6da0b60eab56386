//! How far a log has come, as somebody else may remember it.
//!
//! The witness lies beside the log and goes back with it where a whole folder is put back. Whoever keeps a [`SeenPosition`] in another
//! place knows then that the log has been further. A log is never seen to be further than what is on its disk: a position is noted
//! only behind the sync of its last step.

use std::fmt;

use fjall::Keyspace;
use jiff::Timestamp;

use super::StoreError;
use super::keys::number_at;

/// Key of [`LogPosition::decided_ms`].
const DECIDED: &str = "avgjort";

/// How far a log has come. What comes later is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LogPosition {
    /// When it was last decided what the log holds: by a restore, a salvage, or the acceptance of a loss, from which on its steps are
    /// counted anew. Milliseconds since 1970, always later than the time before; 0 if nobody ever had to.
    pub decided_ms: u64,
    /// The number of its last synced step.
    pub step: u64,
}

/// How far somebody else has seen a log to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenPosition {
    /// How far.
    pub position: LogPosition,
    /// When that was noted.
    pub at: Timestamp,
}

/// A log that has been further than it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// How far it has come.
    pub found: LogPosition,
    /// How far it had come.
    pub seen: SeenPosition,
    /// When the last melding was taken that it has; `None` where that is not known.
    pub last_taken: Option<Timestamp>,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, seen, last_taken } = self;
        write!(
            f,
            "it was put back to an earlier state, or is an older copy: the registry has seen it at step {} on {}, but it ends with step {}",
            seen.position.step, seen.at, found.step
        )?;
        if found.decided_ms < seen.position.decided_ms {
            f.write_str(", from before it was last repaired or restored")?;
        }
        match last_taken {
            Some(at) => write!(f, ", and the last melding that it took is of {at}")?,
            None => f.write_str(", and has taken no melding that is known")?,
        }
        f.write_str(
            ". What was accepted since is not in it, and what was handed out since would be handed out again as if it were new",
        )
    }
}

/// When it was last decided what the log holds whose `meta` this is.
pub(super) fn decided_ms(meta: &Keyspace) -> Result<u64, StoreError> {
    meta.get(DECIDED)?.map_or(Ok(0), |value| number_at(&value, 0))
}

/// What stands in the `meta` of a log about which something is decided now: later than what it says, and than what was `seen`.
pub(super) fn decision(
    now: Timestamp,
    before_ms: u64,
    seen: Option<SeenPosition>,
) -> (&'static str, [u8; 8]) {
    let seen_ms = seen.map_or(0, |seen| seen.position.decided_ms);
    let now_ms = u64::try_from(now.as_millisecond()).unwrap_or_default();
    (DECIDED, now_ms.max(before_ms.max(seen_ms).saturating_add(1)).to_be_bytes())
}

/// What is decided in the record of a `meta`, if it is that.
pub(super) fn decided_in(key: &[u8], value: &[u8]) -> Option<u64> {
    (key == DECIDED.as_bytes()).then(|| number_at(value, 0).ok()).flatten()
}
