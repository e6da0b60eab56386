feil-fant-ikke = Fant ikke siden
feil-fant-ikke-forklaring = Siden finnes ikke, eller du har ikke tilgang til den. Sjekk adressen, eller begynn på forsiden.
feil-ikke-tilgang = Du har ikke tilgang til dette
feil-ikke-tilgang-forklaring = Rollen din gir ikke rett til å gjøre dette. Be en administrator i organisasjonen om hjelp.
feil-fremmed-opprinnelse = Forespørselen kom ikke fra en side i portalen, og ingenting er endret. Åpne siden på nytt og prøv igjen.
feil-endret = Noen andre har endret dette
feil-endret-forklaring = Noen andre har endret dette siden du åpnet siden. Åpne siden på nytt og se over.
feil-for-stor = Filen er for stor
feil-for-stor-forklaring = Filen er for stor. Største tillatte størrelse er 64 kB.
feil-for-ofte = For mange forsøk
feil-for-ofte-forklaring = Du har prøvd for mange ganger. Vent { $n ->
    [one] 1 minutt
   *[other] { $n } minutter
}.
feil-for-treg = Skjemaet kom for langsomt fram
feil-for-treg-forklaring = Skjemaet kom for langsomt fram, og ingenting er lagret. Gå tilbake og prøv igjen.
feil-kvote = Grensen er nådd
feil-kvote-forklaring = Grensen «{ $grense }» er nådd, og ingenting er lagret. Fjern noe som ikke er i bruk, eller be dem som drifter tjenesten, om å heve grensen.
feil-teknisk = Vi har tekniske problemer
feil-teknisk-forklaring = Dette skyldes ikke noe du gjorde. Prøv igjen om litt.
feil-ulesbart = Skjemaet kan ikke leses
feil-ulesbart-forklaring = Det som ble sendt, er ikke et skjema fra portalen. Åpne siden på nytt og prøv igjen.
feil-for-lenge-apen-tittel = Prøv igjen
feil-for-lenge-apen = Siden har stått åpen for lenge. Prøv igjen.
feil-logget-ut-tittel = Du er logget ut
feil-logget-ut = Du var logget ut da skjemaet ble sendt. Det du skrev, er tatt vare på. Logg inn i en ny fane, og kom tilbake hit og velg «Prøv igjen».
feil-logg-inn-i-ny-fane = Logg inn i en ny fane
feil-hos-oss-tittel = Noe gikk galt
feil-hos-oss = Noe gikk galt hos oss. Det du skrev, er tatt vare på. Prøv igjen om litt.
