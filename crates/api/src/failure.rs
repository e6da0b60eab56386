//! The one place where what went wrong becomes an answer.
//!
//! A handler returns a [`Failure`]; [`answer`] gives it the body that belongs to the request and logs it once.

use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use app::ports::TokenError;
use app::{App, BoxError, Error, Forbidden, Missing};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::sending::SendRefusal;
use futures::FutureExt as _;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode, Uri};
use wire::error::ErrorMessage;
use wire::id::ErrorId;

use crate::code::Code;
use crate::extract::{Json, JsonFault, is_late};
use crate::grense;
use crate::rule;
use crate::send::FormFault;

/// A request that was not done as asked.
#[derive(Debug, Clone)]
pub(crate) struct Failure(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    /// What is wrong and what to do, for the person who reads it at the other end.
    message: String,
    /// For the log alone.
    cause: Option<BoxError>,
}

impl Failure {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { code, message: message.into(), cause: None }))
    }

    fn because(code: Code, message: impl Into<String>, cause: impl Into<BoxError>) -> Self {
        Self(Arc::new(Inner { code, message: message.into(), cause: Some(cause.into()) }))
    }

    /// There is no operation at this path.
    pub(crate) fn unknown_path() -> Self {
        Self::new(Code::UkjentSti, "Stien finnes ikke. Se OpenAPI-dokumentene for hvilke stier som finnes.")
    }

    /// There is none with this method.
    pub(crate) fn unknown_method() -> Self {
        Self::new(
            Code::UgyldigMetode,
            "Metoden kan ikke brukes på denne stien. Headeren «Allow» sier hvilke som kan det.",
        )
    }

    /// An id in the path is no id.
    pub(crate) fn bad_path(value: Option<&str>, cause: impl Into<BoxError>) -> Self {
        let message = match value {
            Some(value) => format!("«{}» i stien er ikke en UUID. Rett stien og prøv igjen.", short(value)),
            None => "Stien kan ikke leses. Rett den og prøv igjen.".to_owned(),
        };
        Self::because(Code::UgyldigSti, message, cause)
    }

    /// Whole seconds after which it is worth a retry, where that is known.
    fn retry_after(&self) -> Option<HeaderValue> {
        match self.0.cause.as_ref()?.downcast_ref()? {
            Error::TooMany { retry_after, .. } | Error::Stopping { retry_after } => {
                Some(retry_after.as_secs().max(1).into())
            }
            _ => None,
        }
    }

    fn render(&self, app: &App, uri: &Uri, request_id: Option<&HeaderValue>) -> Response {
        let Inner { code, message, cause } = &*self.0;
        let (status, error_id) = (code.status(), ErrorId::from_uuid(app.ids().uuid()));
        let chain = cause.as_ref().map(|cause| chain(&**cause));
        let chain = chain.as_deref().unwrap_or("no further cause");
        let (code, number, path) = (code.name(), status.as_u16(), uri.path());
        // The konfigurasjon clients send one with each request, for finding it here.
        let request_id = request_id.and_then(|id| id.to_str().ok()).map(short);
        if matches!(self.0.code, Code::Fullt) {
            // That there is no room is logged when it begins and when it ends.
            tracing::debug!(error.id = %error_id, http.path = path, error = chain, "a melding was turned away");
        } else if status.is_server_error() && self.0.code != Code::KvoteFull {
            tracing::error!(target: REFUSED, { error.id = %error_id, error.code = code, http.status = number, http.path = path, http.request_id = request_id, error = chain }, "request failed");
        } else {
            tracing::info!(target: REFUSED, { error.id = %error_id, error.code = code, http.status = number, http.path = path, http.request_id = request_id, error = chain }, "request refused");
        }
        let body = ErrorMessage {
            timestamp: Some(app.clock().now().as_millisecond()),
            status: number,
            error: status.canonical_reason().map(str::to_owned),
            error_id: Some(error_id.to_string()),
            path: Some(path.to_owned()),
            message: message.clone(),
            error_code: Some(code.to_owned()),
        };
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            // Jetty's HTTP client, which the official Java client uses, takes a 401 without it for a broken protocol
            // and never shows the answer to its user.
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(retry_after) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, retry_after);
        }
        response
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Target of log lines that clients can bring about as often as they like; of each kind some are written and the rest is
/// counted.
const REFUSED: &str = "refused";

