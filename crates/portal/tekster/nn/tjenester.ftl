tjenester-tittel = Tenester
