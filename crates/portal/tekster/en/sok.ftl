sok-tittel = Search for systems
sok-hjelp = Name or description of the system, or a whole systemId.
sok-eier = Owner organisation
sok-meldingstype = Can receive message type
sok-meldingstype-hjelp = The whole name of the message type.
sok-utveksle = Show only systems that can exchange messages with the account
sok-sider = Pages of systems
sok-treff = Systems that match the search
sok-antall = { $n ->
    [one] 1 system
   *[other] { $n } systems
}
sok-viser-egne = These are the systems of { $organisasjon }. Search to find systems of other organisations.
sok-ingen-egne = No other systems of { $organisasjon } can exchange messages with the account
sok-ingen-egne-forklaring = Search to find systems of other organisations.
sok-ingen-treff = No systems match the search
sok-ingen-treff-forklaring = The system may be visible only to its own organisation. Ask the owner for the systemId, and search for it.
sok-har-bedt = Has requested access
sok-gi-tilgang = Grant access
