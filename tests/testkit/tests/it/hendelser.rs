use std::time::Duration;

use app::hendelse::{Felt, Hva, Hvem};
use app::konto::KontoSti;
use app::lister::{HendelseFilter, HendelseRad, SystemListe, TilgangListe};
use app::{Caller, Error, InnloggetIntegrasjon};
use wire::id::{FiksOrgId, IntegrasjonId, SystemId, Uuid};

use crate::world::World;

const DRIFT: &Caller = &Caller::Operator;

/// A Konto, and a System of another organisasjon that has nothing to do with it.
async fn strangers(world: &World) -> (KontoSti, KontoSti) {
    let konto = world.innhold.kontoer[0];
    let mut tx = world.registry.begin_read().await.unwrap();
    for other in world.innhold.kontoer.iter().rev() {
        if other.fiks_org_id != konto.fiks_org_id
            && tx.tilgang(konto.konto_id, other.system_id).await.unwrap().is_none()
            && tx.foresporsel(konto.konto_id, other.system_id).await.unwrap().is_none()
        {
            return (konto, *other);
        }
    }
    panic!("everybody has tilgang to everything");
}

async fn newest(world: &World, owner: FiksOrgId) -> HendelseRad {
    let side = world.app.list_hendelser(DRIFT, owner, &HendelseFilter::default()).await.unwrap();
    side.rows.into_iter().next().unwrap()
}

fn integrasjon(system_id: SystemId, fiks_org_id: FiksOrgId) -> (IntegrasjonId, Caller) {
    let integrasjon_id = IntegrasjonId::from_uuid(Uuid::from_u128(7));
    let caller = InnloggetIntegrasjon { integrasjon_id, system_id, fiks_org_id, konfigurer: true };
    (integrasjon_id, caller.into())
}

#[tokio::test]
async fn both_organisasjoner_are_told_of_a_tilgang_without_names_of_each_others_people() {
    let world = World::new().await;
    let (konto, other) = strangers(&world).await;
    world
        .app
        .update_integrasjon_privilegium(DRIFT, konto.fiks_org_id, konto.system_id, true, None)
        .await
        .unwrap();
    let (id, caller) = integrasjon(konto.system_id, konto.fiks_org_id);

    world.app.grant_tilgang(&caller, konto, other.system_id).await.unwrap();
    let mine = newest(&world, konto.fiks_org_id).await;
    assert_eq!(mine.hva.parse(), Ok(Hva::GaTilgang));
    assert_eq!(mine.hvem, Hvem::Integrasjon { id, system_navn: None });
    let theirs = newest(&world, other.fiks_org_id).await;
    assert_eq!(theirs.hva.parse(), Ok(Hva::FikkTilgang));
    let Hvem::Organisasjon { id, navn: Some(navn) } = &theirs.hvem else {
        panic!("{:?} tells too much, or too little", theirs.hvem)
    };
    assert_eq!(
        (*id, Some(navn.as_str())),
        (konto.fiks_org_id, theirs.detaljer.get(Felt::MotpartOrganisasjon))
    );
    assert_eq!(theirs.system.as_ref().unwrap().0, other.system_id);
    assert_eq!(mine.system.as_ref().unwrap().0, konto.system_id);
    assert_eq!(mine.konto.as_ref().unwrap().0, konto.konto_id);
    assert_eq!(mine.detaljer.get(Felt::Konto), mine.konto.as_ref().unwrap().1.as_deref());
    assert_eq!(mine.detaljer.get(Felt::System), theirs.detaljer.get(Felt::Motpart));
    assert_eq!(mine.detaljer.get(Felt::Motpart), theirs.detaljer.get(Felt::System));

    world.app.remove_tilgang(&caller, konto, other.system_id).await.unwrap();
    assert_eq!(newest(&world, konto.fiks_org_id).await.hva.parse(), Ok(Hva::FjernetTilgang));
    let theirs = newest(&world, other.fiks_org_id).await;
    assert_eq!(theirs.hva.parse(), Ok(Hva::MistetTilgang));
    assert!(matches!(theirs.hvem, Hvem::Organisasjon { .. }));
}

