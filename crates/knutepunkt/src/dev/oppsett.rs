//! How to point a client at a `dev` server: ready to paste, on the terminal and in the portal.

use std::path::Path;

use domain::id::{IntegrasjonId, KontoId};
use portal::Klient as Slag;

use crate::dev::klient::{Klient, Konto, Omgivelser, Sertifikat};

/// What `dev` prints at start.
pub fn text(klient: &Klient, data: &Path) -> String {
    let mut text = String::new();
    let (out, omgivelser) = (&mut text, &klient.omgivelser);
    line(out, &format!("Åpne {} i nettleseren.", omgivelser.http_url));
    line(out, "");
    line(
        out,
        "Knutepunkt for utvikling. Alt her er til test: sertifikater, tokens og passord gjelder bare denne mappen.",
    );
    line(out, "");
    line(out, &format!("  Data             {}", data.display()));
    line(out, &format!("  HTTP             {}", omgivelser.http_url));
    if let Some(https) = &omgivelser.https_url {
        line(out, &format!("  HTTPS            {https}"));
    }
    line(out, &format!("  AMQP over TLS    {}", omgivelser.amqp.address()));
    line(out, &format!("  Maskinporten     {}", omgivelser.maskinporten.token_endpoint));
    line(out, &format!("  CA (PEM)         {}", omgivelser.ca_pem.display()));
    line(
        out,
        &format!(
            "  Java truststore  {} (passord {})",
            omgivelser.truststore.path.display(),
            omgivelser.truststore.password
        ),
    );
    for konto in &klient.kontoer {
        line(out, "");
        line(out, &format!("── {} ({}) ──", konto.navn, konto.parter.join(", ")));
        for (name, snippet) in snippets(klient, konto) {
            line(out, "");
            line(out, &format!("{name}:"));
            for row in snippet.lines() {
                line(out, &format!("  {row}"));
            }
        }
    }
    line(out, "");
    line(out, &format!("Det samme som JSON: {}", data.join("klient.json").display()));
    text
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Configuration of each client for `konto`.
fn snippets(klient: &Klient, konto: &Konto) -> Vec<(&'static str, String)> {
    let Some(sertifikat) = klient.sertifikat(konto.orgnummer) else { return Vec::new() };
    let login = Login::from(konto);
    let snippet = |slag| snippet(&klient.omgivelser, sertifikat, &login, slag);
    vec![
        ("Testklient (følger med)", snippet(Slag::Test)),
        ("Java (no.ks.fiks:fiks-io-klient-java)", snippet(Slag::Java)),
        (".NET (KS.Fiks.IO.Client)", snippet(Slag::DotNet)),
        ("Rust (fiks-io-client)", snippet(Slag::Rust)),
    ]
}

/// What a client logs in as, and reads its meldinger with.
pub(crate) struct Login<'a> {
    pub(crate) konto_id: KontoId,
    pub(crate) private_key_pem: &'a Path,
    pub(crate) integrasjon_id: IntegrasjonId,
    pub(crate) integrasjon_passord: &'a str,
}

impl<'a> From<&'a Konto> for Login<'a> {
    fn from(konto: &'a Konto) -> Self {
        Self {
            konto_id: konto.konto_id,
            private_key_pem: &konto.private_key_pem,
            integrasjon_id: konto.integrasjon_id,
            integrasjon_passord: &konto.integrasjon_passord,
        }
    }
}

/// Configuration of one client.
pub(crate) fn snippet(
    omgivelser: &Omgivelser,
    sertifikat: &Sertifikat,
    login: &Login<'_>,
    slag: Slag,
) -> String {
    match slag {
        Slag::Test => test(omgivelser, sertifikat, login),
        Slag::Java => java(omgivelser, sertifikat, login),
        Slag::DotNet => dotnet(omgivelser, sertifikat, login),
        Slag::Rust => rust(omgivelser, sertifikat, login),
    }
}

