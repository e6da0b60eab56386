//! Sends a melding with files, and shows each svar until one is more than a mottatt.
//!
//! ```sh
//! cargo run --example send -- fiks-io.json <mottaker> no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett arkivmelding.xml
//! ```
//!
//! The first file holds [`Settings`] for a konto that may send that meldingstype. Without files the melding has no
//! payload.

use std::error::Error;
use std::path::PathBuf;

use fiks_io_client::asice::OrgnrRules;
use fiks_io_client::{FiksIoClient, FileSource, MeldingRequest, MottattMelding, Payload, Settings};

/// What a svar may carry here, since it is held in memory.
const MAX_BYTES: u64 = 100 << 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: send <file with settings> <mottaker> <meldingstype> [file…]";
    let mut arguments = std::env::args().skip(1);
    let settings = Settings::from_json(&std::fs::read_to_string(arguments.next().ok_or(usage)?)?)?;
    let mottaker = arguments.next().ok_or(usage)?.parse()?;
    let melding_type = arguments.next().ok_or(usage)?;
    let mut files = Vec::new();
    for path in arguments.map(PathBuf::from) {
        let name = path.file_name().ok_or(usage)?.to_string_lossy().into_owned();
        files.push(FileSource::new(name, tokio::fs::File::open(&path).await?));
    }

    let client = FiksIoClient::new(settings.into_config()?)?;
    // First the consumer: if that fails, the svar could not be seen.
    let mut meldinger = client.receive().await?;
    let sendt =
        client.send(MeldingRequest::new(mottaker, melding_type).payload(Payload::files(files))).await?;
    println!("sendte {}", sendt.melding_id);
    loop {
        let melding = meldinger.next().await?;
        if melding.svar_pa_melding == Some(sendt.melding_id) {
            show(&melding).await?;
        }
        melding.ack().await?;
        if melding.svar_pa_melding == Some(sendt.melding_id) && !melding.melding_type.ends_with(".mottatt") {
            break;
        }
    }
    meldinger.close().await;
    Ok(())
}

async fn show(svar: &MottattMelding) -> Result<(), Box<dyn Error>> {
    println!("{} {}", svar.melding_type, svar.melding_id);
    if svar.has_payload() {
        let received = svar.dekrypter().await?.read_to_memory(MAX_BYTES).await?;
        for signature in &received.signatures {
            println!(
                "  signert av {}",
                signature.signer.orgnr(OrgnrRules::default())?.as_deref().unwrap_or("ukjent")
            );
        }
        for file in &received.files {
            println!("  {}: {} byte", file.name, file.content.len());
        }
    }
    Ok(())
}
