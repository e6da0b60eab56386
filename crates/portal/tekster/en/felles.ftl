felles-fiks-protokoll = Fiks Protokoll
felles-hopp-til-innhold = Skip to main content
felles-du-er-her = You are here:
felles-testmiljo = Test environment
felles-utviklingsmiljo = Development environment
felles-bytt-organisasjon = Switch organisation
felles-logg-ut = Log out
felles-sprak = Language
felles-fortsatt-palogget = Do you want to stay logged in?
felles-fortsatt-palogget-tekst = You will soon be logged out because you have not used the portal for a while. Anything on the page that you have not saved will be lost.
felles-hold-meg-palogget = Keep me logged in
felles-er-kopiert = {"{"}felt{"}"} copied
felles-er-markert = {"{"}felt{"}"} is selected. Press Ctrl+C to copy.
felles-kopier = Copy
felles-kopier-alle = Copy all
felles-feilkode = Error code
felles-feilkode-objekt = the error code
felles-feil-i-tittel = Error:
felles-rett-feil = You must correct { $n ->
    [one] 1 error
   *[other] { $n } errors
} to continue
felles-alle-felt = All fields must be filled in.
felles-ma-fylles-ut = Must be filled in
felles-valgfritt = Optional
felles-tegn-hoyst = At most { $n } characters
felles-tegn-igjen = {"{"}n{"}"} characters left
felles-tegn-for-mye = {"{"}n{"}"} characters too many
felles-neste = Next
felles-forrige-steg = Previous step
felles-avbryt = Cancel
felles-lagre = Save
felles-lagrer = Saving …
felles-oppretter = Creating …
felles-sok = Search
felles-soker = Searching …
felles-endre = Change
felles-lukk = Close
felles-ferdig = Done
felles-ja = Yes
felles-nei = No
felles-alle = All
felles-ukjent = Unknown
felles-ingen = None
felles-prov-igjen = Try again
felles-til-forsiden = To the front page
felles-last-ned-csv = Download as CSV
felles-side-av = Page { $n } of { $m }
felles-forrige-side = Previous page
felles-neste-side = Next page
felles-sider = Pages
felles-sist-oppdatert = Last updated
felles-gamle-tall = Old figures
felles-status-ikke-tilgjengelig = Status is not available right now
felles-passord-skrives-ikke-ut = The password is not printed
felles-organisasjon = Organisation
felles-organisasjonsnummer = Organisation number
felles-system = System
felles-konto = Account
felles-protokoll-og-part = Protocol and part
felles-navn = Name
felles-beskrivelse = Description
felles-opprettet = Created
felles-sist-endret = Last changed
felles-konto-id = Account ID
felles-tilstand-koblet = Connected
felles-tilstand-mangler-kobling = Not connected
felles-tilstand-mangler-nokkel = No key
felles-tilstand-nokkel-utloper = The key expires on { $dato }
felles-tilstand-nokkel-utlopt = The key has expired
felles-tilstand-sending-stoppet = Sending has been stopped
felles-konsumenter = { $n ->
    [one] 1 consumer
   *[other] { $n } consumers
}
felles-rolle-administrator = Administrator
felles-rolle-protokolladministrator = Protocol administrator
felles-rolle-lesetilgang = Read access
felles-sekunder = { $n ->
    [one] 1 second
   *[other] { $n } seconds
}
felles-minutter = { $n ->
    [one] 1 minute
   *[other] { $n } minutes
}
felles-timer = { $n ->
    [one] 1 hour
   *[other] { $n } hours
}
felles-dogn = { $n ->
    [one] 1 day
   *[other] { $n } days
}
felles-feil-hos-oss = Something went wrong on our side. What you typed has been kept. Try again in a little while.
felles-konflikt = Someone else has changed this since you opened the page. Check it and save again.
