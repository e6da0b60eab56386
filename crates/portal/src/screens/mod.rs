//! The screens, one file each: its routes, its handlers, the context of its templates.

pub(crate) mod logg_inn;
pub(crate) mod nytt_system;
pub(crate) mod sider;
pub(crate) mod sprak;
pub(crate) mod velg_organisasjon;

use axum::Router;

use crate::portal::Portal;

/// Every screen.
pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .merge(logg_inn::routes())
        .merge(velg_organisasjon::routes())
        .merge(nytt_system::routes())
        .merge(sprak::routes())
        .merge(sider::routes())
}
