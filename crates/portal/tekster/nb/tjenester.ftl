tjenester-tittel = Tjenester
