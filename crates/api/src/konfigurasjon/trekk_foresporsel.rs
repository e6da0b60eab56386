//! `DELETE …/{fiksOrgId}/systemer/{systemId}/forespurteTilganger/{eksternKonto}`.

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
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/forespurteTilganger/{eksternKonto}",
        "removeTilgangForesporselTilKonto",
        Access::Konfigurer,
        trekk_foresporsel,
    )
    .summary("Trekker en forespørsel om tilgang.")
    .success(StatusCode::NO_CONTENT)
}

async fn trekk_foresporsel(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<StatusCode, Failure> {
    app.withdraw_foresporsel(&caller, fiks_org_id, system_id, konto).await?;
    Ok(StatusCode::NO_CONTENT)
}
