felles-fiks-protokoll = Fiks Protokoll
felles-hopp-til-innhold = Hopp til hovudinnhald
felles-du-er-her = Du er her:
felles-testmiljo = Testmiljø
felles-utviklingsmiljo = Utviklingsmiljø
felles-bytt-organisasjon = Byt organisasjon
felles-logg-ut = Logg ut
felles-sprak = Språk
felles-fortsatt-palogget = Vil du framleis vere pålogga?
felles-fortsatt-palogget-tekst = Du blir snart logga ut fordi du ikkje har brukt portalen på ei stund. Det du har skrive på sida og ikkje lagra, går då tapt.
felles-hold-meg-palogget = Hald meg pålogga
felles-er-kopiert = {"{"}felt{"}"} er kopiert
felles-er-markert = {"{"}felt{"}"} er markert. Trykk Ctrl+C for å kopiere.
felles-kopier = Kopier
felles-kopier-alle = Kopier alle
felles-feilkode = Feilkode
felles-feilkode-objekt = feilkoden
felles-feil-i-tittel = Feil:
felles-rett-feil = Du må rette { $n ->
    [one] 1 feil
   *[other] { $n } feil
} for å gå vidare
felles-alle-felt = Alle felt må fyllast ut.
felles-ma-fylles-ut = Må fyllast ut
felles-valgfritt = Valfritt
felles-tegn-hoyst = Høgst { $n } teikn
felles-tegn-igjen = {"{"}n{"}"} teikn igjen
felles-tegn-for-mye = {"{"}n{"}"} teikn for mykje
felles-neste = Neste
felles-forrige-steg = Førre steg
felles-avbryt = Avbryt
felles-lagre = Lagre
felles-lagrer = Lagrar …
felles-oppretter = Opprettar …
felles-sok = Søk
felles-soker = Søkjer …
felles-endre = Endre
felles-lukk = Lukk
felles-ferdig = Ferdig
felles-ja = Ja
felles-nei = Nei
felles-alle = Alle
felles-ukjent = Ukjend
felles-ingen = Ingen
felles-prov-igjen = Prøv igjen
felles-til-forsiden = Til framsida
felles-last-ned-csv = Last ned som CSV
felles-side-av = Side { $n } av { $m }
felles-forrige-side = Førre side
felles-neste-side = Neste side
felles-sider = Sider
felles-sist-oppdatert = Sist oppdatert
felles-gamle-tall = Gamle tal
felles-status-ikke-tilgjengelig = Status er ikkje tilgjengeleg akkurat no
felles-passord-skrives-ikke-ut = Passordet blir ikkje skrive ut
felles-organisasjon = Organisasjon
felles-organisasjonsnummer = Organisasjonsnummer
felles-system = System
felles-konto = Konto
felles-protokoll-og-part = Protokoll og part
felles-navn = Namn
felles-beskrivelse = Omtale
felles-opprettet = Oppretta
felles-sist-endret = Sist endra
felles-konto-id = Konto-id
felles-tilstand-koblet = Kopla til
felles-tilstand-mangler-kobling = Manglar kopling
felles-tilstand-mangler-nokkel = Manglar nøkkel
felles-tilstand-nokkel-utloper = Nøkkelen går ut { $dato }
felles-tilstand-nokkel-utlopt = Nøkkelen har gått ut
felles-tilstand-sending-stoppet = Sending er stoppa
felles-konsumenter = { $n ->
    [one] 1 konsument
   *[other] { $n } konsumentar
}
felles-rolle-administrator = Administrator
felles-rolle-protokolladministrator = Protokolladministrator
felles-rolle-lesetilgang = Lesetilgang
felles-sekunder = { $n ->
    [one] 1 sekund
   *[other] { $n } sekund
}
felles-minutter = { $n ->
    [one] 1 minutt
   *[other] { $n } minutt
}
felles-timer = { $n ->
    [one] 1 time
   *[other] { $n } timar
}
felles-dogn = { $n ->
    [one] 1 døgn
   *[other] { $n } døgn
}
felles-feil-hos-oss = Noko gjekk gale hos oss. Det du skreiv, er teke vare på. Prøv igjen om litt.
felles-konflikt = Nokon andre har endra dette sidan du opna sida. Sjå over og lagre på nytt.
