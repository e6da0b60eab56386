//! How to point a client at a `dev` server: ready to paste, on the terminal and on the page `/`.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::dev::klient::{Klient, Konto};

/// The page `/`, which has something to show once the world is there.
#[derive(Clone, Default)]
pub struct Page {
    klient: Arc<OnceLock<Klient>>,
}

impl Page {
    /// Its route.
    pub fn router(&self) -> Router {
        Router::new().route("/", get(show)).with_state(self.clone())
    }

    /// Shows `klient` from now on.
    pub fn show(&self, klient: Klient) {
        // A second world would be a bug; the first stays.
        let _ = self.klient.set(klient);
    }
}

async fn show(State(page): State<Page>) -> Response {
    match page.klient.get() {
        Some(klient) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
                (
                    header::CONTENT_SECURITY_POLICY,
                    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
                ),
            ];
            (headers, html(klient)).into_response()
        }
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// What `dev` prints at start.
pub fn text(klient: &Klient, data: &Path) -> String {
    let mut text = String::new();
    let out = &mut text;
    line(
        out,
        "Knutepunkt for utvikling. Alt her er til test: sertifikater, tokens og passord gjelder bare denne mappen.",
    );
    line(out, "");
    line(out, &format!("  Data             {}", data.display()));
    line(out, &format!("  HTTP             {}", klient.http_url));
    if let Some(https) = &klient.https_url {
        line(out, &format!("  HTTPS            {https}"));
    }
    line(out, &format!("  AMQP over TLS    {}:{}", klient.amqp.host, klient.amqp.port));
    line(out, &format!("  Maskinporten     {}", klient.maskinporten.token_endpoint));
    line(out, &format!("  CA (PEM)         {}", klient.ca_pem.display()));
    line(
        out,
        &format!(
            "  Java truststore  {} (passord {})",
            klient.truststore.path.display(),
            klient.truststore.password
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
    line(
        out,
        &format!(
            "Det samme som nettside: {}/ · som JSON: {}",
            klient.http_url,
            data.join("klient.json").display()
        ),
    );
    text
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Configuration of each client for `konto`.
fn snippets(klient: &Klient, konto: &Konto) -> [(&'static str, String); 3] {
    [
        ("Java (no.ks.fiks:fiks-io-klient-java)", java(klient, konto)),
        (".NET (KS.Fiks.IO.Client)", dotnet(klient, konto)),
        ("Rust (fiks-io-client)", rust(klient, konto)),
    ]
}

/// Scheme, host and port of the HTTP APIs as a client on this machine should use them.
fn api(klient: &Klient) -> (&'static str, &str, &str) {
    let split = |url| {
        let (host, port) = str::rsplit_once(url, ':').expect("our own URLs name the port");
        (host, port)
    };
    let (scheme, (host, port)) = match &klient.https_url {
        Some(https) => ("https", split(https.trim_start_matches("https://"))),
        None => ("http", split(klient.http_url.trim_start_matches("http://"))),
    };
    (scheme, host, port)
}

fn java(klient: &Klient, konto: &Konto) -> String {
    let (scheme, host, port) = api(klient);
    let Some(sertifikat) = klient.sertifikat(konto.orgnummer) else { return String::new() };
    let mut out = String::new();
    let endpoints = [
        ("fiksApiKonfigurasjon", "FiksApiKonfigurasjon"),
        ("katalogKonfigurasjon", "KatalogKonfigurasjon"),
        ("sendMeldingKonfigurasjon", "SendMeldingKonfigurasjon"),
        ("dokumentlagerKonfigurasjon", "DokumentLagerKonfigurasjon"),
    ];
    line(&mut out, "// Start JVM-en med");
    line(&mut out, &format!("//   -Djavax.net.ssl.trustStore={}", klient.truststore.path.display()));
    line(&mut out, &format!("//   -Djavax.net.ssl.trustStorePassword={}", klient.truststore.password));
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
        &format!("String pem = Files.readString(Path.of(\"{}\"));", konto.private_key_pem.display()),
    );
    line(
        &mut out,
        "PrivateKey privatNokkel = KeyFactory.getInstance(\"RSA\").generatePrivate(new PKCS8EncodedKeySpec(",
    );
    line(&mut out, "    Base64.getMimeDecoder().decode(pem.replaceAll(\"-----[A-Z ]+-----\", \"\"))));");
    line(&mut out, "FiksIOKlient klient = new FiksIOKlientFactory(FiksIOKonfigurasjon.builder()");
    line(&mut out, "    .kontoKonfigurasjon(KontoKonfigurasjon.builder()");
    line(&mut out, &format!("        .kontoId(new KontoId(UUID.fromString(\"{}\")))", konto.konto_id));
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
    line(&mut out, &format!("        .integrasjonId(UUID.fromString(\"{}\"))", konto.integrasjon_id));
    line(&mut out, &format!("        .integrasjonPassord(\"{}\")", konto.integrasjon_passord));
    line(&mut out, "        .idPortenKonfigurasjon(IdPortenKonfigurasjon.builder()");
    line(&mut out, &format!("            .accessTokenUri(\"{}\")", klient.maskinporten.token_endpoint));
    line(&mut out, &format!("            .idPortenAudience(\"{}\")", klient.maskinporten.audience));
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
            klient.amqp.host, klient.amqp.port
        ),
    );
    line(&mut out, "    .build()).build();");
    out
}

fn dotnet(klient: &Klient, konto: &Konto) -> String {
    let (scheme, host, port) = api(klient);
    let Some(sertifikat) = klient.sertifikat(konto.orgnummer) else { return String::new() };
    let mut out = String::new();
    line(
        &mut out,
        &format!("// Legg CA-en blant maskinens rotsertifikater først: {}", klient.ca_pem.display()),
    );
    line(&mut out, "var config = new FiksIOConfiguration(");
    line(
        &mut out,
        &format!(
            "    kontoConfiguration: new KontoConfiguration(Guid.Parse(\"{}\"), File.ReadAllText(\"{}\")),",
            konto.konto_id,
            konto.private_key_pem.display()
        ),
    );
    line(
        &mut out,
        &format!(
            "    integrasjonConfiguration: new IntegrasjonConfiguration(Guid.Parse(\"{}\"), \"{}\"),",
            konto.integrasjon_id, konto.integrasjon_passord
        ),
    );
    line(&mut out, "    maskinportenConfiguration: new MaskinportenClientConfiguration(");
    line(&mut out, &format!("        audience: \"{}\",", klient.maskinporten.audience));
    line(&mut out, &format!("        tokenEndpoint: \"{}\",", klient.maskinporten.token_endpoint));
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
            klient.amqp.host, klient.amqp.port
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

fn rust(klient: &Klient, konto: &Konto) -> String {
    let (scheme, host, port) = api(klient);
    let Some(sertifikat) = klient.sertifikat(konto.orgnummer) else { return String::new() };
    let settings = serde_json::json!({
        "kontoId": konto.konto_id,
        "privateKeyFiles": [konto.private_key_pem],
        "integrasjonId": konto.integrasjon_id,
        "integrasjonPassord": konto.integrasjon_passord,
        "virksomhetssertifikatFile": sertifikat.chain_pem,
        "virksomhetssertifikatKeyFile": sertifikat.key_pem,
        "maskinportenClientId": "min-klient",
        "maskinportenTokenEndpoint": klient.maskinporten.token_endpoint,
        "maskinportenAudience": klient.maskinporten.audience,
        "apiScheme": scheme,
        "apiHost": host,
        "apiPort": port.parse::<u16>().unwrap_or_default(),
        "amqpHost": klient.amqp.host,
        "amqpPort": klient.amqp.port,
        "caCertificatesFile": klient.ca_pem,
    });
    let json = serde_json::to_string_pretty(&settings).unwrap_or_default();
    format!("let settings = fiks_io_client::Settings::from_json(r#\"{json}\"#)?;\n")
}

fn html(klient: &Klient) -> String {
    let mut out = String::from(
        "<!doctype html><html lang=\"nb\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Knutepunkt for utvikling</title><main><h1>Knutepunkt for utvikling</h1>\
         <p>Alt her er til test: sertifikater, tokens og passord gjelder bare denne installasjonen.</p>",
    );
    for konto in &klient.kontoer {
        let _ = write!(
            out,
            "<h2>{} ({})</h2><dl><dt>Konto-id<dd><code>{}</code><dt>systemId<dd><code>{}</code><dt>integrasjonId\
             <dd><code>{}</code></dl>",
            escape(&konto.navn),
            escape(&konto.parter.join(", ")),
            konto.konto_id,
            konto.system_id,
            konto.integrasjon_id
        );
        for (name, snippet) in snippets(klient, konto) {
            let _ = write!(out, "<h3>{}</h3><pre><code>{}</code></pre>", escape(name), escape(&snippet));
        }
    }
    out.push_str("</main></html>");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use domain::id::{FiksOrgId, IntegrasjonId, KontoId, SystemId};
    use uuid::Uuid;

    use super::*;
    use crate::dev::klient::{Amqp, Maskinporten, Organisasjon, Sertifikat, Truststore};

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
            navn: "<Sak & arkiv>".to_owned(),
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
        for (name, snippet) in snippets(&klient, &klient.kontoer[0]) {
            for part in
                ["8443", "localhost", "5671", "hemmelig", "00000000-0000-0000-0000-000000000001", "http://t"]
            {
                assert!(snippet.contains(part), "{name} lacks {part}:\n{snippet}");
            }
        }
    }

    #[test]
    fn settings_of_the_rust_client_are_those_it_knows() {
        let klient = klient();
        let snippet = rust(&klient, &klient.kontoer[0]);
        let json = &snippet[snippet.find('{').unwrap()..=snippet.rfind('}').unwrap()];
        fiks_io_client::Settings::from_json(json).unwrap();
    }

    #[test]
    fn names_cannot_become_markup() {
        let html = html(&klient());
        assert!(html.contains("&lt;Sak &amp; arkiv&gt;") && !html.contains("<Sak"));
    }
}
