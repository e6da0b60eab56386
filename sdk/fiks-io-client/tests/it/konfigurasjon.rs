use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Json;
use fiks_io_client::wire::konfigurasjon::{
    CreateProtokollKontoRequest, PartRequest, UpdateParterRequest, UpdateProtokollKontoInfoRequest,
    UpdateSystemInfoRequest,
};
use fiks_io_client::{Error, FiksIoClient};
use serde_json::json;

use crate::support::{konto, serve, soon};

const ORG: &str = "0c4cd2a5-0b3f-4cf8-9a0c-8a9bb0a1c6a5";
const SYSTEM: &str = "7d0b9f9e-2b1d-4b8e-9d3b-0d7c6f2f7a10";
const OTHER: &str = "2f6d9a6e-6a43-4e0e-8c2e-6f0a6b1d9c77";

/// Takes every call, says no to it, and keeps what was asked.
async fn setup() -> (FiksIoClient, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let router = Router::new().fallback(async move |request: Request| {
        assert_eq!(request.headers()["authorization"], "Bearer token-1");
        seen.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
        (StatusCode::FORBIDDEN, Json(json!({"status": 403, "message": "Mangler privilegium."})))
    });
    let (config, _) = serve(router, 120).await;
    (FiksIoClient::new(config.build().unwrap()).unwrap(), asked)
}

#[tokio::test]
async fn each_call_asks_for_its_own_path() {
    let (client, asked) = setup().await;
    let konfigurasjon = client.konfigurasjon(ORG.parse().unwrap(), SYSTEM.parse().unwrap());
    let (konto, other_system, other_konto) = (konto(), OTHER.parse().unwrap(), OTHER.parse().unwrap());
    let part = PartRequest { part_navn: "arkiv.full".to_owned(), stottet_protokoll_versjon: "v1".to_owned() };
    let new_konto = CreateProtokollKontoRequest {
        navn: "Mitt arkiv".to_owned(),
        beskrivelse: "Tar imot".to_owned(),
        stottet_protokoll_navn: "no.ks.fiks.arkiv".to_owned(),
        parts: vec![part.clone()],
        offentlig_nokkel: None,
    };
    let konto_info =
        UpdateProtokollKontoInfoRequest { navn: "Mitt arkiv".to_owned(), beskrivelse: "Tar imot".to_owned() };
    let system_info = UpdateSystemInfoRequest {
        navn: "Mitt system".to_owned(),
        beskrivelse: "Et system".to_owned(),
        eposter: vec!["drift@storevik.example".to_owned()],
        offentlig: true,
        automatisk_godkjenning: None,
        leverandor_navn: None,
        leverandor_kontaktpunkt: None,
    };
    let parter = UpdateParterRequest { parts: vec![part] };
    let base = format!("/fiks-protokoll/api/v1/konfigurasjon/{ORG}");
    let system = format!("{base}/systemer/{SYSTEM}");
    let own = format!("{system}/kontoer/{konto}");

    macro_rules! check {
        ($call:expr, $method:literal, $path:expr) => {
            let refused = soon($call).await.map(|_| ()).unwrap_err();
            assert!(matches!(refused, Error::Refused { status: 403, .. }), "{refused:?}");
            assert_eq!(asked.lock().unwrap().pop().unwrap(), format!("{} {}", $method, $path));
        };
    }
    check!(konfigurasjon.system(), "GET", system);
    check!(konfigurasjon.update_system_info(&system_info), "PUT", format!("{system}/info"));
    check!(konfigurasjon.create_konto(&new_konto), "POST", format!("{system}/kontoer"));
    check!(konfigurasjon.konto(konto), "GET", own);
    check!(konfigurasjon.delete_konto(konto), "DELETE", own);
    check!(konfigurasjon.update_konto_info(konto, &konto_info), "PUT", format!("{own}/info"));
    check!(konfigurasjon.update_offentlig_nokkel(konto, "pem"), "PUT", format!("{own}/pem"));
    check!(konfigurasjon.update_parter(konto, &parter), "POST", format!("{own}/parter"));
    check!(konfigurasjon.list_tilganger(konto), "GET", format!("{own}/tilganger"));
    check!(konfigurasjon.grant_tilgang(konto, other_system), "POST", format!("{own}/tilganger/{OTHER}"));
    check!(konfigurasjon.revoke_tilgang(konto, other_system), "DELETE", format!("{own}/tilganger/{OTHER}"));
    check!(konfigurasjon.list_foresporsler(konto), "GET", format!("{own}/forespurteTilganger"));
    check!(
        konfigurasjon.reject_foresporsel(konto, other_system),
        "DELETE",
        format!("{own}/forespurteTilganger/{OTHER}")
    );
    check!(
        konfigurasjon.request_tilgang(other_konto),
        "POST",
        format!("{system}/forespurteTilganger/{OTHER}")
    );
    check!(
        konfigurasjon.withdraw_foresporsel(other_konto),
        "DELETE",
        format!("{system}/forespurteTilganger/{OTHER}")
    );
    check!(konfigurasjon.give_up_tilgang(other_konto), "DELETE", format!("{system}/tilganger/{OTHER}"));
    check!(konfigurasjon.list_protokoller(), "GET", format!("{base}/protokoller"));
    check!(
        konfigurasjon.list_parter("no.ks.fiks.arkiv"),
        "GET",
        format!("{base}/protokoller/no.ks.fiks.arkiv")
    );
    check!(konfigurasjon.protokoll("no.ks/fiks", "v1"), "GET", format!("{base}/protokoller/no.ks%2Ffiks/v1"));
}
