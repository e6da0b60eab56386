//! `GET …/{fiksOrgId}/systemer/{systemId}`.

use app::App;
use app::Error;
use app::system::SystemDetaljer;
use axum::extract::State;
use axum::response::Response;
use http::Method;
use wire::id::{FiksOrgId, SystemId};
use wire::konfigurasjon::ProtokollSystemResponse;

use crate::extract::Path;
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::long_lists::{self, List};
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}",
        "getSystem",
        Access::Konfigurer,
        hent_system,
    )
    .summary("Viser et system med kontoer, tilganger og integrasjoner.")
    .response::<ProtokollSystemResponse>()
}

async fn hent_system(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id)): Path<(FiksOrgId, SystemId)>,
) -> Result<Response, Failure> {
    let make = || app.system(&caller, fiks_org_id, system_id);
    let (mut detaljer, held) = app.long_list(&caller, make, SystemDetaljer::memory_bytes).await?;
    let kontoer = std::mem::take(&mut detaljer.kontoer);
    let tilganger = std::mem::take(&mut detaljer.tilganger);
    let foresporsler = std::mem::take(&mut detaljer.foresporsler);
    let system = bodies::system(detaljer, app.clock().now());
    let system = system.ok_or_else(|| Error::Internal("a system has no integrasjon".into()))?;
    let lists = [
        List::new("kontoer", kontoer, bodies::konto_summary),
        List::new("tilgangTilKontoer", tilganger, bodies::ekstern_konto),
        List::new("forespurteTilgangerTilKontoer", foresporsler, bodies::ekstern_konto),
    ];
    long_lists::answer(&system, lists, held)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn system_is_shown_with_all_that_belongs_to_it() {
        let world = World::new().await;
        let system =
            world.call(&world.fag, Method::GET, world.fag.system_path(), None).await.ok(StatusCode::OK);
        assert_eq!(system["integrasjonId"], json!(world.fag.integrasjon));
        assert_eq!(system["orgnummer"], world.fag.orgnummer);
        assert_eq!(system["kontoer"][0]["metrikk"], json!({ "meldingerPaKo": 0, "antallKonsumenter": 0 }));
        assert_eq!(system["kontoer"][0]["parter"][0]["navn"], "klient.full");
        assert_eq!(system["tilgangTilKontoer"][0]["id"], json!(world.arkiv.konto));
        assert_eq!(system["tilgangTilKontoer"][0]["system"]["fiksOrg"]["navn"], "Lillefjord kommune");
        assert_eq!(system["forespurteTilgangerTilKontoer"], json!([]));
        assert_eq!(system["integrasjoner"][0]["primer"], true);
        assert_eq!(system["integrasjoner"][0]["aktiv"], true);
        assert!(system.get("leverandorNavn").is_none());
    }
}
