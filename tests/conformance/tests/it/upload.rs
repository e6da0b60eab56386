use bytes::Bytes;
use futures::{StreamExt as _, stream};
use reqwest::multipart::{Form, Part};
use testkit::{Caller, Pair, TestServer, eventually};

use crate::OPPRETT;

/// A send of the fagsystem to the arkiv with a payload that comes from `pieces`.
async fn post(server: &TestServer, pair: &Pair, pieces: reqwest::Body) -> reqwest::Result<reqwest::Response> {
    let metadata = serde_json::json!({
        "avsenderKontoId": pair.fagsystem.konto_id,
        "mottakerKontoId": pair.arkiv.konto_id,
        "meldingType": OPPRETT,
    });
    let metadata = Part::text(metadata.to_string()).mime_str("application/json")?;
    let form = Form::new().part("metadata", metadata).part("data", Part::stream(pieces).file_name("data"));
    reqwest::Client::builder()
        .build()?
        .post(format!("{}{}", server.dev.http_url(), wire::send::PATH))
        .bearer_auth(pair.from.access_token().await.expect("the simulator gives a token").expose())
        .header(wire::headers::INTEGRASJON_ID, pair.fagsystem.integrasjon_id.to_string())
        .header(wire::headers::INTEGRASJON_PASSORD, &pair.fagsystem.integrasjon_passord)
        .multipart(form)
        .send()
        .await
}

fn zeros(count: usize) -> impl Iterator<Item = std::io::Result<Bytes>> {
    let piece = Bytes::from(vec![0; 64 * 1024]);
    std::iter::repeat_with(move || Ok(piece.clone())).take(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn client_gone_in_mid_upload_leaves_nothing() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    // Enough to be under way to Dokumentlager, then the connection breaks.
    let broken = zeros(200).chain([Err(std::io::Error::other("the client is gone"))]);
    post(&server, &pair, reqwest::Body::wrap_stream(stream::iter(broken))).await.unwrap_err();
    eventually("no payload is left", async || (server.stored_payloads().unwrap() == 0).then_some(())).await;
    let status = pair.from.konto_status(pair.arkiv.konto_id).await.unwrap();
    assert_eq!(status.antall_uavhentede_meldinger, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn payload_over_the_limit_is_refused_and_not_kept() {
    let server = TestServer::start_with(|config| config.melding.payload_max_bytes = 8_000_000).await.unwrap();
    let pair = server.pair().await.unwrap();
    let answer = post(&server, &pair, reqwest::Body::wrap_stream(stream::iter(zeros(160)))).await.unwrap();
    assert_eq!(answer.status(), 413);
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(body["status"], 413);
    eventually("no payload is left", async || (server.stored_payloads().unwrap() == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payload_at_the_inline_limit_stays_inline_and_one_more_byte_does_not() {
    let server =
        TestServer::start_with(|config| config.melding.inline_payload_max_bytes = 64 * 1024).await.unwrap();
    let pair = server.pair().await.unwrap();
    for (extra, expected) in [(0usize, false), (1, true)] {
        let pieces = zeros(1).chain((extra > 0).then(|| Ok(Bytes::from_static(b"x"))));
        let pieces: Vec<_> = pieces.collect();
        let answer = post(&server, &pair, reqwest::Body::wrap_stream(stream::iter(pieces))).await.unwrap();
        assert_eq!(answer.status(), 202);
        let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(body["dokumentlagerId"].is_string(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tilgang_taken_away_in_mid_upload_is_asked_for_again() {
    let server =
        TestServer::start_with(|config| config.melding.inline_payload_max_bytes = 64 * 1024).await.unwrap();
    let pair = server.pair().await.unwrap();
    let (go_on, may_go_on) = tokio::sync::oneshot::channel();
    let rest = stream::once(async move {
        may_go_on.await.unwrap();
        Ok(Bytes::from_static(b"rest"))
    });
    // More than one part, so that the upload is on disk when the rest is waited for.
    let body = reqwest::Body::wrap_stream(stream::iter(zeros(200)).chain(rest));
    let sending = post(&server, &pair, body);
    let removing = async {
        eventually("the upload has begun", async || (server.stored_payloads().unwrap() > 0).then_some(()))
            .await;
        server
            .app()
            .remove_tilgang(&Caller::Operator, pair.arkiv.sti(), pair.fagsystem.system_id)
            .await
            .unwrap();
        go_on.send(()).unwrap();
    };
    let (answer, ()) = tokio::join!(sending, removing);
    assert_eq!(answer.unwrap().status(), 403);
    eventually("no payload is left", async || (server.stored_payloads().unwrap() == 0).then_some(())).await;
    let status = pair.from.konto_status(pair.arkiv.konto_id).await.unwrap();
    assert_eq!(status.antall_uavhentede_meldinger, 0);
}

/// Large ones are under way when it is known. Whoever fetches sees the connection break off, and never the last bytes.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_payload_is_never_served_as_whole() {
    let server = TestServer::start().await.unwrap();
    let pair = server.pair().await.unwrap();
    let answer = post(&server, &pair, reqwest::Body::wrap_stream(stream::iter(zeros(320)))).await.unwrap();
    assert_eq!(answer.status(), 202);
    let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let id = body["dokumentlagerId"].as_str().unwrap();
    let path = server.payload_path(id);
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(whole.len(), 320 * 64 * 1024);
    let fetch = async || {
        let token = pair.to.access_token().await.expect("the simulator gives a token");
        let answer = reqwest::Client::builder()
            .build()
            .unwrap()
            .get(format!("{}/dokumentlager/nedlasting/{id}", server.dev.http_url()))
            .bearer_auth(token.expose())
            .header(wire::headers::INTEGRASJON_ID, pair.arkiv.integrasjon_id.to_string())
            .header(wire::headers::INTEGRASJON_PASSORD, &pair.arkiv.integrasjon_passord)
            .send()
            .await
            .unwrap();
        (answer.status(), answer.bytes().await)
    };
    let (status, bytes) = fetch().await;
    assert!(status == 200 && bytes.unwrap() == whole);
    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        std::fs::write(&path, flipped).unwrap();
        let (status, bytes) = fetch().await;
        assert_eq!(status, 200);
        bytes.expect_err("it ends before its last bytes");
    }
    std::fs::write(&path, &whole[1..]).unwrap();
    let (status, bytes) = fetch().await;
    assert_eq!(status, 500);
    let body: serde_json::Value = serde_json::from_slice(&bytes.unwrap()).unwrap();
    assert_eq!(body["errorCode"], "SKADET_DOKUMENT");
    std::fs::write(&path, &whole).unwrap();
    let (status, bytes) = fetch().await;
    assert!(status == 200 && bytes.unwrap() == whole);
}
