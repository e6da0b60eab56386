//! The administration portal: pages rendered on the server, where people manage systemer, kontoer and tilganger.
//!
//! A handler takes who sees the page as an argument (see [`innlogget`]), calls one use case of [`app`], and hands a typed
//! context to a template. Texts stand in one catalogue a language (`tekster/`), never in a template. Every page works
//! without script; what the script in `web/` does is only to make it quicker.

mod assets;
mod avtale;
mod config;
mod cookies;
mod csv;
mod feil;
mod format;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(test)]
mod gallery;
mod innlogget;
mod kontekst;
mod limit;
mod liste;
mod live;
mod melding;
mod portal;
mod ramme;
mod regler;
mod render;
mod screens;
mod sikkerhet;
mod skjema;
mod sprak;
mod tekster;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tilstand;
mod utvikling;
mod view;

use axum::Router;
use axum::middleware::from_fn_with_state;

pub use avtale::{Avtale, Avtaledokument, InvalidAvtale};
pub use config::{Config, Fil, InvalidPortalUrl, Miljo, PortalUrl};
pub use portal::Portal;
pub use utvikling::{Klient, KlientFakta, Konfigurasjon, Nokkelpar, Start, Testmelding, Testperson, Verktoy};

use crate::feil::Feil;

/// The pages of the portal, and what belongs to them. Whatever path it does not know is a page that says so.
pub fn router(portal: Portal) -> Router {
    screens::routes()
        .fallback(async || Feil::FinnesIkke)
        .method_not_allowed_fallback(async || Feil::FinnesIkke)
        .layer(from_fn_with_state(portal.clone(), sikkerhet::same_origin))
        .layer(from_fn_with_state(portal.clone(), kontekst::layer))
        .merge(assets::routes())
        .layer(from_fn_with_state(portal.clone(), sikkerhet::headers))
        .layer(from_fn_with_state(portal.clone(), sikkerhet::one_address))
        .with_state(portal)
}
