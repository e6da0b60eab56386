//! Names inside a container.

use std::borrow::Cow;

use crate::Error;

pub(crate) const MIMETYPE_NAME: &str = "mimetype";
pub(crate) const MIMETYPE: &str = "application/vnd.etsi.asic-e+zip";
pub(crate) const MANIFEST_NAME: &str = "META-INF/ASiCManifest.xml";
const META_INF: &str = "META-INF/";

/// Longest file name, in bytes of UTF-8.
const MAX_NAME_BYTES: usize = 1024;

/// Checks the rules for a file's name: receivers use it on their disks.
pub(crate) fn check_file_name(name: &str) -> Result<(), Error> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_NAME_BYTES {
        "it is longer than 1024 bytes"
    } else if name.contains(['/', '\\']) {
        "it contains a path separator"
    } else if name == "." || name == ".." {
        "it names a folder"
    } else if name.chars().any(char::is_control) {
        "it contains control characters"
    } else if name.eq_ignore_ascii_case(MIMETYPE_NAME) || name.eq_ignore_ascii_case("META-INF") {
        "it is reserved in containers"
    } else {
        return Ok(());
    };
    Err(Error::FileName { name: name.to_owned(), reason })
}

/// The part of a name after `META-INF/`, which is compared without regard to case.
pub(crate) fn in_meta_inf(name: &str) -> Option<&str> {
    let (folder, rest) = name.split_at_checked(META_INF.len())?;
    folder.eq_ignore_ascii_case(META_INF).then_some(rest)
}

/// Whether `name` is that of a manifest: `META-INF/ASiCManifest*.xml` in any case.
pub(crate) fn is_manifest(name: &str) -> bool {
    in_meta_inf(name).is_some_and(|rest| {
        let rest = rest.to_ascii_lowercase();
        rest.strip_suffix(".xml").is_some_and(|rest| rest.starts_with("asicmanifest"))
    })
}

/// Whether `name` is that of a CMS signature.
pub(crate) fn is_signature(name: &str) -> bool {
    in_meta_inf(name).is_some_and(|rest| rest.to_ascii_lowercase().strip_suffix(".p7s").is_some())
}

/// The MIME type for the manifest, guessed from the extension.
pub(crate) fn mime_type(name: &str) -> &'static str {
    let extension =
        name.rsplit_once('.').map_or(Cow::Borrowed(""), |(_, end)| end.to_ascii_lowercase().into());
    match &*extension {
        "pdf" => "application/pdf",
        "xml" => "application/xml",
        "json" => "application/json",
        "txt" | "log" => "text/plain",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "tif" | "tiff" => "image/tiff",
        "svg" => "image/svg+xml",
        "mp4" => "video/mp4",
        "zip" => "application/zip",
        "rtf" => "application/rtf",
        "doc" => "application/msword",
        "xls" => "application/vnd.ms-excel",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt" => "application/vnd.oasis.opendocument.text",
        "eml" => "message/rfc822",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_root_or_hide_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "/a",
            "a\\b",
            "C:\\a",
            "a\0b",
            "a\nb",
            "a\u{85}b",
            "mimetype",
            "MimeType",
            "META-INF",
            "META-INF/a.xml",
        ] {
            assert!(matches!(check_file_name(name), Err(Error::FileName { .. })), "{name:?}");
        }
        assert!(check_file_name(&"a".repeat(1025)).is_err());
    }

    #[test]
    fn ordinary_names_pass() {
        for name in ["a", "brev.pdf", "søknad æøå.pdf", "a..b", ".skjult", "…", "mimetype.txt", "日本.xml"]
        {
            check_file_name(name).unwrap();
        }
    }

    #[test]
    fn manifests_are_recognized_in_any_case_and_with_a_suffix() {
        for name in ["META-INF/ASiCManifest.xml", "META-INF/asicmanifest.xml", "meta-inf/ASiCManifest001.XML"]
        {
            assert!(is_manifest(name), "{name}");
        }
        for name in ["ASiCManifest.xml", "META-INF/manifest.xml", "META-INF/ASiCManifest.txt", "META-INFØ"] {
            assert!(!is_manifest(name), "{name}");
        }
    }
}
