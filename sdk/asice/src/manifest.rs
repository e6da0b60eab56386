//! `META-INF/ASiCManifest.xml` (ETSI EN 319 162-1 §A.4).

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::Error;
use crate::names::mime_type;

/// SHA-256 of a file.
pub(crate) type Digest = [u8; 32];

const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
/// Not a standard name, but the one that the official .NET client writes.
const SHA256_DOTNET: &str = "http://www.w3.org/2000/09/xmldsig#sha256";

/// Writes a manifest in pure ASCII.
///
/// The official Java client turns the manifest into text and back in the default charset of its machine before it
/// verifies the signature: any byte beyond ASCII could break it.
pub(crate) fn write(signature_name: &str, files: &[(String, Digest)]) -> String {
    let mut xml = String::from(concat!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
        "\n",
        r#"<ASiCManifest xmlns="http://uri.etsi.org/02918/v1.2.1#" xmlns:ns2="http://www.w3.org/2000/09/xmldsig#">"#,
    ));
    let signature_name = escape(signature_name);
    let _ = write!(
        xml,
        "\n    <SigReference URI=\"{signature_name}\" MimeType=\"application/x-pkcs7-signature\"/>"
    );
    let mut rootfile = r#" Rootfile="true""#;
    for (name, digest) in files {
        let _ = write!(
            xml,
            "\n    <DataObjectReference URI=\"{}\" MimeType=\"{}\"{rootfile}>\
             \n        <ns2:DigestMethod Algorithm=\"{SHA256}\"/>\
             \n        <ns2:DigestValue>{}</ns2:DigestValue>\
             \n    </DataObjectReference>",
            escape(name),
            mime_type(name),
            STANDARD.encode(digest),
        );
        rootfile = "";
    }
    xml.push_str("\n</ASiCManifest>\n");
    xml
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            ' '..='~' => out.push(c),
            _ => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
        }
    }
    out
}

/// What a manifest says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Name of the signature's entry.
    pub(crate) signature: Option<String>,
    /// Names and digests of the signed entries.
    pub(crate) references: Vec<(String, Digest)>,
}

