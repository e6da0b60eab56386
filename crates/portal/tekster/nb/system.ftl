system-bare-synlig = Systemet er bare synlig for organisasjonen din. Du kan endre dette under Konfigurasjon.
