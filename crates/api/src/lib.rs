//! The machine APIs over HTTP: one operation, one file.
//!
//! Each operation names its path, its `operationId`, its bodies and who may call it (see [`operation`]), and calls one use
//! case of [`app`]. What goes wrong becomes the wire's form in one place (see [`failure`]). The table of operations is
//! also what the OpenAPI documents are made from.
//!
//! Source of paths, bodies and statuses: the published OpenAPI documents of KS and, where there is none, the official
//! clients.

#[cfg(test)]
mod access;
mod code;
mod dokumentlager;
mod extract;
mod failure;
mod fiks_io_katalog;
mod fiks_io_konto;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod grense;
mod innlogget;
mod konfigurasjon;
mod long_lists;
mod openapi;
mod operation;
mod protokoll_katalog;
mod rule;
mod send;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use app::App;
use axum::Router;
use axum::middleware::from_fn_with_state;

pub use openapi::{Document, documents};

use crate::failure::Failure;
use crate::operation::Api;

/// What the paths of all operations begin with. Whatever else a server has may lie anywhere but below these.
pub const PREFIXES: [&str; 3] = ["/fiks-io/", "/fiks-protokoll/", "/dokumentlager/"];

/// All APIs, in the order in which the documentation lists them.
fn apis() -> Vec<Api> {
    vec![
        send::api(),
        fiks_io_katalog::api(),
        fiks_io_konto::api(),
        konfigurasjon::api(),
        protokoll_katalog::api(),
        dokumentlager::api(),
    ]
}

/// The machine APIs over the use cases of `app`. Every answer of 400 and above is an `ErrorMessage`, also for paths and
/// methods that do not exist.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for operation in apis().into_iter().flat_map(|api| api.operations) {
        router = router.route(operation.path, operation.route);
    }
    router
        .fallback(async || Failure::unknown_path())
        .method_not_allowed_fallback(async || Failure::unknown_method())
        .layer(from_fn_with_state((app.clone(), Arc::default()), failure::answer))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_lies_below_a_prefix() {
        for operation in apis().into_iter().flat_map(|api| api.operations) {
            assert!(PREFIXES.iter().any(|prefix| operation.path.starts_with(prefix)), "{}", operation.path);
        }
    }
}
