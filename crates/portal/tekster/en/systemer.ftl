systemer-tittel = Systems
systemer-kontoer = Accounts
systemer-mangler-kobling = Not connected
systemer-pa-ko = Messages in queue
systemer-system-id = systemId
systemer-sider = Pages of systems
systemer-sok = Search by name or description
systemer-vis-alle = Show all systems
systemer-antall = { $n ->
    [one] 1 system
   *[other] { $n } systems
}
systemer-ingen = No systems yet
systemer-ingen-forklaring = Create one system for each specialist system or archive that will send or receive messages.
systemer-ingen-treff = No systems match the search
systemer-ingen-treff-forklaring = Every word of the search must be in the name or the description. You can also search for a whole systemId.
