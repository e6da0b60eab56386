//! What a client needs to know to talk with a `dev` server: as data (`klient.json`) and as text to paste.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use domain::Orgnummer;
use domain::id::{FiksOrgId, IntegrasjonId, KontoId, SystemId};
use fiks_io_client::{Config, FiksIoClient, HttpScheme};
use serde::Serialize;
use simulator::ca::{TRUSTSTORE_PASSWORD, TestCa};
use simulator::maskinporten::Simulator;
use tokio::net::TcpListener;

use crate::dev::Dev;
use crate::dev::world::{self, Innlogging};
use crate::server::Listeners;

/// `klient.json`. Holds passwords: for development only.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Klient {
    /// What is around every client.
    #[serde(flatten)]
    pub omgivelser: Omgivelser,
    /// Who takes part.
    pub organisasjoner: Vec<Organisasjon>,
    /// What takes part.
    pub kontoer: Vec<Konto>,
}

/// What is around every client, whoever it is.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Omgivelser {
    /// The HTTP APIs without TLS.
    pub http_url: String,
    /// The HTTP APIs with TLS.
    pub https_url: Option<String>,
    /// Where meldinger are fetched.
    pub amqp: Amqp,
    /// Where meldinger are fetched without TLS, if that is on.
    pub danger_amqp: Option<Amqp>,
    /// Where tokens come from.
    pub maskinporten: Maskinporten,
    /// Root of the server's TLS certificate.
    pub ca_pem: PathBuf,
    /// The same for Java.
    pub truststore: Truststore,
}

/// Where meldinger are fetched.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct Amqp {
    pub host: String,
    pub port: u16,
}

impl Amqp {
    /// Host and port.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Where tokens come from.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct Maskinporten {
    pub token_endpoint: String,
    pub audience: String,
}

/// A PKCS#12 truststore.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct Truststore {
    pub path: PathBuf,
    pub password: &'static str,
}

/// An organisasjon with its virksomhetssertifikat.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct Organisasjon {
    pub navn: String,
    pub orgnummer: Orgnummer,
    pub fiks_org_id: FiksOrgId,
    pub sertifikat: Sertifikat,
}

/// A certificate with its key, in every form that clients want.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct Sertifikat {
    pub p12: PathBuf,
    pub password: &'static str,
    pub alias: &'static str,
    pub cert_pem: PathBuf,
    pub chain_pem: PathBuf,
    pub key_pem: PathBuf,
}

/// A Konto with its log-in and its keys.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct Konto {
    pub konto_id: KontoId,
    pub navn: String,
    pub system_navn: String,
    pub fiks_org_id: FiksOrgId,
    pub system_id: SystemId,
    pub orgnummer: Orgnummer,
    pub integrasjon_id: IntegrasjonId,
    pub integrasjon_passord: String,
    pub protokoll: &'static str,
    pub versjon: &'static str,
    pub parter: Vec<String>,
    pub private_key_pem: PathBuf,
    pub cert_pem: PathBuf,
}

impl Omgivelser {
    /// What a server on `listeners` will have around it.
    ///
    /// # Errors
    /// When a listener does not know its address.
    pub(crate) fn new(listeners: &Listeners, ca: &TestCa, simulator: &Simulator) -> anyhow::Result<Self> {
        let address = |listener: &Option<TcpListener>| {
            listener.as_ref().map(TcpListener::local_addr).transpose().context("a listener has no address")
        };
        let http = address(&listeners.http)?.context("the simulator needs the plain HTTP listener")?;
        let https = address(&listeners.https)?;
        let amqps = address(&listeners.amqps)?;
        let danger_amqp = address(&listeners.amqp)?;
        Ok(Self {
            http_url: format!("http://{http}"),
            https_url: https.map(|address| format!("https://localhost:{}", address.port())),
            amqp: Amqp { host: "localhost".to_owned(), port: amqps.map_or(0, |address| address.port()) },
            danger_amqp: danger_amqp
                .map(|address| Amqp { host: address.ip().to_string(), port: address.port() }),
            maskinporten: Maskinporten {
                token_endpoint: simulator.token_endpoint(),
                audience: simulator.issuer().to_owned(),
            },
            ca_pem: ca.folder().join("root.pem"),
            truststore: Truststore { path: ca.truststore_path(), password: TRUSTSTORE_PASSWORD },
        })
    }
}

