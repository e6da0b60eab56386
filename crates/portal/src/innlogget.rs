//! Who sees a page, and of what: values that a handler takes as arguments. Each carries a [`Caller`], and the use cases
//! check it again.

use std::sync::Arc;

use app::Caller;
use app::konto::{KontoDetaljer, KontoSti};
use app::sesjon::AktivSesjon;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::{IntoResponse as _, Response};
use domain::id::{FiksOrgId, KontoId, SystemId};
use domain::organisasjon::Organisasjon;
use domain::person::Rolle;
use domain::system::{Integrasjon, System};
use http::request::Parts;

use crate::feil::Feil;
use crate::kontekst::Kontekst;
use crate::melding::Melding;
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::found;
use crate::tekster::Tekster;
use crate::view::Crumb;

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct Innlogget {
    pub(crate) k: Kontekst,
    pub(crate) sesjon: Arc<AktivSesjon>,
}

/// An organisasjon that the person has a role in. Path: `/o/{org}/…`.
#[derive(Clone)]
pub(crate) struct OrgSide {
    pub(crate) innlogget: Innlogget,
    pub(crate) org: Organisasjon,
    pub(crate) rolle: Rolle,
}

/// The same, once Fiks Protokoll is in use there; until then every page leads to the avtale.
#[derive(Clone)]
pub(crate) struct ProtokollSide {
    pub(crate) side: OrgSide,
}

/// A System. Path: `/o/{org}/protokoll/systemer/{system}/…`.
#[derive(Clone)]
pub(crate) struct SystemSide {
    pub(crate) side: OrgSide,
    pub(crate) system: System,
    /// The primary one first.
    pub(crate) integrasjoner: Vec<Integrasjon>,
}

/// A Konto. Path: that of its System and `/kontoer/{konto}/…`.
#[derive(Clone)]
pub(crate) struct KontoSide {
    pub(crate) side: SystemSide,
    pub(crate) detaljer: KontoDetaljer,
}

impl Innlogget {
    pub(crate) fn caller(&self) -> Caller {
        Caller::Person(self.sesjon.person.clone())
    }

    pub(crate) fn app(&self) -> &app::App {
        self.k.portal.app()
    }

    pub(crate) fn t(&self) -> Tekster {
        self.k.t
    }

    /// To `sti`, which then shows `melding`.
    pub(crate) async fn to(&self, sti: &str, melding: Melding) -> Result<Response, Feil> {
        Ok(found(&melding.address(&self.k, sti).await?))
    }
}

impl OrgSide {
    pub(crate) fn caller(&self) -> Caller {
        self.innlogget.caller()
    }

    pub(crate) fn app(&self) -> &app::App {
        self.innlogget.app()
    }

    pub(crate) fn t(&self) -> Tekster {
        self.innlogget.t()
    }

    pub(crate) fn k(&self) -> &Kontekst {
        &self.innlogget.k
    }

    pub(crate) fn id(&self) -> FiksOrgId {
        self.org.id
    }

    /// `/o/{org}`.
    pub(crate) fn sti(&self) -> String {
        format!("/o/{}", self.org.id)
    }

    /// `/o/{org}/protokoll/systemer`.
    pub(crate) fn systemer_sti(&self) -> String {
        format!("/o/{}/protokoll/systemer", self.org.id)
    }

    /// Whether buttons that change something are shown.
    pub(crate) fn may_change(&self) -> bool {
        self.rolle.may_change()
    }

    /// Ends a page that only those who may change something see.
    pub(crate) fn demand_change(&self) -> Result<(), Feil> {
        if self.may_change() { Ok(()) } else { Err(Feil::Rolle) }
    }

    /// Ends a page that only administrators see.
    pub(crate) fn demand_administrator(&self) -> Result<(), Feil> {
        if self.rolle == Rolle::Administrator { Ok(()) } else { Err(Feil::Rolle) }
    }

    /// The frame of a page of the organisasjon: «Tjenester › …».
    pub(crate) fn ramme(&self, h1: impl Into<String>) -> Ramme {
        let ramme = Ramme::new(self.k(), h1).of_org(self);
        ramme.crumb(Crumb::link(format!("{}/tjenester", self.sti()), self.t().s("tjenester-tittel")))
    }

    /// The frame of a page of Fiks Protokoll: «Tjenester › Fiks Protokoll › …».
    pub(crate) fn protokoll_ramme(&self, h1: impl Into<String>) -> Ramme {
        self.ramme(h1).crumb(Crumb::link(self.systemer_sti(), self.t().s("felles-fiks-protokoll")))
    }
}

impl SystemSide {
    pub(crate) fn caller(&self) -> Caller {
        self.side.caller()
    }

    pub(crate) fn app(&self) -> &app::App {
        self.side.app()
    }

    pub(crate) fn t(&self) -> Tekster {
        self.side.t()
    }

    pub(crate) fn k(&self) -> &Kontekst {
        self.side.k()
    }

