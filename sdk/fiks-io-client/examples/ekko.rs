//! An arkiv that keeps nothing: it answers each arkivmelding with a kvittering that carries the same files and, in
//! `signert-av.txt`, the orgnummer of whoever signed them, and each ping with a pong.
//!
//! ```sh
//! cargo run --example ekko -- fiks-io.json
//! ```
//!
//! The file holds [`Settings`] for a konto with the part `arkiv.full` of `no.ks.fiks.arkiv` v1.

use std::error::Error;

use fiks_io_client::asice::OrgnrRules;
use fiks_io_client::{FiksIoClient, FileSource, MottattMelding, Payload, Settings};

const PING: &str = "no.ks.fiks.arkiv.v1.ping";
const PONG: &str = "no.ks.fiks.arkiv.v1.pong";
const OPPRETT: &str = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett";
const KVITTERING: &str = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett.kvittering";

/// What an arkivmelding may carry here, since it is held in memory.
const MAX_BYTES: u64 = 100 << 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: ekko <file with settings>")?;
    let settings = Settings::from_json(&std::fs::read_to_string(path)?)?;
    let client = FiksIoClient::new(settings.into_config()?)?;
    let mut meldinger = client.receive().await?;
    println!("ekko lytter på {}", client.konto_id());
    loop {
        let melding = match meldinger.next().await {
            Ok(melding) => melding,
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        let settled = match answer(&melding).await {
            Ok(()) => melding.ack().await,
            Err(error) => {
                eprintln!("{} {}: {error}", melding.melding_type, melding.melding_id);
                melding.nack_with_requeue().await
            }
        };
        if let Err(error) = settled {
            // Its connection was lost; it comes again, with `redelivered`.
            eprintln!("{error}");
        }
    }
}

async fn answer(melding: &MottattMelding) -> Result<(), Box<dyn Error>> {
    match melding.melding_type.as_str() {
        PING => {
            melding.svar(PONG, Payload::none()).await?;
        }
        OPPRETT => {
            // Reading to the end verifies every digest and the signature.
            let received = melding.dekrypter().await?.read_to_memory(MAX_BYTES).await?;
            let mut signed_by = String::new();
            for signature in &received.signatures {
                let orgnummer =
                    signature.signer.orgnr(OrgnrRules::default())?.ok_or("signed by no organisasjon")?;
                signed_by.push_str(&orgnummer);
                signed_by.push('\n');
            }
            let files =
                received.files.into_iter().map(|file| FileSource::from_bytes(file.name, file.content));
            let payload = Payload::files(files.collect()).and_file("signert-av.txt", signed_by);
            melding.svar(KVITTERING, payload).await?;
        }
        other => eprintln!("{other} has no answer here"),
    }
    Ok(())
}
