system-bare-synlig = Systemet er berre synleg for organisasjonen din. Du kan endre dette under Konfigurasjon.
system-faner = Faner for { $navn }
system-fane-oversikt = Oversikt
system-fane-kontoer = Kontoar
system-fane-tilganger = Tilgangar
system-fane-konfigurasjon = Konfigurasjon
system-mangler-kobling-antall = { $n ->
    [one] 1 konto manglar kopling
   *[other] { $n } kontoar manglar kopling
}
system-mangler-kobling-forklaring = Ingen klient hentar meldingar frå køen. Dette er normalt rett etter at ein konto er oppretta.
system-se-kontoene = Sjå kontoane
system-status = Status
system-kontoer = Kontoar
system-mangler-kobling = Manglar kopling
system-pa-ko = Meldingar på kø
system-om = Om systemet
system-leverandor = Leverandør
system-ikke-oppgitt = Ikkje oppgitt
system-offentlig = Synleg for andre organisasjonar
system-integrasjon-aktiv = Aktiv
system-integrasjon-utloper = Går ut { $dato }
system-integrasjon-utlopt = Gått ut
system-integrasjon-ikke-begynt = Ikkje aktiv enno
system-siste-hendelser = Siste hendingar
system-ingen-hendelser = Ingen hendingar enno
system-alle-hendelser = Sjå alle hendingar for systemet
