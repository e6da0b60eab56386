//! `POST …/{fiksOrgId}/systemer/{systemId}/kontoer`.

use app::App;
use app::konto::NyKonto;
use axum::extract::State;
use http::{Method, StatusCode};
use serde_json::json;
use wire::id::{FiksOrgId, SystemId};
use wire::konfigurasjon::{CreateProtokollKontoRequest, ProtokollKontoResponse};

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::POST,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer",
        "createKonto",
        Access::Konfigurer,
        opprett_konto,
    )
    .summary("Oppretter en konto med kø. En klient kan koble seg til den med en gang.")
    .request::<CreateProtokollKontoRequest>(|| {
        json!({
            "navn": "Mitt arkiv",
            "beskrivelse": "Arkiv for saksbehandling",
            "stottetProtokollNavn": "no.ks.fiks.arkiv",
            "parts": [{ "partNavn": "arkiv.full", "stottetProtokollVersjon": "v1" }],
        })
    })
    .success(StatusCode::CREATED)
    .response::<ProtokollKontoResponse>()
}

async fn opprett_konto(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id)): Path<(FiksOrgId, SystemId)>,
    Json(body): Json<CreateProtokollKontoRequest>,
) -> Result<(StatusCode, Json<ProtokollKontoResponse>), Failure> {
    let ny = NyKonto {
        navn: body.navn,
        beskrivelse: body.beskrivelse,
        protokoll_navn: body.stottet_protokoll_navn,
        parter: bodies::wanted_parter(body.parts),
        offentlig_nokkel: body.offentlig_nokkel,
    };
    let konto = app.create_konto(&caller, fiks_org_id, system_id, ny).await?;
    Ok((StatusCode::CREATED, Json(bodies::konto(konto, app.clock().now()))))
}
