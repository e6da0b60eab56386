kontoer-tittel = Kontoar
kontoer-ingen = Ingen kontoar enno
kontoer-ingen-forklaring = Ein konto er ein kø for éin protokoll. Opprett ein konto for kvar rolle systemet skal ha.
kontoer-sok = Søk etter namn, omtale eller konto-id
kontoer-ingen-treff = Ingen kontoar passar med søket
kontoer-ingen-treff-forklaring = Prøv med færre eller andre ord.
kontoer-antall = { $n ->
    [one] 1 konto
   *[other] { $n } kontoar
}
kontoer-kobling = Kopling
kontoer-pa-ko = Meldingar på kø
kontoer-konto-id-for = konto-id for { $navn }
kontoer-sider = Sider med kontoar
kontoer-parter = Partar
kontoer-tilstand = Tilstand
kontoer-konsumenter = Konsumentar
