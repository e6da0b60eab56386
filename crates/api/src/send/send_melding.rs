//! `POST /fiks-io/api/v1/send`.
//!
//! In no published document; follows the official send clients. The answer has exactly eight keys and status 202, which
//! is all that the .NET client takes for success.

use app::{App, Error};
use axum::extract::{FromRequestParts as _, Request, State};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use wire::send::{PATH, SendMetadata, SendtMelding};

use crate::extract::Json;
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};
use crate::send::form::Form;
use crate::send::upload::Upload;

/// What a form may take besides its payload, generously.
const FORM_BYTES: u64 = 1024 * 1024;

pub(crate) fn operation() -> Operation {
    Operation::new(Method::POST, PATH, "sendMelding", Access::Eier, send_melding)
        .summary("Sender en melding og svarer når den ligger trygt på køen til mottakeren.")
        .melding::<SendMetadata>(|| {
            json!({
                "avsenderKontoId": "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1",
                "mottakerKontoId": "0b6d9d70-2b0a-4f4e-8a56-0c5a2d8c5f11",
                "meldingType": "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett",
                "svarPaMelding": null,
                "ttl": 172_800_000,
                "headere": { "klientMeldingId": "9d3c1f5e-3f64-4b1a-9f3e-0a6f4f2f3a10" },
            })
        })
        .success(StatusCode::ACCEPTED)
        .response::<SendtMelding>()
}

async fn send_melding(
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, Json<SendtMelding>), Failure> {
    let (mut parts, body) = request.into_parts();
    let Innlogget(caller) = match Innlogget::from_request_parts(&mut parts, &app).await {
        Ok(innlogget) => innlogget,
        Err(failure) => {
            drop(Upload::new(&parts.headers, body));
            return Err(failure);
        }
    };
    check_length(&app, &parts.headers)?;
    let form = Form::new(&parts.headers, body)?;
    let mut held = app.memory_to_send(&caller).await?;
    let (metadata, payload) = form.open(&mut held).await?;
    Ok((StatusCode::ACCEPTED, Json(app.send_melding_within(&caller, metadata, payload, held).await?)))
}

