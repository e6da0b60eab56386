//! `GET …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/tilganger`.

use app::App;
use app::konto::KontoSti;
use axum::extract::State;
use http::Method;
use wire::id::{FiksOrgId, KontoId, SystemId};
use wire::konfigurasjon::ProtokollSystemSummaryWithOrgNameResponse;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/tilganger",
        "getSystemerMedTilgangTilKonto",
        Access::Konfigurer,
        list_tilganger,
    )
    .summary("Viser systemene som kan sende til kontoen.")
    .response_list::<ProtokollSystemSummaryWithOrgNameResponse>()
}

async fn list_tilganger(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<Json<Vec<ProtokollSystemSummaryWithOrgNameResponse>>, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    let systemer = app.list_tilganger(&caller, sti).await?;
    Ok(Json(systemer.into_iter().map(bodies::system_summary).collect()))
}
