//! The client's side: a JWT grant.

use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::ca::KeyedCertificate;
use crate::jws::{self, Alg};

/// A grant to be signed. The claims are those of KS's clients; change any of them by [`Assertion::claim`].
#[derive(Debug, Clone)]
pub struct Assertion {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    alg: Alg,
    x5c: bool,
}

impl Assertion {
    /// A grant of `client_id` for `audience` (the issuer) with scope `ks:fiks`, good for 120 seconds.
    ///
    /// `jti` must differ from grant to grant.
    pub fn new(client_id: &str, audience: &str, jti: &str, now: Timestamp) -> Self {
        let claims = json!({
            "aud": audience,
            "iss": client_id,
            "scope": wire::maskinporten::SCOPE_KS_FIKS,
            "iat": now.as_second(),
            "exp": now.as_second() + 120,
            "jti": jti,
        });
        Self { header: Map::new(), claims: object(claims), alg: Alg::default(), x5c: true }
    }

    /// Sets a claim; `null` takes it away.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        set(&mut self.claims, name, value.into());
        self
    }

    /// Sets a header field over what is there otherwise; `null` takes it away.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Names the key by `kid` and leaves the certificate out.
    #[must_use]
    pub fn kid(mut self, kid: &str) -> Self {
        self.x5c = false;
        self.header("kid", kid)
    }

    /// Signs with this algorithm.
    #[must_use]
    pub fn alg(mut self, alg: Alg) -> Self {
        self.alg = alg;
        self
    }
}

/// Signs `assertion` with the RSA key of `key` and, unless it names a `kid`, sends the certificate along as `x5c`.
/// `None` for a key that is not RSA.
pub fn sign_assertion(assertion: &Assertion, key: &KeyedCertificate) -> Option<String> {
    let pair = RsaKeyPair::from_pkcs8(key.private_key_der()).ok()?;
    let mut header = object(json!({ "alg": assertion.alg.name() }));
    if assertion.x5c {
        header.insert("x5c".to_owned(), json!([STANDARD.encode(key.certificate_der())]));
    }
    for (name, value) in &assertion.header {
        set(&mut header, name, value.clone());
    }
    let input = jws::signing_input(&header, &assertion.claims);
    let signature = jws::sign(&pair, assertion.alg, &input)?;
    Some(format!("{input}.{}", jws::encode(signature)))
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Sets a field; `null` takes it away.
pub(crate) fn set(map: &mut Map<String, Value>, name: &str, value: Value) {
    if value.is_null() {
        map.remove(name);
    } else {
        map.insert(name.to_owned(), value);
    }
}
