kontoer-tittel = Kontoer
kontoer-ingen = Ingen kontoer ennå
kontoer-ingen-forklaring = En konto er en kø for én protokoll. Opprett en konto for hver rolle systemet skal ha.
kontoer-sok = Søk etter navn, beskrivelse eller konto-id
kontoer-ingen-treff = Ingen kontoer passer med søket
kontoer-ingen-treff-forklaring = Prøv med færre eller andre ord.
kontoer-antall = { $n ->
    [one] 1 konto
   *[other] { $n } kontoer
}
kontoer-kobling = Kobling
kontoer-pa-ko = Meldinger på kø
kontoer-konto-id-for = konto-id for { $navn }
kontoer-sider = Sider med kontoer
kontoer-parter = Parter
kontoer-tilstand = Tilstand
kontoer-konsumenter = Konsumenter
