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
            drop(Upload::new(body));
            return Err(failure);
        }
    };
    check_length(&app, &parts.headers)?;
    let (metadata, payload) = Form::new(&parts.headers, body)?.open().await?;
    Ok((StatusCode::ACCEPTED, Json(app.send_melding(&caller, metadata, payload).await?)))
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
