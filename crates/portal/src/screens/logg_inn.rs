//! Screen 1: logging in and out.

use app::App;
use app::ports::{LoginAnswer, LoginStart, PersonLogin, PersonLoginError, VerifiedPerson};
use app::sesjon::NySesjon;
use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::feil::Feil;
use crate::innlogget::Innlogget;
use crate::kontekst::Kontekst;
use crate::limit::{TooOften, Who};
use crate::portal::Portal;
use crate::ramme::Ramme;
use crate::render::{found, ok};
use crate::screens::avtale;
use crate::sikkerhet::FRONT_CHANNEL;
use crate::skjema::{Felter, Skjema};
use crate::tekster::Tekster;
use crate::view::Color;

/// Target of log events for what anybody can bring about, so that whoever reads the log sees some and then a count.
pub(crate) const REFUSED: &str = "refused";

pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/logg-inn", get(show))
        .route("/auth/start", get(start))
        .route("/auth/retur", get(back))
        .route(FRONT_CHANNEL, get(ended_elsewhere))
        .route("/logg-ut", post(log_out))
        .route("/sesjon/hold", post(keep))
}

#[derive(Template)]
#[template(path = "logg-inn/logg-inn.html")]
struct LoggInn {
    ramme: Ramme,
    varsel: Option<(Color, String)>,
    knapp: Option<(String, String)>,
}

async fn show(k: Kontekst, RawQuery(query): RawQuery) -> Response {
    let felter = Felter::from_query(&query.unwrap_or_default());
    ok(&page(&k, &felter))
}

fn page(k: &Kontekst, felter: &Felter) -> LoggInn {
    let t = k.t;
    let knapp = k.portal.login().map(|login| {
        let mut adresse = format!("/auth/start?sprak={}", t.sprak());
        if let Some(retur) = safe_retur(felter.raw("retur")) {
            adresse.push_str("&retur=");
            adresse.extend(form_urlencoded::byte_serialize(retur.as_bytes()));
        }
        (adresse, t.v("logg-inn-knapp", "tjeneste", login.navn()))
    });
    let mut ramme = Ramme::new(k, t.s("logg-inn-tittel"));
    if felter.raw("melding") == "utlopt" {
        // The page before may have been a moment early; nobody is to read that they are logged in and out.
        ramme.bruker = None;
    }
    LoggInn { ramme, varsel: varsel(felter, t), knapp }
}

fn varsel(felter: &Felter, t: Tekster) -> Option<(Color, String)> {
    match felter.raw("melding") {
        "ut" => Some((Color::Success, t.s("logg-inn-logget-ut"))),
        "utlopt" => Some((Color::Info, t.s("logg-inn-utlopt"))),
        "avbrutt" => Some((Color::Info, t.s("logg-inn-avbrutt"))),
        "feilet" => {
            // Written by us; whatever else stands in an address is not shown.
            let code = felter.raw("feilkode");
            let known = code.len() == 36 && code.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
            Some((Color::Danger, t.v("logg-inn-feilet", "feilkode", if known { code } else { "–" })))
        }
        // What the login provider sends a person back with who has logged out.
        "" if felter.has("state") => Some((Color::Success, t.s("logg-inn-logget-ut"))),
        _ => None,
    }
}

/// The path to come back to, if it is one of ours: never another website.
pub(crate) fn safe_retur(path: &str) -> Option<&str> {
    const ALLOWED: [&str; 3] = ["/o/", "/drift", "/velg-organisasjon"];
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let ours = path == "/" || ALLOWED.iter().any(|start| path.starts_with(start));
    (plain && path.len() <= 2_000 && ours).then_some(path)
}

/// What is kept in the browser while a login is under way.
#[derive(Serialize, Deserialize)]
pub(crate) struct UnderVeis {
    state: String,
    nonce: String,
    verifier: String,
    sprak: String,
    retur: String,
    /// Somebody logs in once more to sign.
    pub(crate) signering: Option<Signering>,
    /// Who is going to log in. Needed on the way out alone.
    #[serde(skip)]
    hint: Option<String>,
}

/// What is to be signed, and by whom.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Signering {
    /// The organisasjon.
    pub(crate) org: String,
    /// SHA-256 of the document, as it was shown.
    pub(crate) sha256: String,
}

