//! What an edge lets whoever holds the connection know of a request.

use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::Caller;
use crate::error::Error;

/// Holds the connection of a request, and keeps count of who has how many and makes how many requests.
pub trait Doorkeeper: Send + Sync {
    /// Takes note that `caller` makes the request. Its connection is no stranger's from now on.
    ///
    /// # Errors
    /// [`Error::TooMany`] when the caller makes too many.
    fn admit(&self, caller: &Caller) -> Result<(), Error>;

    /// Takes note that a log-in was refused.
    ///
    /// # Errors
    /// [`Error::TooMany`] when too many were that came from the same address: that is then the answer.
    fn log_in_refused(&self) -> Result<(), Error>;

    /// Takes note that what was made of the body of the request takes so many bytes until the request is done.
    ///
    /// # Errors
    /// [`Error::TooMany`] when there is no memory for it.
    fn takes(&self, bytes: u64) -> Result<(), Error> {
        let _ = bytes;
        Ok(())
    }

    /// Takes note that the request, which comes from `address`, waits for somebody else until what is returned is dropped.
    /// `None` when too many do: then it may not, now. One that waits may be broken off for another.
    fn waits(&self, address: IpAddr) -> BoxFuture<'static, Option<Waiting>> {
        let _ = address;
        Box::pin(std::future::ready(Some(Box::new(()) as Waiting)))
    }
}

/// Held by a request for as long as it waits for somebody else.
pub type Waiting = Box<dyn Any + Send + Sync>;

/// The [`Doorkeeper`] of a request. Goes with the request's extensions; a request without one is let in, as in tests of an
/// edge by itself.
#[derive(Clone)]
pub struct Door(pub Arc<dyn Doorkeeper>);
