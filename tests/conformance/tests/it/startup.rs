use std::time::Duration;

use testkit::app::ports::{Clock as _, Del, Helse};
use testkit::{TestServer, eventually};
use wire::id::{KontoId, Uuid};

#[tokio::test(flavor = "multi_thread")]
async fn queue_without_konto_is_removed_at_start_and_a_missing_one_made() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let orphan = KontoId::from_uuid(Uuid::from_u128(7));
    let broker = server.app().broker();
    broker.create_queue(orphan).await.unwrap();
    broker.delete_queue(pair.arkiv.konto_id).await.unwrap();
    let server = server.restart().await.unwrap();
    let mut expected = [pair.fagsystem.konto_id, pair.arkiv.konto_id];
    expected.sort_unstable();
    let mut queues = server.app().broker().list_queues().await.unwrap();
    queues.sort_unstable();
    assert_eq!(queues, expected);
}

/// As when a clock that ran ahead is put right: what is done now and then goes on at its pace.
#[tokio::test(flavor = "multi_thread")]
async fn clock_that_is_set_back_stops_no_upkeep() {
    let server = TestServer::start().await.unwrap();
    let lagret = || {
        let deler = server.app().helse().deler;
        deler.into_iter().find(|del| del.del == Del::Dokumentlager).unwrap().helse
    };
    eventually("Dokumentlager was looked at", async || (lagret() == Helse::SVARER).then_some(())).await;
    let day = Duration::from_hours(24);
    server.clock.set(server.clock.now().checked_sub(day).unwrap());
    let place = server.dev.data.join("dokumentlager");
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "").unwrap();
    eventually("it is looked at again", async || {
        server.clock.advance(Duration::from_secs(30));
        (lagret() == Helse::SVARER_IKKE).then_some(())
    })
    .await;
}