impl UnderVeis {
    pub(crate) fn new(k: &Kontekst, retur: &str, signering: Option<Signering>) -> Self {
        let secret = || URL_SAFE_NO_PAD.encode(k.portal.app().ids().secret());
        Self {
            state: secret(),
            nonce: secret(),
            verifier: secret(),
            sprak: k.t.sprak().tag().to_owned(),
            retur: retur.to_owned(),
            signering,
            hint: None,
        }
    }

    /// What ties the answer to the browser that set out.
    pub(crate) fn state(&self) -> &str {
        &self.state
    }

    /// What the provider is told at the start, and compared with at the end.
    pub(crate) fn login_start(&self) -> LoginStart {
        LoginStart {
            state: self.state.clone(),
            nonce: self.nonce.clone(),
            verifier: self.verifier.clone(),
            sprak: self.sprak.clone(),
            force: self.signering.is_some(),
            hint: self.hint.clone(),
        }
    }

    fn encode(&self, app: &App) -> Result<String, Feil> {
        let value = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).map_err(Feil::intern)?);
        Ok(app.seal_innlogging(&value))
    }

    /// What this installation put into `cookie`, and nobody else.
    fn decode(app: &App, cookie: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(app.open_innlogging(cookie)?).ok()?).ok()
    }

    /// Sends the browser to the login provider.
    pub(crate) async fn go(&self, k: &Kontekst) -> Result<Response, Feil> {
        let login = k.portal.login().ok_or(Feil::FinnesIkke)?;
        let _waits = k.waits_for_provider().await?;
        match login.start(&self.login_start(), k.now).await {
            Ok(address) => {
                let mut response = found(&address);
                let cookie = k.portal.cookies().set_innlogging(&self.encode(k.portal.app())?);
                response.headers_mut().append(header::SET_COOKIE, cookie);
                Ok(response)
            }
            Err(error) => Ok(failed(k, &error)),
        }
    }
}

async fn start(k: Kontekst, RawQuery(query): RawQuery) -> Result<Response, Feil> {
    count_login(&k)?;
    let felter = Felter::from_query(&query.unwrap_or_default());
    let retur = safe_retur(felter.raw("retur")).unwrap_or_default();
    let mut under_veis = UnderVeis::new(&k, retur, None);
    // A person is chosen on a page of ours in development alone; anywhere else nobody is named in an address.
    under_veis.hint = k.portal.verktoy().map(|_| felter.text("hint")).filter(|hint| !hint.is_empty());
    under_veis.go(&k).await
}

/// Counts one step of a login from where the browser is.
fn count_login(k: &Kontekst) -> Result<(), Feil> {
    let counted = k.portal.limits().count(Who::login(k.adresse), k.now);
    counted.map_err(|TooOften { wait_minutes }| Feil::ForOfte { wait_minutes })
}

async fn back(k: Kontekst, headers: HeaderMap, RawQuery(query): RawQuery) -> Result<Response, Feil> {
    let felter = Felter::from_query(&query.unwrap_or_default());
    let cookie = k.portal.cookies().innlogging(&headers);
    let under_veis = cookie.and_then(|cookie| UnderVeis::decode(k.portal.app(), cookie));
    let mut response = match under_veis {
        // Without a cookie of ours, or with another state, this is not the browser that began.
        Some(under_veis) if under_veis.state == felter.raw("state") => {
            // The provider is asked about whatever code stands here.
            count_login(&k)?;
            finish(&k, &headers, &felter, under_veis).await?
        }
        _ => found("/logg-inn?melding=avbrutt"),
    };
    response.headers_mut().append(header::SET_COOKIE, k.portal.cookies().remove_innlogging());
    Ok(response)
}

async fn finish(
    k: &Kontekst,
    headers: &HeaderMap,
    felter: &Felter,
    under_veis: UnderVeis,
) -> Result<Response, Feil> {
    let login = k.portal.login().ok_or(Feil::FinnesIkke)?;
    let _waits = k.waits_for_provider().await?;
    if let Some(signering) = &under_veis.signering {
        let mut response = avtale::back_from_login(k, &**login, felter, &under_veis, signering).await?;
        new_token(k, headers, &mut response).await?;
        return Ok(response);
    }
    let verified = match verify(k, &**login, felter, &under_veis).await {
        Ok(Some(verified)) => verified,
        Ok(None) => return Ok(found("/logg-inn?melding=avbrutt")),
        Err(error) => return Ok(failed(k, &error)),
    };
    let app = k.portal.app();
    // A new token at each login: whoever knew the one before gains nothing.
    let before = k.aktiv().map(|sesjon| sesjon.id);
    let NySesjon { token, person } = app.log_in_person(&verified, login.issuer(), before).await?;
    let mut k = k.clone();
    if let Some(sprak) = person.sprak.as_deref().and_then(|tag| tag.parse().ok()) {
        k.t = Tekster(sprak);
    }
    let to = safe_retur(&under_veis.retur).unwrap_or("/velg-organisasjon");
    let mut response = found(to);
    response.headers_mut().append(header::SET_COOKIE, k.portal.cookies().set_sesjon(token.reveal()));
    Ok(response)
}

