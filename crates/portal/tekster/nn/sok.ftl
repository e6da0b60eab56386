sok-tittel = Søk etter system
sok-hjelp = Namn på eller omtale av systemet, eller ein heil systemId.
sok-eier = Eigarorganisasjon
sok-meldingstype = Kan ta imot meldingstype
sok-meldingstype-hjelp = Heile namnet på meldingstypen.
sok-utveksle = Vis berre system som kan utveksle meldingar med kontoen
sok-sider = Sider med system
sok-treff = System som passar med søket
sok-antall = { $n ->
    [one] 1 system
   *[other] { $n } system
}
sok-viser-egne = Her er systema i { $organisasjon }. Søk for å finne system i andre organisasjonar.
sok-ingen-egne = Ingen andre system i { $organisasjon } kan utveksle meldingar med kontoen
sok-ingen-egne-forklaring = Søk for å finne system i andre organisasjonar.
sok-ingen-treff = Ingen system passar med søket
sok-ingen-treff-forklaring = Systemet kan vere synleg berre for eigen organisasjon. Be eigaren om systemId, og søk på den.
sok-har-bedt = Har bede om tilgang
sok-gi-tilgang = Gje tilgang
