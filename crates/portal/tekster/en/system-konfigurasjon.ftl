system-konfigurasjon-systeminfo = System information
system-konfigurasjon-leverandor = Vendor
system-konfigurasjon-palogging = Integration login
system-konfigurasjon-api = API
system-konfigurasjon-synlighet = Visibility
system-konfigurasjon-slett = Delete system
system-konfigurasjon-objekt-systeminfo = system information
system-konfigurasjon-objekt-leverandor = vendor
system-konfigurasjon-objekt-api = API
system-konfigurasjon-objekt-synlighet = visibility
system-konfigurasjon-objekt-orgnummer = the organisation number of { $id }
system-konfigurasjon-objekt-passord = for { $id }
system-konfigurasjon-lagret-systeminfo = System information has been saved
system-konfigurasjon-lagret-leverandor = Vendor has been saved
system-konfigurasjon-lagret-synlighet = Visibility has been saved
system-konfigurasjon-orgnummer-endret = Organisation number has been changed
system-konfigurasjon-api-slatt-pa = API configuration has been turned on
system-konfigurasjon-api-slatt-av = API configuration has been turned off
system-konfigurasjon-api-avvises = API calls that change the system will be rejected.
system-konfigurasjon-offentlig = Available to other organisations
system-konfigurasjon-automatisk = Approve requests for access automatically
system-konfigurasjon-uten-godkjenning = All organisations can then get access without anyone approving it.
system-konfigurasjon-gyldig-fra = Valid from
system-konfigurasjon-utloper = Expires
system-konfigurasjon-utloper-ikke = Does not expire
system-konfigurasjon-generer = Generate new password
system-konfigurasjon-passord-tittel = Generate a new password?
system-konfigurasjon-passord-tekst = The old password stops working at once. Clients that use it lose their connection until they get the new one.
system-konfigurasjon-passord-lag = Create new password
system-konfigurasjon-passord-behold = Keep the password
system-konfigurasjon-passord-laget = A new password has been created
system-konfigurasjon-allerede-tittel = The password has already been created
system-konfigurasjon-ga-til = Go to configuration
system-konfigurasjon-endre-orgnummer = Change organisation number
system-konfigurasjon-orgnummer-varsel = The client must use a Maskinporten token for the new number.
system-konfigurasjon-legg-til = Add integration
system-konfigurasjon-legg-til-tekst = With a new integration you can change the organisation number or the vendor without the client losing its connection. The previous one works up to and including the date you choose.
system-konfigurasjon-utlopsdato-hjelp = The last day on which the previous integration is to work.
system-konfigurasjon-integrasjon-lagt-til = The integration has been added
system-konfigurasjon-slett-innledning = The accounts, queues and access of the system are deleted too.
system-konfigurasjon-slett-tittel = Delete { $navn }?
system-konfigurasjon-slett-tekst = { $kontoer ->
    [one] 1 account
   *[other] { $kontoer } accounts
}, { $meldinger ->
    [one] 1 message
   *[other] { $meldinger } messages
} in queue and { $tilganger ->
    [one] 1 access right
   *[other] { $tilganger } access rights
} will be deleted. This cannot be undone.
system-konfigurasjon-slett-tekst-ukjent = { $kontoer ->
    [one] 1 account
   *[other] { $kontoer } accounts
}, all messages in queue and { $tilganger ->
    [one] 1 access right
   *[other] { $tilganger } access rights
} will be deleted. This cannot be undone.
system-konfigurasjon-bekreft = Type the system name to confirm
system-konfigurasjon-bekreft-feil = The name does not match { $navn }
system-konfigurasjon-sletter = Deleting …
system-konfigurasjon-behold = Keep the system
system-konfigurasjon-slettet = { $navn } has been deleted.