    pub(crate) fn navn(&self) -> &str {
        &self.system.info.navn
    }

    /// `/o/{org}/protokoll/systemer/{system}`.
    pub(crate) fn sti(&self) -> String {
        format!("{}/{}", self.side.systemer_sti(), self.system.id)
    }

    /// The frame of a page of the System; `siden` is its tab, such as «Kontoer»: «{systemNavn} – Kontoer».
    pub(crate) fn ramme(&self, siden: &str) -> Ramme {
        let ramme = self.side.protokoll_ramme(format!("{} – {siden}", self.navn()));
        ramme.crumb(Crumb::link(self.sti(), self.navn()))
    }

    /// The frame of a page below the System that is no tab of it.
    pub(crate) fn under_ramme(&self, h1: &str) -> Ramme {
        self.side.protokoll_ramme(h1).crumb(Crumb::link(self.sti(), self.navn()))
    }
}

impl KontoSide {
    pub(crate) fn caller(&self) -> Caller {
        self.side.caller()
    }

    pub(crate) fn app(&self) -> &app::App {
        self.side.app()
    }

    pub(crate) fn t(&self) -> Tekster {
        self.side.t()
    }

    pub(crate) fn k(&self) -> &Kontekst {
        self.side.k()
    }

    pub(crate) fn navn(&self) -> &str {
        &self.detaljer.konto.navn
    }

    /// Where it stands, for the use cases.
    pub(crate) fn konto_sti(&self) -> KontoSti {
        KontoSti {
            fiks_org_id: self.side.side.org.id,
            system_id: self.side.system.id,
            konto_id: self.detaljer.konto.id,
        }
    }

    /// `/o/{org}/protokoll/systemer/{system}/kontoer/{konto}`.
    pub(crate) fn sti(&self) -> String {
        format!("{}/kontoer/{}", self.side.sti(), self.detaljer.konto.id)
    }

    /// The frame of a page of the Konto; `siden` is its tab: «{kontoNavn} – Tilganger».
    pub(crate) fn ramme(&self, siden: &str) -> Ramme {
        let ramme = self.side.side.protokoll_ramme(format!("{} – {siden}", self.navn()));
        ramme
            .crumb(Crumb::link(self.side.sti(), self.side.navn()))
            .crumb(Crumb::link(self.sti(), self.navn()))
    }
}

impl FromRequestParts<Portal> for Innlogget {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        let Ok(k) = Kontekst::from_request_parts(parts, portal).await;
        match k.aktiv().cloned() {
            Some(sesjon) => Ok(Self { k, sesjon }),
            None => Err(Feil::IkkeInnlogget.into_response()),
        }
    }
}

impl FromRequestParts<Portal> for OrgSide {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        let innlogget = Innlogget::from_request_parts(parts, portal).await?;
        let id: FiksOrgId = path_id(parts, portal, "org").await?;
        let rolle = innlogget.sesjon.person.rolle(id).ok_or_else(|| Feil::FinnesIkke.into_response())?;
        let org = portal.app().organisasjon(&innlogget.caller(), id).await.map_err(answer)?;
        Ok(Self { innlogget, org, rolle })
    }
}

impl FromRequestParts<Portal> for ProtokollSide {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        let side = OrgSide::from_request_parts(parts, portal).await?;
        if side.org.tatt_i_bruk.is_none() {
            return Err(found(&format!("{}/protokoll/avtale", side.sti())));
        }
        Ok(Self { side })
    }
}

impl FromRequestParts<Portal> for SystemSide {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        let ProtokollSide { side } = ProtokollSide::from_request_parts(parts, portal).await?;
        let id: SystemId = path_id(parts, portal, "system").await?;
        let found = portal.app().system_med_integrasjoner(&side.caller(), side.id(), id).await;
        let (system, integrasjoner) = found.map_err(answer)?;
        Ok(Self { side, system, integrasjoner })
    }
}

impl FromRequestParts<Portal> for KontoSide {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        let side = SystemSide::from_request_parts(parts, portal).await?;
        let konto_id: KontoId = path_id(parts, portal, "konto").await?;
        let sti = KontoSti { fiks_org_id: side.side.id(), system_id: side.system.id, konto_id };
        let detaljer = portal.app().konto(&side.caller(), sti).await.map_err(answer)?;
        Ok(Self { side, detaljer })
    }
}

fn answer(error: app::Error) -> Response {
    Feil::from(error).into_response()
}

/// An id in the path. One that is no id does not exist.
pub(crate) async fn path_id<T: std::str::FromStr>(
    parts: &mut Parts,
    portal: &Portal,
    name: &str,
) -> Result<T, Response> {
    let missing = || Feil::FinnesIkke.into_response();
    let params = RawPathParams::from_request_parts(parts, portal).await.map_err(|_| missing())?;
    let text = params.iter().find(|(known, _)| *known == name).map(|(_, text)| text);
    text.and_then(|text| text.parse().ok()).ok_or_else(missing)
}
