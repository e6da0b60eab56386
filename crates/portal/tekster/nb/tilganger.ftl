tilganger-tittel = Tilganger
tilganger-sider = Sider med tilganger
tilganger-sider-foresporsler = Sider med forespørsler
tilganger-sider-forespurte = Sider med forespurte tilganger
tilganger-sider-treff = Sider med treff
tilganger-sok-kontoer = Søk etter konto, system eller organisasjon
tilganger-sok-systemer = Søk etter system eller organisasjon
tilganger-vis-alle = Vis alle
tilganger-antall-kontoer = { $n ->
    [one] 1 konto
   *[other] { $n } kontoer
}
tilganger-antall-systemer = { $n ->
    [one] 1 system
   *[other] { $n } systemer
}
tilganger-antall-foresporsler = { $n ->
    [one] 1 forespørsel
   *[other] { $n } forespørsler
}
tilganger-antall-forespurte = { $n ->
    [one] 1 forespurt tilgang
   *[other] { $n } forespurte tilganger
}
tilganger-antall-treff = { $n ->
    [one] 1 konto
   *[other] { $n } kontoer
}
tilganger-treff = Kontoer som passer med søket
tilganger-ingen-kontoer = Systemet har ikke fått tilgang til noen kontoer ennå
tilganger-ingen-kontoer-forklaring = Eieren av den andre kontoen gir tilgang. Oppgi systemId { $systemId }.
tilganger-ingen-kontotreff = Ingen kontoer passer med søket
tilganger-ingen-treff-forklaring = Prøv med færre eller andre ord.
tilganger-ingen-systemer = Ingen systemer har tilgang ennå
tilganger-ingen-foresporsler = Ingen forespørsler
tilganger-ingen-forespurte = Ingen forespurte tilganger
tilganger-handling = Handling
tilganger-svar = Svar
tilganger-parter = Parter
tilganger-part = { $navn } { $versjon }
tilganger-gitt = Tilgang gitt
tilganger-sendt-tid = Sendt
tilganger-eier = Eier
tilganger-tilgang = Tilgang
tilganger-har-tilgang = Har tilgang
tilganger-forespurt = Forespurt
tilganger-fjern = Fjern tilgang
tilganger-fjerner = Fjerner …
tilganger-behold = Behold tilgangen
tilganger-til = til { $navn }
tilganger-for = for { $navn }
tilganger-om = om tilgang til { $navn }
tilganger-fjerne-tittel = Fjerne tilgangen til { $navn }?
tilganger-fjerne-til-konto = Systemet kan ikke lenger sende meldinger til { $konto }.
tilganger-fjerne-fra-system = { $system } kan ikke lenger sende meldinger til { $konto }. Bare eieren av kontoen kan gi tilgangen tilbake.
tilganger-fjernet = { $system } kan ikke lenger sende meldinger til { $konto }.
tilganger-kan-na-sende = { $system } kan nå sende meldinger til { $konto }.
tilganger-be-om = Be om tilgang
tilganger-be-om-sok-hjelp = Navn eller beskrivelse på kontoen eller systemet, eller en hel konto-id.
tilganger-be-om-ingen-treff-forklaring = Kontoen kan høre til et system som bare er synlig for egen organisasjon. Be eieren gi tilgang.
tilganger-send = Send forespørsel
tilganger-sender = Sender …
tilganger-sendt = Forespørselen om tilgang til { $konto } er sendt til { $organisasjon }.
tilganger-gitt-automatisk = { $system } kan nå sende meldinger til { $konto }. { $organisasjon } godkjenner forespørsler automatisk.
tilganger-har-alt = { $system } kan allerede sende meldinger til { $konto }.
tilganger-forespurte = Forespurte tilganger
tilganger-trekk = Trekk forespørselen
tilganger-trekker = Trekker …
tilganger-trukket = Forespørselen om tilgang til { $konto } er trukket.
tilganger-ikke-a-trekke = Forespørselen om tilgang til { $konto } er allerede besvart eller trukket.
tilganger-foresporsler = Forespørsler
tilganger-godkjenn = Godkjenn
tilganger-avvis = Avvis
tilganger-foresporsel-fra = forespørselen fra { $navn }
tilganger-avvist = Forespørselen fra { $system } er avvist.
tilganger-ikke-a-besvare = Forespørselen fra { $system } er allerede besvart eller trukket.
