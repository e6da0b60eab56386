felles-fiks-protokoll = Fiks Protokoll
felles-hopp-til-innhold = Hopp til hovedinnhold
felles-du-er-her = Du er her:
felles-testmiljo = Testmiljø
felles-utviklingsmiljo = Utviklingsmiljø
felles-bytt-organisasjon = Bytt organisasjon
felles-logg-ut = Logg ut
felles-sprak = Språk
felles-fortsatt-palogget = Vil du fortsatt være pålogget?
felles-fortsatt-palogget-tekst = Du blir snart logget ut fordi du ikke har brukt portalen på en stund. Det du har skrevet på siden og ikke lagret, går da tapt.
felles-hold-meg-palogget = Hold meg pålogget
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
} for å gå videre
felles-alle-felt = Alle felt må fylles ut.
felles-ma-fylles-ut = Må fylles ut
felles-valgfritt = Valgfritt
felles-tegn-hoyst = Høyst { $n } tegn
felles-tegn-igjen = {"{"}n{"}"} tegn igjen
felles-tegn-for-mye = {"{"}n{"}"} tegn for mye
felles-neste = Neste
felles-forrige-steg = Forrige steg
felles-avbryt = Avbryt
felles-lagre = Lagre
felles-lagrer = Lagrer …
felles-oppretter = Oppretter …
felles-sok = Søk
felles-soker = Søker …
felles-endre = Endre
felles-lukk = Lukk
felles-ferdig = Ferdig
felles-ja = Ja
felles-nei = Nei
felles-alle = Alle
felles-ukjent = Ukjent
felles-ingen = Ingen
felles-prov-igjen = Prøv igjen
felles-til-forsiden = Til forsiden
felles-last-ned-csv = Last ned som CSV
felles-side-av = Side { $n } av { $m }
felles-forrige-side = Forrige side
felles-neste-side = Neste side
felles-sider = Sider
felles-sist-oppdatert = Sist oppdatert
felles-gamle-tall = Gamle tall
felles-status-ikke-tilgjengelig = Status er ikke tilgjengelig akkurat nå
felles-passord-skrives-ikke-ut = Passordet skrives ikke ut
felles-organisasjon = Organisasjon
felles-organisasjonsnummer = Organisasjonsnummer
felles-system = System
felles-konto = Konto
felles-protokoll-og-part = Protokoll og part
felles-navn = Navn
felles-beskrivelse = Beskrivelse
felles-opprettet = Opprettet
felles-sist-endret = Sist endret
felles-konto-id = Konto-id
felles-tilstand-koblet = Koblet til
felles-tilstand-mangler-kobling = Mangler kobling
felles-tilstand-mangler-nokkel = Mangler nøkkel
felles-tilstand-nokkel-utloper = Nøkkelen utløper { $dato }
felles-tilstand-nokkel-utlopt = Nøkkelen er utløpt
felles-tilstand-sending-stoppet = Sending er stoppet
felles-konsumenter = { $n ->
    [one] 1 konsument
   *[other] { $n } konsumenter
}
felles-rolle-administrator = Administrator
felles-rolle-protokolladministrator = Protokolladministrator
felles-rolle-lesetilgang = Lesetilgang
felles-sekunder = { $n ->
    [one] 1 sekund
   *[other] { $n } sekunder
}
felles-minutter = { $n ->
    [one] 1 minutt
   *[other] { $n } minutter
}
felles-timer = { $n ->
    [one] 1 time
   *[other] { $n } timer
}
felles-dogn = { $n ->
    [one] 1 døgn
   *[other] { $n } døgn
}
felles-feil-hos-oss = Noe gikk galt hos oss. Det du skrev, er tatt vare på. Prøv igjen om litt.
felles-konflikt = Noen andre har endret dette siden du åpnet siden. Se over og lagre på nytt.
