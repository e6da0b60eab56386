systemer-tittel = System
systemer-kontoer = Kontoar
systemer-mangler-kobling = Manglar kopling
systemer-pa-ko = Meldingar på kø
systemer-system-id = systemId
systemer-sider = Sider med system
systemer-sok = Søk etter namn eller omtale
systemer-vis-alle = Vis alle system
systemer-antall = { $n ->
    [one] 1 system
   *[other] { $n } system
}
systemer-ingen = Ingen system enno
systemer-ingen-forklaring = Opprett eitt system for kvart fagsystem eller arkiv som skal sende eller ta imot meldingar.
systemer-ingen-treff = Ingen system passar med søket
systemer-ingen-treff-forklaring = Alle orda i søket må stå i namnet eller omtalen. Du kan òg søkje på ein heil systemId.
