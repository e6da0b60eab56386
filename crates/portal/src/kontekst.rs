//! What is known of a request before its page is: language, session, message to show.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use app::sesjon::{AktivSesjon, SesjonSvar};
use app::{Caller, Door, Waiting};
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::ACCEPT_LANGUAGE;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use jiff::Timestamp;

use crate::feil::{Feil, render};
use crate::melding::Melding;
use crate::portal::Portal;
use crate::sikkerhet;
use crate::skjema::{self, Felter, Skjema};
use crate::sprak::Sprak;
use crate::tekster::Tekster;

/// What is known of a request before its page is. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Kontekst {
    pub(crate) portal: Portal,
    /// The texts of the language chosen.
    pub(crate) t: Tekster,
    pub(crate) sesjon: Tilstand,
    /// Path and query.
    pub(crate) sti: String,
    /// What the page before wants to say.
    pub(crate) melding: Option<Arc<Melding>>,
    /// Address of the browser.
    pub(crate) adresse: IpAddr,
    /// When the request came.
    pub(crate) now: Timestamp,
    /// What stood in the form that was sent, once it was read: nothing typed may be lost when something goes wrong.
    pub(crate) skjema: Arc<OnceLock<Felter>>,
    /// Who holds the connection.
    dor: Option<Door>,
}

/// Whether somebody is logged in.
#[derive(Clone)]
pub(crate) enum Tilstand {
    /// Nobody.
    Ingen,
    /// Nobody any more: the time was over.
    Utlopt,
    /// Somebody.
    Aktiv(Arc<AktivSesjon>),
}

impl Kontekst {
    /// The session, if somebody is logged in.
    pub(crate) fn aktiv(&self) -> Option<&Arc<AktivSesjon>> {
        match &self.sesjon {
            Tilstand::Aktiv(sesjon) => Some(sesjon),
            Tilstand::Ingen | Tilstand::Utlopt => None,
        }
    }

    /// Takes note that the login provider is waited for until what is returned is dropped.
    ///
    /// # Errors
    /// [`Feil::Opptatt`] when too many do.
    pub(crate) async fn waits_for_provider(&self) -> Result<Option<Waiting>, Feil> {
        match &self.dor {
            Some(Door(keeper)) => keeper.waits(self.adresse).await.map(Some).ok_or(Feil::Opptatt),
            None => Ok(None),
        }
    }

    /// The path without its query.
    pub(crate) fn path(&self) -> &str {
        self.sti.split('?').next().unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Kontekst {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let kontekst = parts.extensions.get::<Self>();
        Ok(kontekst.expect("the layer of the router puts it there").clone())
    }
}

/// Finds out what is known of the request, hands it on, and draws the page of whatever went wrong.
pub(crate) async fn layer(State(portal): State<Portal>, mut request: Request, next: Next) -> Response {
    let now = portal.app().clock().now();
    let adresse = address(&portal, request.headers(), request.extensions().get());
    let asked = sprak_of_query(request.uri());
    let browser = request
        .headers()
        .get(ACCEPT_LANGUAGE)
        .and_then(|header| header.to_str().ok())
        .and_then(Sprak::from_accept_language);
    let mut kontekst = Kontekst {
        portal,
        t: Tekster(asked.or(browser).unwrap_or_default()),
        sesjon: Tilstand::Ingen,
        sti: request.uri().path_and_query().map_or("/", |sti| sti.as_str()).to_owned(),
        melding: None,
        adresse,
        now,
        skjema: Arc::default(),
        dor: request.extensions().get().cloned(),
    };
    // Before the form, so that its connection is known to be that of somebody who is logged in.
    let loaded = load_sesjon(&mut kontekst, request.headers(), request.method()).await;
    if let (Some(sesjon), Some(Door(keeper))) = (kontekst.aktiv(), request.extensions().get())
        && let Err(error) = keeper.admit(&Caller::Person(sesjon.person.clone()))
    {
        return render(&kontekst, &error.into());
    }
    let origin = kontekst.portal.config().url.origin();
    if request.method() == Method::POST && sikkerhet::comes_from_us(request.headers(), origin) {
        request = match skjema::read(request, &kontekst.portal).await {
            Ok(request) => request,
            Err(feil) => return render(&kontekst, &feil),
        };
        if let Some(skjema) = request.extensions().get::<Skjema>() {
            let _ = kontekst.skjema.set(skjema.felter.clone());
        }
    }
    if let Err(feil) = loaded {
        return render(&kontekst, &feil);
    }
    request.extensions_mut().insert(kontekst.clone());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Arc<Feil>>() {
        Some(feil) => render(&kontekst, &feil),
        None => response,
    }
}

async fn load_sesjon(kontekst: &mut Kontekst, headers: &HeaderMap, method: &Method) -> Result<(), Arc<Feil>> {
    let portal = kontekst.portal.clone();
    let Some(token) = portal.cookies().sesjon(headers) else { return Ok(()) };
    // Live numbers are asked for by the page and not by the person: they must not keep a session alive.
    let touch = !kontekst.path().ends_with("/status.json");
    kontekst.sesjon = match portal.app().sesjon(token, touch).await.map_err(|error| Arc::new(error.into()))? {
        SesjonSvar::Aktiv(sesjon) => Tilstand::Aktiv(Arc::new(sesjon)),
        SesjonSvar::Utlopt => Tilstand::Utlopt,
        SesjonSvar::Ingen => Tilstand::Ingen,
    };
    let Some(sesjon) = kontekst.aktiv().cloned() else { return Ok(()) };
    if let Some(chosen) = sesjon.sprak.as_deref().and_then(|tag| tag.parse().ok()) {
        kontekst.t = Tekster(chosen);
    }
    if method == Method::GET
        && let Some(id) = query_value(&kontekst.sti, "m")
    {
        let id = id.to_owned();
        kontekst.melding = Melding::load(portal.app(), sesjon.id, &id).await?.map(Arc::new);
    }
    Ok(())
}

/// The first value of `name` in the query of `sti`, not decoded.
pub(crate) fn query_value<'a>(sti: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = sti.split_once('?')?;
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name).map(|(_, v)| v)
}

fn sprak_of_query(uri: &Uri) -> Option<Sprak> {
    query_value(&uri.to_string(), "sprak")?.parse().ok()
}

/// The address that the browser connects from, as far as it can be known.
fn address(portal: &Portal, headers: &HeaderMap, peer: Option<&ConnectInfo<SocketAddr>>) -> IpAddr {
    let told = portal.config().klientadresse_header.as_ref().and_then(|name| {
        // The last one is what the proxy itself saw; the ones before are the browser's word.
        headers.get_all(name).iter().next_back()?.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
    });
    told.or(peer.map(|ConnectInfo(peer)| peer.ip())).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
