//! Dokumentlager, `/dokumentlager`: fetching payloads that are too large for a queue.

mod metadata;
mod nedlasting;

use crate::operation::Api;

pub(crate) fn api() -> Api {
    Api {
        name: "dokumentlager",
        title: "Dokumentlager",
        operations: vec![nedlasting::operation(), metadata::operation()],
    }
}
