organisasjon-tittel = Hvem skal du gjøre noe på vegne av?
organisasjon-sok = Søk etter navn eller organisasjonsnummer
organisasjon-antall = { $n ->
    [one] 1 organisasjon
   *[other] { $n } organisasjoner
}
organisasjon-ingen-treff = Ingen organisasjoner passer med søket.
organisasjon-ingen-tilgang-tittel = Du har ikke tilgang
organisasjon-ingen-tilgang = Brukeren din er ikke knyttet til noen organisasjon her. Be en administrator om tilgang.
