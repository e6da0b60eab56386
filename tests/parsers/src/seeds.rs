//! Inputs that each parser likes, made here: small, of our own, and with keys that are used nowhere else.

use std::io::Write as _;
use std::sync::OnceLock;

use asice::{AsiceWriter, Certificate, EncryptingWriter, PrivateKey, RecipientCertificate, Signer};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use crate::Target;

/// A key pair as PEM, made once a process.
fn key_pair() -> &'static (String, String) {
    static PAIR: OnceLock<(String, String)> = OnceLock::new();
    PAIR.get_or_init(|| {
        let key =
            KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("there is randomness");
        let certificate = CertificateParams::default().self_signed(&key).expect("the parameters are good");
        (key.serialize_pem(), certificate.pem())
    })
}

/// The keys that the encrypted seeds open with.
pub(crate) fn keys() -> Vec<PrivateKey> {
    vec![PrivateKey::from_pem(&key_pair().0).expect("rcgen writes what can be read")]
}

/// Seeds of a parser. Some differ from process to process, by their keys.
pub fn seeds(target: Target) -> Vec<Vec<u8>> {
    match target {
        Target::Amqp => amqp(),
        Target::Multipart => multipart(),
        Target::Json => json(),
        Target::Token => token(),
        Target::Sertifikat => sertifikat(),
        Target::Asice => {
            vec![container(&[]), container(&[("a.json", b"{}")]), container(&[("a", b"1"), ("b", b"")])]
        }
        Target::Cms => {
            vec![encrypted(&container(&[("a.json", b"{}")])), encrypted(b""), encrypted(&[7; 4096])]
        }
        Target::Skjema => ["", "navn=Arkiv&csrf=abc", "a=%C3%A6%20b&a=2&part=x&part=y", "q=%zz%0&&==&a"]
            .map(|form| form.as_bytes().to_vec())
            .to_vec(),
    }
}

fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    let size = u32::try_from(arguments.len() + 4).expect("seeds are small");
    let parts: [&[u8]; 7] = [
        &[1],
        &channel.to_be_bytes(),
        &size.to_be_bytes(),
        &class.to_be_bytes(),
        &method.to_be_bytes(),
        arguments,
        &[0xce],
    ];
    parts.concat()
}

fn amqp() -> Vec<Vec<u8>> {
    let table = b"\0\0\0\x12\x05hello\x46\0\0\0\x07\x04deep\x74\x01";
    let login: [&[u8]; 4] = [table, b"\x05PLAIN", b"\0\0\0\x04\0a\0b", b"\x05nb_NO"];
    let start = method(0, 10, 11, &login.concat());
    let tune = method(0, 10, 31, &[0, 16, 0, 2, 0, 0, 0, 60]);
    let open = method(0, 10, 40, b"\x01/\0\0");
    let channel = method(1, 20, 10, &[0]);
    let qos = method(1, 60, 10, &[0, 0, 0, 0, 0, 10, 0]);
    let queue = b"fiksio.konto.00000000-0000-0000-0000-000000000000";
    let queue_bytes = [&[u8::try_from(queue.len()).expect("it is short")][..], queue].concat();
    let consume = method(1, 60, 20, &[&[0, 0][..], &queue_bytes, b"\0\0\0\0\0\0"].concat());
    let declare = method(1, 50, 10, &[&[0, 0][..], &queue_bytes, b"\x01\0\0\0\0"].concat());
    let ack = method(1, 60, 80, &[0, 0, 0, 0, 0, 0, 0, 1, 1]);
    let nack = method(1, 60, 120, &[0, 0, 0, 0, 0, 0, 0, 2, 2]);
    let publish = method(1, 60, 40, &[0, 0, 0, 0, 0]);
    let heartbeat = vec![8, 0, 0, 0, 0, 0, 0, 0xce];
    let close = method(0, 10, 50, &[0, 200, 0, 0, 0, 0, 0]);
    let opened = [&[250][..], b"AMQP\0\0\x09\x01", &start, &tune, &open, &channel].concat();
    vec![
        b"\xffAMQP\0\0\x09\x01".to_vec(),
        [&opened[..], &qos, &consume, &ack, &nack, &heartbeat, &close].concat(),
        [&opened[..], &declare, &publish].concat(),
        [&opened[..], &method(1, 20, 40, &[0, 0, 0, 0, 0, 0, 0])].concat(),
        b"\0HTTP/1.1 GET /".to_vec(),
    ]
}