/// Meldinger that were turned away for want of room since there last was some.
#[derive(Default)]
pub(crate) struct TurnedAway(AtomicU64);

impl TurnedAway {
    /// Logs when that begins and when it is over.
    fn note(&self, response: &Response) {
        let code = response.extensions().get::<Failure>().map(|failure| failure.0.code);
        if code == Some(Code::Fullt) {
            if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
                // What there is no room on, and that somebody must do something, the broker says.
                tracing::info!(target: REFUSED, "meldinger are turned away until there is room");
            }
        } else if response.status() == StatusCode::ACCEPTED && self.0.load(Ordering::Relaxed) > 0 {
            let count = self.0.swap(0, Ordering::Relaxed);
            if count > 0 {
                tracing::info!(target: REFUSED, turned_away = count, "there is room again: meldinger are taken");
            }
        }
    }
}

/// What [`answer`] needs.
pub(crate) type Answering = (App, Arc<TurnedAway>);

/// Gives each [`Failure`] its body, and answers for a handler that panicked.
pub(crate) async fn answer(
    State((app, turned_away)): State<Answering>,
    request: Request,
    next: Next,
) -> Response {
    let uri = request.uri().clone();
    let request_id = request.headers().get("requestId").cloned();
    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let told =
                panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
            Failure::from(Error::Internal(told.unwrap_or("a handler panicked").into())).into_response()
        }
    };
    turned_away.note(&response);
    match response.extensions_mut().remove::<Failure>() {
        Some(failure) => {
            let rendered = failure.render(&app, &uri, request_id.as_ref());
            // What the router has added, such as Allow, stays.
            response.headers_mut().remove(http::header::CONTENT_LENGTH);
            let (parts, body) = rendered.into_parts();
            response.headers_mut().extend(parts.headers);
            *response.body_mut() = body;
            response
        }
        None => response,
    }
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut chain = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        chain.push_str(": ");
        chain.push_str(&source.to_string());
        next = source.source();
    }
    chain
}

