konto-konfigurasjon-kontoinfo = Account information
konto-konfigurasjon-objekt-kontoinfo = account information
konto-konfigurasjon-objekt-parter = parts
konto-konfigurasjon-objekt-nokkel = public key
konto-konfigurasjon-info-lagret = Account information has been saved
konto-konfigurasjon-parter-lagret = Parts have been saved
konto-konfigurasjon-nokkel-lagret = The new key has been saved. Put the private key into the client before you receive more messages.
konto-konfigurasjon-gammel-nokkel = { $m ->
    [one] 1 message in the queue is encrypted with the old key. Keep it until the queue is empty.
   *[other] { $m } messages in the queue are encrypted with the old key. Keep it until the queue is empty.
}
konto-konfigurasjon-last-opp = Upload
konto-konfigurasjon-tidligere = Earlier keys
konto-konfigurasjon-sending = Sending
konto-konfigurasjon-sending-gar = The account can send messages.
konto-konfigurasjon-sending-er-stoppet = The account cannot send messages. The client is refused everything it sends from the account until sending is started again. Messages to the account arrive as before.
konto-konfigurasjon-sending-stopp = Stop sending
konto-konfigurasjon-sending-start = Start sending
konto-konfigurasjon-sending-tittel = Stop sending from { $navn }?
konto-konfigurasjon-sending-tekst = The client is refused everything it sends from the account until sending is started again. Messages to the account arrive as before.
konto-konfigurasjon-sending-behold = Keep sending
konto-konfigurasjon-sending-stoppet = Sending has been stopped.
konto-konfigurasjon-sending-startet = Sending has been started.
konto-konfigurasjon-slett = Delete account
konto-konfigurasjon-slett-forklaring = The account is deleted with its queue, keys and access. This cannot be undone.
konto-konfigurasjon-slett-tittel = Delete { $navn }?
konto-konfigurasjon-slett-tekst = { $m ->
    [one] 1 message in the queue will be deleted.
   *[other] { $m } messages in the queue will be deleted.
}
konto-konfigurasjon-slett-tekst-ukjent = All messages in the queue will be deleted.
konto-konfigurasjon-bekreft = Write the account name to confirm
konto-konfigurasjon-feil-navn = The name does not match { $navn }
konto-konfigurasjon-sletter = Deleting …
konto-konfigurasjon-behold = Keep the account
konto-konfigurasjon-slettet = { $navn } has been deleted.
