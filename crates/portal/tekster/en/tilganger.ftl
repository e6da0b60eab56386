tilganger-tittel = Access
tilganger-sider = Pages of access
tilganger-sider-foresporsler = Pages of requests
tilganger-sider-forespurte = Pages of requested access
tilganger-sider-treff = Pages of results
tilganger-sok-kontoer = Search for account, system or organisation
tilganger-sok-systemer = Search for system or organisation
tilganger-vis-alle = Show all
tilganger-antall-kontoer = { $n ->
    [one] 1 account
   *[other] { $n } accounts
}
tilganger-antall-systemer = { $n ->
    [one] 1 system
   *[other] { $n } systems
}
tilganger-antall-foresporsler = { $n ->
    [one] 1 request
   *[other] { $n } requests
}
tilganger-antall-forespurte = { $n ->
    [one] 1 access requested
   *[other] { $n } accesses requested
}
tilganger-antall-treff = { $n ->
    [one] 1 account
   *[other] { $n } accounts
}
tilganger-treff = Accounts that match the search
tilganger-ingen-kontoer = The system has not been granted access to any accounts yet
tilganger-ingen-kontoer-forklaring = The owner of the other account grants access. Give them systemId { $systemId }.
tilganger-ingen-kontotreff = No accounts match the search
tilganger-ingen-treff-forklaring = Try fewer or other words.
tilganger-ingen-systemer = No systems have access yet
tilganger-ingen-foresporsler = No requests
tilganger-ingen-forespurte = No access requested
tilganger-handling = Action
tilganger-svar = Answer
tilganger-parter = Parts
tilganger-part = { $navn } { $versjon }
tilganger-gitt = Access granted
tilganger-sendt-tid = Sent
tilganger-eier = Owner
tilganger-tilgang = Access
tilganger-har-tilgang = Has access
tilganger-forespurt = Requested
tilganger-fjern = Remove access
tilganger-fjerner = Removing …
tilganger-behold = Keep the access
tilganger-til = to { $navn }
tilganger-for = for { $navn }
tilganger-om = for access to { $navn }
tilganger-fjerne-tittel = Remove the access: { $navn }?
tilganger-fjerne-til-konto = The system can no longer send messages to { $konto }.
tilganger-fjerne-fra-system = { $system } can no longer send messages to { $konto }. Only the owner of the account can grant the access again.
tilganger-fjernet = { $system } can no longer send messages to { $konto }.
tilganger-kan-na-sende = { $system } can now send messages to { $konto }.
tilganger-be-om = Request access
tilganger-be-om-sok-hjelp = Name or description of the account or system, or a whole account ID.
tilganger-be-om-ingen-treff-forklaring = The account may belong to a system that is visible only to its own organisation. Ask the owner to grant access.
tilganger-send = Send request
tilganger-sender = Sending …
tilganger-sendt = The request for access to { $konto } has been sent to { $organisasjon }.
tilganger-gitt-automatisk = { $system } can now send messages to { $konto }. { $organisasjon } approves requests automatically.
tilganger-har-alt = { $system } can already send messages to { $konto }.
tilganger-forespurte = Requested access
tilganger-trekk = Withdraw the request
tilganger-trekker = Withdrawing …
tilganger-trukket = The request for access to { $konto } has been withdrawn.
tilganger-ikke-a-trekke = The request for access to { $konto } has already been answered or withdrawn.
tilganger-foresporsler = Requests
tilganger-godkjenn = Approve
tilganger-avvis = Reject
tilganger-foresporsel-fra = the request from { $navn }
tilganger-avvist = The request from { $system } has been rejected.
tilganger-ikke-a-besvare = The request from { $system } has already been answered or withdrawn.
