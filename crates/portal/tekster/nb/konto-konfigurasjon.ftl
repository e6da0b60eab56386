konto-konfigurasjon-kontoinfo = Kontoinfo
konto-konfigurasjon-objekt-kontoinfo = kontoinfo
konto-konfigurasjon-objekt-parter = parter
konto-konfigurasjon-objekt-nokkel = offentlig nøkkel
konto-konfigurasjon-info-lagret = Kontoinfo er lagret
konto-konfigurasjon-parter-lagret = Parter er lagret
konto-konfigurasjon-nokkel-lagret = Ny nøkkel er lagret. Legg den private nøkkelen inn i klienten før du tar imot flere meldinger.
konto-konfigurasjon-gammel-nokkel = { $m ->
    [one] 1 melding på køen er kryptert med den gamle nøkkelen. Behold den til køen er tom.
   *[other] { $m } meldinger på køen er kryptert med den gamle nøkkelen. Behold den til køen er tom.
}
konto-konfigurasjon-last-opp = Last opp
konto-konfigurasjon-tidligere = Tidligere nøkler
konto-konfigurasjon-sending = Sending
konto-konfigurasjon-sending-gar = Kontoen kan sende meldinger.
konto-konfigurasjon-sending-er-stoppet = Kontoen kan ikke sende meldinger. Klienten får avvist alt den sender fra kontoen, til sendingen startes igjen. Meldinger til kontoen kommer fram som før.
konto-konfigurasjon-sending-stopp = Stopp sending
konto-konfigurasjon-sending-start = Start sending
konto-konfigurasjon-sending-tittel = Stoppe sendingen fra { $navn }?
konto-konfigurasjon-sending-tekst = Klienten får avvist alt den sender fra kontoen, til sendingen startes igjen. Meldinger til kontoen kommer fram som før.
konto-konfigurasjon-sending-behold = Behold sendingen
konto-konfigurasjon-sending-stoppet = Sendingen er stoppet.
konto-konfigurasjon-sending-startet = Sendingen er startet.
konto-konfigurasjon-slett = Slett konto
konto-konfigurasjon-slett-forklaring = Kontoen slettes med køen, nøklene og tilgangene. Dette kan ikke angres.
konto-konfigurasjon-slett-tittel = Slette { $navn }?
konto-konfigurasjon-slett-tekst = { $m ->
    [one] 1 melding på kø slettes.
   *[other] { $m } meldinger på kø slettes.
}
konto-konfigurasjon-slett-tekst-ukjent = Alle meldinger på kø slettes.
konto-konfigurasjon-bekreft = Skriv kontonavnet for å bekrefte
konto-konfigurasjon-feil-navn = Navnet stemmer ikke med { $navn }
konto-konfigurasjon-sletter = Sletter …
konto-konfigurasjon-behold = Behold kontoen
konto-konfigurasjon-slettet = { $navn } er slettet.
