//! `POST …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/tilganger/{eksternSystemId}`.
//!
//! Answers the forespørsel if there is one; works without. Has no body either way.

use app::App;
use app::konto::KontoSti;
use axum::extract::State;
use http::{Method, StatusCode};
use wire::id::{FiksOrgId, KontoId, SystemId};

use crate::extract::Path;
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::POST,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/tilganger/{eksternSystemId}",
        "createTilgangTilSystem",
        Access::Konfigurer,
        gi_tilgang,
    )
    .summary("Lar et annet system sende til kontoen, enten det har spurt eller ikke.")
    .success(StatusCode::CREATED)
}

async fn gi_tilgang(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id, til)): Path<(FiksOrgId, SystemId, KontoId, SystemId)>,
) -> Result<StatusCode, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    app.grant_tilgang(&caller, sti, til).await?;
    Ok(StatusCode::CREATED)
}