/// Something that the caller sent, cut so that it can stand in a message.
pub(crate) fn short(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Interrupted(cause) = &error
            && let Some(refusal) = app::memory::refusal_of(&**cause)
        {
            return refusal.into();
        }
        let (code, message) = match &error {
            // The two texts of Fiks' documentation, "integrasjoner".
            Error::Token(TokenError::Invalid { .. }) => {
                (Code::UgyldigToken, "Klarte ikke å validere access_token".to_owned())
            }
            Error::Login { integrasjon, .. } => (
                Code::UgyldigIntegrasjon,
                format!("Autentisering feilet for integrasjon med id {integrasjon}"),
            ),
            Error::Forbidden(forbidden) => of_forbidden(forbidden),
            Error::NotFound(missing) => of_missing(missing),
            Error::Invalid(fields) => {
                let told: Vec<_> = fields.iter().map(rule::tell).collect();
                (
                    Code::UgyldigFelt,
                    format!("Innholdet er ikke gyldig: {}. Rett det og prøv igjen.", told.join("; ")),
                )
            }
            Error::Conflict { what } => of_conflict(what),
            Error::Refused(refusal) => of_refusal(refusal),
            Error::TooLarge { max_bytes } => (Code::ForStor, too_large(*max_bytes)),
            Error::Interrupted(cause) => match cause.downcast_ref::<FormFault>() {
                Some(fault) => of_form(fault),
                None => (
                    Code::Avbrutt,
                    "Innholdet kom ikke fram i sin helhet, og ingenting er sendt. Send meldingen på nytt."
                        .to_owned(),
                ),
            },
            Error::Full => (
                Code::Fullt,
                "Det er ikke plass til mer nå, og ingenting er sendt eller lagret. Prøv igjen senere."
                    .to_owned(),
            ),
            Error::TooMany { retry_after, what } => {
                (Code::ForMange, grense::too_many(*what, retry_after.as_secs()))
            }
            Error::Stopping { retry_after } => (
                Code::Utilgjengelig,
                format!(
                    "Tjenesten stanses, og ingenting er sendt eller lagret. Prøv igjen om {} sekunder.",
                    retry_after.as_secs()
                ),
            ),
            Error::QuotaFull { what, limit } => (Code::KvoteFull, grense::full(*what, *limit)),
            Error::Damaged(_) => (
                Code::SkadetDokument,
                "Innholdet i meldingen er skadet i lageret og kan ikke leveres. Be avsenderen sende meldingen på nytt."
                    .to_owned(),
            ),
            Error::Unavailable(_) | Error::Token(TokenError::Unavailable(_)) => (
                Code::Utilgjengelig,
                "Tjenesten er ikke tilgjengelig akkurat nå. Prøv igjen om litt.".to_owned(),
            ),
            Error::Internal(_) => (
                Code::InternFeil,
                "Noe gikk galt hos oss. Oppgi errorId hvis du tar kontakt med dem som drifter tjenesten."
                    .to_owned(),
            ),
        };
        Self::because(code, message, error)
    }
}

fn of_forbidden(forbidden: &Forbidden) -> (Code, String) {
    match forbidden {
        Forbidden::Konfigurer { system } => (
            Code::ManglerPrivilegium,
            format!(
                "Integrasjonen har ikke privilegiet FIKS.KONFIGURER på ressurs {system}. Bruk en integrasjon som hører \
                 til systemet, og slå på at systemet kan konfigureres av integrasjonen."
            ),
        ),
        Forbidden::ForeignKonto { konto } => (
            Code::FremmedKonto,
            format!("Konto {konto} hører til et annet system. Bruk en konto som hører til integrasjonens eget system."),
        ),
        Forbidden::ForeignDokument { dokument } => (
            Code::FremmedDokument,
            format!("Dokument {dokument} er verken sendt fra eller til en konto i integrasjonens system."),
        ),
        Forbidden::PersonOnly => (
            Code::KreverPerson,
            "En integrasjon kan ikke gjøre dette. Det må gjøres i forvaltningsportalen av en person med rettigheter i \
             organisasjonen."
                .to_owned(),
        ),
        Forbidden::Rolle => (
            Code::ManglerRolle,
            "Rollen din i organisasjonen gir ikke rett til dette. Be en administrator om hjelp.".to_owned(),
        ),
    }
}

fn of_missing(missing: &Missing) -> (Code, String) {
    match missing {
        Missing::Organisasjon(id) => (Code::UkjentOrganisasjon, format!("Organisasjon {id} finnes ikke.")),
        Missing::System(id) => (Code::UkjentSystem, format!("System {id} finnes ikke.")),
        Missing::Integrasjon(id) => (Code::UkjentIntegrasjon, format!("Integrasjon {id} finnes ikke.")),
        Missing::Konto(id) => (Code::UkjentKonto, format!("Konto {id} finnes ikke. Kontroller kontoId-en.")),
        Missing::Nokkel(id) => (
            Code::IngenNokkel,
            format!("Konto {id} har ingen offentlig nøkkel. Eieren må laste opp en før den kan få innhold."),
        ),
        Missing::Tilgang(konto, system) => {
            (Code::IngenTilgang, format!("System {system} har ikke tilgang til konto {konto}."))
        }
        Missing::Foresporsel(konto, system) => {
            (Code::IngenForesporsel, format!("System {system} har ikke spurt om tilgang til konto {konto}."))
        }
        Missing::Protokoll(navn) => {
            (Code::UkjentProtokoll, format!("Protokoll {} finnes ikke.", short(navn)))
        }
        Missing::Dokument(id) => (
            Code::UkjentDokument,
            format!("Dokument {id} finnes ikke, eller tiden det skulle lagres er ute."),
        ),
        Missing::Melding(id) => (Code::UkjentMelding, format!("Melding {id} finnes ikke.")),
        Missing::Person(id) => (Code::UkjentPerson, format!("Person {id} har ingen rolle i organisasjonen.")),
    }
}

