sok-tittel = Søk etter systemer
sok-hjelp = Navn eller beskrivelse på systemet, eller en hel systemId.
sok-eier = Eierorganisasjon
sok-meldingstype = Kan motta meldingstype
sok-meldingstype-hjelp = Hele navnet på meldingstypen.
sok-utveksle = Vis bare systemer som kan utveksle meldinger med kontoen
sok-sider = Sider med systemer
sok-treff = Systemer som passer med søket
sok-antall = { $n ->
    [one] 1 system
   *[other] { $n } systemer
}
sok-viser-egne = Her er systemene i { $organisasjon }. Søk for å finne systemer i andre organisasjoner.
sok-ingen-egne = Ingen andre systemer i { $organisasjon } kan utveksle meldinger med kontoen
sok-ingen-egne-forklaring = Søk for å finne systemer i andre organisasjoner.
sok-ingen-treff = Ingen systemer passer med søket
sok-ingen-treff-forklaring = Systemet kan være synlig bare for egen organisasjon. Be eieren om systemId, og søk på den.
sok-har-bedt = Har bedt om tilgang
sok-gi-tilgang = Gi tilgang