#[tokio::test]
async fn line_of_a_removed_system_still_says_its_name() {
    let world = World::new().await;
    let sti = world.innhold.kontoer[0];
    let mut tx = world.registry.begin_read().await.unwrap();
    let navn = tx.system(sti.system_id).await.unwrap().unwrap().info.navn;
    drop(tx);
    // There are no queues here, and none is needed: a queue that cannot be removed yet follows later.
    world.app.remove_system(DRIFT, sti.fiks_org_id, sti.system_id).await.unwrap();
    let line = newest(&world, sti.fiks_org_id).await;
    assert_eq!(line.hva.parse(), Ok(Hva::SlettetSystem));
    assert_eq!(line.hvem, Hvem::Drift);
    assert_eq!(line.system, Some((sti.system_id, None)));
    assert_eq!(line.detaljer.get(Felt::System), Some(navn.as_str()));
}

#[tokio::test]
async fn old_and_new_values_are_told() {
    let world = World::new().await;
    let sti = world.innhold.kontoer[0];
    let mut tx = world.registry.begin_read().await.unwrap();
    let konto = tx.konto(sti.konto_id).await.unwrap().unwrap();
    let integrasjon = tx.list_integrasjoner(sti.system_id).await.unwrap().remove(0);
    drop(tx);
    world.app.update_konto_info(DRIFT, sti, "Nytt navn".to_owned(), "Ny".to_owned(), None).await.unwrap();
    let line = newest(&world, sti.fiks_org_id).await;
    assert_eq!(line.detaljer.get(Felt::Fra), Some(konto.navn.as_str()));
    assert_eq!(line.detaljer.get(Felt::Til), Some("Nytt navn"));
    world
        .app
        .update_orgnummer(DRIFT, sti.fiks_org_id, sti.system_id, integrasjon.id, "971032146", None)
        .await
        .unwrap();
    let line = newest(&world, sti.fiks_org_id).await;
    assert_eq!(line.hva.parse(), Ok(Hva::EndretOrgnummer));
    assert_eq!(line.detaljer.get(Felt::Fra), Some(integrasjon.orgnummer.as_str()));
    assert_eq!(line.detaljer.get(Felt::Til), Some("971032146"));
}

#[tokio::test]
async fn hendelser_are_removed_when_their_time_is_over() {
    let world = World::new().await;
    let kept = world.app.settings().hendelser_beholdes;
    let before: u64 = counts(&world).await;
    assert_eq!(world.app.remove_old_hendelser().await.unwrap(), 0);
    // The newest of them is younger than a day.
    world.clock.advance(kept.checked_sub(Duration::from_hours(24 * 100)).unwrap());
    let removed = world.app.remove_old_hendelser().await.unwrap();
    assert!(removed > 0 && removed < before, "{removed} of {before}");
    assert_eq!(counts(&world).await, before - removed);
    world.clock.advance(Duration::from_hours(24 * 1000));
    assert_eq!(world.app.remove_old_hendelser().await.unwrap(), before - removed);
}

async fn counts(world: &World) -> u64 {
    let mut sum = 0;
    for owner in &world.innhold.organisasjoner {
        sum += world.app.list_hendelser(DRIFT, *owner, &HendelseFilter::default()).await.unwrap().total;
    }
    sum
}

#[tokio::test]
async fn machine_sees_no_lists_of_an_organisasjon() {
    let world = World::new().await;
    let sti = world.innhold.kontoer[0];
    let (_, caller) = integrasjon(sti.system_id, sti.fiks_org_id);
    let owner = sti.fiks_org_id;
    let refused = [
        world.app.list_hendelser(&caller, owner, &HendelseFilter::default()).await.err(),
        world.app.list_systemer_side(&caller, owner, &SystemListe::default()).await.err(),
        world.app.konto_ids_for_org(&caller, owner).await.err(),
        world.app.count_organisasjon(&caller, owner).await.err(),
    ];
    for error in refused {
        assert!(matches!(error, Some(Error::Forbidden(_))), "{error:?}");
    }
    // Another's System.
    let other = *world.innhold.kontoer.iter().find(|other| other.fiks_org_id != owner).unwrap();
    let refused = world.app.list_tilganger_side(&caller, other, &TilgangListe::default()).await.err();
    assert!(matches!(refused, Some(Error::Forbidden(_))), "{refused:?}");
}
