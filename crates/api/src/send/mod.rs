//! The send API, `/fiks-io/api/v1`.

mod form;
pub(crate) mod multipart;
mod send_melding;
mod upload;

pub(crate) use form::FormFault;

use crate::operation::Api;

pub(crate) fn api() -> Api {
    Api { name: "send", title: "Fiks IO send", operations: vec![send_melding::operation()] }
}
