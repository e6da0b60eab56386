status-uleverte = Uleverte
status-bare-oppfolging = Vis berre kontoar som treng oppfølging
status-sok = Søk etter system, konto eller konto-id
status-vis = Vis kontoar
status-alle-koblet = Alle kontoar er kopla til.
status-ingen-oppfolging = Ingen meldingar har venta i meir enn ein time, og ingen er uleverte.
status-trenger-oppfolging = { $n ->
    [one] 1 konto treng oppfølging
   *[other] { $n } kontoar treng oppfølging
}
status-avkortet = Berre dei første { $n } kontoane er med.
status-melding-koblet = { $konto }: kopla til
status-melding-mangler-kobling = { $konto }: manglar kopling
status-melding-ukjent = { $konto }: ukjend
