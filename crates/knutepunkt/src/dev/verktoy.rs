//! What the portal of `dev` offers for trying things out, made with the test certificate authority and the data folder.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use app::ports::Clock;
use app::{App, BoxError, Caller};
use async_trait::async_trait;
use domain::Orgnummer;
use domain::id::{KontoId, MeldingId};
use fiks_io_client::FileSource;
use fiks_io_client::asice::{self, RecipientCertificate, Signer};
use futures::StreamExt as _;
use portal::{Klient, KlientFakta, Konfigurasjon, Nokkelpar, Start, Testmelding, Testperson, Verktoy};
use simulator::ca::{KeyedCertificate, RsaBits, TestCa};
use wire::send::SendMetadata;

use crate::dev::klient::{Omgivelser, sertifikat};
use crate::dev::oppsett::{self, Login};
use crate::dev::world::{self, Innlogging, KEYSTORE_ALIAS, KEYSTORE_PASSWORD};
use crate::dev::{keys_folder, personer};

/// What stands where a password would, when it is not known.
pub(crate) const PASSORD: &str = "<integrasjonPassord>";

/// The tools of `dev`. Clones are the same.
#[derive(Clone)]
pub struct DevVerktoy {
    inner: Arc<Inner>,
}

struct Inner {
    omgivelser: Omgivelser,
    ca: Arc<TestCa>,
    data: PathBuf,
    clock: Arc<dyn Clock>,
}

impl DevVerktoy {
    /// Tools that keep what they make in the data folder `data`.
    pub fn new(omgivelser: Omgivelser, ca: Arc<TestCa>, data: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { inner: Arc::new(Inner { omgivelser, ca, data, clock }) }
    }

    /// Runs `work` where it holds nobody up: keys take time to make, and files to write.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, BoxError> {
        let inner = Arc::clone(&self.inner);
        Ok(tokio::task::spawn_blocking(move || work(&inner)).await??)
    }
}

impl Inner {
    fn keys(&self) -> PathBuf {
        keys_folder(&self.data)
    }

    /// The ready-made world; nothing before it is made.
    fn world(&self) -> anyhow::Result<Vec<Innlogging>> {
        Ok(world::load(&self.data)?.unwrap_or_default())
    }

    /// Name of the key files of a Konto. Clients of the ready-made world find the new key where the old one was.
    fn nokkel(&self, konto: KontoId) -> anyhow::Result<String> {
        let world = self.world()?;
        let known = world.into_iter().find(|one| one.konto_id == konto);
        Ok(known.map_or_else(|| format!("konto-{konto}"), |one| one.nokkel))
    }

    fn virksomhetssertifikat(&self, orgnummer: Orgnummer, navn: &str) -> anyhow::Result<KeyedCertificate> {
        world::virksomhetssertifikat(&self.ca, &self.keys(), orgnummer, navn, self.clock.now())
    }
}

fn nokkelpar(key: &KeyedCertificate) -> anyhow::Result<Nokkelpar> {
    Ok(Nokkelpar {
        sertifikat_pem: key.certificate_pem(),
        kjede_pem: key.chain_pem(),
        privat_pem: key.private_key_pem(),
        p12: key.pkcs12(KEYSTORE_ALIAS, KEYSTORE_PASSWORD)?,
        p12_passord: KEYSTORE_PASSWORD.to_owned(),
    })
}

/// A payload such as the meldingstype wants, signed and encrypted.
fn payload(
    testmelding: &Testmelding,
    signer: &KeyedCertificate,
    nokkel_pem: &str,
) -> anyhow::Result<app::melding::Payload> {
    let signer = Signer::from_pem(&signer.private_key_pem(), &signer.chain_pem())?;
    let recipient = RecipientCertificate::from_pem(nokkel_pem)?;
    let file = if testmelding.meldingstype.ends_with(".arkivmelding.opprett") {
        FileSource::from_bytes("arkivmelding.xml", ARKIVMELDING)
    } else {
        FileSource::from_bytes("testmelding.txt", "Testmelding fra Knutepunkt\n")
    };
    let pieces = asice::pack_encrypted(vec![file], signer, recipient)?;
    Ok(Box::pin(pieces.map(|piece| piece.map_err(Into::into))))
}

const ARKIVMELDING: &str =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<arkivmelding><antallFiler>0</antallFiler></arkivmelding>\n";

#[async_trait]
impl Verktoy for DevVerktoy {
    async fn lag_nokkelpar(&self, navn: &str) -> Result<Nokkelpar, BoxError> {
        let navn = navn.to_owned();
        self.apart(move |inner| nokkelpar(&inner.ca.konto_key(&navn, RsaBits::B2048, inner.clock.now())?))
            .await
    }