/// Who came back; nobody where the provider says that it logged nobody in.
pub(crate) async fn verify(
    k: &Kontekst,
    login: &dyn PersonLogin,
    felter: &Felter,
    under_veis: &UnderVeis,
) -> Result<Option<VerifiedPerson>, PersonLoginError> {
    let issuer = felter.has("iss").then(|| felter.raw("iss"));
    if felter.raw("error").is_empty() {
        let answer = LoginAnswer { code: felter.raw("code"), issuer };
        return login.finish(answer, &under_veis.login_start(), k.now).await.map(Some);
    }
    // Nor is it for another provider to say that this login was broken off (RFC 9207 §2.4).
    if issuer.is_some_and(|issuer| issuer != login.issuer()) {
        return Err(PersonLoginError::Refused { reason: "the error is of another issuer".to_owned() });
    }
    // Anybody may have written it.
    let error: String = felter.raw("error").chars().take(100).collect();
    tracing::info!(target: REFUSED, { error = ?error }, "the login provider did not log a person in");
    Ok(None)
}

/// Gives the session another token, as at every login: whoever knew the one before gains nothing.
pub(crate) async fn new_token(
    k: &Kontekst,
    headers: &HeaderMap,
    response: &mut Response,
) -> Result<(), Feil> {
    let cookies = k.portal.cookies();
    if k.aktiv().is_some()
        && let Some(token) = cookies.sesjon(headers)
    {
        let token = k.portal.app().rotate_sesjon(token).await?;
        response.headers_mut().append(header::SET_COOKIE, cookies.set_sesjon(token.reveal()));
    }
    Ok(())
}

fn failed(k: &Kontekst, error: &PersonLoginError) -> Response {
    let code = k.portal.app().ids().uuid();
    tracing::warn!(
        target: REFUSED,
        { error = error as &dyn std::error::Error, error.id = %code },
        "a person could not log in"
    );
    found(&format!("/logg-inn?melding=feilet&feilkode={code}"))
}

/// The provider tells in a hidden frame that a person has logged out elsewhere.
async fn ended_elsewhere(State(portal): State<Portal>, RawQuery(query): RawQuery) -> Result<Response, Feil> {
    let felter = Felter::from_query(&query.unwrap_or_default());
    let (issuer, sid) = (felter.raw("iss"), felter.raw("sid"));
    if !sid.is_empty() && portal.login().is_some_and(|login| login.issuer() == issuer) {
        portal.app().end_sesjoner_by_sid(issuer, sid).await?;
    }
    Ok(StatusCode::OK.into_response())
}

async fn log_out(innlogget: Innlogget, _: Skjema) -> Result<Response, Feil> {
    let portal = &innlogget.k.portal;
    innlogget.app().end_sesjon(innlogget.sesjon.id).await?;
    let state = URL_SAFE_NO_PAD.encode(innlogget.app().ids().secret());
    // Whoever logs out is logged out here, whether or not the provider can be asked where to go.
    let waits = innlogget.k.waits_for_provider().await;
    let address = match portal.login().filter(|_| waits.is_ok()) {
        Some(login) => login.logout_url(innlogget.sesjon.id_token.as_deref(), &state).await,
        None => None,
    };
    let mut response = found(address.as_deref().unwrap_or("/logg-inn?melding=ut"));
    response.headers_mut().append(header::SET_COOKIE, portal.cookies().remove_sesjon());
    Ok(response)
}

/// «Hold meg pålogget»: the request itself is what keeps the session.
async fn keep(_: Innlogget, _: Skjema) -> StatusCode {
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_come_back_to() {
        for good in ["/", "/o/x/tjenester?sok=a%20b", "/drift", "/velg-organisasjon"] {
            assert_eq!(safe_retur(good), Some(good));
        }
        for bad in ["", "//evil.no", "https://evil.no/o/", "/\\evil.no", "/o/\\x", "/logg-ut", "/o/ x"] {
            assert_eq!(safe_retur(bad), None, "{bad}");
        }
    }
}
