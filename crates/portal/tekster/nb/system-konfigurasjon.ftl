system-konfigurasjon-systeminfo = Systeminfo
system-konfigurasjon-leverandor = Leverandør
system-konfigurasjon-palogging = Integrasjonspålogging
system-konfigurasjon-api = API
system-konfigurasjon-synlighet = Synlighet
system-konfigurasjon-slett = Slett system
system-konfigurasjon-objekt-systeminfo = systeminfo
system-konfigurasjon-objekt-leverandor = leverandør
system-konfigurasjon-objekt-api = API
system-konfigurasjon-objekt-synlighet = synlighet
system-konfigurasjon-objekt-orgnummer = organisasjonsnummeret til { $id }
system-konfigurasjon-objekt-passord = for { $id }
system-konfigurasjon-lagret-systeminfo = Systeminfo er lagret
system-konfigurasjon-lagret-leverandor = Leverandør er lagret
system-konfigurasjon-lagret-synlighet = Synlighet er lagret
system-konfigurasjon-orgnummer-endret = Organisasjonsnummer er endret
system-konfigurasjon-api-slatt-pa = API-konfigurasjon er slått på
system-konfigurasjon-api-slatt-av = API-konfigurasjon er slått av
system-konfigurasjon-api-avvises = API-kall som endrer systemet, vil bli avvist.
system-konfigurasjon-offentlig = Tilgjengelig for andre organisasjoner
system-konfigurasjon-automatisk = Godkjenn forespørsler om tilgang automatisk
system-konfigurasjon-uten-godkjenning = Alle organisasjoner kan da få tilgang uten at noen godkjenner det.
system-konfigurasjon-gyldig-fra = Gyldig fra
system-konfigurasjon-utloper = Utløper
system-konfigurasjon-utloper-ikke = Utløper ikke
system-konfigurasjon-generer = Generer nytt passord
system-konfigurasjon-passord-tittel = Generere nytt passord?
system-konfigurasjon-passord-tekst = Det gamle passordet slutter å virke med en gang. Klienter som bruker det, mister tilkoblingen til de får det nye.
system-konfigurasjon-passord-lag = Lag nytt passord
system-konfigurasjon-passord-behold = Behold passordet
system-konfigurasjon-passord-laget = Nytt passord er laget
system-konfigurasjon-allerede-tittel = Passordet er allerede laget
system-konfigurasjon-ga-til = Gå til konfigurasjon
system-konfigurasjon-endre-orgnummer = Endre organisasjonsnummer
system-konfigurasjon-orgnummer-varsel = Klienten må bruke et Maskinporten-token for det nye nummeret.
system-konfigurasjon-legg-til = Legg til integrasjon
system-konfigurasjon-legg-til-tekst = Med en ny integrasjon kan du bytte organisasjonsnummer eller leverandør uten at klienten mister tilkoblingen. Den forrige virker til og med datoen du velger.
system-konfigurasjon-utlopsdato-hjelp = Den siste dagen den forrige integrasjonen skal virke.
system-konfigurasjon-integrasjon-lagt-til = Integrasjonen er lagt til
system-konfigurasjon-slett-innledning = Kontoene, køene og tilgangene til systemet slettes også.
system-konfigurasjon-slett-tittel = Slette { $navn }?
system-konfigurasjon-slett-tekst = { $kontoer ->
    [one] 1 konto
   *[other] { $kontoer } kontoer
}, { $meldinger ->
    [one] 1 melding
   *[other] { $meldinger } meldinger
} på kø og { $tilganger ->
    [one] 1 tilgang
   *[other] { $tilganger } tilganger
} slettes. Dette kan ikke angres.
system-konfigurasjon-slett-tekst-ukjent = { $kontoer ->
    [one] 1 konto
   *[other] { $kontoer } kontoer
}, alle meldinger på kø og { $tilganger ->
    [one] 1 tilgang
   *[other] { $tilganger } tilganger
} slettes. Dette kan ikke angres.
system-konfigurasjon-bekreft = Skriv systemnavnet for å bekrefte
system-konfigurasjon-bekreft-feil = Navnet stemmer ikke med { $navn }
system-konfigurasjon-sletter = Sletter …
system-konfigurasjon-behold = Behold systemet
system-konfigurasjon-slettet = { $navn } er slettet.
