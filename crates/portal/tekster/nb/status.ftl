status-uleverte = Uleverte
status-bare-oppfolging = Vis bare kontoer som trenger oppfølging
status-sok = Søk etter system, konto eller konto-id
status-vis = Vis kontoer
status-alle-koblet = Alle kontoer er koblet til.
status-ingen-oppfolging = Ingen meldinger har ventet i mer enn en time, og ingen er uleverte.
status-trenger-oppfolging = { $n ->
    [one] 1 konto trenger oppfølging
   *[other] { $n } kontoer trenger oppfølging
}
status-avkortet = Bare de første { $n } kontoene er med.
status-melding-koblet = { $konto }: koblet til
status-melding-mangler-kobling = { $konto }: mangler kobling
status-melding-ukjent = { $konto }: ukjent
