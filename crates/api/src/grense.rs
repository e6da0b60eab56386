//! The limits in the words of those who read the answer.

use app::Grense;

/// What a limit counts: `det kan være 5 … `.
fn counts(grense: Grense) -> &'static str {
    match grense {
        Grense::KallPerAdresse => "mislykte innlogginger i sekundet fra én adresse",
        Grense::KallPerIntegrasjon => "kall i sekundet fra én integrasjon",
        Grense::KallPerOrganisasjon => "kall i sekundet fra én organisasjon",
        Grense::SamtidigeKallPerOrganisasjon => "kall samtidig fra én organisasjon",
        Grense::TilkoblingerPerIntegrasjon => "AMQP-tilkoblinger fra én integrasjon",
        Grense::TilkoblingerPerOrganisasjon => "AMQP-tilkoblinger fra én organisasjon",
        Grense::KanalerPerIntegrasjon => "AMQP-kanaler for én integrasjon",
        Grense::KanalerPerOrganisasjon => "AMQP-kanaler for én organisasjon",
        Grense::KonsumenterPerIntegrasjon => "konsumenter for én integrasjon",
        Grense::KonsumenterPerOrganisasjon => "konsumenter for én organisasjon",
        Grense::UbekreftedePerOrganisasjon => "ubekreftede meldinger hos konsumentene til én organisasjon",
        Grense::MinneBytesForKanaler => {
            "byte i minnet til kanaler og konsumenter fra alle, og ingen får mer enn halvparten av det som er igjen"
        }
        Grense::MinneBytes => "byte i minnet på vei inn eller ut av tjenesten",
        Grense::MinneBytesPerOrganisasjon => "byte i minnet på vei inn eller ut for én organisasjon",
        Grense::SendteBytesPerOrganisasjon => {
            "byte som en organisasjon har sendt og som ikke er hentet eller slettet"
        }
        Grense::MottatteBytesPerOrganisasjon => "byte som venter på at mottakerens organisasjon henter dem",
        Grense::SendteBytesIKoPerOrganisasjon => {
            "byte som en organisasjon har sendt og som ligger i kø hos mottakerne"
        }
        Grense::MottatteBytesIKoPerOrganisasjon => "byte som ligger i kø hos mottakerens organisasjon",
        Grense::SporingBytesPerOrganisasjon => {
            "byte sporing etter meldinger som en organisasjon har sendt, og det blir jevnt færre så lenge sporingen oppbevares"
        }
        Grense::SvarPerMelding => "svar på én melding",
        Grense::NoklerPerKonto => "versjoner av nøkkelen til én konto, også de som er tatt ut av bruk",
        Grense::ParterPerKonto => "parter på én konto",
        Grense::TilgangerPerKonto => "tilganger til én konto",
        Grense::ForesporslerPerSystem => "ubesvarte forespørsler fra ett system",
        Grense::TilgangerPerSystem => {
            "tilganger som ett system har (halvparten hvis systemet ikke har spurt om dem)"
        }
        Grense::KontoerPerSystem => "kontoer i ett system",
        Grense::IntegrasjonerPerSystem => "integrasjoner i ett system",
        Grense::EposterPerSystem => "e-postadresser på ett system",
        Grense::SystemerPerOrganisasjon => "systemer i én organisasjon",
        Grense::EndringerPerOrganisasjon => "endringer i timen i én organisasjon",
        Grense::SesjonerPerPerson => "økter for én person i portalen",
    }
}

/// What whoever has used up a limit can do about it.
fn remedy(grense: Grense) -> &'static str {
    match grense {
        Grense::SendteBytesPerOrganisasjon => "Vent til mottakerne har hentet meldingene",
        Grense::MottatteBytesPerOrganisasjon => "Be mottakeren hente meldingene som venter",
        Grense::SendteBytesIKoPerOrganisasjon => {
            "Vent til mottakerne har hentet meldingene, og hent kvitteringene som ligger i egne køer"
        }
        Grense::MottatteBytesIKoPerOrganisasjon => {
            "Mottakeren må hente meldingene som ligger i køene sine før det kan sendes flere; si ifra til mottakeren"
        }
        Grense::SporingBytesPerOrganisasjon => "Send færre meldinger og prøv igjen senere",
        Grense::SvarPerMelding => "Send en ny melding i stedet for enda et svar",
        Grense::NoklerPerKonto => {
            "Bruk nøkkelen som er der; gamle versjoner kan ikke fjernes, siden meldinger i kø kan være kryptert til dem"
        }
        Grense::ForesporslerPerSystem => "Trekk forespørsler, eller vent til de er besvart",
        _ => "Fjern noe som ikke er i bruk",
    }
}

/// The message of a limit on what is done at a time.
pub(crate) fn too_many(grense: Grense, seconds: u64) -> String {
    format!("Det er for mange {} ({grense}). Prøv igjen om {seconds} sekunder.", counts(grense))
}

/// The message of a limit on what is kept.
pub(crate) fn full(grense: Grense, limit: u64) -> String {
    format!(
        "Det kan ikke være mer enn {limit} {} ({grense}), og ingenting er lagret. {}, eller be dem som drifter tjenesten \
         om å heve grensen.",
        counts(grense),
        remedy(grense)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_the_limit_and_what_to_do() {
        for grense in Grense::ALL {
            for message in [too_many(*grense, 7), full(*grense, 7)] {
                assert!(message.contains(grense.nokkel()) && message.contains('7'), "{message}");
            }
        }
    }
}