fn of_conflict(what: &str) -> (Code, String) {
    let message = match what {
        "avtale" => "Organisasjonen har ikke tatt Fiks Protokoll i bruk. Det må en person i organisasjonen gjøre først.".to_owned(),
        _ => format!("Det finnes allerede ({what}), eller noen andre endret det samtidig. Hent det på nytt og prøv igjen."),
    };
    (Code::Konflikt, message)
}

fn of_refusal(refusal: &SendRefusal) -> (Code, String) {
    match refusal {
        SendRefusal::AvsenderDeaktivert { konto } => (
            Code::AvsenderDeaktivert,
            format!("Konto {konto} kan bare motta meldinger. Ta kontakt med dem som drifter tjenesten."),
        ),
        SendRefusal::UlikProtokoll { avsender, avsender_protokoll, mottaker, mottaker_protokoll } => (
            Code::UlikProtokoll,
            format!(
                "Konto {avsender} bruker protokollen {avsender_protokoll}, og konto {mottaker} bruker {mottaker_protokoll}. \
                 Send til en konto med samme protokoll."
            ),
        ),
        SendRefusal::IngenFellesVersjon { avsender, mottaker, protokoll } => (
            Code::IngenFellesVersjon,
            format!(
                "Konto {avsender} og konto {mottaker} støtter ingen felles versjon av {protokoll}. Legg til en part i en \
                 versjon som mottakeren støtter."
            ),
        ),
        SendRefusal::UkjentMeldingstype { meldingstype, protokoll } => (
            Code::UkjentMeldingstype,
            format!(
                "Meldingstypen «{}» finnes ikke i protokollen {protokoll}. Kontroller navnet mot protokollen.",
                short(meldingstype)
            ),
        ),
        SendRefusal::KanIkkeSende { konto, meldingstype } => (
            Code::KanIkkeSende,
            format!(
                "Ingen av partene til konto {konto} kan sende {meldingstype}. Legg til en part som kan det."
            ),
        ),
        SendRefusal::KanIkkeMotta { konto, meldingstype } => (
            Code::KanIkkeMotta,
            format!(
                "Ingen av partene til konto {konto} kan motta {meldingstype}. Send til en konto som kan det."
            ),
        ),
        SendRefusal::ParterStotterIkkeHverandre { avsender, mottaker, meldingstype } => (
            Code::ParterStotterIkkeHverandre,
            format!(
                "Partene til konto {avsender} og konto {mottaker} støtter ikke hverandre for {meldingstype}. Se i \
                 protokollen hvilke parter som kan snakke sammen."
            ),
        ),
        SendRefusal::PayloadMangler { meldingstype } => {
            (Code::PayloadMangler, format!("{meldingstype} må ha innhold. Legg det ved som delen «data»."))
        }
        SendRefusal::PayloadIkkeTillatt { meldingstype } => (
            Code::PayloadIkkeTillatt,
            format!("{meldingstype} skal ikke ha innhold. Send den uten delen «data»."),
        ),
        SendRefusal::ManglerTilgang { system, konto } => (
            Code::ManglerTilgang,
            format!("System {system} har ikke tilgang til konto {konto}. Be eieren av kontoen om tilgang."),
        ),
    }
}

fn too_slow() -> (Code, String) {
    let message =
        "Innholdet kom for langsomt fram, og ingenting er lagret. Send det på nytt over en raskere linje.";
    (Code::ForTreg, message.to_owned())
}

