//! The Fiks IO katalog, `/fiks-io/katalog/api/v1`.

pub(crate) mod konto;
pub(crate) mod nokkel;
mod sett_nokkel;
mod status;

use crate::operation::Api;

pub(crate) fn api() -> Api {
    Api {
        name: "fiks-io-katalog",
        title: "Fiks IO katalog",
        operations: vec![
            konto::operation(),
            status::operation(),
            nokkel::operation(),
            sett_nokkel::operation(),
        ],
    }
}
