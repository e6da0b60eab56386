system-bare-synlig = Systemet er berre synleg for organisasjonen din. Du kan endre dette under Konfigurasjon.
