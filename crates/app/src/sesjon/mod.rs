//! Sessions of people in the portal: kept in the registry, so that every node knows them.
//!
//! The browser holds a token of 256 random bits; the registry holds its hash. Whatever else is secret about a session (the
//! guard of its forms, the key of its id token) is derived from the token and so kept nowhere.

mod begin;
mod end;
mod innlogging;
pub(crate) mod once;
mod read;
mod token;
mod value;

pub use begin::NySesjon;
pub use innlogging::INNLOGGING;
pub use once::Once;
pub use read::{AktivSesjon, SesjonSvar};
pub use token::SesjonToken;

use std::time::Duration;

use jiff::Timestamp;

use crate::ports::Sesjon;

/// A session not used for this long is over.
pub const IDLE: Duration = Duration::from_mins(30);
/// A session is over after this long, however busy it is.
pub const ABSOLUTE: Duration = Duration::from_hours(8);
/// How long before its end a person is warned.
pub const WARN: Duration = Duration::from_mins(2);

/// Use is written down at most this often.
const TOUCH_INTERVAL: Duration = Duration::from_mins(1);

/// When a session is over unless it is used, and when it is over in any case.
fn ends(sesjon: &Sesjon) -> (Timestamp, Timestamp) {
    let after = |start: Timestamp, time: Duration| start.checked_add(time).unwrap_or(Timestamp::MAX);
    (after(sesjon.sist_brukt, IDLE), after(sesjon.logget_inn, ABSOLUTE))
}

fn is_over(sesjon: &Sesjon, now: Timestamp) -> bool {
    let (idle, absolute) = ends(sesjon);
    idle <= now || absolute <= now
}
