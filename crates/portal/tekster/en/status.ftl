status-uleverte = Undelivered
status-bare-oppfolging = Show only accounts that need attention
status-sok = Search for system, account or account ID
status-vis = Show accounts
status-alle-koblet = All accounts are connected.
status-ingen-oppfolging = No message has waited for more than an hour, and none is undelivered.
status-trenger-oppfolging = { $n ->
    [one] 1 account needs attention
   *[other] { $n } accounts need attention
}
status-avkortet = Only the first { $n } accounts are included.
status-melding-koblet = { $konto }: connected
status-melding-mangler-kobling = { $konto }: not connected
status-melding-ukjent = { $konto }: unknown
