//! `POST …/{fiksOrgId}/systemer/{systemId}/forespurteTilganger/{eksternKonto}`.
//!
//! Where the owner grants automatically, tilgang is given at once. Has no body either way.

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
        Method::POST,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/forespurteTilganger/{eksternKonto}",
        "createTilgangForesporselTilKonto",
        Access::Konfigurer,
        be_om_tilgang,
    )
    .summary("Spør om å få sende til en konto i et annet system.")
    .success(StatusCode::CREATED)
}

async fn be_om_tilgang(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<StatusCode, Failure> {
    app.request_tilgang(&caller, fiks_org_id, system_id, konto).await?;
    Ok(StatusCode::CREATED)
}
