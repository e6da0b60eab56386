use testkit::TestServer;
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
