use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use fiks_io_client::asice::{self, PrivateKey};
use fiks_io_client::wire::send::SendMetadata;
use fiks_io_client::{Error, FiksIoClient, FileSource, MeldingRequest, Payload, ReadOptions, Settings};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{INTEGRASJON, PASSORD, identity, konto, mottaker, other_identity, serve, soon};

const TYPE: &str = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett";

/// One part of a multipart body, as it stood on the wire.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    media_type: Option<String>,
    file_name: Option<String>,
    content: Bytes,
}

/// A request to the send API.
#[derive(Debug, Clone)]
struct Sent {
    headers: HeaderMap,
    parts: Vec<Part>,
}

impl Sent {
    fn metadata(&self) -> Value {
        serde_json::from_slice(&self.parts[0].content).unwrap()
    }
}

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Sent>>>);

impl Recorder {
    fn only(&self) -> Sent {
        let mut sent = self.0.lock().unwrap();
        assert_eq!(sent.len(), 1);
        sent.remove(0)
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    async fn take(self, request: Request) -> Response {
        let headers = request.headers().clone();
        let boundary = multer::parse_boundary(headers["content-type"].to_str().unwrap()).unwrap();
        let mut multipart = multer::Multipart::new(request.into_body().into_data_stream(), boundary);
        let mut parts = Vec::new();
        while let Some(field) = multipart.next_field().await.unwrap() {
            let name = field.name().unwrap().to_owned();
            let media_type = field.content_type().map(ToString::to_string);
            let file_name = field.file_name().map(str::to_owned);
            match field.bytes().await {
                Ok(content) => parts.push(Part { name, media_type, file_name, content }),
                // The sender gave up on its payload.
                Err(_) => return StatusCode::BAD_REQUEST.into_response(),
            }
        }
        let metadata: Value = serde_json::from_slice(&parts[0].content).unwrap();
        self.0.lock().unwrap().push(Sent { headers, parts });
        let answer = json!({
            "meldingId": "0f6d0ac9-6f0e-4b0c-a1c1-7f7f3e1f9a55",
            "meldingType": metadata["meldingType"],
            "avsenderKontoId": metadata["avsenderKontoId"],
            "mottakerKontoId": metadata["mottakerKontoId"],
            "ttl": 604_800_000,
            "dokumentlagerId": null,
            "svarPaMelding": metadata["svarPaMelding"],
            "headere": metadata["headere"].as_object().cloned().unwrap_or_default(),
        });
        (StatusCode::ACCEPTED, Json(answer)).into_response()
    }
}

/// The send API and a katalog in which only `mottaker()` has a key.
fn router(recorder: Recorder) -> Router {
    Router::new()
        .route("/fiks-io/api/v1/send", post(async move |request: Request| recorder.take(request).await))
        .route(
            "/fiks-io/katalog/api/v1/kontoer/{konto}/offentligNokkel",
            get(async |Path(asked): Path<String>| {
                if asked == mottaker().to_string() {
                    Json(json!({"nokkel": other_identity().certificate, "valid": true})).into_response()
                } else {
                    (StatusCode::NOT_FOUND, Json(json!({"status": 404, "message": "Fant ikke"})))
                        .into_response()
                }
            }),
        )
}

async fn setup() -> (FiksIoClient, Recorder) {
    let recorder = Recorder::default();
    let (config, _) = serve(router(recorder.clone()), 120).await;
    (FiksIoClient::new(config.build().unwrap()).unwrap(), recorder)
}

fn receiver_keys() -> Vec<PrivateKey> {
    vec![PrivateKey::from_pem(&other_identity().key).unwrap()]
}

#[tokio::test]
async fn a_melding_without_payload_is_its_metadata_only() {
    let (client, recorder) = setup().await;
    let melding = MeldingRequest::new(mottaker(), TYPE)
        .ttl(Duration::from_secs(90))
        .svar_pa("22222222-2222-4222-8222-222222222222".parse().unwrap())
        .klient_melding_id("33333333-3333-4333-8333-333333333333".parse().unwrap())
        .klient_korrelasjons_id("sak 17")
        .header("system", "Mitt fagsystem");
    let answer = soon(client.send(melding)).await.unwrap();
    assert_eq!(answer.melding_id.to_string(), "0f6d0ac9-6f0e-4b0c-a1c1-7f7f3e1f9a55");
    assert_eq!(answer.headere["system"], "Mitt fagsystem");

    let sent = recorder.only();
    assert_eq!(sent.headers["authorization"], "Bearer token-1");
    assert_eq!(sent.headers["integrasjonid"], INTEGRASJON);
    assert_eq!(sent.headers["integrasjonpassord"], PASSORD);
    assert_eq!(sent.parts.len(), 1);
    assert_eq!(sent.parts[0].name, "metadata");
    assert_eq!(sent.parts[0].media_type.as_deref(), Some("application/json"));
    assert_eq!(sent.parts[0].file_name, None);
    let expected = json!({
        "avsenderKontoId": konto(),
        "mottakerKontoId": mottaker(),
        "meldingType": TYPE,
        "svarPaMelding": "22222222-2222-4222-8222-222222222222",
        "ttl": 90_000,
        "headere": {
            "klientMeldingId": "33333333-3333-4333-8333-333333333333",
            "klientKorrelasjonId": "sak 17",
            "klientKorrelasjonsId": "sak 17",
            "klientKorrelasjonId": "sak 17",
            "system": "Mitt fagsystem",
        },
    });
    assert_eq!(sent.metadata(), expected);
}

#[tokio::test]
async fn files_arrive_signed_and_encrypted_behind_the_metadata() {
    let (client, recorder) = setup().await;
    let large = Bytes::from(vec![7; 3 << 20]);
    let payload = Payload::file("arkivmelding.xml", "<arkivmelding/>")
        .and(FileSource::new("stor.bin", io::Cursor::new(large.clone())));
    soon(client.send(MeldingRequest::new(mottaker(), TYPE).payload(payload))).await.unwrap();

    let sent = recorder.only();
    assert_eq!(sent.headers["transfer-encoding"], "chunked", "its length is not known before it is made");
    assert!(!sent.headers.contains_key("content-length"));
    let names: Vec<_> = sent.parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["metadata", "data"]);
    let data = &sent.parts[1];
    assert_eq!(data.media_type.as_deref(), Some("application/octet-stream"));
    assert!(data.file_name.as_ref().unwrap().parse::<uuid::Uuid>().is_ok());

