tilganger-tittel = Tilgangar
tilganger-sider = Sider med tilgangar
tilganger-sider-foresporsler = Sider med førespurnader
tilganger-sider-forespurte = Sider med førespurde tilgangar
tilganger-sider-treff = Sider med treff
tilganger-sok-kontoer = Søk etter konto, system eller organisasjon
tilganger-sok-systemer = Søk etter system eller organisasjon
tilganger-vis-alle = Vis alle
tilganger-antall-kontoer = { $n ->
    [one] 1 konto
   *[other] { $n } kontoar
}
tilganger-antall-systemer = { $n ->
    [one] 1 system
   *[other] { $n } system
}
tilganger-antall-foresporsler = { $n ->
    [one] 1 førespurnad
   *[other] { $n } førespurnader
}
tilganger-antall-forespurte = { $n ->
    [one] 1 førespurd tilgang
   *[other] { $n } førespurde tilgangar
}
tilganger-antall-treff = { $n ->
    [one] 1 konto
   *[other] { $n } kontoar
}
tilganger-treff = Kontoar som passar med søket
tilganger-ingen-kontoer = Systemet har ikkje fått tilgang til nokon kontoar enno
tilganger-ingen-kontoer-forklaring = Eigaren av den andre kontoen gjev tilgang. Oppgje systemId { $systemId }.
tilganger-ingen-kontotreff = Ingen kontoar passar med søket
tilganger-ingen-treff-forklaring = Prøv med færre eller andre ord.
tilganger-ingen-systemer = Ingen system har tilgang enno
tilganger-ingen-foresporsler = Ingen førespurnader
tilganger-ingen-forespurte = Ingen førespurde tilgangar
tilganger-handling = Handling
tilganger-svar = Svar
tilganger-parter = Partar
tilganger-part = { $navn } { $versjon }
tilganger-gitt = Tilgang gitt
tilganger-sendt-tid = Sendt
tilganger-eier = Eigar
tilganger-tilgang = Tilgang
tilganger-har-tilgang = Har tilgang
tilganger-forespurt = Førespurd
tilganger-fjern = Fjern tilgang
tilganger-fjerner = Fjernar …
tilganger-behold = Behald tilgangen
tilganger-til = til { $navn }
tilganger-for = for { $navn }
tilganger-om = om tilgang til { $navn }
tilganger-fjerne-tittel = Fjerne tilgangen til { $navn }?
tilganger-fjerne-til-konto = Systemet kan ikkje lenger sende meldingar til { $konto }.
tilganger-fjerne-fra-system = { $system } kan ikkje lenger sende meldingar til { $konto }. Berre eigaren av kontoen kan gje tilgangen tilbake.
tilganger-fjernet = { $system } kan ikkje lenger sende meldingar til { $konto }.
tilganger-kan-na-sende = { $system } kan no sende meldingar til { $konto }.
tilganger-be-om = Be om tilgang
tilganger-be-om-sok-hjelp = Namn på eller omtale av kontoen eller systemet, eller ein heil konto-id.
tilganger-be-om-ingen-treff-forklaring = Kontoen kan høyre til eit system som berre er synleg for eigen organisasjon. Be eigaren gje tilgang.
tilganger-send = Send førespurnad
tilganger-sender = Sender …
tilganger-sendt = Førespurnaden om tilgang til { $konto } er send til { $organisasjon }.
tilganger-gitt-automatisk = { $system } kan no sende meldingar til { $konto }. { $organisasjon } godkjenner førespurnader automatisk.
tilganger-har-alt = { $system } kan alt sende meldingar til { $konto }.
tilganger-forespurte = Førespurde tilgangar
tilganger-trekk = Trekk førespurnaden
tilganger-trekker = Trekkjer …
tilganger-trukket = Førespurnaden om tilgang til { $konto } er trekt.
tilganger-ikke-a-trekke = Førespurnaden om tilgang til { $konto } er alt svara på eller trekt.
tilganger-foresporsler = Førespurnader
tilganger-godkjenn = Godkjenn
tilganger-avvis = Avvis
tilganger-foresporsel-fra = førespurnaden frå { $navn }
tilganger-avvist = Førespurnaden frå { $system } er avvist.
tilganger-ikke-a-besvare = Førespurnaden frå { $system } er alt svara på eller trekt.
