feil-fant-ikke = Fann ikkje sida
feil-fant-ikke-forklaring = Sida finst ikkje, eller du har ikkje tilgang til ho. Sjekk adressa, eller byrj på framsida.
feil-ikke-tilgang = Du har ikkje tilgang til dette
feil-ikke-tilgang-forklaring = Rolla di gir ikkje rett til å gjere dette. Be ein administrator i organisasjonen om hjelp.
feil-fremmed-opprinnelse = Førespurnaden kom ikkje frå ei side i portalen, og ingenting er endra. Opne sida på nytt og prøv igjen.
feil-endret = Nokon andre har endra dette
feil-endret-forklaring = Nokon andre har endra dette sidan du opna sida. Opne sida på nytt og sjå over.
feil-for-stor = Fila er for stor
feil-for-stor-forklaring = Fila er for stor. Største tillatne storleik er 64 kB.
feil-for-ofte = For mange forsøk
feil-for-ofte-forklaring = Du har prøvd for mange gonger. Vent { $n ->
    [one] 1 minutt
   *[other] { $n } minutt
}.
feil-for-treg = Skjemaet kom for seint fram
feil-for-treg-forklaring = Skjemaet kom for seint fram, og ingenting er lagra. Gå tilbake og prøv igjen.
feil-kvote = Grensa er nådd
feil-kvote-forklaring = Grensa «{ $grense }» er nådd, og ingenting er lagra. Fjern noko som ikkje er i bruk, eller be dei som driftar tenesta, om å heve grensa.
feil-teknisk = Vi har tekniske problem
feil-teknisk-forklaring = Dette kjem ikkje av noko du gjorde. Prøv igjen om litt.
feil-ulesbart = Skjemaet kan ikkje lesast
feil-ulesbart-forklaring = Det som vart sendt, er ikkje eit skjema frå portalen. Opne sida på nytt og prøv igjen.
feil-for-lenge-apen-tittel = Prøv igjen
feil-for-lenge-apen = Sida har stått open for lenge. Prøv igjen.
feil-logget-ut-tittel = Du er logga ut
feil-logget-ut = Du var logga ut då skjemaet vart sendt. Det du skreiv, er teke vare på. Logg inn i ei ny fane, og kom tilbake hit og vel «Prøv igjen».
feil-logg-inn-i-ny-fane = Logg inn i ei ny fane
feil-hos-oss-tittel = Noko gjekk gale
feil-hos-oss = Noko gjekk gale hos oss. Det du skreiv, er teke vare på. Prøv igjen om litt.