    let received = asice::unpack_encrypted(
        io::Cursor::new(data.content.clone()),
        receiver_keys(),
        ReadOptions::default(),
    )
    .read_to_memory(10 << 20)
    .await
    .unwrap();
    assert_eq!(received.file("arkivmelding.xml").unwrap(), "<arkivmelding/>");
    assert_eq!(received.file("stor.bin"), Some(&large));
    let signer = asice::Certificate::from_pem(&identity().certificate).unwrap();
    assert_eq!(received.signatures[0].signer, signer);
}

#[tokio::test]
async fn the_payload_is_sent_before_all_of_it_is_there() {
    // The last piece is only made when the server has seen a good deal of the first ones.
    let (seen_sender, mut seen) = mpsc::unbounded_channel::<usize>();
    let route = Router::new().route(
        "/fiks-io/api/v1/send",
        post(async move |request: Request| {
            let mut body = request.into_body().into_data_stream();
            let mut total = 0;
            while let Some(piece) = body.next().await {
                total += piece.unwrap().len();
                let _ = seen_sender.send(total);
            }
            Json(json!({
                "meldingId": "0f6d0ac9-6f0e-4b0c-a1c1-7f7f3e1f9a55", "meldingType": TYPE,
                "avsenderKontoId": konto(), "mottakerKontoId": mottaker(), "ttl": 1, "headere": {},
            }))
        }),
    );
    let katalog = router(Recorder::default());
    let katalog = Router::new().fallback_service(katalog);
    let (config, _) = serve(route.merge(katalog), 120).await;
    let client = FiksIoClient::new(config.build().unwrap()).unwrap();

    let (pieces, content) = tokio::io::duplex(64 << 10);
    let melding = MeldingRequest::new(mottaker(), TYPE)
        .payload(Payload::files(vec![FileSource::new("stor.bin", content)]));
    let feed = async move {
        let mut pieces = pieces;
        // Incompressible enough for the container to grow with it.
        let noise: Vec<u8> =
            (0..1_u32 << 18).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        tokio::io::AsyncWriteExt::write_all(&mut pieces, &noise).await.unwrap();
        while seen.recv().await.unwrap() < 200_000 {}
        drop(pieces);
    };
    let (sendt, ()) = soon(async { tokio::join!(client.send(melding), feed) }).await;
    sendt.unwrap();
}

