//! `DELETE …/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}`.

use app::App;
use app::konto::KontoSti;
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
        "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}",
        "deleteKonto",
        Access::Konfigurer,
        slett_konto,
    )
    .summary("Sletter en konto med køen. Avsenderne av det som står der, får beskjed.")
    .success(StatusCode::NO_CONTENT)
}

async fn slett_konto(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path((fiks_org_id, system_id, konto_id)): Path<(FiksOrgId, SystemId, KontoId)>,
) -> Result<StatusCode, Failure> {
    let sti = KontoSti { fiks_org_id, system_id, konto_id };
    app.remove_konto(&caller, sti).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use app::ports::Broker as _;

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn konto_is_gone() {
        let world = World::new().await;
        world.call(&world.fag, Method::DELETE, world.fag.konto_path(), None).await.ok(StatusCode::NO_CONTENT);
        let answer = world.call(&world.fag, Method::GET, world.fag.konto_path(), None).await;
        answer.error(StatusCode::NOT_FOUND, "UKJENT_KONTO");
    }

    /// The Konto is gone, and its queue follows as soon as it can, not only at the next start.
    #[tokio::test]
    async fn queue_of_a_removed_konto_goes_once_the_queues_are_back() {
        let world = World::new().await;
        let konto = world.fag.konto;
        world.broker.stop();
        world.call(&world.fag, Method::DELETE, world.fag.konto_path(), None).await.ok(StatusCode::NO_CONTENT);
        let mut noted = BTreeSet::new();
        world.app.empty_ordered(&mut noted).await.expect_err("the queues are away");
        world.broker.mend();
        assert!(world.broker.list_queues().await.unwrap().contains(&konto));
        // Whoever removes a Konto just now does the rest at once, so what is noted for the first time is left to them.
        let mut noted = BTreeSet::new();
        assert_eq!(world.app.empty_ordered(&mut noted).await.unwrap().koer, 0);
        assert_eq!(world.app.empty_ordered(&mut noted).await.unwrap().koer, 1);
        assert!(!world.broker.list_queues().await.unwrap().contains(&konto));
        assert_eq!(world.app.empty_ordered(&mut noted).await.unwrap().koer, 0);
        assert_eq!(noted, BTreeSet::new());
    }
}