impl Klient {
    /// Puts together what a client of `dev` needs to be one of `world`.
    pub fn new(dev: &Dev, world: &[Innlogging]) -> Self {
        let keys = dev.keys();
        let mut organisasjoner: Vec<Organisasjon> = Vec::new();
        for one in world {
            if organisasjoner.iter().all(|known| known.fiks_org_id != one.fiks_org_id) {
                organisasjoner.push(Organisasjon {
                    navn: one.organisasjon.clone(),
                    orgnummer: one.orgnummer,
                    fiks_org_id: one.fiks_org_id,
                    sertifikat: sertifikat(&keys, one.orgnummer),
                });
            }
        }
        let kontoer = world.iter().map(|one| Konto {
            konto_id: one.konto_id,
            navn: one.system_navn.clone(),
            system_navn: one.system_navn.clone(),
            fiks_org_id: one.fiks_org_id,
            system_id: one.system_id,
            orgnummer: one.orgnummer,
            integrasjon_id: one.integrasjon_id,
            integrasjon_passord: one.integrasjon_passord.clone(),
            protokoll: world::PROTOKOLL,
            versjon: world::VERSJON,
            parter: vec![one.part.clone()],
            private_key_pem: keys.join(format!("{}.key.pem", one.nokkel)),
            cert_pem: keys.join(format!("{}.pem", one.nokkel)),
        });
        Self { omgivelser: dev.omgivelser.clone(), organisasjoner, kontoer: kontoer.collect() }
    }

    /// The certificate of the organisasjon with that orgnummer.
    pub fn sertifikat(&self, orgnummer: Orgnummer) -> Option<&Sertifikat> {
        self.organisasjoner.iter().find(|one| one.orgnummer == orgnummer).map(|one| &one.sertifikat)
    }
}

/// Where the virksomhetssertifikat of an orgnummer lies in the folder of keys.
pub(crate) fn sertifikat(keys: &Path, orgnummer: Orgnummer) -> Sertifikat {
    let path = |ending| keys.join(format!("virksomhet-{orgnummer}.{ending}"));
    Sertifikat {
        p12: path("p12"),
        password: world::KEYSTORE_PASSWORD,
        alias: world::KEYSTORE_ALIAS,
        cert_pem: path("pem"),
        chain_pem: path("chain.pem"),
        key_pem: path("key.pem"),
    }
}

/// The Rust client as `one`, over HTTPS and AMQP with TLS.
///
/// # Errors
/// When a key or certificate of `one` cannot be read.
pub fn client(dev: &Dev, one: &Innlogging) -> anyhow::Result<FiksIoClient> {
    let keys = dev.keys();
    let virksomhet = |ending| keys.join(format!("virksomhet-{}.{ending}", one.orgnummer));
    let http = dev.running.https.context("started without HTTPS")?;
    let simulator = &dev.simulator;
    let config = Config::builder()
        .konto_id(one.konto_id)
        .private_key_file(keys.join(format!("{}.key.pem", one.nokkel)))
        .integrasjon(one.integrasjon_id, one.integrasjon_passord.clone())
        .virksomhetssertifikat_files(virksomhet("chain.pem"), virksomhet("key.pem"))
        .maskinporten(format!("klient-{}", one.orgnummer), simulator.token_endpoint(), simulator.issuer())
        .api(HttpScheme::Https, "localhost", http.port())
        .amqps("localhost", dev.running.amqps.map_or(0, |address| address.port()))
        .ca_certificates_file(dev.ca_pem())
        .build()?;
    Ok(FiksIoClient::new(config)?)
}
