//! Fiks Protokoll konfigurasjon, `/fiks-protokoll/api/v1/konfigurasjon`.

use crate::operation::Api;

pub(crate) fn api() -> Api {
    Api { name: "konfigurasjon", title: "Fiks Protokoll konfigurasjon", operations: vec![] }
}