/// Refuses at once what says itself that it is too large, before gigabytes of it are read.
fn check_length(app: &App, headers: &HeaderMap) -> Result<(), Error> {
    let max_bytes = app.settings().payload_max_bytes;
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > max_bytes.saturating_add(FORM_BYTES) => Err(Error::TooLarge { max_bytes }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use app::Caller;
    use app::memory::Owner;
    use app::ports::{Broker as _, ChannelOptions, Consumer, EndedBy};
    use axum::body::Body;
    use bytes::Bytes;
    use futures::{StreamExt as _, stream};
    use object_store::ObjectStore as _;
    use serde_json::Value;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::testing::{
        Answer, BOUNDARY, INLINE_MAX, MOTTATT, OPPRETT, PAYLOAD_MAX, Party, World, call, form, part,
    };

    #[tokio::test]
    async fn melding_is_accepted_with_exactly_eight_keys() {
        let world = World::new().await;
        let mut metadata = world.metadata(OPPRETT);
        metadata["ttl"] = Value::from(60_000);
        metadata["headere"] = json!({ "klientMeldingId": "m", "klientKorrelasjonsId": "k" });
        metadata["framtidig"] = json!({ "unknown": true });
        let sent = world.send(&world.fag, form(&metadata, Some(b"payload"))).await.ok(StatusCode::ACCEPTED);
        let id = sent["meldingId"].clone();
        assert_eq!(
            sent,
            json!({
                "meldingId": id,
                "meldingType": OPPRETT,
                "avsenderKontoId": world.fag.konto,
                "mottakerKontoId": world.arkiv.konto,
                "ttl": 60_000,
                "dokumentlagerId": null,
                "svarPaMelding": null,
                "headere": { "klientMeldingId": "m", "klientKorrelasjonsId": "k" },
            })
        );
        let delivered = receive(&world, &world.arkiv).await;
        assert_eq!(delivered.melding.id.to_string(), id.as_str().unwrap());
        assert_eq!(delivered.payload, "payload");
    }

    #[tokio::test]
    async fn nulls_count_as_absent_and_the_answer_has_a_ttl() {
        let world = World::new().await;
        let mut metadata = world.metadata(OPPRETT);
        for field in ["ttl", "svarPaMelding", "headere"] {
            metadata[field] = Value::Null;
        }
        let sent = world.send(&world.fag, form(&metadata, Some(b"x"))).await.ok(StatusCode::ACCEPTED);
        assert_eq!(sent["ttl"], 7 * 24 * 60 * 60 * 1000);
        assert_eq!(sent["headere"], json!({}));
    }

    #[tokio::test]
    async fn payload_is_optional_and_an_empty_one_is_none() {
        let world = World::new().await;
        let received =
            world.send(&world.fag, form(&world.metadata(OPPRETT), Some(b"x"))).await.ok(StatusCode::ACCEPTED);
        receive(&world, &world.arkiv).await;
        for data in [None, Some(b"".as_slice())] {
            let svar = json!({
                "avsenderKontoId": world.arkiv.konto,
                "mottakerKontoId": world.fag.konto,
                "meldingType": MOTTATT,
                "svarPaMelding": received["meldingId"],
            });
            let sent = world.send(&world.arkiv, form(&svar, data)).await.ok(StatusCode::ACCEPTED);
            assert_eq!(sent["svarPaMelding"], received["meldingId"]);
        }
    }

    #[tokio::test]
    async fn large_payload_goes_to_dokumentlager() {
        let world = World::new().await;
        let payload: Vec<u8> = (0..=u8::MAX).cycle().take(INLINE_MAX + 1).collect();
        let whole = form(&world.metadata(OPPRETT), Some(&payload));
        // In pieces, as a client sends it.
        let pieces: Vec<_> =
            whole.chunks(100).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
        let sent =
            world.send(&world.fag, Body::from_stream(stream::iter(pieces))).await.ok(StatusCode::ACCEPTED);
        let path = format!("/dokumentlager/nedlasting/{}", sent["dokumentlagerId"].as_str().unwrap());
        let fetched = world.call(&world.arkiv, Method::GET, path, None).await;
        assert_eq!(fetched.body, payload);
        assert_eq!(receive(&world, &world.arkiv).await.payload, "");
    }

    #[tokio::test]
    async fn without_memory_to_gather_it_a_small_payload_goes_to_dokumentlager() {
        let world = World::new().await;
        let payload: Vec<u8> = (0..=u8::MAX).cycle().take(INLINE_MAX / 2).collect();
        let whole = form(&world.metadata(OPPRETT), Some(&payload));
        let pieces: Vec<_> =
            whole.chunks(100).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
        let share = world.app.memory_in().share(Owner::Organisasjon(world.fag.org));
        let mut taken = share.try_take(0).unwrap();
        while taken.try_grow_beyond_need(1024) {}
        let before = world.app.memory_in().held();
        let sent =
            world.send(&world.fag, Body::from_stream(stream::iter(pieces))).await.ok(StatusCode::ACCEPTED);
        let path = format!("/dokumentlager/nedlasting/{}", sent["dokumentlagerId"].as_str().unwrap());
        assert_eq!(world.call(&world.arkiv, Method::GET, path, None).await.body, payload);
        assert_eq!(world.app.memory_in().held(), before, "all was given back");
        assert_eq!(world.app.memory_out().held(), 0);
        drop(taken);
        let sent = world.send(&world.fag, whole).await.ok(StatusCode::ACCEPTED);
        assert_eq!(sent["dokumentlagerId"], Value::Null);
    }

    #[tokio::test]
    async fn payload_counts_until_the_queue_has_written_it_though_its_sender_went_away() {
        let world = World::new().await;
        let payload = vec![0; INLINE_MAX];
        let hangs = world.broker.hang().await;
        let memory = world.app.memory_in();
        {
            let sent = world.send(&world.fag, form(&world.metadata(OPPRETT), Some(&payload)));
            let mut sent = std::pin::pin!(sent);
            while world.broker.publishes() == 0 {
                tokio::select! {
                    _ = &mut sent => unreachable!("the disk hangs"),
                    () = tokio::task::yield_now() => {}
                }
            }
        }
        assert!(memory.held() > 0, "the sender went away, its payload did not");
        drop(hangs);
        while memory.held() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(receive(&world, &world.arkiv).await.payload.len(), INLINE_MAX);
    }

    #[tokio::test]
    async fn bad_forms_are_refused_and_send_nothing() {
        let world = World::new().await;
        let metadata = world.metadata(OPPRETT).to_string();
        let (metadata, data) = (part("metadata", metadata.as_bytes()), part("data", b"payload"));
        let end = format!("--{BOUNDARY}--\r\n").into_bytes();
        let too_long = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=metadata; x={}\r\n\r\n",
            "a".repeat(9000)
        );
        for (form, code) in [
            (end.clone(), "UGYLDIG_SKJEMA"),
            ([data.clone(), end.clone()].concat(), "UGYLDIG_SKJEMA"),
            ([data.clone(), metadata.clone(), end.clone()].concat(), "UGYLDIG_SKJEMA"),
            ([metadata.clone(), metadata.clone(), data.clone(), end.clone()].concat(), "UGYLDIG_SKJEMA"),
            ([metadata.clone(), data.clone(), data.clone(), end.clone()].concat(), "UGYLDIG_SKJEMA"),
            ([metadata.clone(), data.clone(), metadata.clone(), end.clone()].concat(), "UGYLDIG_SKJEMA"),
            ([metadata.clone(), part("vedlegg", b"x"), end.clone()].concat(), "UGYLDIG_SKJEMA"),
            (too_long.into_bytes(), "UGYLDIG_SKJEMA"),
            (b"garbage".to_vec(), "UGYLDIG_SKJEMA"),
            ([metadata.clone(), data.clone()].concat(), "AVBRUTT"),
            (metadata.clone(), "AVBRUTT"),
            (Vec::new(), "AVBRUTT"),
            ([part("metadata", b""), data.clone(), end.clone()].concat(), "UGYLDIG_JSON"),
            ([part("metadata", b"{"), data.clone(), end.clone()].concat(), "UGYLDIG_JSON"),
            ([part("metadata", b"[1]"), data.clone(), end.clone()].concat(), "UGYLDIG_JSON"),
            ([part("metadata", b"{}"), data.clone(), end.clone()].concat(), "UGYLDIG_JSON"),
        ] {
            world.send(&world.fag, form).await.error(StatusCode::BAD_REQUEST, code);
        }
        let large = [part("metadata", &vec![b' '; 300 * 1024]), end].concat();
        world.send(&world.fag, large).await.error(StatusCode::PAYLOAD_TOO_LARGE, "FOR_STOR");
        assert_eq!(world.queued(&world.arkiv).await, 0);
    }

    #[tokio::test]
    async fn answer_says_which_field_of_the_metadata_is_wrong() {
        let world = World::new().await;
        let mut missing = world.metadata(OPPRETT);
        missing.as_object_mut().unwrap().remove("mottakerKontoId");
        let mut no_uuid = world.metadata(OPPRETT);
        no_uuid["avsenderKontoId"] = Value::from("konto");
        let mut wrong_type = world.metadata(OPPRETT);
        wrong_type["headere"] = json!({ "a": 1 });
        for (metadata, field) in
            [(missing, "mottakerKontoId"), (no_uuid, "avsenderKontoId"), (wrong_type, "headere.a")]
        {
            let answer = world.send(&world.fag, form(&metadata, Some(b"x"))).await;
            let message = answer.error(StatusCode::BAD_REQUEST, "UGYLDIG_JSON");
            assert!(message.contains(&format!("«{field}»")), "{message}");
        }
    }

    #[tokio::test]
    async fn another_media_type_is_refused() {
        let world = World::new().await;
        let answer = world.call(&world.fag, Method::POST, PATH, Some(world.metadata(OPPRETT))).await;
        answer.error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UGYLDIG_MEDIETYPE");
    }

    async fn refused(world: &World, party: &Party, metadata: Value, data: Option<&[u8]>) -> Answer {
        let answer = world.send(party, form(&metadata, data)).await;
        assert_eq!(world.queued(&world.arkiv).await, 0);
        answer
    }

    #[tokio::test]
    async fn what_may_not_be_sent_is_refused_with_the_reason() {
        let world = World::new().await;
        let with = |field: &str, value: Value| {
            let mut metadata = world.metadata(OPPRETT);
            metadata[field] = value;
            metadata
        };
        let unknown = json!("00000000-0000-4000-8000-000000000000");
        let (fag, fremmed, some) = (&world.fag, &world.fremmed, Some(b"x".as_slice()));
        for (party, metadata, data, status, code) in [
            (fag, with("avsenderKontoId", unknown.clone()), some, StatusCode::NOT_FOUND, "UKJENT_KONTO"),
            (fag, with("mottakerKontoId", unknown), some, StatusCode::NOT_FOUND, "UKJENT_KONTO"),
            (fremmed, with("ttl", Value::Null), some, StatusCode::FORBIDDEN, "FREMMED_KONTO"),
            (
                fremmed,
                with("avsenderKontoId", json!(fremmed.konto)),
                some,
                StatusCode::FORBIDDEN,
                "MANGLER_TILGANG",
            ),
            (
                fag,
                with("meldingType", json!("no.ks.tull")),
                some,
                StatusCode::BAD_REQUEST,
                "UKJENT_MELDINGSTYPE",
            ),
            (fag, with("meldingType", json!(MOTTATT)), None, StatusCode::BAD_REQUEST, "KAN_IKKE_SENDE"),
            (
                fag,
                with("mottakerKontoId", json!(fremmed.konto)),
                some,
                StatusCode::BAD_REQUEST,
                "KAN_IKKE_MOTTA",
            ),
            (fag, with("ttl", Value::Null), None, StatusCode::BAD_REQUEST, "PAYLOAD_MANGLER"),
            (fag, with("ttl", Value::Null), Some(b"".as_slice()), StatusCode::BAD_REQUEST, "PAYLOAD_MANGLER"),
            (fag, with("ttl", json!(999)), some, StatusCode::BAD_REQUEST, "UGYLDIG_FELT"),
            (fag, with("ttl", json!(-1)), some, StatusCode::BAD_REQUEST, "UGYLDIG_FELT"),
            (fag, with("meldingType", json!("")), some, StatusCode::BAD_REQUEST, "UGYLDIG_FELT"),
            (
                fag,
                with("headere", json!({ "a".repeat(300): "x" })),
                some,
                StatusCode::BAD_REQUEST,
                "UGYLDIG_FELT",
            ),
            (
                fag,
                with("headere", json!({ "a": "x".repeat(70_000) })),
                some,
                StatusCode::BAD_REQUEST,
                "UGYLDIG_FELT",
            ),
            // Few bytes each, and many more on the wire: a client breaks off at a frame that is too large.
            (
                fag,
                with("headere", (0..3_000).map(|n| (n.to_string(), json!(""))).collect::<Value>()),
                some,
                StatusCode::BAD_REQUEST,
                "UGYLDIG_FELT",
            ),
        ] {
            refused(&world, party, metadata, data).await.error(status, code);
        }
        let arkiv = &world.arkiv;
        world.app.grant_tilgang(&Caller::Operator, fag.sti(), arkiv.system).await.unwrap();
        let mut mottatt = with("meldingType", json!(MOTTATT));
        (mottatt["avsenderKontoId"], mottatt["mottakerKontoId"]) = (json!(arkiv.konto), json!(fag.konto));
        refused(&world, arkiv, mottatt, some).await.error(StatusCode::BAD_REQUEST, "PAYLOAD_IKKE_TILLATT");
    }

    #[tokio::test]
    async fn payload_one_byte_too_large_is_refused_and_the_largest_is_taken() {
        let world = World::new().await;
        let largest = vec![0; usize::try_from(PAYLOAD_MAX).unwrap()];
        world.send(&world.fag, form(&world.metadata(OPPRETT), Some(&largest))).await.ok(StatusCode::ACCEPTED);
        let larger = [largest, vec![0]].concat();
        let answer = world.send(&world.fag, form(&world.metadata(OPPRETT), Some(&larger))).await;
        answer.error(StatusCode::PAYLOAD_TOO_LARGE, "FOR_STOR");
        assert_eq!(world.queued(&world.arkiv).await, 1);
    }

    #[tokio::test]
    async fn form_that_says_itself_that_it_is_too_large_is_refused_unread() {
        let world = World::new().await;
        let mut request =
            world.fag.send_request(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()));
        request.headers_mut().insert(CONTENT_LENGTH, (PAYLOAD_MAX + FORM_BYTES + 1).into());
        call(&world.router, request).await.error(StatusCode::PAYLOAD_TOO_LARGE, "FOR_STOR");
    }

    #[tokio::test]
    async fn client_that_goes_away_in_mid_upload_has_sent_nothing() {
        let world = World::new().await;
        for payload_bytes in [10, INLINE_MAX * 4] {
            let whole = form(&world.metadata(OPPRETT), Some(&vec![0; payload_bytes]));
            let begun = Bytes::copy_from_slice(&whole[..whole.len() - 5]);
            let gone = Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            let answer = world.send(&world.fag, Body::from_stream(stream::iter([Ok(begun), gone]))).await;
            answer.error(StatusCode::BAD_REQUEST, "AVBRUTT");
        }
        assert_eq!(world.queued(&world.arkiv).await, 0);
    }

    #[tokio::test]
    async fn installation_without_room_or_broker_says_so_and_invites_no_repetition() {
        let world = World::new().await;
        let send = async || world.send(&world.fag, form(&world.metadata(OPPRETT), Some(b"x"))).await;
        world.broker.fill();
        let full = send().await;
        full.error(StatusCode::INSUFFICIENT_STORAGE, "FULLT");
        world.broker.stop();
        let out = send().await;
        out.error(StatusCode::SERVICE_UNAVAILABLE, "UTILGJENGELIG");
        assert!([full, out].iter().all(|answer| !answer.headers.contains_key("retry-after")));
        world.broker.explode();
        let message = send().await.error(StatusCode::INTERNAL_SERVER_ERROR, "INTERN_FEIL");
        assert!(!message.contains("exploded"), "{message}");
        world.broker.mend();
        assert_eq!(world.queued(&world.arkiv).await, 0);
    }

    /// A sender who tries again and again, as it is invited to, does not fill Dokumentlager with what nobody gets. What a broker
    /// may have taken stays.
    #[tokio::test]
    async fn payload_of_a_melding_that_was_surely_not_taken_is_removed() {
        let world = World::new().await;
        let large = vec![7; INLINE_MAX * 4];
        let send = async || world.send(&world.fag, form(&world.metadata(OPPRETT), Some(&large))).await;
        let stored = async || world.payloads.list(None).count().await;
        let before = stored().await;
        world.broker.refuse();
        for _ in 0..3 {
            send().await.error(StatusCode::SERVICE_UNAVAILABLE, "UTILGJENGELIG");
        }
        assert_eq!(stored().await, before);
        world.broker.stop();
        send().await.error(StatusCode::SERVICE_UNAVAILABLE, "UTILGJENGELIG");
        assert_eq!(stored().await, before + 1);
    }

    /// Over a socket, since it is about what the connection does: the client looks for the answer only when it has sent
    /// everything, and then sends again on the same connection.
    #[tokio::test]
    async fn client_that_is_refused_early_sees_the_answer_and_keeps_its_connection() {
        let world = World::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, world.router).await });
        let mut connection = TcpStream::connect(address).await.unwrap();
        let payload = vec![0; 20 * 1024 * 1024];
        for _ in 0..2 {
            let head = format!(
                "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\nContent-Length: {}\r\n\
                 Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
                payload.len()
            );
            connection.write_all(head.as_bytes()).await.unwrap();
            connection.write_all(&payload).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"}") {
                assert_ne!(
                    connection.read_buf(&mut answer).await.unwrap(),
                    0,
                    "{}",
                    String::from_utf8_lossy(&answer)
                );
            }
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("UGYLDIG_TOKEN"), "{answer}");
        }
        server.abort();
    }

    #[tokio::test]
    async fn organisasjon_that_has_filled_its_part_is_refused_and_others_go_on() {
        let large = vec![1; INLINE_MAX + 1];
        let limit = large.len() as u64 + 1;
        let grenser = app::Grenser::default().with(app::Grense::SendteBytesPerOrganisasjon, limit);
        let world = World::limited(grenser).await;
        let from_fag = form(&world.metadata(OPPRETT), Some(&large));
        world.send(&world.fag, from_fag.clone()).await.ok(StatusCode::ACCEPTED);
        let answer = world.send(&world.fag, from_fag.clone()).await;
        let message = answer.error(StatusCode::INSUFFICIENT_STORAGE, "KVOTE_FULL");
        assert!(message.contains("grenser.sendte_bytes_per_organisasjon"), "{message}");
        assert_eq!(world.queued(&world.arkiv).await, 1);
        // What fits a queue goes on, and so does the other organisasjon.
        world.send(&world.fag, form(&world.metadata(OPPRETT), Some(b"small"))).await.ok(StatusCode::ACCEPTED);
        let received = receive(&world, &world.arkiv).await;
        let svar = json!({
            "avsenderKontoId": world.arkiv.konto,
            "mottakerKontoId": world.fag.konto,
            "meldingType": MOTTATT,
            "svarPaMelding": received.melding.id,
        });
        world.send(&world.arkiv, form(&svar, None)).await.ok(StatusCode::ACCEPTED);
        // With its time over it makes room again.
        world.clock.advance(domain::melding::DEFAULT_TTL + domain::melding::DOKUMENT_GRACE);
        assert_eq!(world.app.remove_expired_dokumenter().await.unwrap(), 1);
        world.send(&world.fag, from_fag).await.ok(StatusCode::ACCEPTED);
    }

    /// A world where so many bytes may wait of what an organisasjon has sent, and for it.
    async fn world_with_bounded_queues(sendt: u64, mottatt: u64) -> World {
        let grenser = app::Grenser::default()
            .with(app::Grense::SendteBytesIKoPerOrganisasjon, sendt)
            .with(app::Grense::MottatteBytesIKoPerOrganisasjon, mottatt);
        World::limited(grenser).await
    }

    fn svar(world: &World, original: domain::id::MeldingId) -> serde_json::Value {
        json!({
            "avsenderKontoId": world.arkiv.konto,
            "mottakerKontoId": world.fag.konto,
            "meldingType": MOTTATT,
            "svarPaMelding": original,
        })
    }

    #[tokio::test]
    async fn sender_whose_meldinger_wait_is_refused_at_its_bound_until_they_are_fetched() {
        let world = world_with_bounded_queues(20_000, 200_000).await;
        let small = form(&world.metadata(OPPRETT), Some(b"small"));
        let mut taken = 0;
        let message = loop {
            let answer = world.send(&world.fag, small.clone()).await;
            if answer.status != StatusCode::ACCEPTED {
                break answer.error(StatusCode::INSUFFICIENT_STORAGE, "KVOTE_FULL");
            }
            taken += 1;
        };
        assert!((4..8).contains(&taken), "each costs 3 KiB and what it says: {taken}");
        assert!(message.contains("grenser.sendte_bytes_i_ko_per_organisasjon"), "{message}");
        assert_eq!(world.queued(&world.arkiv).await, taken);
        // Where there is none for even the smallest, no payload is read.
        let large = form(&world.metadata(OPPRETT), Some(&vec![1; INLINE_MAX + 1]));
        world.send(&world.fag, large).await.error(StatusCode::INSUFFICIENT_STORAGE, "KVOTE_FULL");
        // Whoever receives answers, though the queues between the two are full.
        let received = receive(&world, &world.arkiv).await;
        world
            .send(&world.arkiv, form(&svar(&world, received.melding.id), None))
            .await
            .ok(StatusCode::ACCEPTED);
        world.send(&world.fag, small.clone()).await.ok(StatusCode::ACCEPTED);
        world.send(&world.fag, small).await.error(StatusCode::INSUFFICIENT_STORAGE, "KVOTE_FULL");
    }

    #[tokio::test]
    async fn receiver_whose_queues_are_full_is_named_and_may_answer_what_it_got() {
        // What fag has sent waits for arkiv, and what arkiv has sent for fag, which reads nothing.
        let world = world_with_bounded_queues(200_000, 20_000).await;
        let small = form(&world.metadata(OPPRETT), Some(b"small"));
        let message = loop {
            let answer = world.send(&world.fag, small.clone()).await;
            if answer.status != StatusCode::ACCEPTED {
                break answer.error(StatusCode::INSUFFICIENT_STORAGE, "KVOTE_FULL");
            }
        };
        assert!(message.contains("grenser.mottatte_bytes_i_ko_per_organisasjon"), "{message}");
        assert!(message.contains("Mottakeren må hente"), "{message}");
        let received = receive(&world, &world.arkiv).await;
        let answered = form(&svar(&world, received.melding.id), None);
        let mut svar_taken = 0;
        while world.send(&world.arkiv, answered.clone()).await.status == StatusCode::ACCEPTED {
            svar_taken += 1;
        }
        assert!((8..12).contains(&svar_taken), "half as much again for svar: {svar_taken}");
        // What is no svar to something that was received gets none of that.
        world.send(&world.fag, small).await.ok(StatusCode::ACCEPTED);
        let mut invented = world.metadata(OPPRETT);
        invented["svarPaMelding"] = json!(domain::id::MeldingId::from_uuid(domain::id::Uuid::from_u128(7)));
        let invented = form(&invented, Some(b"small"));
        world.send(&world.fag, invented).await.error(StatusCode::INSUFFICIENT_STORAGE, "KVOTE_FULL");
    }

    /// What is over is over, and its sporing stays for days; whoever waits for a svar gets it all the same.
    #[tokio::test]
    async fn sender_that_leaves_too_much_sporing_is_refused_and_may_answer() {
        let grenser = app::Grenser::default().with(app::Grense::SporingBytesPerOrganisasjon, 20_000);
        let world = World::limited(grenser).await;
        let small = form(&world.metadata(OPPRETT), Some(b"small"));
        let mut taken = 0;
        let message = loop {
            let answer = world.send(&world.fag, small.clone()).await;
            if answer.status != StatusCode::ACCEPTED {
                break answer.error(StatusCode::INSUFFICIENT_STORAGE, "KVOTE_FULL");
            }
            taken += 1;
        };
        assert!((15..20).contains(&taken), "each leaves 1 KiB and its meldingstype: {taken}");
        assert!(message.contains("grenser.sporing_bytes_per_organisasjon"), "{message}");
        let large = form(&world.metadata(OPPRETT), Some(&vec![1; INLINE_MAX + 1]));
        world.send(&world.fag, large).await.error(StatusCode::INSUFFICIENT_STORAGE, "KVOTE_FULL");
        // That of the other one is its own, and a svar has half as much again.
        let received = receive(&world, &world.arkiv).await;
        let answered = form(&svar(&world, received.melding.id), None);
        let mut svar_taken = 0;
        while world.send(&world.arkiv, answered.clone()).await.status == StatusCode::ACCEPTED {
            svar_taken += 1;
        }
        assert!((taken + taken / 3..taken * 5 / 3).contains(&svar_taken), "{svar_taken}");
        // Fetching gives nothing back, time does.
        world.send(&world.fag, small.clone()).await.error(StatusCode::INSUFFICIENT_STORAGE, "KVOTE_FULL");
        world.clock.advance(std::time::Duration::from_hours(3 * 24));
        world.send(&world.fag, small).await.ok(StatusCode::ACCEPTED);
    }

    #[tokio::test]
    async fn what_only_adds_is_refused_without_room_and_what_takes_away_goes() {
        struct Full;
        impl app::ports::Rom for Full {
            fn has_room(&self) -> bool {
                false
            }
        }
        let world = World::new().await;
        world.app.set_rom(std::sync::Arc::new(Full));
        let large = form(&world.metadata(OPPRETT), Some(&vec![1; INLINE_MAX + 1]));
        world.send(&world.fag, large).await.error(StatusCode::INSUFFICIENT_STORAGE, "FULLT");
        let path = format!("/fiks-io/konto/api/v1/kontoer/{}/offentligNokkel", world.arkiv.konto);
        let body = json!({ "pem": crate::testing::certificate() });
        let answer = world.call(&world.arkiv, Method::PUT, &path, Some(body)).await;
        answer.error(StatusCode::INSUFFICIENT_STORAGE, "FULLT");
        let path = format!("{}/tilganger/{}", world.arkiv.konto_path(), world.fag.system);
        world.call(&world.arkiv, Method::DELETE, &path, None).await.ok(StatusCode::NO_CONTENT);
    }

    /// The client waits for leave to send its payload. Once refused it may say nothing more, so what follows on the
    /// connection must not be taken for the payload.
    #[tokio::test]
    async fn connection_of_a_client_that_waits_for_leave_is_closed_after_a_refusal() {
        let world = World::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, world.router).await });
        let mut connection = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("UGYLDIG_TOKEN"), "{answer}");
        server.abort();
    }

    async fn receive(world: &World, party: &Party) -> app::ports::Delivery {
        let mut channel = world.broker.open_channel(ChannelOptions::default()).await.unwrap();
        channel.control.consume(Consumer(1), party.konto, 1).await.unwrap();
        let delivery = channel.deliveries.recv().await.unwrap();
        channel.control.settle(delivery.id, app::ports::Settlement::Ack);
        channel.control.close(EndedBy::Consumer).await;
        delivery
    }
}
