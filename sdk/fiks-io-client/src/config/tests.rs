use super::*;
use crate::testing::identity;

/// Complete settings for a server at `127.0.0.1`.
pub(crate) fn complete() -> ConfigBuilder {
    let identity = identity();
    Config::builder()
        .konto_id("5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1".parse().unwrap())
        .private_key(&identity.key)
        .integrasjon("9a1a1d0c-6f7e-4a53-8a1c-6a2f8c5f3f10".parse().unwrap(), "hemmelig-passord")
        .virksomhetssertifikat(identity.certificate.clone(), identity.key.as_str())
        .maskinporten("client", "http://127.0.0.1:1/token", "https://maskinporten.test/")
        .api(HttpScheme::Http, "127.0.0.1", 1)
        .amqp(AmqpScheme::Amqp, "127.0.0.1", 1)
}

#[test]
fn each_missing_key_is_named() {
    let complete = serde_json::to_value(complete().into_settings()).unwrap();
    for key in [
        "kontoId",
        "integrasjonId",
        "integrasjonPassord",
        "virksomhetssertifikat",
        "virksomhetssertifikatKey",
        "maskinportenClientId",
        "maskinportenTokenEndpoint",
        "maskinportenAudience",
        "apiHost",
        "amqpHost",
    ] {
        let mut settings = complete.clone();
        settings.as_object_mut().unwrap().remove(key).unwrap();
        let error = Settings::from_json(&settings.to_string()).unwrap().into_config().unwrap_err();
        assert_eq!(error.to_string(), format!("`{key}` is missing"));
    }
}

#[test]
fn miljo_gives_hosts_and_maskinporten() {
    let mut settings = complete().miljo(Miljo::Test).into_settings();
    settings.api_scheme = None;
    settings.api_host = None;
    settings.api_port = None;
    settings.amqp_scheme = None;
    settings.amqp_host = None;
    settings.amqp_port = None;
    settings.maskinporten_token_endpoint = None;
    settings.maskinporten_audience = None;
    let config = settings.into_config().unwrap();
    assert_eq!(config.api.as_str(), "https://api.fiks.test.ks.no/");
    assert_eq!(
        (config.amqp.host.as_str(), config.amqp.port, config.amqp.tls),
        ("io.fiks.test.ks.no", 5671, true)
    );
    assert_eq!(config.maskinporten.token_endpoint.as_str(), "https://test.maskinporten.no/token");
    assert_eq!(config.maskinporten.audience, "https://test.maskinporten.no/");
    assert_eq!(config.maskinporten.scope, "ks:fiks");
    assert_eq!(config.prefetch, 10);
}

#[test]
fn json_and_variables_say_the_same() {
    let json = Settings::from_json(
        r#"{"kontoId": "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1", "apiPort": 8080, "amqpScheme": "amqp",
            "privateKeyFiles": ["a.pem", "b.pem"], "integrasjonPassord": "hemmelig"}"#,
    )
    .unwrap();
    let vars = [
        ("FIKS_IO_KONTO_ID", "5c6ebc4e-5b3c-4cea-8c54-2e1f0f0aa0c1"),
        ("FIKS_IO_API_PORT", "8080"),
        ("FIKS_IO_AMQP_SCHEME", "amqp"),
        ("FIKS_IO_PRIVATE_KEY_FILES", "a.pem:b.pem"),
        ("FIKS_IO_INTEGRASJON_PASSORD", "hemmelig"),
        ("PATH", "/bin"),
    ];
    let vars = Settings::from_vars(vars.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
    assert_eq!(vars, json);
}

#[test]
fn unknown_keys_are_refused() {
    assert!(matches!(Settings::from_json(r#"{"kontold": "x"}"#), Err(ConfigError::Settings(_))));
    let vars = [("FIKS_IO_KONTO".to_owned(), "x".to_owned())];
    assert!(matches!(Settings::from_vars(vars), Err(ConfigError::Settings(_))));
}

#[test]
fn a_value_and_its_file_exclude_each_other() {
    let mut settings = complete().into_settings();
    settings.integrasjon_passord_file = Some("passord.txt".into());
    assert!(matches!(settings.into_config(), Err(ConfigError::Ambiguous { key: "integrasjonPassord" })));
}

#[test]
fn files_are_read_and_a_missing_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let passord = folder.path().join("passord.txt");
    std::fs::write(&passord, "hemmelig\n").unwrap();
    let mut settings = complete().into_settings();
    settings.integrasjon_passord = None;
    settings.integrasjon_passord_file = Some(passord);
    assert_eq!(settings.clone().into_config().unwrap().integrasjon_passord.expose(), "hemmelig");

    let missing = folder.path().join("no-such-file");
    settings.private_key_files = Some(vec![missing.clone()]);
    let error = settings.into_config().unwrap_err();
    assert!(matches!(error, ConfigError::File { key: "privateKeyFiles", path, .. } if path == missing));
}

#[test]
fn several_private_keys_are_read_from_one_text_and_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.pem");
    std::fs::write(&file, format!("{}{}", identity().key, identity().certificate)).unwrap();
    let config = complete().private_key(&identity().key).private_key_file(file).build().unwrap();
    assert_eq!(config.private_keys.len(), 3);
}

#[test]
fn unusable_values_are_refused() {
    type Spoil = fn(ConfigBuilder) -> ConfigBuilder;
    let cases: [(&str, Spoil); 5] = [
        ("prefetch", |builder| builder.prefetch(0)),
        ("privateKeys", |builder| builder.private_key("no key")),
        ("caCertificates", |builder| builder.ca_certificates("no certificate")),
        ("maskinportenTokenEndpoint", |builder| builder.maskinporten("client", "ftp://localhost/", "aud")),
        ("maskinportenKey", |builder| builder.maskinporten_key("kid", "no key")),
    ];
    for (key, spoil) in cases {
        // A builder without the good key, so that the bad text stands alone.
        let mut builder = complete();
        if key == "privateKeys" {
            builder.settings.private_keys = None;
        }
        let error = spoil(builder).build().unwrap_err();
        assert!(error.to_string().contains(&format!("`{key}`")), "{key}: {error}");
    }
}

#[test]
fn a_certificate_of_another_key_is_refused() {
    let error = complete()
        .virksomhetssertifikat(crate::testing::other_identity().certificate.clone(), identity().key.as_str())
        .build()
        .unwrap_err();
    assert!(matches!(error, ConfigError::Key { key: "virksomhetssertifikat", .. }));
}

#[test]
fn no_secret_shows_in_debug() {
    let builder = complete();
    let shown = format!("{:?} {:?}", builder.clone().into_settings(), builder.build().unwrap());
    assert!(!shown.contains("hemmelig"));
    assert!(!shown.contains("PRIVATE KEY"));
}
