//! `GET /dokumentlager/nedlasting/{dokumentId}`.
//!
//! In no published document; follows the official clients. They fetch a document again on each look at the payload, and
//! the .NET client wants a Content-Length.

use app::App;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use wire::id::DokumentId;

use crate::extract::Path;
use crate::failure::Failure;
use crate::innlogget::Innlogget;
use crate::operation::{Access, Operation};

/// Media type of every payload: the server sees only that it is encrypted.
pub(super) const MEDIA_TYPE: &str = "application/octet-stream";

pub(crate) fn operation() -> Operation {
    Operation::new(
        Method::GET,
        "/dokumentlager/nedlasting/{dokumentId}",
        "lastNedDokument",
        Access::Eier,
        nedlasting,
    )
    .summary("Henter innholdet i en melding. Kan gjentas så lenge dokumentet lagres.")
    .response_bytes()
}

async fn nedlasting(
    State(app): State<App>,
    Innlogget(caller): Innlogget,
    Path(dokument): Path<DokumentId>,
) -> Result<Response, Failure> {
    let download = app.download_dokument(&caller, dokument).await?;
    let headers = [(CONTENT_TYPE, MEDIA_TYPE.to_owned()), (CONTENT_LENGTH, download.size_bytes.to_string())];
    Ok((headers, Body::from_stream(download.bytes)).into_response())
}

#[cfg(test)]
mod tests {
    use app::ports::{Broker as _, ChannelOptions, Consumer, EndedBy, Settlement};
    use http::StatusCode;
    use object_store::path::Path as Key;
    use object_store::{ObjectStoreExt as _, PutPayload};
    use wire::id::MeldingId;

    use super::*;
    use crate::testing::{OPPRETT, World, form};

    #[tokio::test]
    async fn document_can_be_fetched_again_and_again_by_both_ends() {
        let world = World::new().await;
        let sent = world
            .send(&world.fag, form(&world.metadata(OPPRETT), Some(&[7; 5000])))
            .await
            .ok(StatusCode::ACCEPTED);
        let path = format!("/dokumentlager/nedlasting/{}", sent["dokumentlagerId"].as_str().unwrap());
        for party in [&world.arkiv, &world.arkiv, &world.fag] {
            let answer = world.call(party, Method::GET, &path, None).await;
            answer.headers.get("content-type").filter(|kind| *kind == MEDIA_TYPE).unwrap();
            assert_eq!(answer.headers["content-length"], "5000");
            assert!(answer.status == StatusCode::OK && answer.body == [7; 5000].as_slice());
        }
    }

    /// Cut, longer, with another byte, or gone; once it is as it was, it can be fetched again.
    #[tokio::test]
    async fn damaged_payload_is_never_served_and_both_ends_know() {
        let world = World::new().await;
        let sent = world
            .send(&world.fag, form(&world.metadata(OPPRETT), Some(&[7; 5000])))
            .await
            .ok(StatusCode::ACCEPTED);
        let id = sent["dokumentlagerId"].as_str().unwrap();
        let (path, key) = (format!("/dokumentlager/nedlasting/{id}"), Key::from(format!("dokument/{id}")));
        let put = async |bytes: Vec<u8>| world.payloads.put(&key, PutPayload::from(bytes)).await.map(drop);
        let mut flipped = vec![7; 5000];
        flipped[4999] ^= 1;
        for damaged in [vec![7; 4999], vec![7; 5001], vec![], flipped.clone()] {
            put(damaged).await.unwrap();
            for party in [&world.arkiv, &world.fag] {
                let answer = world.call(party, Method::GET, &path, None).await;
                answer.error(StatusCode::INTERNAL_SERVER_ERROR, "SKADET_DOKUMENT");
            }
        }
        world.payloads.delete(&key).await.unwrap();
        let answer = world.call(&world.arkiv, Method::GET, &path, None).await;
        answer.error(StatusCode::INTERNAL_SERVER_ERROR, "SKADET_DOKUMENT");
        // Nobody has it in hand, so it stays where it is.
        assert_eq!(world.queued(&world.arkiv).await, 1);
        put(vec![7; 5000]).await.unwrap();
        let answer = world.call(&world.arkiv, Method::GET, &path, None).await;
        assert!(answer.status == StatusCode::OK && answer.body == [7; 5000].as_slice());

        put(flipped).await.unwrap();
        let mut channel = world.broker.open_channel(ChannelOptions::default()).await.unwrap();
        channel.control.consume(Consumer(1), world.arkiv.konto, 1).await.unwrap();
        let delivery = channel.deliveries.recv().await.unwrap();
        assert_eq!(delivery.melding.dokumentlager_id.unwrap().to_string(), id);
        let answer = world.call(&world.arkiv, Method::GET, &path, None).await;
        let message = answer.error(StatusCode::INTERNAL_SERVER_ERROR, "SKADET_DOKUMENT");
        assert!(message.contains("sende meldingen på nytt"), "{message}");
        let status = world.broker.queue_status(world.arkiv.konto).await.unwrap();
        assert_eq!((status.ready, status.unacked, status.dead), (0, 0, 1));
        let melding: MeldingId = sent["meldingId"].as_str().unwrap().parse().unwrap();
        let kvitteringer = world.broker.list_svar(melding).await.unwrap();
        assert_eq!(kvitteringer.len(), 1);
        assert_eq!(world.queued(&world.fag).await, 1);
    }

    /// Its time is over, but its melding does not expire while somebody holds it.
    #[tokio::test]
    async fn document_whose_time_is_over_does_not_exist_unless_its_melding_is_held() {
        let world = World::new().await;
        let sent = world
            .send(&world.fag, form(&world.metadata(OPPRETT), Some(&[7; 5000])))
            .await
            .ok(StatusCode::ACCEPTED);
        let path = format!("/dokumentlager/nedlasting/{}", sent["dokumentlagerId"].as_str().unwrap());
        let mut channel = world.broker.open_channel(ChannelOptions::default()).await.unwrap();
        channel.control.consume(Consumer(1), world.arkiv.konto, 1).await.unwrap();
        let delivery = channel.deliveries.recv().await.unwrap();
        world.clock.advance(std::time::Duration::from_hours(8 * 24));
        assert_eq!(world.app.remove_expired_dokumenter().await.unwrap(), 0);
        let answer = world.call(&world.arkiv, Method::GET, &path, None).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 5000));

        channel.control.settle(delivery.id, Settlement::Ack);
        channel.control.close(EndedBy::Consumer).await;
        assert_eq!(world.app.remove_expired_dokumenter().await.unwrap(), 1);
        world
            .call(&world.arkiv, Method::GET, path, None)
            .await
            .error(StatusCode::NOT_FOUND, "UKJENT_DOKUMENT");
    }
}
