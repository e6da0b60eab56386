//! Access tokens, right ones and forged ones.

use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Simulator;
use super::assertion::{object, set};
use super::keys::Key;
use crate::ca::RsaBits;
use crate::jws::{self, Alg};

/// How a token is forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// Signed with a key that the simulator does not publish, under the `kid` of one that it does.
    ForeignKey,
    /// Signed with a key that the simulator does not publish, under that key's own `kid`.
    UnknownKid,
    /// `alg` is `none` and the signature is empty.
    AlgNone,
    /// `alg` is HS256, with the public key (DER) as the secret.
    HmacWithPublicKey,
    /// Another consumer is put in after signing.
    Tampered,
    /// One bit of the signature is wrong.
    BrokenSignature,
}

/// An access token to be minted. Claims are those of Maskinporten; change any of them by [`TokenOrder::claim`].
#[derive(Debug, Clone)]
pub struct TokenOrder {
    pub(super) consumer: String,
    pub(super) supplier: Option<String>,
    pub(super) client_id: String,
    pub(super) client_amr: &'static str,
    pub(super) scope: String,
    pub(super) audience: Value,
    pub(super) lifetime: Option<Duration>,
    pub(super) issued: Option<Timestamp>,
    alg: Alg,
    header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    forgery: Option<Forgery>,
}

impl TokenOrder {
    /// A token for the organisation `orgnr` with scope `ks:fiks`, the configured lifetime, issued now.
    pub fn new(orgnr: &str) -> Self {
        Self {
            consumer: orgnr.to_owned(),
            supplier: None,
            client_id: "simulator".to_owned(),
            client_amr: "virksomhetssertifikat",
            scope: wire::maskinporten::SCOPE_KS_FIKS.to_owned(),
            audience: Value::from("unspecified"),
            lifetime: None,
            issued: None,
            alg: Alg::default(),
            header: Map::new(),
            claims: Map::new(),
            forgery: None,
        }
    }

    /// With these scopes, space separated.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        scope.clone_into(&mut self.scope);
        self
    }

    /// Good for this long.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Issued at this time instead of now.
    #[must_use]
    pub fn issued(mut self, at: Timestamp) -> Self {
        self.issued = Some(at);
        self
    }

    /// Asked for by a supplier on behalf of the consumer.
    #[must_use]
    pub fn supplier(mut self, orgnr: &str) -> Self {
        self.supplier = Some(orgnr.to_owned());
        self
    }

    /// For this audience.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<Value>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Signed with this algorithm.
    #[must_use]
    pub fn alg(mut self, alg: Alg) -> Self {
        self.alg = alg;
        self
    }

    /// With this claim over what is there otherwise; `null` takes it away.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// With this header field over what is there otherwise; `null` takes it away.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Forged.
    #[must_use]
    pub fn forged(mut self, forgery: Forgery) -> Self {
        self.forgery = Some(forgery);
        self
    }
}

impl Simulator {
    /// Mints an access token without a grant, as ordered, forged if so ordered.
    pub fn mint(&self, order: &TokenOrder) -> String {
        let claims = self.claims(order);
        match order.forgery {
            Some(Forgery::ForeignKey) => {
                let kid = self.inner.keys.with_current(|key| key.kid.clone());
                sign(&foreign_key(), &kid, order, &claims)
            }
            Some(Forgery::UnknownKid) => {
                let key = foreign_key();
                sign(&key, &key.kid, order, &claims)
            }
            _ => self.inner.keys.with_current(|key| sign_or_forge(key, order, &claims)),
        }
    }

    fn claims(&self, order: &TokenOrder) -> Map<String, Value> {
        let issued = order.issued.unwrap_or_else(|| self.now()).as_second();
        let lifetime = order.lifetime.unwrap_or(self.inner.config.lifetime);
        let mut claims = object(json!({
            "iss": self.issuer(),
            "client_id": order.client_id,
            "client_amr": order.client_amr,
            "consumer": organisation(&order.consumer),
            "scope": order.scope,
            "token_type": "Bearer",
            "aud": order.audience,
            "iat": issued,
            "exp": issued + i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 2),
            "jti": random_id(),
        }));
        if let Some(supplier) = &order.supplier {
            claims.insert("supplier".to_owned(), organisation(supplier));
            claims.insert("delegation_source".to_owned(), Value::from("https://www.altinn.no"));
        }
        for (name, value) in &order.claims {
            set(&mut claims, name, value.clone());
        }
        claims
    }
}

fn sign_or_forge(key: &Key, order: &TokenOrder, claims: &Map<String, Value>) -> String {
    match order.forgery {
        Some(Forgery::AlgNone) => {
            format!("{}.", jws::signing_input(&header("none", &key.kid, order), claims))
        }
        Some(Forgery::HmacWithPublicKey) => {
            let input = jws::signing_input(&header("HS256", &key.kid, order), claims);
            let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_key());
            let tag = hmac::sign(&secret, input.as_bytes());
            format!("{input}.{}", jws::encode(tag))
        }
        Some(Forgery::Tampered) => {
            let honest = sign(key, &key.kid, order, claims);
            let mut claims = claims.clone();
            claims.insert("consumer".to_owned(), organisation("974760673"));
            let input = jws::signing_input(&header(order.alg.name(), &key.kid, order), &claims);
            let signature = honest.rsplit('.').next().unwrap_or_default();
            format!("{input}.{signature}")
        }
        Some(Forgery::BrokenSignature) => {
            let input = jws::signing_input(&header(order.alg.name(), &key.kid, order), claims);
            let mut signature = jws::sign(&key.pair, order.alg, &input).unwrap_or_default();
            if let Some(byte) = signature.last_mut() {
                *byte ^= 1;
            }
            format!("{input}.{}", jws::encode(signature))
        }
        _ => sign(key, &key.kid, order, claims),
    }
}

/// An organisation as tokens name it: ISO 6523 with the Norwegian register.
fn organisation(orgnr: &str) -> Value {
    json!({ "authority": "iso6523-actorid-upis", "ID": format!("0192:{orgnr}") })
}

fn header(alg: &str, kid: &str, order: &TokenOrder) -> Map<String, Value> {
    let mut header = object(json!({ "alg": alg, "kid": kid }));
    for (name, value) in &order.header {
        set(&mut header, name, value.clone());
    }
    header
}

fn sign(key: &Key, kid: &str, order: &TokenOrder, claims: &Map<String, Value>) -> String {
    let input = jws::signing_input(&header(order.alg.name(), kid, order), claims);
    let signature = jws::sign(&key.pair, order.alg, &input)
        .expect("the keys of the simulator are RSA of 2048 bits or more");
    format!("{input}.{}", jws::encode(signature))
}

pub(crate) fn foreign_key() -> Key {
    Key::generate(RsaBits::B2048).expect("key generation fails only when the system has no randomness")
}

/// 128 random bits.
pub(crate) fn random_id() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("randomness fails only when the system has none");
    jws::encode(bytes)
}
