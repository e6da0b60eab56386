//! `knutepunkt dev klient`: a client for those who have none yet. It fetches, opens and acks what comes to a konto.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use fiks_io_client::asice::OrgnrRules;
use fiks_io_client::{FiksIoClient, MottattMelding, Payload, Settings};

use crate::commands::serve::Told;
use crate::dev::verktoy::PASSORD;

/// Most bytes of a payload that are read: they are looked at in memory.
const MAX_BYTES: u64 = 100 << 20;
/// How a meldingstype ends that asks for a sign of life, and its answer.
const PING: &str = ".ping";
const PONG: &str = ".pong";

/// What the client is to be.
#[derive(Debug, Clone, Args)]
pub struct KlientArgs {
    /// File with the settings that the portal shows under «Kopier konfigurasjon»; «-» reads them from standard input.
    pub innstillinger: PathBuf,
}

/// Receives until it is told to stop.
///
/// # Errors
/// Settings that cannot be used, and a log-in or a key that the server does not take.
pub async fn run(args: KlientArgs) -> anyhow::Result<()> {
    let text = read(&args.innstillinger)?;
    ensure!(!text.contains(PASSORD), "bytt ut {PASSORD} med passordet du fikk da systemet ble opprettet");
    let settings = Settings::from_json(&text).with_context(|| {
        format!("{} holder ikke innstillingene til en klient", args.innstillinger.display())
    })?;
    let told = Told::listen()?;
    let client = FiksIoClient::new(settings.into_config()?)?;
    let mut meldinger = client
        .receive()
        .await
        .context("klienten kom ikke inn; sjekk integrasjonId, integrasjonPassord og nøkkelen til kontoen")?;
    println!("Testklienten er koblet til kontoen {}. Avslutt med Ctrl+C.", client.konto_id());
    let stop = told.to_stop();
    tokio::pin!(stop);
    loop {
        let melding = tokio::select! {
            () = &mut stop => break,
            melding = meldinger.next() => melding,
        };
        // What one melding is like is no reason to leave the others.
        if let Err(error) = settle(melding).await {
            eprintln!("{error:#}");
        }
    }
    meldinger.close().await;
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("kan ikke lese fra standard inn")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("kan ikke lese {}", path.display()))
}

async fn settle(melding: Result<MottattMelding, fiks_io_client::Error>) -> anyhow::Result<()> {
    let melding = melding?;
    println!("{} {} fra {}", melding.melding_id, melding.melding_type, melding.avsender_konto_id);
    match answer(&melding).await {
        Ok(()) => melding.ack().await?,
        Err(error) => {
            // It would not be opened the next time either, so it does not come again.
            melding.nack().await?;
            return Err(error.context(format!("{} ble avvist", melding.melding_id)));
        }
    }
    Ok(())
}

async fn answer(melding: &MottattMelding) -> anyhow::Result<()> {
    if melding.has_payload() {
        let opened = melding.dekrypter().await?.read_to_memory(MAX_BYTES).await?;
        for file in &opened.files {
            println!("  {} ({} byte)", file.name, file.content.len());
        }
        for signature in &opened.signatures {
            let orgnummer = signature.signer.orgnr(OrgnrRules::default())?;
            println!(
                "  signert av {}",
                orgnummer.as_deref().unwrap_or("et sertifikat uten organisasjonsnummer")
            );
        }
    }
    if let Some(start) = melding.melding_type.strip_suffix(PING) {
        melding.svar(format!("{start}{PONG}"), Payload::none()).await?;
    }
    Ok(())
}
