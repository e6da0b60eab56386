system-bare-synlig = Systemet er bare synlig for organisasjonen din. Du kan endre dette under Konfigurasjon.
system-faner = Faner for { $navn }
system-fane-oversikt = Oversikt
system-fane-kontoer = Kontoer
system-fane-tilganger = Tilganger
system-fane-konfigurasjon = Konfigurasjon
system-mangler-kobling-antall = { $n ->
    [one] 1 konto mangler kobling
   *[other] { $n } kontoer mangler kobling
}
system-mangler-kobling-forklaring = Ingen klient henter meldinger fra køen. Dette er normalt rett etter at en konto er opprettet.
system-se-kontoene = Se kontoene
system-status = Status
system-kontoer = Kontoer
system-mangler-kobling = Mangler kobling
system-pa-ko = Meldinger på kø
system-om = Om systemet
system-leverandor = Leverandør
system-ikke-oppgitt = Ikke oppgitt
system-offentlig = Synlig for andre organisasjoner
system-integrasjon-aktiv = Aktiv
system-integrasjon-utloper = Utløper { $dato }
system-integrasjon-utlopt = Utløpt
system-integrasjon-ikke-begynt = Ikke aktiv ennå
system-siste-hendelser = Siste hendelser
system-ingen-hendelser = Ingen hendelser ennå
system-alle-hendelser = Se alle hendelser for systemet