fn too_large(max_bytes: u64) -> String {
    format!("Innholdet er større enn {max_bytes} byte, som er det meste som tas imot. Del det opp.")
}

impl From<FormFault> for Failure {
    fn from(fault: FormFault) -> Self {
        if let FormFault::NoMemory(refusal) = fault {
            return (*refusal).into();
        }
        if let Some(refusal) = app::memory::refusal_of(&fault) {
            return refusal.into();
        }
        let (code, message) = of_form(&fault);
        Self::because(code, message, fault)
    }
}

fn of_form(fault: &FormFault) -> (Code, String) {
    use crate::send::multipart::Malformed;

    const FORM: &str = "Send et skjema (multipart/form-data) med delen «metadata» først og «data» sist.";
    let (code, message) = match fault {
        FormFault::Malformed(Malformed::NotMultipart) => {
            return (Code::UgyldigMedietype, format!("Content-Type er ikke multipart/form-data. {FORM}"));
        }
        FormFault::Malformed(Malformed::Truncated) => {
            return (
                Code::Avbrutt,
                "Skjemaet slutter før siste skilletegn (boundary), og ingenting er sendt. Send meldingen på nytt.".to_owned(),
            );
        }
        FormFault::Malformed(malformed) => {
            let what = match malformed {
                Malformed::NoBoundary => "Content-Type mangler en gyldig boundary",
                Malformed::NoDelimiter => "Innholdet begynner ikke med boundary fra Content-Type",
                Malformed::BadDelimiter => "Etter en boundary må det komme linjeskift eller to bindestreker",
                Malformed::HeadersTooLong => "Headerne til en del er for lange",
                Malformed::BadHeader => "En header i en del kan ikke leses",
                Malformed::NoName => "En del mangler Content-Disposition med navn",
                Malformed::Encoded => "En del har Content-Transfer-Encoding; send den som den er",
                Malformed::Epilogue => "Det står for mye etter siste boundary",
                Malformed::NotMultipart | Malformed::Truncated => "Skjemaet kan ikke leses",
            };
            (Code::UgyldigSkjema, format!("{what}. {FORM}"))
        }
        FormFault::MetadataMissing => (Code::UgyldigSkjema, format!("Delen «metadata» mangler. {FORM}")),
        FormFault::NotMetadataFirst { name } => (
            Code::UgyldigSkjema,
            format!("Den første delen heter «{}», ikke «metadata». {FORM}", short(name)),
        ),
        FormFault::Duplicate { name } => {
            (Code::UgyldigSkjema, format!("Delen «{}» står der to ganger. {FORM}", short(name)))
        }
        FormFault::Unknown { name } => {
            (Code::UgyldigSkjema, format!("Delen «{}» er ukjent. {FORM}", short(name)))
        }
        FormFault::MetadataTooLarge { max_bytes } => {
            return (
                Code::ForStor,
                format!("Delen «metadata» er større enn {max_bytes} byte. Legg innhold i delen «data»."),
            );
        }
        FormFault::Metadata(fault) => return of_json("Delen «metadata»", fault),
        FormFault::Interrupted(cause) if is_late(&**cause) => return too_slow(),
        FormFault::Stalled => return too_slow(),
        FormFault::NoMemory(refusal) => return (Code::ForMange, refusal.to_string()),
        FormFault::Interrupted(_) => {
            return (
                Code::Avbrutt,
                "Skjemaet kom ikke fram i sin helhet, og ingenting er sendt. Send meldingen på nytt."
                    .to_owned(),
            );
        }
    };
    (code, message)
}

impl From<JsonFault> for Failure {
    fn from(fault: JsonFault) -> Self {
        if let JsonFault::Interrupted(cause) = &fault
            && let Some(refusal) = app::memory::refusal_of(&**cause)
        {
            return refusal.into();
        }
        let (code, message) = of_json("Innholdet", &fault);
        Self::because(code, message, fault)
    }
}

