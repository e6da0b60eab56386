//! `PUT …/{fiksOrgId}/systemer/{systemId}/info`.

use app::App;
use axum::extract::State;
use domain::system::SystemInfo;
use http::{Method, StatusCode};
use serde_json::json;
use wire::id::{FiksOrgId, SystemId};
use wire::konfigurasjon::UpdateSystemInfoRequest;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::PUT,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/info",
        "updateSystemInfo",
        Access::Konfigurer,
        endre_systeminfo,
    )
    .summary("Endrer navn, beskrivelse, e-postadresser og synlighet.")
    .request::<UpdateSystemInfoRequest>(|| {
        json!({
            "navn": "Mitt fagsystem",
            "beskrivelse": "Saksbehandling",
            "eposter": ["drift@storevik.kommune.no"],
            "offentlig": true,
            "automatiskGodkjenning": false,
        })
    })
    .success(StatusCode::NO_CONTENT)
}

async fn endre_systeminfo(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id)): Path<(FiksOrgId, SystemId)>,
    Json(body): Json<UpdateSystemInfoRequest>,
) -> Result<StatusCode, Failure> {
    let info = SystemInfo {
        navn: body.navn,
        beskrivelse: body.beskrivelse,
        eposter: body.eposter,
        offentlig: body.offentlig,
        automatisk_godkjenning: body.automatisk_godkjenning.unwrap_or_default(),
        leverandor_navn: body.leverandor_navn,
        leverandor_kontaktpunkt: body.leverandor_kontaktpunkt,
    };
    app.update_system_info(&caller, fiks_org_id, system_id, info, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn system_shows_its_new_texts() {
        let world = World::new().await;
        let path = format!("{}/info", world.fag.system_path());
        let info = json!({
            "navn": "Nytt navn", "beskrivelse": "Ny", "eposter": ["a@example.no"], "offentlig": false, "leverandorNavn": null,
        });
        world.call(&world.fag, Method::PUT, &path, Some(info)).await.ok(StatusCode::NO_CONTENT);
        let system =
            world.call(&world.fag, Method::GET, world.fag.system_path(), None).await.ok(StatusCode::OK);
        assert_eq!([&system["navn"], &system["offentlig"]], [&json!("Nytt navn"), &json!(false)]);
    }

    #[tokio::test]
    async fn changes_over_the_rate_are_answered_with_429_and_when_to_come_back() {
        let grenser = app::Grenser::default().with(app::Grense::EndringerPerOrganisasjon, 1);
        let world = World::limited(grenser).await;
        let path = format!("{}/info", world.fag.system_path());
        let change = async |n: usize| {
            let navn = format!("Navn {n}");
            let info =
                json!({ "navn": navn, "beskrivelse": "Ny", "eposter": ["a@example.no"], "offentlig": true });
            world.call(&world.fag, Method::PUT, &path, Some(info)).await
        };
        let mut made = 0;
        let refused = loop {
            let answer = change(made).await;
            if answer.status != StatusCode::NO_CONTENT {
                break answer;
            }
            made += 1;
        };
        assert_eq!(made, 7, "ten hours' worth but a quarter");
        let after: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=3_600).contains(&after), "{after}");
        let message = refused.error(StatusCode::TOO_MANY_REQUESTS, "FOR_MANGE");
        assert!(message.contains("grenser.endringer_per_organisasjon"), "{message}");
        world.clock.advance(std::time::Duration::from_secs(after));
        change(made).await.ok(StatusCode::NO_CONTENT);
    }

    #[tokio::test]
    async fn every_broken_field_is_told() {
        let world = World::new().await;
        let path = format!("{}/info", world.fag.system_path());
        let info = json!({ "navn": "a_b", "beskrivelse": "", "eposter": ["nei"], "offentlig": true });
        let answer = world.call(&world.fag, Method::PUT, &path, Some(info)).await;
        let message = answer.error(StatusCode::BAD_REQUEST, "UGYLDIG_FELT");
        assert!(
            ["«navn»", "«beskrivelse»", "«eposter»"].iter().all(|field| message.contains(field)),
            "{message}"
        );
    }
}
