systemer-tittel = Systemer
systemer-kontoer = Kontoer
systemer-mangler-kobling = Mangler kobling
systemer-pa-ko = Meldinger på kø
systemer-system-id = systemId
systemer-sider = Sider med systemer
systemer-sok = Søk etter navn eller beskrivelse
systemer-vis-alle = Vis alle systemer
systemer-antall = { $n ->
    [one] 1 system
   *[other] { $n } systemer
}
systemer-ingen = Ingen systemer ennå
systemer-ingen-forklaring = Opprett ett system for hvert fagsystem eller arkiv som skal sende eller motta meldinger.
systemer-ingen-treff = Ingen systemer passer med søket
systemer-ingen-treff-forklaring = Alle ordene i søket må stå i navnet eller beskrivelsen. Du kan også søke på en hel systemId.
