system-konfigurasjon-systeminfo = Systeminfo
system-konfigurasjon-leverandor = Leverandør
system-konfigurasjon-palogging = Integrasjonspålogging
system-konfigurasjon-api = API
system-konfigurasjon-synlighet = Synlegheit
system-konfigurasjon-slett = Slett system
system-konfigurasjon-objekt-systeminfo = systeminfo
system-konfigurasjon-objekt-leverandor = leverandør
system-konfigurasjon-objekt-api = API
system-konfigurasjon-objekt-synlighet = synlegheit
system-konfigurasjon-objekt-orgnummer = organisasjonsnummeret til { $id }
system-konfigurasjon-objekt-passord = for { $id }
system-konfigurasjon-lagret-systeminfo = Systeminfo er lagra
system-konfigurasjon-lagret-leverandor = Leverandør er lagra
system-konfigurasjon-lagret-synlighet = Synlegheit er lagra
system-konfigurasjon-orgnummer-endret = Organisasjonsnummer er endra
system-konfigurasjon-api-slatt-pa = API-konfigurasjon er slått på
system-konfigurasjon-api-slatt-av = API-konfigurasjon er slått av
system-konfigurasjon-api-avvises = API-kall som endrar systemet, vil bli avviste.
system-konfigurasjon-offentlig = Tilgjengeleg for andre organisasjonar
system-konfigurasjon-automatisk = Godkjenn førespurnader om tilgang automatisk
system-konfigurasjon-uten-godkjenning = Alle organisasjonar kan då få tilgang utan at nokon godkjenner det.
system-konfigurasjon-gyldig-fra = Gyldig frå
system-konfigurasjon-utloper = Går ut
system-konfigurasjon-utloper-ikke = Går ikkje ut
system-konfigurasjon-generer = Generer nytt passord
system-konfigurasjon-passord-tittel = Generere nytt passord?
system-konfigurasjon-passord-tekst = Det gamle passordet sluttar å verke med ein gong. Klientar som bruker det, mistar tilkoplinga til dei får det nye.
system-konfigurasjon-passord-lag = Lag nytt passord
system-konfigurasjon-passord-behold = Behald passordet
system-konfigurasjon-passord-laget = Nytt passord er laga
system-konfigurasjon-allerede-tittel = Passordet er alt laga
system-konfigurasjon-ga-til = Gå til konfigurasjon
system-konfigurasjon-endre-orgnummer = Endre organisasjonsnummer
system-konfigurasjon-orgnummer-varsel = Klienten må bruke eit Maskinporten-token for det nye nummeret.
system-konfigurasjon-legg-til = Legg til integrasjon
system-konfigurasjon-legg-til-tekst = Med ein ny integrasjon kan du byte organisasjonsnummer eller leverandør utan at klienten mistar tilkoplinga. Den førre verkar til og med datoen du vel.
system-konfigurasjon-utlopsdato-hjelp = Den siste dagen den førre integrasjonen skal verke.
system-konfigurasjon-integrasjon-lagt-til = Integrasjonen er lagd til
system-konfigurasjon-slett-innledning = Kontoane, køane og tilgangane til systemet blir òg sletta.
system-konfigurasjon-slett-tittel = Slette { $navn }?
system-konfigurasjon-slett-tekst = { $kontoer ->
    [one] 1 konto
   *[other] { $kontoer } kontoar
}, { $meldinger ->
    [one] 1 melding
   *[other] { $meldinger } meldingar
} på kø og { $tilganger ->
    [one] 1 tilgang
   *[other] { $tilganger } tilgangar
} blir sletta. Dette kan ikkje angrast.
system-konfigurasjon-slett-tekst-ukjent = { $kontoer ->
    [one] 1 konto
   *[other] { $kontoer } kontoar
}, alle meldingar på kø og { $tilganger ->
    [one] 1 tilgang
   *[other] { $tilganger } tilgangar
} blir sletta. Dette kan ikkje angrast.
system-konfigurasjon-bekreft = Skriv systemnamnet for å stadfeste
system-konfigurasjon-bekreft-feil = Namnet stemmer ikkje med { $navn }
system-konfigurasjon-sletter = Slettar …
system-konfigurasjon-behold = Behald systemet
system-konfigurasjon-slettet = { $navn } er sletta.
