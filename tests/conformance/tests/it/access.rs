use fiks_io_client::{ConnectionState, Payload};
use testkit::domain::melding::Status;
use testkit::{Caller, TestServer, eventually};

use crate::{MOTTATT, arkivmelding, next, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn send_to_konto_without_tilgang_is_refused() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair_without_tilgang().await.unwrap();
    let sent = pair.from.send(arkivmelding(pair.arkiv.konto_id)).await;
    assert_eq!(refusal(sent), (403, "MANGLER_TILGANG".to_owned()));
    let status = pair.from.konto_status(pair.arkiv.konto_id).await.unwrap();
    assert_eq!(status.antall_uavhentede_meldinger, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tilgang_taken_away_stops_the_next_melding_and_not_the_one_before() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let sent = pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    let api = pair.to.konfigurasjon(pair.arkiv.fiks_org_id, pair.arkiv.system_id);
    api.revoke_tilgang(pair.arkiv.konto_id, pair.fagsystem.system_id).await.unwrap();
    assert_eq!(refusal(pair.from.send(arkivmelding(pair.arkiv.konto_id)).await).0, 403);
    let mut at_arkiv = pair.to.receive().await.unwrap();
    let received = next(&mut at_arkiv).await;
    assert_eq!(received.melding_id, sent.melding_id);
    // The svar needs no tilgang of its own, and never did.
    received.svar(MOTTATT, Payload::none()).await.unwrap();
    received.ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn svar_to_a_melding_never_received_needs_tilgang() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let sent = pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    // It stands in the queue, but nobody has fetched it: the arkiv cannot know of it.
    let svar =
        || fiks_io_client::MeldingRequest::new(pair.fagsystem.konto_id, MOTTATT).svar_pa(sent.melding_id);
    assert_eq!(refusal(pair.to.send(svar()).await).0, 403);
    let mut at_arkiv = pair.to.receive().await.unwrap();
    next(&mut at_arkiv).await.ack().await.unwrap();
    pair.to.send(svar()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn svar_needs_tilgang_where_the_installation_says_so() {
    let server = TestServer::start_with(|config| config.melding.svar_krever_tilgang = true).await.unwrap();
    let pair = server.pair().await.unwrap();
    pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    let mut at_arkiv = pair.to.receive().await.unwrap();
    let received = next(&mut at_arkiv).await;
    assert_eq!(refusal(received.svar(MOTTATT, Payload::none()).await).0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn konto_that_is_kept_from_sending_still_receives_and_sends_again_when_it_may() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let sti = |konto: &testkit::Innlogging| testkit::app::konto::KontoSti {
        fiks_org_id: konto.fiks_org_id,
        system_id: konto.system_id,
        konto_id: konto.konto_id,
    };
    let set = async |konto, may_send| {
        server.app().update_sending(&Caller::Operator, sti(konto), may_send, None).await.unwrap();
    };
    // Each melding is judged anew, also by a server that has just let one through.
    pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
    set(&pair.fagsystem, false).await;
    let refused = refusal(pair.from.send(arkivmelding(pair.arkiv.konto_id)).await);
    assert_eq!(refused, (403, "AVSENDER_DEAKTIVERT".to_owned()));
    let mut at_arkiv = pair.to.receive().await.unwrap();
    let received = next(&mut at_arkiv).await;
    let svar = received.svar(MOTTATT, Payload::none()).await.unwrap();
    received.ack().await.unwrap();
    let mut at_fagsystem = pair.from.receive().await.unwrap();
    let received = next(&mut at_fagsystem).await;
    assert_eq!(received.melding_id, svar.melding_id);
    received.ack().await.unwrap();
    set(&pair.fagsystem, true).await;
    pair.from.send(arkivmelding(pair.arkiv.konto_id)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn new_passord_ends_connections_at_once_and_the_old_one_stops_working() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let mut at_arkiv = pair.to.receive().await.unwrap();
    let mut arkiv = pair.arkiv.clone();
    let passord = server
        .app()
        .new_passord(&Caller::Operator, arkiv.fiks_org_id, arkiv.system_id, arkiv.integrasjon_id, None)
        .await
        .unwrap();
    // The stream tries again by itself, with the old password, and is refused from now on.
    let waiting = async {
        at_arkiv.next().await.map(drop).unwrap_err();
    };
    tokio::select! {
        () = waiting => unreachable!("a lost connection is no item of the stream"),
        () = eventually("the old login is refused", async || {
            let status = pair.from.konto_status(arkiv.konto_id).await.unwrap();
            (status.antall_konsumenter == 0).then_some(())
        }) => {}
    }
    assert!(!matches!(at_arkiv.state(), ConnectionState::Connected));
    assert_eq!(refusal(pair.to.konto_status(arkiv.konto_id).await).0, 401);

    arkiv.integrasjon_passord = passord.reveal().to_owned();
    let client = server.client(&arkiv).unwrap();
    let mut at_arkiv = client.receive().await.unwrap();
    let sent = pair.from.send(arkivmelding(arkiv.konto_id)).await.unwrap();
    next(&mut at_arkiv).await.ack().await.unwrap();
    assert_eq!(server.settled(sent.melding_id).await.0, Status::Bekreftet);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_orgnummer_needs_a_token_of_the_new_organisasjon() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let arkiv = &pair.arkiv;
    server
        .app()
        .update_orgnummer(
            &Caller::Operator,
            arkiv.fiks_org_id,
            arkiv.system_id,
            arkiv.integrasjon_id,
            pair.fagsystem.orgnummer.as_str(),
            None,
        )
        .await
        .unwrap();
    assert_eq!(refusal(pair.to.konto_status(arkiv.konto_id).await).0, 401);
    let mut moved = arkiv.clone();
    moved.orgnummer = pair.fagsystem.orgnummer;
    server.client(&moved).unwrap().konto_status(arkiv.konto_id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_of_another_system_is_refused() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let mut other = pair.fagsystem.clone();
    other.konto_id = pair.arkiv.konto_id;
    let client = server.client(&other).unwrap();
    assert!(client.receive().await.is_err());
}