/// Scheme, host and port of the HTTP APIs as a client on this machine should use them.
fn api(omgivelser: &Omgivelser) -> (&'static str, &str, &str) {
    let split = |url| {
        let (host, port) = str::rsplit_once(url, ':').expect("our own URLs name the port");
        (host, port)
    };
    let (scheme, (host, port)) = match &omgivelser.https_url {
        Some(https) => ("https", split(https.trim_start_matches("https://"))),
        None => ("http", split(omgivelser.http_url.trim_start_matches("http://"))),
    };
    (scheme, host, port)
}

fn java(omgivelser: &Omgivelser, sertifikat: &Sertifikat, login: &Login<'_>) -> String {
    let (scheme, host, port) = api(omgivelser);
    let mut out = String::new();
    let endpoints = [
        ("fiksApiKonfigurasjon", "FiksApiKonfigurasjon"),
        ("katalogKonfigurasjon", "KatalogKonfigurasjon"),
        ("sendMeldingKonfigurasjon", "SendMeldingKonfigurasjon"),
        ("dokumentlagerKonfigurasjon", "DokumentLagerKonfigurasjon"),
    ];
    line(&mut out, "// Start JVM-en med");
    line(&mut out, &format!("//   -Djavax.net.ssl.trustStore={}", omgivelser.truststore.path.display()));
    line(&mut out, &format!("//   -Djavax.net.ssl.trustStorePassword={}", omgivelser.truststore.password));
    line(&mut out, "KeyStore keyStore = KeyStore.getInstance(\"PKCS12\");");
    line(
        &mut out,
        &format!(
            "keyStore.load(Files.newInputStream(Path.of(\"{}\")), \"{}\".toCharArray());",
            sertifikat.p12.display(),
            sertifikat.password
        ),
    );
    line(
        &mut out,
        &format!("String pem = Files.readString(Path.of(\"{}\"));", login.private_key_pem.display()),
    );
    line(
        &mut out,
        "PrivateKey privatNokkel = KeyFactory.getInstance(\"RSA\").generatePrivate(new PKCS8EncodedKeySpec(",
    );
    line(&mut out, "    Base64.getMimeDecoder().decode(pem.replaceAll(\"-----[A-Z ]+-----\", \"\"))));");
    line(&mut out, "FiksIOKlient klient = new FiksIOKlientFactory(FiksIOKonfigurasjon.builder()");
    line(&mut out, "    .kontoKonfigurasjon(KontoKonfigurasjon.builder()");
    line(&mut out, &format!("        .kontoId(new KontoId(UUID.fromString(\"{}\")))", login.konto_id));
    line(&mut out, "        .privatNokkel(privatNokkel).build())");
    line(&mut out, "    .virksomhetssertifikatKonfigurasjon(VirksomhetssertifikatKonfigurasjon.builder()");
    line(
        &mut out,
        &format!(
            "        .keyStore(keyStore).keyStorePassword(\"{0}\").keyAlias(\"{1}\").keyPassword(\"{0}\").build())",
            sertifikat.password, sertifikat.alias
        ),
    );
    line(&mut out, "    .fiksIntegrasjonKonfigurasjon(FiksIntegrasjonKonfigurasjon.builder()");
    line(&mut out, &format!("        .integrasjonId(UUID.fromString(\"{}\"))", login.integrasjon_id));
    line(&mut out, &format!("        .integrasjonPassord(\"{}\")", login.integrasjon_passord));
    line(&mut out, "        .idPortenKonfigurasjon(IdPortenKonfigurasjon.builder()");
    line(&mut out, &format!("            .accessTokenUri(\"{}\")", omgivelser.maskinporten.token_endpoint));
    line(&mut out, &format!("            .idPortenAudience(\"{}\")", omgivelser.maskinporten.audience));
    line(&mut out, "            .klientId(\"min-klient\").build()).build())");
    for (method, class) in endpoints {
        line(
            &mut out,
            &format!(
                "    .{method}({class}.builder().scheme(\"{scheme}\").host(\"{host}\").port({port}).build())"
            ),
        );
    }
    line(
        &mut out,
        &format!(
            "    .amqpKonfigurasjon(AmqpKonfigurasjon.builder().host(\"{}\").port({}).build())",
            omgivelser.amqp.host, omgivelser.amqp.port
        ),
    );
    line(&mut out, "    .build()).build();");
    out
}

