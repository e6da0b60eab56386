//! Runs the Maskinporten simulator alone, for trying out a client.
//!
//! `cargo run -p knutepunkt-simulator --example maskinporten -- 127.0.0.1:8090 ./simulator 971032146` keeps its keys, the
//! test CA and a virksomhetssertifikat for the organisation (`virksomhet.p12`, alias `virksomhet`, password `hemmelig`)
//! in the folder.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use knutepunkt_simulator::ca::{RsaBits, TestCa, Virksomhetssertifikat};
use knutepunkt_simulator::maskinporten::{CertificateCheck, SigningKeys, Simulator, SimulatorConfig};
use knutepunkt_simulator::{Miljo, Now};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, folder, orgnr] = arguments.as_slice() else {
        return Err("give an address, a folder and an organisasjonsnummer".into());
    };
    #[expect(clippy::disallowed_methods, reason = "this program has no other clock")]
    let now: Now = Arc::new(jiff::Timestamp::now);
    let folder = Path::new(folder);
    let ca = TestCa::load_or_create(folder.join("ca"), now())?;
    ca.keep(folder, "virksomhet", "virksomhet", "hemmelig", now(), || {
        ca.virksomhetssertifikat(&Virksomhetssertifikat::new(orgnr, "Testvirksomhet"), now())
    })?;

    let listener = tokio::net::TcpListener::bind(address).await?;
    let mut config =
        SimulatorConfig::new(format!("http://{}/maskinporten/", listener.local_addr()?), Miljo::Utvikling);
    config.certificates = CertificateCheck::Strict(vec![ca.root_der().to_vec(), ca.issuing_der().to_vec()]);
    let keys = SigningKeys::load_or_create(folder.join("maskinporten.pem"), RsaBits::B4096)?;
    let simulator = Simulator::new(config, keys, now)?;
    println!("issuer and audience: {}\ntoken endpoint: {}", simulator.issuer(), simulator.token_endpoint());
    axum::serve(listener, Router::new().nest("/maskinporten", simulator.router())).await?;
    Ok(())
}
