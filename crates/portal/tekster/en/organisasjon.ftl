organisasjon-tittel = On whose behalf do you want to do something?
organisasjon-sok = Search by name or organisation number
organisasjon-antall = { $n ->
    [one] 1 organisation
   *[other] { $n } organisations
}
organisasjon-ingen-treff = No organisations match the search.
organisasjon-ingen-tilgang-tittel = You do not have access
organisasjon-ingen-tilgang = Your user is not linked to any organisation here. Ask an administrator for access.
