//! `POST …/{fiksOrgId}/systemer/{systemId}/konto-sok`.

use app::App;
use app::system::EksternKonto;
use app::tilgang::ProtokollKrav;
use axum::extract::State;
use axum::response::Response;
use http::Method;
use serde_json::json;
use wire::id::{FiksOrgId, SystemId};
use wire::konfigurasjon::{ProtokollKontoSokRequest, ProtokollKontoSokResponse};

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::konfigurasjon::bodies;
use crate::long_lists::{self, List};
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::POST,
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/konto-sok",
        "kontoSok",
        Access::Konfigurer,
        konto_sok,
    )
    .summary("Finner kontoer som systemet kan spørre om tilgang til.")
    .request::<ProtokollKontoSokRequest>(|| json!({
            "term": "arkiv",
            "filter": { "protokollFilter": [{ "protokollNavn": "no.ks.fiks.arkiv", "protokollVersjon": "v1" }] },
        }))
    .response::<ProtokollKontoSokResponse>()
}

async fn konto_sok(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id)): Path<(FiksOrgId, SystemId)>,
    Json(body): Json<ProtokollKontoSokRequest>,
) -> Result<Response, Failure> {
    let term = body.term.unwrap_or_default();
    let (owners, protokoller) = match body.filter {
        Some(filter) => {
            (filter.fiks_org_ider.unwrap_or_default(), filter.protokoll_filter.unwrap_or_default())
        }
        None => Default::default(),
    };
    let protokoller: Vec<_> = protokoller
        .into_iter()
        .map(|wanted| ProtokollKrav {
            navn: wanted.protokoll_navn,
            versjon: wanted.protokoll_versjon,
            parter: wanted.parter.unwrap_or_default(),
        })
        .collect();
    let make = || app.search_kontoer(&caller, fiks_org_id, system_id, &term, &owners, &protokoller);
    let bytes = |found: &Vec<_>| found.iter().map(EksternKonto::memory_bytes).sum();
    let (kontoer, held) = app.long_list(&caller, make, bytes).await?;
    let list = List::new("kontoer", kontoer, bodies::ekstern_konto);
    long_lists::answer(&ProtokollKontoSokResponse { kontoer: Vec::new() }, [list], held)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn kontoer_are_found_by_text_owner_and_protokoll() {
        let world = World::new().await;
        let path = format!("{}/konto-sok", world.fag.system_path());
        let found = async |body| {
            let answer = world.call(&world.fag, Method::POST, &path, Some(body)).await.ok(StatusCode::OK);
            let kontoer = answer["kontoer"].as_array().unwrap().clone();
            kontoer.into_iter().map(|konto| konto["navn"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found(json!({})).await, ["Konto i Fjerndal kommune", "Konto i Lillefjord kommune"]);
        assert_eq!(found(json!({ "term": "lilleFJORD" })).await, ["Konto i Lillefjord kommune"]);
        let long = Some(json!({ "term": "a".repeat(256) }));
        let answer = world.call(&world.fag, Method::POST, &path, long).await;
        answer.error(StatusCode::BAD_REQUEST, "UGYLDIG_FELT");
        for filter in [
            json!({ "fiksOrgIder": vec![world.fremmed.org; 201] }),
            json!({ "protokollFilter": vec![json!({ "protokollNavn": "a", "protokollVersjon": "v1" }); 51] }),
            json!({ "protokollFilter": [
                { "protokollNavn": "a".repeat(50_000), "protokollVersjon": "v1", "parter": vec![""; 4_000] },
            ] }),
            json!({ "protokollFilter": [{ "protokollNavn": "a", "protokollVersjon": "v".repeat(256) }] }),
        ] {
            let answer = world.call(&world.fag, Method::POST, &path, Some(json!({ "filter": filter }))).await;
            answer.error(StatusCode::BAD_REQUEST, "UGYLDIG_FELT");
        }
        // As many as there may be.
        let each = json!({
            "protokollNavn": "no.ks.fiks.arkiv",
            "protokollVersjon": "v1",
            "parter": (0..4).map(|part| format!("part{part}")).collect::<Vec<_>>(),
        });
        let numbered = |n: usize| {
            let mut each = each.clone();
            each["protokollVersjon"] = format!("v{n}").into();
            each
        };
        let many = json!({
            "fiksOrgIder": vec![world.fremmed.org; 200],
            "protokollFilter": (0..50).map(numbered).collect::<Vec<_>>(),
        });
        assert!(found(json!({ "filter": many })).await.is_empty());
        assert_eq!(
            found(json!({ "filter": { "fiksOrgIder": [world.fremmed.org] } })).await,
            ["Konto i Fjerndal kommune"]
        );
        let speaks = |versjon: &str, part: &str| {
            let wanted =
                json!({ "protokollNavn": "no.ks.fiks.arkiv", "protokollVersjon": versjon, "parter": [part] });
            json!({ "filter": { "protokollFilter": [wanted] } })
        };
        assert_eq!(found(speaks("v1", "arkiv.full")).await, ["Konto i Lillefjord kommune"]);
        assert!(found(speaks("v2", "arkiv.full")).await.is_empty());
    }
}
