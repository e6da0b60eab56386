//! The Fiks IO konto API, `/fiks-io/konto/api/v1`.

mod fjern_nokkel;
mod nokkel;
mod sett_nokkel;

use crate::operation::Api;

pub(crate) fn api() -> Api {
    Api {
        name: "fiks-io-konto",
        title: "Fiks IO konto",
        operations: vec![nokkel::operation(), sett_nokkel::operation(), fjern_nokkel::operation()],
    }
}
