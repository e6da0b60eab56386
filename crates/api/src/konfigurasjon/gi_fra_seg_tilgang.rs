//! `DELETE …/{fiksOrgId}/systemer/{systemId}/tilganger/{eksternKontoId}`.

use app::App;
use axum::extract::State;
use http::{Method, StatusCode};
use wire::id::{FiksOrgId, KontoId, SystemId};

use crate::extract::Path;
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::DELETE,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/tilganger/{eksternKontoId}",
        "removeTilgangTilKontoForSystem",
        Access::Konfigurer,
        gi_fra_seg_tilgang,
    )
    .summary("Gir fra seg tilgangen til en konto i et annet system.")
    .success(StatusCode::NO_CONTENT)
}

async fn gi_fra_seg_tilgang(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<StatusCode, Failure> {
    app.give_up_tilgang(&caller, fiks_org_id, system_id, konto).await?;
    Ok(StatusCode::NO_CONTENT)
}