impl Manifest {
    /// Reads a manifest of any namespace and of either family of digest names.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        const SYNTAX: Error = Error::MalformedManifest("not well-formed XML");
        let text = std::str::from_utf8(bytes).map_err(|_| Error::MalformedManifest("not UTF-8"))?;
        let mut reader = Reader::from_str(text.strip_prefix('\u{FEFF}').unwrap_or(text));
        let mut manifest = Self::default();
        let mut reference: Option<Reference> = None;
        let mut in_digest_value = false;
        let mut depth = 0u32;
        let mut closed = false;
        loop {
            match reader.read_event().map_err(|_| SYNTAX)? {
                Event::Start(start) => {
                    if depth == 0 && (closed || start.local_name().as_ref() != "ASiCManifest") {
                        return Err(Error::MalformedManifest("root is not ASiCManifest"));
                    }
                    depth += 1;
                    in_digest_value = start.local_name().as_ref() == "DigestValue";
                    manifest.open(&start, &mut reference)?;
                }
                Event::Empty(start) => {
                    if depth == 0 {
                        return Err(Error::MalformedManifest("root is empty"));
                    }
                    manifest.open(&start, &mut reference)?;
                    if start.local_name().as_ref() == "DataObjectReference" {
                        return Err(Error::MalformedManifest("reference without a digest"));
                    }
                }
                Event::End(end) => {
                    depth = depth.checked_sub(1).ok_or(SYNTAX)?;
                    closed = depth == 0;
                    in_digest_value = false;
                    if end.local_name().as_ref() == "DataObjectReference"
                        && let Some(reference) = reference.take()
                    {
                        manifest.references.push(reference.finish()?);
                    }
                }
                Event::Text(text) => {
                    if let (true, Some(reference)) = (in_digest_value, &mut reference) {
                        reference.value.push_str(&text.xml10_content());
                    }
                }
                Event::DocType(_) => return Err(Error::MalformedManifest("document types are not allowed")),
                Event::Eof if closed => return Ok(manifest),
                Event::Eof => return Err(SYNTAX),
                Event::CData(_) | Event::GeneralRef(_) if in_digest_value => {
                    return Err(Error::MalformedManifest("digest is not plain text"));
                }
                _ => {}
            }
        }
    }

    fn open(&mut self, element: &BytesStart<'_>, reference: &mut Option<Reference>) -> Result<(), Error> {
        match element.local_name().as_ref() {
            "SigReference" => {
                if self.signature.is_some() {
                    return Err(Error::MalformedManifest("two signature references"));
                }
                self.signature = Some(attribute(element, "URI")?);
            }
            "DataObjectReference" => {
                if reference.is_some() {
                    return Err(Error::MalformedManifest("reference inside a reference"));
                }
                *reference = Some(Reference { uri: attribute(element, "URI")?, ..Reference::default() });
            }
            "DigestMethod" => {
                if let Some(reference) = reference {
                    let algorithm = attribute(element, "Algorithm")?;
                    if algorithm != SHA256 && algorithm != SHA256_DOTNET {
                        return Err(Error::UnsupportedAlgorithm {
                            purpose: "the digest of a file",
                            oid: algorithm,
                        });
                    }
                    reference.has_method = true;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[derive(Default)]
struct Reference {
    uri: String,
    has_method: bool,
    value: String,
}

impl Reference {
    fn finish(mut self) -> Result<(String, Digest), Error> {
        if !self.has_method {
            return Err(Error::MalformedManifest("digest without a method"));
        }
        self.value.retain(|c| !c.is_ascii_whitespace());
        let digest = STANDARD.decode(&self.value).ok().and_then(|bytes| bytes.try_into().ok());
        Ok((self.uri, digest.ok_or(Error::MalformedManifest("digest is not SHA-256 in base64"))?))
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<String, Error> {
    const MISSING: Error = Error::MalformedManifest("attribute missing or malformed");
    let attribute = element.try_get_attribute(name).map_err(|_| MISSING)?.ok_or(MISSING)?;
    Ok(attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|_| MISSING)?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn written_manifest_is_ascii_and_read_back() {
        let files = vec![("søknad <&\"'> 日.pdf".to_owned(), [7; 32]), ("b.xml".to_owned(), [9; 32])];
        let xml = write("META-INF/signature-1.p7s", &files);
        assert!(xml.is_ascii());
        assert_eq!(xml.matches("Rootfile").count(), 1);
        let manifest = Manifest::parse(xml.as_bytes()).unwrap();
        assert_eq!(manifest.signature.as_deref(), Some("META-INF/signature-1.p7s"));
        assert_eq!(manifest.references, files);
    }

    #[test]
    fn the_form_of_the_dotnet_client_is_read() {
        let digest = STANDARD.encode([1; 32]);
        let xml = format!(
            "\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?><ASiCManifest xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xmlns=\"http://uri.etsi.org/2918/v1.2.1#\"><SigReference URI=\"META-INF/signature-2.p7s\" MimeType=\"application/x-pkcs7-signature\" />\
             <DataObjectReference URI=\"å.txt\" MimeType=\"text/plain\"><DigestMethod Algorithm=\"{SHA256_DOTNET}\" \
             xmlns=\"http://www.w3.org/2000/09/xmldsig#\" /><DigestValue xmlns=\"http://www.w3.org/2000/09/xmldsig#\">\n{digest}\n</DigestValue>\
             </DataObjectReference></ASiCManifest>"
        );
        let manifest = Manifest::parse(xml.as_bytes()).unwrap();
        assert_eq!(manifest.references, [("å.txt".to_owned(), [1; 32])]);
    }

    #[test]
    fn what_is_not_a_manifest_is_refused() {
        let digest = STANDARD.encode([1; 32]);
        for xml in [
            String::new(),
            "<x/>".to_owned(),
            "<ASiCManifest/>".to_owned(),
            "<ASiCManifest>".to_owned(),
            "<Other></Other>".to_owned(),
            "<!DOCTYPE a [<!ENTITY b \"c\">]><ASiCManifest></ASiCManifest>".to_owned(),
            "<ASiCManifest><DataObjectReference URI=\"a\"/></ASiCManifest>".to_owned(),
            "<ASiCManifest><DataObjectReference URI=\"a\"></DataObjectReference></ASiCManifest>".to_owned(),
            format!("<ASiCManifest><DataObjectReference URI=\"a\"><DigestValue>{digest}</DigestValue></DataObjectReference></ASiCManifest>"),
            "<ASiCManifest><DataObjectReference URI=\"a\"><DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><DigestValue>AA==</DigestValue></DataObjectReference></ASiCManifest>".to_owned(),
            "<ASiCManifest><SigReference URI=\"a\"/><SigReference URI=\"b\"/></ASiCManifest>".to_owned(),
        ] {
            assert!(matches!(Manifest::parse(xml.as_bytes()), Err(Error::MalformedManifest(_))), "{xml}");
        }
        let sha1 = "<ASiCManifest><DataObjectReference URI=\"a\"><DigestMethod Algorithm=\"http://www.w3.org/2000/09/xmldsig#sha1\"/></DataObjectReference></ASiCManifest>";
        assert!(matches!(Manifest::parse(sha1.as_bytes()), Err(Error::UnsupportedAlgorithm { .. })));
    }

    proptest! {
        #[test]
        fn any_name_survives(name in "[^\\x00-\\x1f\\x7f-\\x9f\u{fffe}\u{ffff}]{1,40}") {
            let xml = write("s", &[(name.clone(), [0; 32])]);
            prop_assert_eq!(&Manifest::parse(xml.as_bytes()).unwrap().references[0].0, &name);
        }

        #[test]
        fn altered_manifests_never_panic(at in 0usize..600, value in any::<u8>(), keep in 0usize..700) {
            let mut xml = write("s", &[("a".to_owned(), [0; 32])]).into_bytes();
            let length = xml.len();
            xml[at % length] = value;
            xml.truncate(keep);
            let _ = Manifest::parse(&xml);
        }
    }
}
