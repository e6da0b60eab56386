tjenester-tittel = Tjenester
tjenester-tatt-i-bruk = Tatt i bruk
tjenester-kan-tas-i-bruk = Kan tas i bruk
tjenester-protokoll = Kryptert meldingsutveksling mellom systemer.
tjenester-konfigurasjon = Konfigurasjon
tjenester-konfigurasjon-objekt = av Fiks Protokoll
tjenester-systemer = { $n ->
    [one] 1 system
   *[other] { $n } systemer
}
tjenester-mangler-kobling = { $n ->
    [one] 1 konto mangler kobling
   *[other] { $n } kontoer mangler kobling
}
tjenester-ta-i-bruk = Ta i bruk
tjenester-ikke-administrator = En administrator må ta tjenesten i bruk.
tjenester-ta-i-bruk-tittel = Ta i bruk Fiks Protokoll
tjenester-forst-signere = Først må noen med rett til å signere for { $organisasjon } signere avtalen.
tjenester-ga-til-signering = Gå til signering
tjenester-mer = Oversikt og tilgang
tjenester-status = Status for køer
tjenester-hendelser = Hendelser
tjenester-sporing = Sporing