fn dotnet(omgivelser: &Omgivelser, sertifikat: &Sertifikat, login: &Login<'_>) -> String {
    let (scheme, host, port) = api(omgivelser);
    let mut out = String::new();
    line(
        &mut out,
        &format!("// Legg CA-en blant maskinens rotsertifikater først: {}", omgivelser.ca_pem.display()),
    );
    line(&mut out, "var config = new FiksIOConfiguration(");
    line(
        &mut out,
        &format!(
            "    kontoConfiguration: new KontoConfiguration(Guid.Parse(\"{}\"), File.ReadAllText(\"{}\")),",
            login.konto_id,
            login.private_key_pem.display()
        ),
    );
    line(
        &mut out,
        &format!(
            "    integrasjonConfiguration: new IntegrasjonConfiguration(Guid.Parse(\"{}\"), \"{}\"),",
            login.integrasjon_id, login.integrasjon_passord
        ),
    );
    line(&mut out, "    maskinportenConfiguration: new MaskinportenClientConfiguration(");
    line(&mut out, &format!("        audience: \"{}\",", omgivelser.maskinporten.audience));
    line(&mut out, &format!("        tokenEndpoint: \"{}\",", omgivelser.maskinporten.token_endpoint));
    line(&mut out, "        issuer: \"min-klient\", numberOfSecondsLeftBeforeExpire: 10,");
    line(
        &mut out,
        &format!(
            "        certificate: new X509Certificate2(\"{}\", \"{}\")),",
            sertifikat.p12.display(),
            sertifikat.password
        ),
    );
    line(&mut out, &format!("    apiConfiguration: new ApiConfiguration(\"{scheme}\", \"{host}\", {port}),"));
    line(
        &mut out,
        &format!(
            "    amqpConfiguration: new AmqpConfiguration(\"{0}\", {1}, new SslOption {{ Enabled = true, ServerName = \"{0}\" }}),",
            omgivelser.amqp.host, omgivelser.amqp.port
        ),
    );
    line(
        &mut out,
        &format!(
            "    asiceSigningConfiguration: new AsiceSigningConfiguration(\"{}\", \"{}\"));",
            sertifikat.cert_pem.display(),
            sertifikat.key_pem.display()
        ),
    );
    out
}

/// The client of `dev klient`, started from a terminal as it stands.
fn test(omgivelser: &Omgivelser, sertifikat: &Sertifikat, login: &Login<'_>) -> String {
    let program = std::env::current_exe();
    let program = program.as_deref().map_or("knutepunkt".into(), Path::to_string_lossy);
    let json = settings(omgivelser, sertifikat, login);
    format!("\"{program}\" dev klient - <<'SLUTT'\n{json}\nSLUTT\n")
}

fn rust(omgivelser: &Omgivelser, sertifikat: &Sertifikat, login: &Login<'_>) -> String {
    let json = settings(omgivelser, sertifikat, login);
    format!("let settings = fiks_io_client::Settings::from_json(r#\"{json}\"#)?;\n")
}

