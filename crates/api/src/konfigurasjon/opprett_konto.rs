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
    let konto = app.create_konto(&caller, fiks_org_id, system_id, ny, None).await?;
    Ok((StatusCode::CREATED, Json(bodies::konto(konto, app.clock().now()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, certificate};

    fn body(versjon: &str) -> serde_json::Value {
        json!({
            "navn": "Mitt arkiv",
            "beskrivelse": "Arkiv",
            "stottetProtokollNavn": "no.ks.fiks.arkiv",
            "parts": [{ "partNavn": "arkiv.full", "stottetProtokollVersjon": versjon }],
            "offentligNokkel": certificate(),
        })
    }

    #[tokio::test]
    async fn konto_is_made_with_queue_and_key() {
        let world = World::new().await;
        let path = format!("{}/kontoer", world.fag.system_path());
        let konto =
            world.call(&world.fag, Method::POST, &path, Some(body("v1"))).await.ok(StatusCode::CREATED);
        assert_eq!(
            konto["parts"][0]["stottedeParter"],
            json!(["klient.full", "klient.arkivering", "klient.innsyn"])
        );
        assert_eq!(konto["offentligNokkel"]["nokkel"], certificate());
        let status = format!("/fiks-io/katalog/api/v1/kontoer/{}/status", konto["id"].as_str().unwrap());
        let status = world.call(&world.fag, Method::GET, status, None).await.ok(StatusCode::OK);
        assert_eq!(status["gyldigMottaker"], true);
    }

    #[tokio::test]
    async fn unknown_version_is_refused() {
        let world = World::new().await;
        let path = format!("{}/kontoer", world.fag.system_path());
        let answer = world.call(&world.fag, Method::POST, &path, Some(body("v9"))).await;
        let message = answer.error(StatusCode::BAD_REQUEST, "UGYLDIG_FELT");
        assert!(message.contains("v9"), "{message}");
    }
}
