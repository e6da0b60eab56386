tjenester-tittel = Services
