//! The screens, one file each: its routes, its handlers, the context of its templates.

pub(crate) mod avtale;
pub(crate) mod be_om_tilgang;
pub(crate) mod bruk;
pub(crate) mod drift;
pub(crate) mod foresporsler;
pub(crate) mod hendelser;
pub(crate) mod konto;
pub(crate) mod konto_faner;
pub(crate) mod konto_konfigurasjon;
pub(crate) mod konto_tilganger;
pub(crate) mod kontoer;
pub(crate) mod logg_inn;
pub(crate) mod ny_konto;
pub(crate) mod nytt_system;
pub(crate) mod parter;
pub(crate) mod personer;
pub(crate) mod sider;
pub(crate) mod sok;
pub(crate) mod sporing;
pub(crate) mod sprak;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod status_json;
pub(crate) mod system;
pub(crate) mod system_faner;
pub(crate) mod system_konfigurasjon;
pub(crate) mod system_tilganger;
pub(crate) mod systemer;
pub(crate) mod tilgangsliste;
pub(crate) mod tjenester;
pub(crate) mod utvikling;
pub(crate) mod velg_organisasjon;

use axum::Router;

use crate::portal::Portal;

/// Every screen.
pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .merge(start::routes())
        .merge(logg_inn::routes())
        .merge(velg_organisasjon::routes())
        .merge(tjenester::routes())
        .merge(avtale::routes())
        .merge(personer::routes())
        .merge(nytt_system::routes())
        .merge(kontoer::routes())
        .merge(ny_konto::routes())
        .merge(konto::routes())
        .merge(konto_konfigurasjon::routes())
        .merge(systemer::routes())
        .merge(system::routes())
        .merge(system_konfigurasjon::routes())
        .merge(hendelser::routes())
        .merge(system_tilganger::routes())
        .merge(be_om_tilgang::routes())
        .merge(konto_tilganger::routes())
        .merge(foresporsler::routes())
        .merge(sok::routes())
        .merge(status::routes())
        .merge(status_json::routes())
        .merge(sporing::routes())
        .merge(bruk::routes())
        .merge(drift::routes())
        .merge(sprak::routes())
        .merge(utvikling::routes())
        .merge(sider::routes())
}
