tjenester-tittel = Tenester
tjenester-tatt-i-bruk = Tekne i bruk
tjenester-kan-tas-i-bruk = Kan takast i bruk
tjenester-protokoll = Kryptert meldingsutveksling mellom system.
tjenester-konfigurasjon = Konfigurasjon
tjenester-konfigurasjon-objekt = av Fiks Protokoll
tjenester-systemer = { $n ->
    [one] 1 system
   *[other] { $n } system
}
tjenester-mangler-kobling = { $n ->
    [one] 1 konto manglar kopling
   *[other] { $n } kontoar manglar kopling
}
tjenester-ta-i-bruk = Ta i bruk
tjenester-ikke-administrator = Ein administrator må ta tenesta i bruk.
tjenester-ta-i-bruk-tittel = Ta i bruk Fiks Protokoll
tjenester-forst-signere = Først må nokon med rett til å signere for { $organisasjon } signere avtalen.
tjenester-ga-til-signering = Gå til signering
tjenester-mer = Oversikt og tilgang
tjenester-status = Status for køar
tjenester-hendelser = Hendingar
tjenester-sporing = Sporing