    async fn behold_nokkelpar(&self, konto: KontoId, par: &Nokkelpar) -> Result<String, BoxError> {
        let par = par.clone();
        self.apart(move |inner| {
            let (keys, navn) = (inner.keys(), inner.nokkel(konto)?);
            std::fs::create_dir_all(&keys)
                .with_context(|| format!("cannot make the folder {}", keys.display()))?;
            for (ending, bytes) in [
                ("key.pem", par.privat_pem.as_bytes()),
                ("pem", par.sertifikat_pem.as_bytes()),
                ("chain.pem", par.kjede_pem.as_bytes()),
                ("p12", &par.p12),
            ] {
                world::write_private(&keys.join(format!("{navn}.{ending}")), bytes)?;
            }
            Ok(keys.display().to_string())
        })
        .await
    }

    async fn virksomhetssertifikat(&self, orgnummer: Orgnummer, navn: &str) -> Result<Nokkelpar, BoxError> {
        let navn = navn.to_owned();
        self.apart(move |inner| nokkelpar(&inner.virksomhetssertifikat(orgnummer, &navn)?)).await
    }

    async fn konfigurasjon(&self, fakta: &KlientFakta, klient: Klient) -> Result<Konfigurasjon, BoxError> {
        let fakta = fakta.clone();
        self.apart(move |inner| {
            // The text names its files, so they have to be there.
            inner.virksomhetssertifikat(fakta.orgnummer, &fakta.organisasjon)?;
            let keys = inner.keys();
            let known = inner.world()?.into_iter().find(|one| one.integrasjon_id == fakta.integrasjon);
            let login = Login {
                konto_id: fakta.konto,
                private_key_pem: &keys.join(format!("{}.key.pem", inner.nokkel(fakta.konto)?)),
                integrasjon_id: fakta.integrasjon,
                integrasjon_passord: known.as_ref().map_or(PASSORD, |one| &one.integrasjon_passord),
            };
            let sertifikat = sertifikat(&keys, fakta.orgnummer);
            let tekst = oppsett::snippet(&inner.omgivelser, &sertifikat, &login, klient);
            Ok(Konfigurasjon { tekst, passord_kjent: known.is_some() })
        })
        .await
    }

    async fn send_testmelding(&self, app: &App, testmelding: &Testmelding) -> Result<MeldingId, app::Error> {
        let payload = if testmelding.har_payload {
            let nokkel = app.offentlig_nokkel(testmelding.til).await?;
            let order = testmelding.clone();
            let made = self.apart(move |inner| {
                let signer = inner.virksomhetssertifikat(order.orgnummer, &order.organisasjon)?;
                payload(&order, &signer, &nokkel.pem)
            });
            Some(made.await.map_err(app::Error::Internal)?)
        } else {
            None
        };
        let metadata = SendMetadata {
            avsender_konto_id: testmelding.fra,
            mottaker_konto_id: testmelding.til,
            melding_type: testmelding.meldingstype.clone(),
            svar_pa_melding: None,
            ttl: None,
            headere: None,
        };
        Ok(app.send_melding(&Caller::Operator, metadata, payload).await?.melding_id)
    }

    async fn start(&self) -> Result<Start, BoxError> {
        self.apart(|inner| {
            let Omgivelser { http_url, https_url, amqp, maskinporten, ca_pem, truststore, .. } =
                &inner.omgivelser;
            let personer = personer::testpersoner().into_iter().map(|person| Testperson {
                navn: person.navn,
                beskrivelse: person.beskrivelse,
                hint: person.pid,
            });
            Ok(Start {
                http: http_url.clone(),
                https: https_url.clone(),
                amqps: amqp.address(),
                token_endpoint: maskinporten.token_endpoint.clone(),
                ca_pem: ca_pem.display().to_string(),
                truststore: truststore.path.display().to_string(),
                truststore_passord: truststore.password.to_owned(),
                mappe: inner.data.display().to_string(),
                personer: personer.collect(),
                ferdige_systemer: inner.world()?.iter().map(|one| one.system_id).collect(),
            })
        })
        .await
    }

    async fn klient_json(&self) -> Result<Option<String>, BoxError> {
        self.apart(|inner| {
            let file = inner.data.join("klient.json");
            match std::fs::read_to_string(&file) {
                Ok(json) => Ok(Some(json)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
            }
        })
        .await
    }
}
