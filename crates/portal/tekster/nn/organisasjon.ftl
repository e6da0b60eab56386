organisasjon-tittel = Kven skal du gjere noko på vegner av?
organisasjon-sok = Søk etter namn eller organisasjonsnummer
organisasjon-antall = { $n ->
    [one] 1 organisasjon
   *[other] { $n } organisasjonar
}
organisasjon-ingen-treff = Ingen organisasjonar passar med søket.
organisasjon-ingen-tilgang-tittel = Du har ikkje tilgang
organisasjon-ingen-tilgang = Brukaren din er ikkje knytt til nokon organisasjon her. Be ein administrator om tilgang.
