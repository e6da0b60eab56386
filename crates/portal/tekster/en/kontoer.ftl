kontoer-tittel = Accounts
kontoer-ingen = No accounts yet
kontoer-ingen-forklaring = An account is a queue for one protocol. Create an account for each role the system is to have.
kontoer-sok = Search for name, description or account ID
kontoer-ingen-treff = No accounts match the search
kontoer-ingen-treff-forklaring = Try fewer or other words.
kontoer-antall = { $n ->
    [one] 1 account
   *[other] { $n } accounts
}
kontoer-kobling = Connection
kontoer-pa-ko = Messages in queue
kontoer-konto-id-for = account ID for { $navn }
kontoer-sider = Pages of accounts
kontoer-parter = Parts
kontoer-tilstand = State
kontoer-konsumenter = Consumers
