//! Fiks Protokoll konfigurasjon, as far as an integrasjon may use it: its own system's kontoer and tilganger.
//!
//! The system must have `konfigureresAvIntegrasjon` switched on.

use reqwest::Method;
use wire::id::{FiksOrgId, KontoId, SystemId};
use wire::konfigurasjon::{
    CreateProtokollKontoRequest, OffentligNokkel, ParterResponse, ProtokollDefinisjonResponse,
    ProtokollDefinisjonSummaryResponse, ProtokollKontoResponse, ProtokollSystemResponse,
    ProtokollSystemSummaryWithOrgNameResponse, UpdateOffentligNokkelRequest, UpdateParterRequest,
    UpdateParterResponse, UpdateProtokollKontoInfoRequest, UpdateSystemInfoRequest,
};

use crate::error::Error;
use crate::http::Api;

/// Calls to the konfigurasjon API for one system. Made by
/// [`FiksIoClient::konfigurasjon`](crate::FiksIoClient::konfigurasjon).
///
/// A 404 stays [`Error::Refused`], since the API does not tell what it did not find.
///
/// # Example: a konto, and tilgang to it for another system
///
/// ```no_run
/// use fiks_io_client::wire::konfigurasjon::{CreateProtokollKontoRequest, PartRequest};
///
/// # async fn example(client: fiks_io_client::FiksIoClient) -> Result<(), Box<dyn std::error::Error>> {
/// let fiks_org = "0c4cd2a5-0b3f-4cf8-9a0c-8a9bb0a1c6a5".parse()?;
/// let system = "7d0b9f9e-2b1d-4b8e-9d3b-0d7c6f2f7a10".parse()?;
/// let konfigurasjon = client.konfigurasjon(fiks_org, system);
/// let konto = konfigurasjon
///     .create_konto(&CreateProtokollKontoRequest {
///         navn: "Mitt arkiv".to_owned(),
///         beskrivelse: "Tar imot fra fagsystemene".to_owned(),
///         stottet_protokoll_navn: "no.ks.fiks.arkiv".to_owned(),
///         parts: vec![PartRequest {
///             part_navn: "arkiv.full".to_owned(),
///             stottet_protokoll_versjon: "v1".to_owned(),
///         }],
///         offentlig_nokkel: Some(std::fs::read_to_string("konto.crt.pem")?),
///     })
///     .await?;
/// let fagsystem = "2f6d9a6e-6a43-4e0e-8c2e-6f0a6b1d9c77".parse()?;
/// konfigurasjon.grant_tilgang(konto.id, fagsystem).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Konfigurasjon {
    api: Api,
    fiks_org: String,
    system: String,
}

const BASE: [&str; 4] = ["fiks-protokoll", "api", "v1", "konfigurasjon"];

impl Konfigurasjon {
    pub(crate) fn new(api: Api, fiks_org: FiksOrgId, system: SystemId) -> Self {
        Self { api, fiks_org: fiks_org.to_string(), system: system.to_string() }
    }

