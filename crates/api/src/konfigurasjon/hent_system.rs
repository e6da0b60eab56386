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
