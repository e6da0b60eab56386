//! The server under test: `knutepunkt dev` in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use fiks_io_client::wire::konfigurasjon::{CreateProtokollKontoRequest, PartRequest};
use fiks_io_client::{FiksIoClient, Settings};
use serde_json::Value;
use tokio::process::{Child, Command};
use wire::id::{FiksOrgId, KontoId, SystemId};

/// How long a start may take before we give up.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running server and how to reach it.
pub(super) struct Server {
    data: PathBuf,
    child: Child,
    klient: Value,
}

/// One of the two systems of the world.
#[derive(Clone)]
pub(super) struct Party {
    pub(super) client: FiksIoClient,
    pub(super) konto: KontoId,
    pub(super) fiks_org: FiksOrgId,
    pub(super) system: SystemId,
    pub(super) integrasjon_id: String,
    pub(super) integrasjon_passord: String,
}

impl Server {
    pub(super) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let data = folder.join("knutepunkt");
        let (child, klient) = launch(&data, [0; 4]).await?;
        Ok(Self { data, child, klient })
    }

    /// Kills the server as `kill -9` does, starts it again on the same data and ports, and tells how long it took from the
    /// start until it answered.
    pub(super) async fn kill_and_restart(&mut self) -> anyhow::Result<Duration> {
        self.child.kill().await?;
        let port = |url: &str| url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
        let http = port(self.text("/httpUrl")?);
        let https = port(self.text("/httpsUrl")?);
        let (amqps, amqp) = (self.amqps()?, self.amqp()?);
        let begun = Instant::now();
        let (child, klient) = launch(&self.data, [http, https, amqps, amqp]).await?;
        let took = begun.elapsed();
        (self.child, self.klient) = (child, klient);
        Ok(took)
    }

    /// Resident memory in bytes.
    pub(super) fn memory(&self) -> anyhow::Result<u64> {
        resident(self.child.id().context("the server has ended")?)
    }

    pub(super) fn http(&self) -> anyhow::Result<String> {
        Ok(self.text("/httpUrl")?.trim_start_matches("http://").to_owned())
    }

    pub(super) fn amqps(&self) -> anyhow::Result<u16> {
        self.port("/amqp/port")
    }

    pub(super) fn amqp(&self) -> anyhow::Result<u16> {
        self.port("/dangerAmqp/port")
    }

    fn port(&self, path: &str) -> anyhow::Result<u16> {
        let port = self.klient.pointer(path).and_then(Value::as_u64);
        Ok(port.with_context(|| format!("klient.json lacks {path}"))?.try_into()?)
    }

    pub(super) fn ca_pem(&self) -> anyhow::Result<PathBuf> {
        Ok(self.text("/caPem")?.into())
    }

    /// The sender and the receiver.
    pub(super) fn parties(&self) -> anyhow::Result<[Party; 2]> {
        Ok([self.party(0)?, self.party(1)?])
    }

    fn party(&self, at: usize) -> anyhow::Result<Party> {
        let text = |path: &str| self.text(&format!("/kontoer/{at}{path}"));
        let orgnummer = text("/orgnummer")?;
        let certificates = self
            .klient
            .pointer("/organisasjoner")
            .and_then(Value::as_array)
            .and_then(|all| all.iter().find(|one| one["orgnummer"] == orgnummer))
            .context("no organisasjon of that orgnummer")?;
        let http = self.http()?;
        let (host, port) = http.rsplit_once(':').context("no port")?;
        let settings = serde_json::json!({
            "kontoId": text("/kontoId")?,
            "privateKeyFiles": [text("/privateKeyPem")?],
            "integrasjonId": text("/integrasjonId")?,
            "integrasjonPassord": text("/integrasjonPassord")?,
            "virksomhetssertifikatFile": certificates["sertifikat"]["chainPem"],
            "virksomhetssertifikatKeyFile": certificates["sertifikat"]["keyPem"],
            "maskinportenClientId": "bench",
            "maskinportenTokenEndpoint": self.text("/maskinporten/tokenEndpoint")?,
            "maskinportenAudience": self.text("/maskinporten/audience")?,
            "apiScheme": "http", "apiHost": host, "apiPort": port.parse::<u16>()?,
            "amqpHost": "localhost", "amqpPort": self.amqps()?,
            "caCertificatesFile": self.text("/caPem")?,
        });
        Ok(Party {
            client: FiksIoClient::new(Settings::from_json(&settings.to_string())?.into_config()?)?,
            konto: text("/kontoId")?.parse()?,
            fiks_org: text("/fiksOrgId")?.parse()?,
            system: text("/systemId")?.parse()?,
            integrasjon_id: text("/integrasjonId")?.to_owned(),
            integrasjon_passord: text("/integrasjonPassord")?.to_owned(),
        })
    }

    /// Makes `count` more kontoer that `receiver` may receive for and `sender` may send to.
    pub(super) async fn more_kontoer(&self, count: usize) -> anyhow::Result<Vec<KontoId>> {
        let [sender, receiver] = self.parties()?;
        let api = receiver.client.konfigurasjon(receiver.fiks_org, receiver.system);
        let mut kontoer = Vec::with_capacity(count);
        for n in 0..count {
            let request = CreateProtokollKontoRequest {
                navn: format!("Bench {n:04}"),
                beskrivelse: "Konto for måling".to_owned(),
                stottet_protokoll_navn: crate::dev::world::PROTOKOLL.to_owned(),
                parts: vec![PartRequest {
                    part_navn: "arkiv.full".to_owned(),
                    stottet_protokoll_versjon: crate::dev::world::VERSJON.to_owned(),
                }],
                offentlig_nokkel: None,
            };
            let konto = api.create_konto(&request).await?.id;
            api.grant_tilgang(konto, sender.system).await?;
            kontoer.push(konto);
        }
        Ok(kontoer)
    }

    fn text(&self, path: &str) -> anyhow::Result<&str> {
        self.klient.pointer(path).and_then(Value::as_str).with_context(|| format!("klient.json lacks {path}"))
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

async fn launch(data: &Path, ports: [u16; 4]) -> anyhow::Result<(Child, Value)> {
    let file = data.join("klient.json");
    // An old one would be read before the new server has written its own.
    let _ = std::fs::remove_file(&file);
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("dev").arg("--data").arg(data).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    for (option, port) in
        ["--http-port", "--https-port", "--amqps-port", "--danger-amqp-port"].into_iter().zip(ports)
    {
        command.arg(option).arg(port.to_string());
    }
    let mut child = command.spawn().context("cannot start the server")?;
    let begun = Instant::now();
    loop {
        if let Ok(bytes) = std::fs::read(&file) {
            let klient: Value = serde_json::from_slice(&bytes)?;
            return Ok((child, klient));
        }
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("the server ended at start with {status}");
        }
        ensure!(begun.elapsed() < PATIENCE, "the server did not start in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Resident memory of a process in bytes.
pub(super) fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .context("cannot read the memory of a process")?;
    let kib: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .context("no VmRSS")?;
    Ok(kib * 1024)
}
