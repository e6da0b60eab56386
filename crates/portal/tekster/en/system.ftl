system-bare-synlig = The system is visible only to your organisation. You can change this under Configuration.
system-faner = Tabs for { $navn }
system-fane-oversikt = Overview
system-fane-kontoer = Accounts
system-fane-tilganger = Access
system-fane-konfigurasjon = Configuration
system-mangler-kobling-antall = { $n ->
    [one] 1 account is not connected
   *[other] { $n } accounts are not connected
}
system-mangler-kobling-forklaring = No client fetches messages from the queue. This is normal right after an account has been created.
system-se-kontoene = See the accounts
system-status = Status
system-kontoer = Accounts
system-mangler-kobling = Not connected
system-pa-ko = Messages in queue
system-om = About the system
system-leverandor = Vendor
system-ikke-oppgitt = Not given
system-offentlig = Visible to other organisations
system-integrasjon-aktiv = Active
system-integrasjon-utloper = Expires { $dato }
system-integrasjon-utlopt = Expired
system-integrasjon-ikke-begynt = Not active yet
system-siste-hendelser = Latest events
system-ingen-hendelser = No events yet
system-alle-hendelser = See all events of the system
