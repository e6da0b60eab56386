//! Choosing a language.

use axum::Router;
use axum::response::Response;
use axum::routing::post;

use crate::feil::Feil;
use crate::innlogget::Innlogget;
use crate::portal::Portal;
use crate::render::found;
use crate::screens::logg_inn::safe_retur;
use crate::skjema::Skjema;
use crate::sprak::Sprak;

pub(crate) fn routes() -> Router<Portal> {
    Router::new().route("/sprak", post(choose))
}

async fn choose(innlogget: Innlogget, skjema: Skjema) -> Result<Response, Feil> {
    let sprak: Sprak = skjema.felter.text("sprak").parse().map_err(|_| Feil::UleseligSkjema)?;
    innlogget.app().set_sprak(&innlogget.caller(), Some(sprak.tag())).await?;
    Ok(found(safe_retur(skjema.felter.raw("retur")).unwrap_or("/")))
}
