//! `errorCode`: the machine-readable name of each thing that can go wrong, with its status.
//!
//! `docs/errors.md` lists them; a test compares.

use http::StatusCode;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:ident;)+) => {
        /// What went wrong, as the wire names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// The value of `errorCode`.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP status that goes with it.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// All there are.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)+];
        }
    };
}

codes! {
    /// The access token is missing, expired, forged, of another issuer or without scope.
    UgyldigToken = "UGYLDIG_TOKEN", UNAUTHORIZED;
    /// Unknown integrasjon, wrong passord or other orgnummer, on purpose not told apart.
    UgyldigIntegrasjon = "UGYLDIG_INTEGRASJON", UNAUTHORIZED;
    /// The integrasjon may not configure this System.
    ManglerPrivilegium = "MANGLER_PRIVILEGIUM", FORBIDDEN;
    /// The Konto belongs to another System.
    FremmedKonto = "FREMMED_KONTO", FORBIDDEN;
    /// The document is for others.
    FremmedDokument = "FREMMED_DOKUMENT", FORBIDDEN;
    /// Only a person may.
    KreverPerson = "KREVER_PERSON", FORBIDDEN;
    /// The person's rolle does not reach that far.
    ManglerRolle = "MANGLER_ROLLE", FORBIDDEN;
    /// The sender may only receive.
    AvsenderDeaktivert = "AVSENDER_DEAKTIVERT", FORBIDDEN;
    /// The receiver has not given tilgang.
    ManglerTilgang = "MANGLER_TILGANG", FORBIDDEN;
    /// No such organisasjon.
    UkjentOrganisasjon = "UKJENT_ORGANISASJON", NOT_FOUND;
    /// No such System.
    UkjentSystem = "UKJENT_SYSTEM", NOT_FOUND;
    /// No such Integrasjon.
    UkjentIntegrasjon = "UKJENT_INTEGRASJON", NOT_FOUND;
    /// No such Konto.
    UkjentKonto = "UKJENT_KONTO", NOT_FOUND;
    /// The Konto has no public key, or does not exist.
    IngenNokkel = "INGEN_NOKKEL", NOT_FOUND;
    /// No such tilgang.
    IngenTilgang = "INGEN_TILGANG", NOT_FOUND;
    /// No such forespørsel.
    IngenForesporsel = "INGEN_FORESPORSEL", NOT_FOUND;
    /// No such Protokoll or version.
    UkjentProtokoll = "UKJENT_PROTOKOLL", NOT_FOUND;
    /// No such document, or its time is over.
    UkjentDokument = "UKJENT_DOKUMENT", NOT_FOUND;
    /// No such melding.
    UkjentMelding = "UKJENT_MELDING", NOT_FOUND;
    /// No such person with a rolle in the organisasjon.
    UkjentPerson = "UKJENT_PERSON", NOT_FOUND;
    /// No such path.
    UkjentSti = "UKJENT_STI", NOT_FOUND;
    /// The path does not have this method.
    UgyldigMetode = "UGYLDIG_METODE", METHOD_NOT_ALLOWED;
    /// An id in the path is no id.
    UgyldigSti = "UGYLDIG_STI", BAD_REQUEST;
    /// The body is not JSON or lacks a field.
    UgyldigJson = "UGYLDIG_JSON", BAD_REQUEST;
    /// The form cannot be read, or its parts are not those asked for.
    UgyldigSkjema = "UGYLDIG_SKJEMA", BAD_REQUEST;
    /// A field breaks a rule.
    UgyldigFelt = "UGYLDIG_FELT", BAD_REQUEST;
    /// The body did not arrive whole.
    Avbrutt = "AVBRUTT", BAD_REQUEST;
    /// The two kontoer do not speak the same Protokoll.
    UlikProtokoll = "ULIK_PROTOKOLL", BAD_REQUEST;
    /// The two kontoer share no version.
    IngenFellesVersjon = "INGEN_FELLES_VERSJON", BAD_REQUEST;
    /// The Protokoll has no such meldingstype.
    UkjentMeldingstype = "UKJENT_MELDINGSTYPE", BAD_REQUEST;
    /// No part of the sender may send it.
    KanIkkeSende = "KAN_IKKE_SENDE", BAD_REQUEST;
    /// No part of the receiver may receive it.
    KanIkkeMotta = "KAN_IKKE_MOTTA", BAD_REQUEST;
    /// The parts do not support each other.
    ParterStotterIkkeHverandre = "PARTER_STOTTER_IKKE_HVERANDRE", BAD_REQUEST;
    /// There must be payload.
    PayloadMangler = "PAYLOAD_MANGLER", BAD_REQUEST;
    /// There must be no payload.
    PayloadIkkeTillatt = "PAYLOAD_IKKE_TILLATT", BAD_REQUEST;
    /// It is there already, or somebody else changed it.
    Konflikt = "KONFLIKT", CONFLICT;
    /// The body is larger than what is taken.
    ForStor = "FOR_STOR", PAYLOAD_TOO_LARGE;
    /// The body is of another media type.
    UgyldigMedietype = "UGYLDIG_MEDIETYPE", UNSUPPORTED_MEDIA_TYPE;
    /// The body came too slowly.
    ForTreg = "FOR_TREG", REQUEST_TIMEOUT;
    /// The caller does too much at a time.
    ForMange = "FOR_MANGE", TOO_MANY_REQUESTS;
    /// The payload is not what was stored; only its sender can help.
    SkadetDokument = "SKADET_DOKUMENT", INTERNAL_SERVER_ERROR;
    /// A bug or a broken installation.
    InternFeil = "INTERN_FEIL", INTERNAL_SERVER_ERROR;
    /// A part of the installation is out.
    Utilgjengelig = "UTILGJENGELIG", SERVICE_UNAVAILABLE;
    /// No room for more meldinger.
    Fullt = "FULLT", INSUFFICIENT_STORAGE;
    /// The caller has used up what it may keep here.
    KvoteFull = "KVOTE_FULL", INSUFFICIENT_STORAGE;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_documented_with_its_status() {
        let documented: BTreeSet<(String, String)> = include_str!("../../../docs/errors.md")
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
                let name = cells.next()?.strip_suffix('`')?.to_owned();
                let status = cells.next()?.to_owned();
                name.chars().all(|c| c.is_ascii_uppercase() || c == '_').then_some((name, status))
            })
            .filter(|(_, status)| status.len() == 3 && status.starts_with(['4', '5']))
            .collect();
        let known = Code::ALL
            .iter()
            .map(|code| (code.name().to_owned(), code.status().as_str().to_owned()))
            .collect();
        assert_eq!(documented, known);
    }
}
