//! `PUT /fiks-io/konto/api/v1/kontoer/{kontoId}/offentligNokkel`.
//!
//! The official Java client calls it at start when it is set up with a public key.

use app::App;
use axum::extract::State;
use http::{Method, StatusCode};
use serde_json::json;
use wire::id::KontoId;
use wire::katalog::{OffentligNokkel, SettOffentligNokkel};

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::fiks_io_katalog::nokkel::offentlig_nokkel;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::PUT,
        "/fiks-io/konto/api/v1/kontoer/{kontoId}/offentligNokkel",
        "settOffentligNokkel",
        Access::Konfigurer,
        sett_nokkel,
    )
    .summary("Setter sertifikatet som innhold til kontoen skal krypteres til.")
    .request::<SettOffentligNokkel>(|| json!({ "pem": "-----BEGIN CERTIFICATE-----\n…" }))
    .success(StatusCode::CREATED)
    .response::<OffentligNokkel>()
}

async fn sett_nokkel(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path(konto): Path<KontoId>,
    Json(body): Json<SettOffentligNokkel>,
) -> Result<(StatusCode, Json<OffentligNokkel>), Failure> {
    let nokkel = app.set_own_nokkel(&caller, konto, "pem", &body.pem).await?;
    Ok((StatusCode::CREATED, Json(offentlig_nokkel(nokkel, app.clock().now()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, certificate};

    #[tokio::test]
    async fn key_is_set_under_its_name_in_this_api() {
        let world = World::new().await;
        let path = format!("/fiks-io/konto/api/v1/kontoer/{}/offentligNokkel", world.arkiv.konto);
        let body = json!({ "pem": certificate() });
        let nokkel = world.call(&world.arkiv, Method::PUT, &path, Some(body)).await.ok(StatusCode::CREATED);
        assert_eq!(nokkel["nokkel"], certificate());
        let fetched = world.call(&world.fag, Method::GET, &path, None).await.ok(StatusCode::OK);
        assert_eq!(fetched, nokkel);
        let answer =
            world.call(&world.arkiv, Method::PUT, &path, Some(json!({ "nokkel": certificate() }))).await;
        let message = answer.error(StatusCode::BAD_REQUEST, "UGYLDIG_JSON");
        assert!(message.contains("«pem»"), "{message}");
    }

    #[tokio::test]
    async fn keys_are_kept_up_to_the_limit_and_the_one_in_use_is_no_new_one() {
        let world = World::limited(app::Grenser::default().with(app::Grense::NoklerPerKonto, 2)).await;
        let path = format!("/fiks-io/konto/api/v1/kontoer/{}/offentligNokkel", world.arkiv.konto);
        let another = || {
            let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
            rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem()
        };
        let put = |pem: String| {
            let (world, path) = (&world, &path);
            async move { world.call(&world.arkiv, Method::PUT, path, Some(json!({ "pem": pem }))).await }
        };
        let (first, second) = (another(), another());
        put(first).await.ok(StatusCode::CREATED);
        for _ in 0..5 {
            put(second.clone()).await.ok(StatusCode::CREATED);
        }
        let message = put(another()).await.error(StatusCode::INSUFFICIENT_STORAGE, "KVOTE_FULL");
        assert!(message.contains("grenser.nokler_per_konto"), "{message}");
        put(second).await.ok(StatusCode::CREATED);
    }
}