#[tokio::test]
async fn ready_made_bytes_are_sent_as_they_are() {
    let (client, recorder) = setup().await;
    let metadata = SendMetadata {
        avsender_konto_id: konto(),
        mottaker_konto_id: mottaker(),
        melding_type: TYPE.to_owned(),
        svar_pa_melding: None,
        ttl: None,
        headere: None,
    };
    soon(client.send_raw(&metadata, Some(Bytes::from_static(b"encrypted")))).await.unwrap();
    let sent = recorder.only();
    assert_eq!(sent.parts[1].content, "encrypted");
    assert!(sent.headers.contains_key("content-length"));

    soon(client.send_raw(&metadata, Some(Bytes::new()))).await.unwrap();
    assert_eq!(recorder.only().parts.len(), 1, "an empty payload is none");
}

#[tokio::test]
async fn a_receiver_without_key_is_told_before_anything_is_sent() {
    let (client, recorder) = setup().await;
    let payload = Payload::file("a.txt", "a");
    let error = soon(client.send(MeldingRequest::new(konto(), TYPE).payload(payload))).await.unwrap_err();
    assert!(matches!(error, Error::NoKey(id) if id == konto()));
    assert_eq!(recorder.count(), 0);
}

#[tokio::test]
async fn without_virksomhetssertifikat_only_payloads_are_refused() {
    let recorder = Recorder::default();
    let (config, _) = serve(router(recorder.clone()), 120).await;
    let mut settings: Settings = config.maskinporten_key("kid", identity().key.as_str()).into_settings();
    settings.virksomhetssertifikat = None;
    settings.virksomhetssertifikat_key = None;
    let client = FiksIoClient::new(settings.into_config().unwrap()).unwrap();
    let payload = Payload::file("a.txt", "a");
    let error = soon(client.send(MeldingRequest::new(mottaker(), TYPE).payload(payload))).await.unwrap_err();
    assert!(matches!(error, Error::NoSigner));
    soon(client.send(MeldingRequest::new(mottaker(), TYPE))).await.unwrap();
    assert_eq!(recorder.count(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_the_error_that_is_told() {
    struct Broken;
    impl tokio::io::AsyncRead for Broken {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Err(io::Error::other("the disk is broken")))
        }
    }
    let (client, recorder) = setup().await;
    let payload = Payload::file("hel.bin", vec![1; 1 << 20]).and(FileSource::new("feil.bin", Broken));
    let error = soon(client.send(MeldingRequest::new(mottaker(), TYPE).payload(payload))).await.unwrap_err();
    let Error::Payload(cause) = error else { panic!("{error:?}") };
    assert!(
        matches!(&*cause, asice::Error::Io(cause) if cause.to_string() == "the disk is broken"),
        "{cause:?}"
    );
    assert_eq!(recorder.count(), 0);
}

#[tokio::test]
async fn bad_file_names_are_refused_before_anything_is_sent() {
    let (client, recorder) = setup().await;
    let payload = Payload::file("a.txt", "a").and_file("a.txt", "b");
    let error = soon(client.send(MeldingRequest::new(mottaker(), TYPE).payload(payload))).await.unwrap_err();
    assert!(matches!(error, Error::Payload(cause) if matches!(&*cause, asice::Error::DuplicateFileName(_))));
    assert_eq!(recorder.count(), 0);
}

#[tokio::test]
async fn a_refusal_carries_the_servers_words() {
    let refuse = async || {
        let body =
            json!({"status": 403, "message": "Kontoen har ikke tilgang.", "errorCode": "ingen-tilgang"});
        (StatusCode::FORBIDDEN, Json(body))
    };
    let (config, _) = serve(Router::new().route("/fiks-io/api/v1/send", post(refuse)), 120).await;
    let client = FiksIoClient::new(config.build().unwrap()).unwrap();
    let error = soon(client.send(MeldingRequest::new(mottaker(), TYPE))).await.unwrap_err();
    let Error::Refused { status: 403, error } = error else { panic!("{error:?}") };
    assert_eq!(
        (error.message.as_str(), error.error_code.as_deref()),
        ("Kontoen har ikke tilgang.", Some("ingen-tilgang"))
    );
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_used_again() {
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&tokens);
    let refuse = async move |headers: HeaderMap, _: Body| {
        seen.lock().unwrap().push(headers["authorization"].to_str().unwrap().to_owned());
        (
            StatusCode::UNAUTHORIZED,
            Json(json!({"status": 401, "message": "Klarte ikke å validere access_token"})),
        )
    };
    let (config, asked) = serve(Router::new().route("/fiks-io/api/v1/send", post(refuse)), 120).await;
    let client = FiksIoClient::new(config.build().unwrap()).unwrap();
    for _ in 0..2 {
        let error = soon(client.send(MeldingRequest::new(mottaker(), TYPE))).await.unwrap_err();
        assert_eq!(error.status(), Some(401));
    }
    assert_eq!(*tokens.lock().unwrap(), ["Bearer token-1", "Bearer token-2"]);
    assert_eq!(asked.count(), 2);
}

#[tokio::test]
async fn the_own_key_is_set_only_where_it_is_not_shown_yet() {
    let shown = Arc::new(Mutex::new(None::<String>));
    let (read, write) = (Arc::clone(&shown), Arc::clone(&shown));
    let routes = Router::new()
        .route(
            "/fiks-io/katalog/api/v1/kontoer/{konto}/offentligNokkel",
            get(async move || match read.lock().unwrap().clone() {
                Some(pem) => Json(json!({"nokkel": pem, "valid": true})).into_response(),
                None => (StatusCode::NOT_FOUND, Json(json!({"status": 404, "message": "Fant ikke"})))
                    .into_response(),
            }),
        )
        .route(
            "/fiks-io/konto/api/v1/kontoer/{konto}/offentligNokkel",
            axum::routing::put(async move |Path(asked): Path<String>, Json(body): Json<Value>| {
                assert_eq!(asked, konto().to_string());
                let pem = body["pem"].as_str().unwrap().to_owned();
                *write.lock().unwrap() = Some(pem.clone());
                (StatusCode::CREATED, Json(json!({"nokkel": pem, "valid": true})))
            }),
        );
    let (config, _) = serve(routes, 120).await;
    let client = FiksIoClient::new(config.build().unwrap()).unwrap();
    assert!(soon(client.ensure_offentlig_nokkel(&identity().certificate)).await.unwrap());
    assert!(!soon(client.ensure_offentlig_nokkel(&identity().certificate)).await.unwrap());
    let foreign = soon(client.ensure_offentlig_nokkel(&other_identity().certificate)).await;
    assert!(matches!(foreign, Err(Error::Config(_))), "nothing encrypted to it could be read");
    assert_eq!(shown.lock().unwrap().as_ref(), Some(&identity().certificate));
}