fn multipart() -> Vec<Vec<u8>> {
    let metadata = "--XX\r\nContent-Disposition: form-data; name=\"metadata\"\r\nContent-Type: application/json\r\n\r\n{}";
    let data = "--XX\r\nContent-Disposition: form-data; name=\"data\"; filename=\"a\"\r\n\r\n\0\r\n--X\r\n-";
    vec![
        format!("\x10{metadata}\r\n--XX--\r\n").into_bytes(),
        format!("\x03{metadata}\r\n{data}\r\n--XX--").into_bytes(),
        b"\x01multipart/form-data; boundary=\"a b\"; charset=utf-8".to_vec(),
    ]
}

fn json() -> Vec<Vec<u8>> {
    let id = "00000000-0000-4000-8000-000000000000";
    [
        format!(
            r#"{{"avsenderKontoId":"{id}","mottakerKontoId":"{id}","meldingType":"a.v1","ttl":1000,"svarPaMelding":"{id}","headere":{{"a":"b"}}}}"#
        ),
        r#"{"navn":"a","beskrivelse":"b","stottetProtokollNavn":"c","parts":[{"partNavn":"d","stottetProtokollVersjon":"v1"}],"offentligNokkel":null}"#.to_owned(),
        r#"{"offentligNokkel":"-----BEGIN CERTIFICATE-----\n"}"#.to_owned(),
        format!(r#"{{"fiksOrgId":"{id}","navn":"æøå 🦊","orgnummer":"310000310","ttl":1e3}}"#),
        "[[[[[[[[]]]]]]]]".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

fn token() -> Vec<Vec<u8>> {
    let encode = |part: &str| URL_SAFE_NO_PAD.encode(part);
    let header = encode(r#"{"alg":"RS256","kid":"a"}"#);
    let claims = r#"{"iss":"https://test.maskinporten.no/","scope":"ks:fiks","exp":1800000100,"iat":1799999990.5,"consumer":{"authority":"iso6523-actorid-upis","ID":"0192:310000310"},"aud":["a","unspecified"],"supplier":{"ID":"0192:1"}}"#;
    let signature = URL_SAFE_NO_PAD.encode([7; 256]);
    vec![
        format!("{header}.{}.{signature}", encode(claims)).into_bytes(),
        format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode("{}")).into_bytes(),
        format!("{}.{}.AA", encode(r#"{"alg":"RS512","kid":"b","crit":["b64"]}"#), encode("[1]"))
            .into_bytes(),
    ]
}

fn sertifikat() -> Vec<Vec<u8>> {
    let (private_key, certificate) = key_pair();
    let der = Certificate::from_pem(certificate).expect("rcgen writes what can be read").der().to_vec();
    vec![
        certificate.clone().into_bytes(),
        format!("{certificate}{certificate}").into_bytes(),
        private_key.clone().into_bytes(),
        der,
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
    ]
}

fn container(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (private_key, certificate) = key_pair();
    let signer = Signer::from_pem(private_key, certificate).expect("the key belongs to the certificate");
    let mut writer = AsiceWriter::new(Vec::new(), &signer).expect("memory takes what is written");
    for (name, content) in files {
        writer.add_file(name, *content).expect("memory takes what is written");
    }
    // A container without files is refused by its writer; then a zip archive without any is the seed.
    writer.finish().unwrap_or_else(|_| [&b"PK\x05\x06"[..], &[0; 18]].concat())
}

fn encrypted(content: &[u8]) -> Vec<u8> {
    let recipient = RecipientCertificate::from_pem(&key_pair().1).expect("rcgen writes what can be read");
    let mut writer = EncryptingWriter::new(Vec::new(), &recipient).expect("memory takes what is written");
    writer.write_all(content).expect("memory takes what is written");
    writer.finish().expect("memory takes what is written")
}
