//! `GET …/{fiksOrgId}/systemer/{systemId}`.

use app::App;
use app::Error;
use axum::extract::State;
use http::Method;
use wire::id::{FiksOrgId, SystemId};
use wire::konfigurasjon::ProtokollSystemResponse;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
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
) -> Result<Json<ProtokollSystemResponse>, Failure> {
    let detaljer = app.system(&caller, fiks_org_id, system_id).await?;
    let system = bodies::system(detaljer, app.clock().now());
    Ok(Json(system.ok_or_else(|| Error::Internal("a system has no integrasjon".into()))?))
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
