//! `GET …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}`.

use app::App;
use app::konto::KontoSti;
use axum::extract::State;
use http::Method;
use wire::id::{FiksOrgId, KontoId, SystemId};
use wire::konfigurasjon::ProtokollKontoResponse;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}",
        "getKonto",
        Access::Konfigurer,
        hent_konto,
    )
    .summary("Viser en konto.")
    .response::<ProtokollKontoResponse>()
}

async fn hent_konto(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<Json<ProtokollKontoResponse>, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    let konto = app.konto(&caller, sti).await?;
    Ok(Json(bodies::konto(konto, app.clock().now())))
}
