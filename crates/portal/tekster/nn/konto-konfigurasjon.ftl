konto-konfigurasjon-kontoinfo = Kontoinfo
konto-konfigurasjon-objekt-kontoinfo = kontoinfo
konto-konfigurasjon-objekt-parter = partar
konto-konfigurasjon-objekt-nokkel = offentleg nøkkel
konto-konfigurasjon-info-lagret = Kontoinfo er lagra
konto-konfigurasjon-parter-lagret = Partar er lagra
konto-konfigurasjon-nokkel-lagret = Ny nøkkel er lagra. Legg den private nøkkelen inn i klienten før du tek imot fleire meldingar.
konto-konfigurasjon-gammel-nokkel = { $m ->
    [one] 1 melding på køen er kryptert med den gamle nøkkelen. Ta vare på han til køen er tom.
   *[other] { $m } meldingar på køen er krypterte med den gamle nøkkelen. Ta vare på han til køen er tom.
}
konto-konfigurasjon-last-opp = Last opp
konto-konfigurasjon-tidligere = Tidlegare nøklar
konto-konfigurasjon-sending = Sending
konto-konfigurasjon-sending-gar = Kontoen kan sende meldingar.
konto-konfigurasjon-sending-er-stoppet = Kontoen kan ikkje sende meldingar. Klienten får avvist alt han sender frå kontoen, til sendinga blir starta att. Meldingar til kontoen kjem fram som før.
konto-konfigurasjon-sending-stopp = Stopp sending
konto-konfigurasjon-sending-start = Start sending
konto-konfigurasjon-sending-tittel = Stoppe sendinga frå { $navn }?
konto-konfigurasjon-sending-tekst = Klienten får avvist alt han sender frå kontoen, til sendinga blir starta att. Meldingar til kontoen kjem fram som før.
konto-konfigurasjon-sending-behold = Hald fram med sendinga
konto-konfigurasjon-sending-stoppet = Sendinga er stoppa.
konto-konfigurasjon-sending-startet = Sendinga er starta.
konto-konfigurasjon-slett = Slett konto
konto-konfigurasjon-slett-forklaring = Kontoen blir sletta med køen, nøklane og tilgangane. Dette kan ikkje angrast.
konto-konfigurasjon-slett-tittel = Slette { $navn }?
konto-konfigurasjon-slett-tekst = { $m ->
    [one] 1 melding på kø blir sletta.
   *[other] { $m } meldingar på kø blir sletta.
}
konto-konfigurasjon-slett-tekst-ukjent = Alle meldingar på kø blir sletta.
konto-konfigurasjon-bekreft = Skriv kontonamnet for å stadfeste
konto-konfigurasjon-feil-navn = Namnet stemmer ikkje med { $navn }
konto-konfigurasjon-sletter = Slettar …
konto-konfigurasjon-behold = Behald kontoen
konto-konfigurasjon-slettet = { $navn } er sletta.