    fn org_path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        BASE.iter().copied().chain([self.fiks_org.as_str()]).chain(rest.iter().copied()).collect()
    }

    fn system_path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        let mut path = self.org_path(&["systemer", &self.system]);
        path.extend(rest);
        path
    }

    fn konto_path<'a>(&'a self, konto: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
        let mut path = self.system_path(&["kontoer", konto]);
        path.extend(rest);
        path
    }

    async fn call(&self, method: Method, path: &[&str]) -> Result<(), Error> {
        self.api.empty(self.api.request(method, path).await?).await
    }

    /// The system with all that belongs to it.
    ///
    /// # Errors
    /// As every call here: [`Error::Refused`], [`Error::TokenRefused`], [`Error::Connection`], [`Error::Timeout`] or
    /// [`Error::UnexpectedAnswer`].
    pub async fn system(&self) -> Result<ProtokollSystemResponse, Error> {
        self.api.get(&self.system_path(&[])).await
    }

    /// Changes the description of the system.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn update_system_info(&self, info: &UpdateSystemInfoRequest) -> Result<(), Error> {
        let request = self.api.request(Method::PUT, &self.system_path(&["info"])).await?;
        self.api.empty(request.json(info)).await
    }

    /// Makes a konto.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn create_konto(
        &self,
        konto: &CreateProtokollKontoRequest,
    ) -> Result<ProtokollKontoResponse, Error> {
        self.api.exchange(Method::POST, &self.system_path(&["kontoer"]), konto).await
    }

    /// A konto of the system.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn konto(&self, konto: KontoId) -> Result<ProtokollKontoResponse, Error> {
        self.api.get(&self.konto_path(&konto.to_string(), &[])).await
    }

    /// Removes a konto, with its queue.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn delete_konto(&self, konto: KontoId) -> Result<(), Error> {
        self.call(Method::DELETE, &self.konto_path(&konto.to_string(), &[])).await
    }

    /// Changes the description of a konto.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn update_konto_info(
        &self,
        konto: KontoId,
        info: &UpdateProtokollKontoInfoRequest,
    ) -> Result<(), Error> {
        let konto = konto.to_string();
        let request = self.api.request(Method::PUT, &self.konto_path(&konto, &["info"])).await?;
        self.api.empty(request.json(info)).await
    }

    /// Sets the public key of a konto: an X.509 certificate, PEM.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn update_offentlig_nokkel(&self, konto: KontoId, pem: &str) -> Result<OffentligNokkel, Error> {
        let body = UpdateOffentligNokkelRequest { offentlig_nokkel: pem.to_owned() };
        self.api.exchange(Method::PUT, &self.konto_path(&konto.to_string(), &["pem"]), &body).await
    }

    /// Says which parter a konto plays.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn update_parter(
        &self,
        konto: KontoId,
        parter: &UpdateParterRequest,
    ) -> Result<UpdateParterResponse, Error> {
        self.api.exchange(Method::POST, &self.konto_path(&konto.to_string(), &["parter"]), parter).await
    }

    /// Systems of others that may send to a konto.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn list_tilganger(
        &self,
        konto: KontoId,
    ) -> Result<Vec<ProtokollSystemSummaryWithOrgNameResponse>, Error> {
        self.api.get(&self.konto_path(&konto.to_string(), &["tilganger"])).await
    }

    /// Gives another system tilgang to a konto, asked for or not.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn grant_tilgang(&self, konto: KontoId, ekstern_system: SystemId) -> Result<(), Error> {
        let (konto, system) = (konto.to_string(), ekstern_system.to_string());
        self.call(Method::POST, &self.konto_path(&konto, &["tilganger", &system])).await
    }

    /// Takes tilgang to a konto from another system.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn revoke_tilgang(&self, konto: KontoId, ekstern_system: SystemId) -> Result<(), Error> {
        let (konto, system) = (konto.to_string(), ekstern_system.to_string());
        self.call(Method::DELETE, &self.konto_path(&konto, &["tilganger", &system])).await
    }

    /// Systems of others that have asked for tilgang to a konto.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn list_foresporsler(
        &self,
        konto: KontoId,
    ) -> Result<Vec<ProtokollSystemSummaryWithOrgNameResponse>, Error> {
        self.api.get(&self.konto_path(&konto.to_string(), &["forespurteTilganger"])).await
    }

    /// Says no to a system that has asked for tilgang to a konto.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn reject_foresporsel(&self, konto: KontoId, ekstern_system: SystemId) -> Result<(), Error> {
        let (konto, system) = (konto.to_string(), ekstern_system.to_string());
        self.call(Method::DELETE, &self.konto_path(&konto, &["forespurteTilganger", &system])).await
    }

    /// Asks for tilgang to a konto of another system.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn request_tilgang(&self, ekstern_konto: KontoId) -> Result<(), Error> {
        let konto = ekstern_konto.to_string();
        self.call(Method::POST, &self.system_path(&["forespurteTilganger", &konto])).await
    }

    /// Takes back what [`Konfigurasjon::request_tilgang`] asked for.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn withdraw_foresporsel(&self, ekstern_konto: KontoId) -> Result<(), Error> {
        let konto = ekstern_konto.to_string();
        self.call(Method::DELETE, &self.system_path(&["forespurteTilganger", &konto])).await
    }

    /// Gives up tilgang to a konto of another system.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn give_up_tilgang(&self, ekstern_konto: KontoId) -> Result<(), Error> {
        let konto = ekstern_konto.to_string();
        self.call(Method::DELETE, &self.system_path(&["tilganger", &konto])).await
    }

    /// All protokoller.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn list_protokoller(&self) -> Result<Vec<ProtokollDefinisjonSummaryResponse>, Error> {
        self.api.get(&self.org_path(&["protokoller"])).await
    }

    /// All parter of a protokoll, over all versions.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn list_parter(&self, protokollnavn: &str) -> Result<ParterResponse, Error> {
        self.api.get(&self.org_path(&["protokoller", protokollnavn])).await
    }

    /// One version of a protokoll.
    ///
    /// # Errors
    /// As [`Konfigurasjon::system`].
    pub async fn protokoll(&self, navn: &str, versjon: &str) -> Result<ProtokollDefinisjonResponse, Error> {
        self.api.get(&self.org_path(&["protokoller", navn, versjon])).await
    }
}