fn settings(omgivelser: &Omgivelser, sertifikat: &Sertifikat, login: &Login<'_>) -> String {
    let (scheme, host, port) = api(omgivelser);
    let settings = serde_json::json!({
        "kontoId": login.konto_id,
        "privateKeyFiles": [login.private_key_pem],
        "integrasjonId": login.integrasjon_id,
        "integrasjonPassord": login.integrasjon_passord,
        "virksomhetssertifikatFile": sertifikat.chain_pem,
        "virksomhetssertifikatKeyFile": sertifikat.key_pem,
        "maskinportenClientId": "min-klient",
        "maskinportenTokenEndpoint": omgivelser.maskinporten.token_endpoint,
        "maskinportenAudience": omgivelser.maskinporten.audience,
        "apiScheme": scheme,
        "apiHost": host,
        "apiPort": port.parse::<u16>().unwrap_or_default(),
        "amqpHost": omgivelser.amqp.host,
        "amqpPort": omgivelser.amqp.port,
        "caCertificatesFile": omgivelser.ca_pem,
    });
    serde_json::to_string_pretty(&settings).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use domain::id::{FiksOrgId, SystemId};
    use uuid::Uuid;

    use super::*;
    use crate::dev::klient::{Amqp, Maskinporten, Organisasjon, Truststore};

    fn klient() -> Klient {
        let sertifikat = Sertifikat {
            p12: "/v.p12".into(),
            password: "changeit",
            alias: "virksomhet",
            cert_pem: "/v.pem".into(),
            chain_pem: "/v.chain.pem".into(),
            key_pem: "/v.key.pem".into(),
        };
        let orgnummer = "310000108".parse().unwrap();
        let konto = Konto {
            konto_id: KontoId::from_uuid(Uuid::from_u128(1)),
            navn: "Sak".to_owned(),
            system_navn: "Sak".to_owned(),
            fiks_org_id: FiksOrgId::from_uuid(Uuid::from_u128(2)),
            system_id: SystemId::from_uuid(Uuid::from_u128(3)),
            orgnummer,
            integrasjon_id: IntegrasjonId::from_uuid(Uuid::from_u128(4)),
            integrasjon_passord: "hemmelig".to_owned(),
            protokoll: "no.ks.fiks.arkiv",
            versjon: "v1",
            parter: vec!["klient.full".to_owned()],
            private_key_pem: "/k.key.pem".into(),
            cert_pem: "/k.pem".into(),
        };
        Klient {
            omgivelser: Omgivelser {
                http_url: "http://127.0.0.1:8080".to_owned(),
                https_url: Some("https://localhost:8443".to_owned()),
                amqp: Amqp { host: "localhost".to_owned(), port: 5671 },
                danger_amqp: None,
                maskinporten: Maskinporten {
                    token_endpoint: "http://t".to_owned(),
                    audience: "http://a/".to_owned(),
                },
                ca_pem: "/ca.pem".into(),
                truststore: Truststore { path: PathBuf::from("/t.p12"), password: "changeit" },
            },
            organisasjoner: vec![Organisasjon {
                navn: "Storevik".to_owned(),
                orgnummer,
                fiks_org_id: FiksOrgId::from_uuid(Uuid::from_u128(2)),
                sertifikat,
            }],
            kontoer: vec![konto],
        }
    }

    #[test]
    fn every_client_gets_host_port_and_login() {
        let klient = klient();
        let snippets = snippets(&klient, &klient.kontoer[0]);
        assert_eq!(snippets.len(), 4);
        for (name, snippet) in snippets {
            for part in
                ["8443", "localhost", "5671", "hemmelig", "00000000-0000-0000-0000-000000000001", "http://t"]
            {
                assert!(snippet.contains(part), "{name} lacks {part}:\n{snippet}");
            }
        }
    }

    #[test]
    fn settings_of_the_rust_clients_are_those_they_know() {
        let klient = klient();
        let snippets = snippets(&klient, &klient.kontoer[0]);
        let of_rust =
            snippets.iter().filter(|(name, _)| name.starts_with("Testklient") || name.starts_with("Rust"));
        let mut seen = 0;
        for (_, snippet) in of_rust {
            let json = &snippet[snippet.find('{').unwrap()..=snippet.rfind('}').unwrap()];
            fiks_io_client::Settings::from_json(json).unwrap();
            seen += 1;
        }
        assert_eq!(seen, 2);
    }

    #[test]
    fn terminal_names_the_portal_first() {
        let text = text(&klient(), Path::new("/data"));
        assert!(text.starts_with("Åpne http://127.0.0.1:8080 i nettleseren."), "{text}");
    }
}
