//! `GET /fiks-protokoll/katalog/api/v1/kontoer/{kontoId}`.

use app::App;
use axum::extract::State;
use http::Method;
use wire::id::KontoId;
use wire::katalog::ProtokollKatalogKonto;

use crate::extract::{Json, Path};
use crate::failure::Failure;
use crate::fiks_io_katalog::konto::konto_status;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/fiks-protokoll/katalog/api/v1/kontoer/{kontoId}",
        "getKonto",
        Access::Integrasjon,
        konto,
    )
    .summary("Viser hvem som står bak en konto, hva den er til, og hvordan det står til med den.")
    .response::<ProtokollKatalogKonto>()
}

async fn konto(
    State(app): State<App>,
    Innlogget(_): Innlogget,
    Path(konto): Path<KontoId>,
) -> Result<Json<ProtokollKatalogKonto>, Failure> {
    let found = app.katalog_konto(konto).await?;
    let status = konto_status(&found);
    Ok(Json(ProtokollKatalogKonto {
        konto_id: found.konto.id,
        konto_navn: found.konto.navn,
        konto_beskrivelse: found.konto.beskrivelse,
        fiks_org_id: found.eier.id,
        fiks_org_navn: found.eier.navn,
        organisasjonsnummer: found.eier.orgnummer.into(),
        kommunenummer: found.eier.kommunenummer,
        status,
    }))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn konto_is_shown_with_what_it_is_for() {
        let world = World::new().await;
        let path = format!("/fiks-protokoll/katalog/api/v1/kontoer/{}", world.arkiv.konto);
        let konto = world.call(&world.fag, Method::GET, path, None).await.ok(StatusCode::OK);
        assert_eq!([&konto["kontoBeskrivelse"], &konto["fiksOrgNavn"]], ["Til test", "Lillefjord kommune"]);
        assert_eq!(konto["status"]["gyldigMottaker"], json!(true));
    }
}
