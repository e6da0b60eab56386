//! `GET …/{fiksOrgId}/systemer/{systemId}/organisasjoner`.

use app::App;
use axum::extract::State;
use http::Method;
use wire::id::{FiksOrgId, SystemId};
use wire::konfigurasjon::FiksOrgResponse;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/organisasjoner",
        "getFiksOrgsMedSystemer",
        Access::Konfigurer,
        list_organisasjoner,
    )
    .summary("Viser organisasjonene som har systemer som kan få tilgang.")
    .response_list::<FiksOrgResponse>()
}

async fn list_organisasjoner(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id)): Path<(FiksOrgId, SystemId)>,
) -> Result<Json<Vec<FiksOrgResponse>>, Failure> {
    let organisasjoner = app.list_organisasjoner_med_systemer(&caller, fiks_org_id, system_id).await?;
    Ok(Json(organisasjoner.into_iter().map(bodies::fiks_org).collect()))
}