fn of_json(what: &str, fault: &JsonFault) -> (Code, String) {
    match fault {
        JsonFault::MediaType => (
            Code::UgyldigMedietype,
            "Content-Type er ikke application/json. Send innholdet som JSON.".to_owned(),
        ),
        JsonFault::TooLarge { max_bytes } => (Code::ForStor, too_large(*max_bytes)),
        JsonFault::TooMany { max } => (
            Code::ForStor,
            format!("{what} har flere enn {max} verdier, som er det meste som tas imot. Del det opp."),
        ),
        JsonFault::Interrupted(cause) if is_late(&**cause) => too_slow(),
        JsonFault::Interrupted(_) => {
            (Code::Avbrutt, "Innholdet kom ikke fram i sin helhet. Prøv igjen.".to_owned())
        }
        JsonFault::Empty => (Code::UgyldigJson, format!("{what} er uten innhold. Send JSON.")),
        JsonFault::Syntax(error) => (
            Code::UgyldigJson,
            format!(
                "{what} er ikke gyldig JSON (linje {}, tegn {}). Rett det og prøv igjen.",
                error.line(),
                error.column()
            ),
        ),
        JsonFault::Nul => {
            (Code::UgyldigJson, format!("{what} har en tekst med tegnet U+0000. Ta det bort og prøv igjen."))
        }
        JsonFault::Field { path, error } => {
            let error = error.to_string();
            let message = match missing_field(&error) {
                Some(field) if path == "." => {
                    format!("{what} mangler feltet «{field}». Legg det til og prøv igjen.")
                }
                Some(field) => {
                    format!("{what} mangler feltet «{}.{field}». Legg det til og prøv igjen.", short(path))
                }
                None if path == "." => {
                    format!("{what} er ikke et JSON-objekt som passer. Rett det og prøv igjen.")
                }
                None if error.contains("UUID") => {
                    format!(
                        "{what} har et felt «{}» som ikke er en UUID. Rett det og prøv igjen.",
                        short(path)
                    )
                }
                None => format!(
                    "{what} har et felt «{}» med feil type eller verdi. Rett det og prøv igjen.",
                    short(path)
                ),
            };
            (Code::UgyldigJson, message)
        }
    }
}

/// The field that serde misses.
fn missing_field(error: &str) -> Option<&str> {
    error.strip_prefix("missing field `")?.split('`').next()
}

#[cfg(test)]
mod tests {
    use app::ports::Clock as _;
    use axum::body::Body;
    use http::{Method, Request};
    use wire::id::IntegrasjonId;

    use super::*;
    use crate::testing::{OPPRETT, Party, World, call, form};

    #[tokio::test]
    async fn unknown_path_and_method_are_told_in_json() {
        let world = World::new().await;
        let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
        call(&world.router, get("/")).await.error(StatusCode::NOT_FOUND, "UKJENT_STI");
        call(&world.router, get("/fiks-io/api/v1/sendt")).await.error(StatusCode::NOT_FOUND, "UKJENT_STI");
        let answer = call(&world.router, get(wire::send::PATH)).await;
        answer.error(StatusCode::METHOD_NOT_ALLOWED, "UGYLDIG_METODE");
        assert_eq!(answer.headers["allow"], "POST");
    }

    #[test]
    fn body_that_was_broken_off_for_a_reason_of_ours_is_answered_with_that_reason() {
        type Refusal = fn(std::time::Duration) -> Error;
        let retry_after = std::time::Duration::from_secs(5);
        let refusals: [(Refusal, Code); 2] = [
            (|retry_after| Error::TooMany { retry_after, what: app::Grense::MinneBytes }, Code::ForMange),
            (|retry_after| Error::Stopping { retry_after }, Code::Utilgjengelig),
        ];
        for (refusal, code) in refusals {
            let broken = || -> BoxError { app::memory::broken_off(refusal(retry_after)).into() };
            for failure in [
                Failure::from(Error::Interrupted(broken())),
                Failure::from(FormFault::Interrupted(broken())),
                Failure::from(Error::Interrupted(FormFault::Interrupted(broken()).into())),
                Failure::from(JsonFault::Interrupted(broken())),
            ] {
                assert_eq!(failure.0.code, code);
                assert_eq!(failure.retry_after(), Some(HeaderValue::from_static("5")));
            }
        }
    }

