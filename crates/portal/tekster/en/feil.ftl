feil-fant-ikke = Page not found
feil-fant-ikke-forklaring = The page does not exist, or you do not have access to it. Check the address, or start from the front page.
feil-ikke-tilgang = You do not have access to this
feil-ikke-tilgang-forklaring = Your role does not allow this. Ask an administrator in the organisation for help.
feil-fremmed-opprinnelse = The request did not come from a page in the portal, and nothing was changed. Open the page again and try once more.
feil-endret = Someone else has changed this
feil-endret-forklaring = Someone else has changed this since you opened the page. Open the page again and check it.
feil-for-stor = The file is too large
feil-for-stor-forklaring = The file is too large. The largest size allowed is 64 kB.
feil-for-ofte = Too many attempts
feil-for-ofte-forklaring = You have tried too many times. Wait { $n ->
    [one] 1 minute
   *[other] { $n } minutes
}.
feil-for-treg = The form came too slowly
feil-for-treg-forklaring = The form came too slowly, and nothing was saved. Go back and try again.
feil-kvote = The limit is reached
feil-kvote-forklaring = The limit “{ $grense }” is reached, and nothing was saved. Remove something that is not in use, or ask those who run the service to raise the limit.
feil-teknisk = We have technical problems
feil-teknisk-forklaring = This was not caused by anything you did. Try again in a little while.
feil-ulesbart = The form cannot be read
feil-ulesbart-forklaring = What was sent is not a form from the portal. Open the page again and try once more.
feil-for-lenge-apen-tittel = Try again
feil-for-lenge-apen = The page has been open for too long. Try again.
feil-logget-ut-tittel = You are logged out
feil-logget-ut = You were logged out when the form was sent. What you typed has been kept. Log in in a new tab, then come back here and choose “Try again”.
feil-logg-inn-i-ny-fane = Log in in a new tab
feil-hos-oss-tittel = Something went wrong
feil-hos-oss = Something went wrong on our side. What you typed has been kept. Try again in a little while.
