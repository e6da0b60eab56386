//! The portal of `dev`, as somebody who knows nothing of it meets it: from its front page to the first melding.

use std::collections::BTreeMap;

use fiks_io_client::asice::OrgnrRules;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, header};
use serde_json::Value;
use testkit::TestServer;

use crate::next;

/// A browser that runs no script: keeps cookies and follows links.
struct Nettleser {
    http: Client,
    origin: String,
    cookies: BTreeMap<String, String>,
}

/// A page that was shown.
struct Side {
    path: String,
    text: String,
}

impl Side {
    /// Where the last link before `text` leads.
    fn link(&self, text: &str) -> String {
        let before = &self.text[..self.text.find(text).expect(text)];
        let href = before.rsplit("href=\"").next().and_then(|rest| rest.split('"').next());
        href.expect("there is a link").replace("&#38;", "&")
    }

    /// The token of its forms.
    fn csrf(&self) -> &str {
        let rest = self.text.split("name=\"csrf\" value=\"").nth(1).expect("somebody is logged in");
        rest.split('"').next().expect("the value ends")
    }
}

impl Nettleser {
    fn new(server: &TestServer) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().expect("a client needs nothing");
        Self { http, origin: server.dev.http_url(), cookies: BTreeMap::new() }
    }

    async fn send(&mut self, method: Method, path: &str, form: Option<String>) -> Response {
        let path = path.strip_prefix(&self.origin).unwrap_or(path);
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.origin))
            .header(header::COOKIE, cookies.join("; "))
            .header(header::ORIGIN, &self.origin);
        if let Some(form) = form {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        }
        let response = request.send().await.expect("the server answers");
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().expect("cookies are text").split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    /// Follows what `response` leads to, until there is a page.
    async fn follow(&mut self, mut response: Response, mut path: String) -> Side {
        while response.status().is_redirection() {
            path = response.headers()[header::LOCATION].to_str().expect("addresses are text").to_owned();
            response = self.send(Method::GET, &path, None).await;
        }
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        Side { path, text: response.text().await.expect("a page is text") }
    }

    async fn open(&mut self, path: &str) -> Side {
        let response = self.send(Method::GET, path, None).await;
        self.follow(response, path.to_owned()).await
    }

    async fn submit(&mut self, path: &str, form: String) -> Side {
        let response = self.send(Method::POST, path, Some(form)).await;
        self.follow(response, path.to_owned()).await
    }

    /// What the page asks for to keep the value of `key` up to date.
    async fn live(&mut self, path: &str, key: &str) -> String {
        let side = self.open(path).await;
        let status: Value = serde_json::from_str(&side.text).expect("it is JSON");
        status["verdier"][key]["tekst"].as_str().expect(key).to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn front_page_leads_to_the_first_melding() {
    let server = TestServer::start().await.unwrap();
    let [fagsystem, arkiv] = server.world().await.unwrap();
    let mut nettleser = Nettleser::new(&server);
    let front = nettleser.open("/").await;
    let welcome = nettleser.open(&front.link("Logg inn som Mona Mange")).await;
    assert!(welcome.text.contains("Du er logget inn som Mona Mange."), "{}", welcome.text);
    assert_eq!(nettleser.live("/utvikling/status.json", "steg-sendt").await, "Ikke gjort");

    let konto = |one: &testkit::Innlogging| {
        format!("/o/{}/protokoll/systemer/{}/kontoer/{}", one.fiks_org_id, one.system_id, one.konto_id)
    };
    let csrf = format!("csrf={}", welcome.csrf());
    let made = nettleser.submit(&format!("{}/nokkelpar", konto(&arkiv)), csrf.clone()).await;
    assert!(made.text.contains("-----BEGIN PRIVATE KEY-----"), "{}", made.text);
    let form = format!("{csrf}&mottaker={}", arkiv.konto_id);
    let sent = nettleser.submit(&format!("{}/testmelding", konto(&fagsystem)), form).await;
    let id = sent.path.rsplit('/').next().unwrap().to_owned();
    let status = format!("{}/status.json", sent.path);
    assert_eq!(nettleser.live(&status, "tilstand").await, "På kø");

    // The client finds the new key where the old one was, and the payload was encrypted to that.
    let client = server.client(&arkiv).unwrap();
    let mut meldinger = client.receive().await.unwrap();
    let received = next(&mut meldinger).await;
    assert_eq!(received.melding_id.to_string(), id);
    let opened = received.dekrypter().await.unwrap().read_to_memory(1 << 20).await.unwrap();
    assert_eq!(opened.files.len(), 1);
    let signer = opened.signatures[0].signer.orgnr(OrgnrRules::default()).unwrap().unwrap();
    assert_eq!(signer, fagsystem.orgnummer.as_str());
    received.ack().await.unwrap();
    let (_, record) = server.settled(received.melding_id).await;
    assert_eq!(record.melding.avsender, fagsystem.konto_id);
    assert_eq!(nettleser.live(&status, "tilstand").await, "Bekreftet");
    for steg in ["klient", "sendt", "bekreftet"] {
        assert_eq!(
            nettleser.live("/utvikling/status.json", &format!("steg-{steg}")).await,
            "Gjort",
            "{steg}"
        );
    }

    let snippets = nettleser.open(&format!("{}/klientkonfigurasjon", konto(&fagsystem))).await;
    assert!(snippets.text.contains(&fagsystem.integrasjon_passord), "{}", snippets.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_of_the_machine_leads_to_the_portal() {
    let server = TestServer::start().await.unwrap();
    let url = server.dev.http_url();
    let port = url.rsplit(':').next().unwrap();
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let asked = client.get(format!("{url}/?sprak=en")).header(header::HOST, format!("localhost:{port}"));
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(answer.headers()[header::LOCATION], format!("{url}/?sprak=en"));
    let answer = client.get(format!("{url}/")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    // Machines are served under every name.
    let asked = client.get(format!("{url}/helse")).header(header::HOST, format!("localhost:{port}"));
    assert_eq!(asked.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn test_installation_offers_no_tools() {
    let server = TestServer::start_with(|config| {
        config.miljo = testkit::Miljo::Test;
        // Neither simulator will do there.
        "https://maskinporten.test/".clone_into(&mut config.maskinporten.issuer);
        config.innlogging.issuer.clear();
    })
    .await
    .unwrap();
    let mut nettleser = Nettleser::new(&server);
    let front = nettleser.open("/").await;
    assert!(front.path.ends_with("/logg-inn"), "{}", front.path);
    for path in ["/utvikling/status.json", "/utvikling/klient.json"] {
        let answer = nettleser.send(Method::GET, path, None).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
}
