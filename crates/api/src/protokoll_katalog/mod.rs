//! The protokoll-katalog, `/fiks-protokoll/katalog/api/v1`.

mod konto;
mod status;

use crate::operation::Api;

pub(crate) fn api() -> Api {
    Api {
        name: "protokoll-katalog",
        title: "Fiks Protokoll katalog",
        operations: vec![konto::operation(), status::operation()],
    }
}