    /// Counts the lines of the log from INFO on.
    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<tracing::Level>>>);

    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            let level = *event.metadata().level();
            if level <= tracing::Level::INFO && event.metadata().target() == REFUSED {
                self.0.lock().unwrap().push(level);
            }
        }
    }

    impl Lines {
        fn take(&self) -> Vec<tracing::Level> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    #[tokio::test]
    async fn refused_send_is_one_line_and_want_of_room_one_when_it_begins_and_one_when_it_ends() {
        use tracing_subscriber::layer::SubscriberExt as _;

        let world = World::new().await;
        let lines = Lines::default();
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
        let send =
            async |party: &Party| world.send(party, form(&world.metadata(OPPRETT), Some(b"x"))).await.status;
        // A place in the code that another test comes to for the first time just now may be thought to interest nobody.
        // So each is passed once before it counts, and then all are asked again.
        send(&world.fremmed).await;
        world.broker.fill();
        send(&world.fag).await;
        world.broker.mend();
        send(&world.fag).await;
        world.broker.explode();
        send(&world.fag).await;
        world.broker.mend();
        send(&world.fag).await;
        tracing::callsite::rebuild_interest_cache();
        lines.take();

        assert_eq!(send(&world.fremmed).await, StatusCode::FORBIDDEN);
        assert_eq!(lines.take(), [tracing::Level::INFO]);
        world.broker.fill();
        for _ in 0..10 {
            assert_eq!(send(&world.fag).await, StatusCode::INSUFFICIENT_STORAGE);
        }
        assert_eq!(lines.take(), [tracing::Level::INFO]);
        world.broker.mend();
        for _ in 0..3 {
            assert_eq!(send(&world.fag).await, StatusCode::ACCEPTED);
        }
        assert_eq!(lines.take(), [tracing::Level::INFO]);
        world.broker.explode();
        assert_eq!(send(&world.fag).await, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(lines.take(), [tracing::Level::ERROR]);
    }

    /// Refuses everybody.
    struct Closed;

    impl app::Doorkeeper for Closed {
        fn admit(&self, _: &app::Caller) -> Result<(), Error> {
            self.log_in_refused()
        }

        fn log_in_refused(&self) -> Result<(), Error> {
            let retry_after = std::time::Duration::from_secs(7);
            Err(Error::TooMany { retry_after, what: app::Grense::KallPerIntegrasjon })
        }
    }

    #[tokio::test]
    async fn whoever_makes_too_many_requests_is_refused_unread_and_invited_to_come_back() {
        let world = World::new().await;
        let wrong = Party { passord: "wrong".to_owned(), ..world.fag.clone() };
        for party in [&world.fag, &wrong] {
            let never = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
            let mut request = party.send_request(Body::from_stream(never));
            // Without this the body is read to its end in the background.
            request.headers_mut().insert(http::header::EXPECT, HeaderValue::from_static("100-continue"));
            request.extensions_mut().insert(app::Door(Arc::new(Closed)));
            let answer = call(&world.router, request).await;
            let message = answer.error(StatusCode::TOO_MANY_REQUESTS, "FOR_MANGE");
            assert!(message.contains("grenser.kall_per_integrasjon"), "{message}");
            assert_eq!(answer.headers["retry-after"], "7");
        }
        let path = format!("{}/info", world.fag.konto_path());
        let never = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
        let mut request = world.fag.request(Method::PUT, &path).body(Body::from_stream(never)).unwrap();
        request.extensions_mut().insert(app::Door(Arc::new(Closed)));
        call(&world.router, request).await.error(StatusCode::TOO_MANY_REQUESTS, "FOR_MANGE");
    }

    #[tokio::test]
    async fn log_in_that_fails_has_one_text_whatever_the_reason() {
        let world = World::new().await;
        let path = format!("/fiks-io/katalog/api/v1/kontoer/{}", world.arkiv.konto);
        let id = world.fag.integrasjon;
        let expected = format!("Autentisering feilet for integrasjon med id {id}");
        for party in [
            Party { passord: "wrong".to_owned(), ..world.fag.clone() },
            Party { orgnummer: world.arkiv.orgnummer, ..world.fag.clone() },
            Party { passord: world.arkiv.passord.clone(), ..world.fag.clone() },
        ] {
            let answer = world.call(&party, Method::GET, &path, None).await;
            assert_eq!(answer.error(StatusCode::UNAUTHORIZED, "UGYLDIG_INTEGRASJON"), expected);
        }
        let nobody = Party { integrasjon: IntegrasjonId::from_uuid(uuid::Uuid::nil()), ..world.fag.clone() };
        let message = world
            .call(&nobody, Method::GET, &path, None)
            .await
            .error(StatusCode::UNAUTHORIZED, "UGYLDIG_INTEGRASJON");
        assert_eq!(
            message,
            "Autentisering feilet for integrasjon med id 00000000-0000-0000-0000-000000000000"
        );
        let no_headers =
            Request::get(&path).header("AUTHORIZATION", format!("Bearer {}", world.fag.orgnummer));
        let answer = call(&world.router, no_headers.body(Body::empty()).unwrap()).await;
        answer.error(StatusCode::UNAUTHORIZED, "UGYLDIG_INTEGRASJON");
    }

    #[tokio::test]
    async fn bad_token_has_one_text_and_missing_keys_another() {
        let world = World::new().await;
        let path = format!("/fiks-io/katalog/api/v1/kontoer/{}", world.arkiv.konto);
        let expired = Party { orgnummer: "expired", ..world.fag.clone() };
        let message = world
            .call(&expired, Method::GET, &path, None)
            .await
            .error(StatusCode::UNAUTHORIZED, "UGYLDIG_TOKEN");
        assert_eq!(message, "Klarte ikke å validere access_token");
        let keyless = Party { orgnummer: "unavailable", ..world.fag.clone() };
        world
            .call(&keyless, Method::GET, &path, None)
            .await
            .error(StatusCode::SERVICE_UNAVAILABLE, "UTILGJENGELIG");
    }

    #[tokio::test]
    async fn error_tells_when_and_where_it_happened() {
        let world = World::new().await;
        let answer = call(&world.router, Request::get("/nei?x=y").body(Body::empty()).unwrap()).await;
        assert_eq!(answer.json()["timestamp"], world.clock.now().as_millisecond());
        assert_eq!(answer.json()["path"], "/nei");
    }

    #[test]
    fn refusals_by_right_and_by_rule_have_different_statuses() {
        let konto = wire::id::KontoId::from_uuid(uuid::Uuid::nil());
        let of = |refusal: SendRefusal| Failure::from(Error::from(refusal)).0.code.status();
        assert_eq!(of(SendRefusal::AvsenderDeaktivert { konto }), StatusCode::FORBIDDEN);
        let (avsender, mottaker, protokoll) = (konto, konto, "p".to_owned());
        assert_eq!(
            of(SendRefusal::IngenFellesVersjon { avsender, mottaker, protokoll }),
            StatusCode::BAD_REQUEST
        );
    }

    #[test]
    fn what_the_caller_sent_is_cut_before_it_comes_back() {
        assert_eq!(short("a\r\nb"), "ab…");
        assert_eq!(short(&"x".repeat(100)).chars().count(), 81);
        assert_eq!(short("helt greit"), "helt greit");
    }
}
