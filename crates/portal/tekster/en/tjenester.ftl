tjenester-tittel = Services
tjenester-tatt-i-bruk = In use
tjenester-kan-tas-i-bruk = Available
tjenester-protokoll = Encrypted exchange of messages between systems.
tjenester-konfigurasjon = Configuration
tjenester-konfigurasjon-objekt = of Fiks Protokoll
tjenester-systemer = { $n ->
    [one] 1 system
   *[other] { $n } systems
}
tjenester-mangler-kobling = { $n ->
    [one] 1 account not connected
   *[other] { $n } accounts not connected
}
tjenester-ta-i-bruk = Start using
tjenester-ikke-administrator = An administrator must start using the service.
tjenester-ta-i-bruk-tittel = Start using Fiks Protokoll
tjenester-forst-signere = First, someone entitled to sign on behalf of { $organisasjon } must sign the agreement.
tjenester-ga-til-signering = Go to signing
tjenester-mer = Overview and access
tjenester-status = Queue status
tjenester-hendelser = Events
tjenester-sporing = Tracing
