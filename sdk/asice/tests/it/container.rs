//! Writing and reading containers.

use std::io::{self, Read};

use asice::{AsiceReader, AsiceWriter, Container, Error, Limits, OrgnrRules, ReadOptions, SignatureDigest};
use proptest::prelude::*;

use crate::support::{Form, SENDER, STRANGER, container, container_of, entries, noise, rewritten, zip};

fn read(archive: &[u8]) -> Result<Container, Error> {
    read_with(archive, ReadOptions::default())
}

fn read_with(archive: &[u8], options: ReadOptions) -> Result<Container, Error> {
    AsiceReader::new(archive, options).read_to_memory(1 << 30)
}

fn with_limits(limits: Limits) -> ReadOptions {
    ReadOptions { limits, ..ReadOptions::default() }
}

fn deflated(_: &str) -> Form {
    Form::Deflated
}

fn position(entries: &[(String, Vec<u8>)], end: &str) -> usize {
    entries.iter().position(|(name, _)| name.ends_with(end)).unwrap()
}

#[test]
fn files_come_back_with_their_signer() {
    let archive = container(&[("søknad æøå.json", b"{}"), ("tom.txt", b""), ("stor.bin", &noise(300_000))]);
    let read = read(&archive).unwrap();
    let names: Vec<_> = read.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["søknad æøå.json", "tom.txt", "stor.bin"]);
    assert_eq!(read.file("søknad æøå.json").unwrap(), "{}");
    assert_eq!(read.file("tom.txt").unwrap(), "");
    assert_eq!(read.file("stor.bin").unwrap(), &noise(300_000));
    assert!(read.file("META-INF/ASiCManifest.xml").is_none());
    let [signature] = &read.signatures[..] else { panic!("one signature") };
    assert_eq!(signature.digest, SignatureDigest::Sha256);
    assert!(!signature.digest.is_weak());
    assert!(signature.signing_time.is_some());
    assert_eq!(signature.signer.orgnr(OrgnrRules::default()).unwrap().as_deref(), Some("971032146"));
}

#[test]
fn mimetype_is_first_and_stored_with_its_size_in_front() {
    let archive = container(&[("a.txt", b"a")]);
    // Local header without extra field: name at 30, content at 38 (ETSI EN 319 162-1 §A.1).
    assert_eq!(&archive[30..69], b"mimetypeapplication/vnd.etsi.asic-e+zip");
    assert_eq!(archive[6..10], [0, 0, 0, 0], "no flags, method stored");
    assert_eq!(archive[18..26], [31, 0, 0, 0, 31, 0, 0, 0]);
}

#[test]
fn entries_follow_the_recipe() {
    let archive = container(&[("å.txt", b"a"), ("b.txt", b"b")]);
    let entries = entries(&archive);
    let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..4], ["mimetype", "å.txt", "b.txt", "META-INF/ASiCManifest.xml"]);
    let signature = names[4].strip_prefix("META-INF/signature-").unwrap();
    assert_eq!(signature.strip_suffix(".p7s").unwrap().len(), 36);
    let manifest = std::str::from_utf8(&entries[3].1).unwrap();
    assert!(manifest.is_ascii());
    assert!(manifest.contains(names[4]));
    assert!(manifest.contains("http://uri.etsi.org/02918/v1.2.1#"));
}

#[test]
fn every_form_of_zip_entry_is_read() {
    let archive = container(&[("a.txt", &noise(5000)), ("tom", b"")]);
    for form in [Form::Stored, Form::Deflated, Form::Streamed, Form::StreamedLarge, Form::StreamedBare] {
        let read = read(&rewritten(&archive, |_| form, |_| ())).unwrap();
        assert_eq!(read.file("a.txt").unwrap(), &noise(5000));
    }
}

#[test]
fn mimetype_may_be_missing_but_not_wrong() {
    let archive = container(&[("a.txt", b"a")]);
    read(&rewritten(&archive, deflated, |entries| drop(entries.remove(0)))).unwrap();
    let wrong = rewritten(&archive, deflated, |entries| entries[0].1 = b"application/zip".to_vec());
    assert!(matches!(read(&wrong), Err(Error::MalformedContainer(_))));
}

#[test]
fn manifest_name_of_the_dotnet_client_is_read() {
    let archive = container(&[("a.txt", b"a")]);
    let renamed = rewritten(&archive, deflated, |entries| {
        let at = position(entries, "ASiCManifest.xml");
        entries[at].0 = "META-INF/asicmanifest.xml".to_owned();
        entries.insert(1, ("META-INF/manifest.xml".to_owned(), b"<manifest/>".to_vec()));
    });
    assert_eq!(read(&renamed).unwrap().files.len(), 1);
}

#[test]
fn an_altered_file_is_noticed() {
    let archive = container(&[("a.txt", b"aaaa"), ("b.txt", b"bbbb")]);
    let altered = rewritten(&archive, deflated, |entries| entries[2].1[0] ^= 1);
    assert!(matches!(read(&altered), Err(Error::DigestMismatch(name)) if name == "b.txt"));
}

#[test]
fn an_altered_manifest_is_noticed() {
    let archive = container(&[("a.txt", b"a")]);
    // One space more changes nothing but the bytes.
    let altered = rewritten(&archive, deflated, |entries| {
        let at = position(entries, ".xml");
        entries[at].1.push(b' ');
    });
    assert!(matches!(read(&altered), Err(Error::InvalidSignature(_))));
}

#[test]
fn an_altered_signature_is_noticed() {
    let archive = container(&[("a.txt", b"a")]);
    let altered = rewritten(&archive, deflated, |entries| {
        let at = position(entries, ".p7s");
        *entries[at].1.last_mut().unwrap() ^= 1;
    });
    assert!(matches!(read(&altered), Err(Error::InvalidSignature(_))));
}

#[test]
fn the_signature_of_another_container_is_refused() {
    let (one, two) = (container(&[("a.txt", b"a")]), container(&[("a.txt", b"b")]));
    let other = entries(&two).pop().unwrap().1;
    let mixed = rewritten(&one, deflated, |entries| entries.last_mut().unwrap().1 = other);
    assert!(matches!(read(&mixed), Err(Error::InvalidSignature(_))));
}

#[test]
fn a_file_that_is_not_listed_is_refused() {
    let archive = container(&[("a.txt", b"a")]);
    let added =
        rewritten(&archive, deflated, |entries| entries.insert(1, ("b.txt".to_owned(), b"b".to_vec())));
    assert!(matches!(read(&added), Err(Error::UnlistedFile(name)) if name == "b.txt"));
}

#[test]
fn a_listed_file_that_is_missing_is_refused() {
    let archive = container(&[("a.txt", b"a"), ("b.txt", b"b")]);
    let removed = rewritten(&archive, deflated, |entries| drop(entries.remove(2)));
    assert!(matches!(read(&removed), Err(Error::MissingFile(name)) if name == "b.txt"));
}

#[test]
fn a_container_without_manifest_or_signature_is_refused() {
    let archive = container(&[("a.txt", b"a")]);
    let bare = rewritten(&archive, deflated, |entries| entries.truncate(2));
    assert!(matches!(read(&bare), Err(Error::NoManifest)));
    let without = rewritten(&archive, deflated, |entries| drop(entries.pop()));
    assert!(matches!(read(&without), Err(Error::MissingFile(_))));
    let orphan = rewritten(&archive, deflated, |entries| {
        entries.push(("META-INF/other.p7s".to_owned(), vec![0x30, 0]));
    });
    assert!(matches!(read(&orphan), Err(Error::InvalidSignature(_))));
}

/// The container with manifest and signature of another one added to its own.
fn with_manifest_of(archive: &[u8], other: &[u8]) -> Vec<u8> {
    let mut added = entries(other);
    added.retain(|(name, _)| name.starts_with("META-INF/"));
    "META-INF/ASiCManifest2.xml".clone_into(&mut added[0].0);
    rewritten(archive, deflated, |entries| entries.extend(added))
}

#[test]
fn several_signatures_over_the_same_files_are_all_reported() {
    let one = container(&[("a.txt", b"a")]);
    let two = container_of(&STRANGER, &[("a.txt", b"a")]);
    let read = read(&with_manifest_of(&one, &two)).unwrap();
    let signers: Vec<_> =
        read.signatures.iter().map(|one| one.signer.orgnr(OrgnrRules::default()).unwrap().unwrap()).collect();
    assert_eq!(signers, ["971032146", "974760673"]);
}

#[test]
fn a_file_added_under_a_signature_of_its_own_is_refused() {
    let one = container(&[("a.txt", b"a")]);
    let two = container_of(&STRANGER, &[("a.txt", b"a"), ("b.txt", b"b")]);
    let joined = rewritten(&with_manifest_of(&one, &two), deflated, |entries| {
        entries.insert(2, ("b.txt".to_owned(), b"b".to_vec()));
    });
    assert!(matches!(read(&joined), Err(Error::UnlistedFile(name)) if name == "b.txt"));
}

#[test]
fn an_unsigned_container_is_read_only_if_asked_for() {
    let archive = container(&[("a.txt", b"a")]);
    let unsigned = rewritten(&archive, deflated, |entries| {
        entries.pop();
        let manifest = &mut entries.last_mut().unwrap().1;
        let text = String::from_utf8(manifest.clone()).unwrap();
        let (head, tail) = text.split_once("<SigReference").unwrap();
        *manifest = format!("{head}{}", tail.split_once("/>").unwrap().1).into_bytes();
    });
    assert!(matches!(read(&unsigned), Err(Error::Unsigned)));
    let options = ReadOptions { require_signature: false, ..ReadOptions::default() };
    assert!(read_with(&unsigned, options).unwrap().signatures.is_empty());
}

#[test]
fn duplicate_names_are_refused_both_ways() {
    let signer = SENDER.signer();
    let mut writer = AsiceWriter::new(Vec::new(), &signer).unwrap();
    writer.add_file("a.txt", &b"a"[..]).unwrap();
    assert!(matches!(writer.add_file("a.txt", &b"b"[..]), Err(Error::DuplicateFileName(_))));
    // A refused name does no harm to the rest.
    read(&writer.finish().unwrap()).unwrap();

    let twice = zip(&[("a.txt", b"a", Form::Deflated), ("a.txt", b"b", Form::Deflated)]);
    assert!(matches!(read(&twice), Err(Error::DuplicateFileName(name)) if name == "a.txt"));
}

#[test]
fn bad_names_are_refused_both_ways() {
    let signer = SENDER.signer();
    for name in ["", "..", "../a", "a/b", "a\\b", "a\u{7}b"] {
        let mut writer = AsiceWriter::new(Vec::new(), &signer).unwrap();
        assert!(matches!(writer.add_file(name, &b""[..]), Err(Error::FileName { .. })), "{name:?}");
        let archive = zip(&[(name, b"a", Form::Deflated)]);
        assert!(matches!(read(&archive), Err(Error::FileName { .. })), "{name:?}");
    }
}

#[test]
fn an_empty_container_is_refused_both_ways() {
    let signer = SENDER.signer();
    assert!(matches!(AsiceWriter::new(Vec::new(), &signer).unwrap().finish(), Err(Error::NoFiles)));
    let archive = rewritten(&container(&[("a.txt", b"a")]), deflated, |entries| drop(entries.remove(1)));
    assert!(matches!(read(&archive), Err(Error::NoFiles)));
}

#[test]
fn a_writer_whose_file_failed_makes_no_container() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk gone"))
        }
    }
    let signer = SENDER.signer();
    let mut writer = AsiceWriter::new(Vec::new(), &signer).unwrap();
    writer.add_file("a.txt", &b"a"[..]).unwrap();
    assert!(matches!(writer.add_file("b.txt", Failing), Err(Error::Io(_))));
    assert!(matches!(writer.finish(), Err(Error::Io(_))));
}

#[test]
fn limits_hold() {
    let zeros = vec![0; 3 << 20];
    let archive = container(&[("a", &zeros), ("b", &noise(1000))]);
    read(&archive).unwrap();
    for (limits, name) in [
        (Limits { max_files: 1, ..Limits::default() }, "max_files"),
        (Limits { max_file_bytes: 2 << 20, ..Limits::default() }, "max_file_bytes"),
        (Limits { max_total_bytes: (3 << 20) + 999, ..Limits::default() }, "max_total_bytes"),
        (Limits { max_metadata_bytes: 500, ..Limits::default() }, "max_metadata_bytes"),
        (Limits { ratio_free_bytes: 1 << 20, ..Limits::default() }, "max_ratio"),
    ] {
        match read_with(&archive, with_limits(limits)) {
            Err(Error::LimitExceeded { limit }) => assert_eq!(limit, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_bomb_is_left_before_it_goes_off() {
    // 200 MiB of zeros in about 200 KiB.
    let signer = SENDER.signer();
    let mut writer = AsiceWriter::new(Vec::new(), &signer).unwrap();
    writer.add_file("bombe", io::repeat(0).take(200 << 20)).unwrap();
    let archive = writer.finish().unwrap();
    let mut reader = AsiceReader::new(&archive[..], ReadOptions::default());
    let mut file = reader.next_file().unwrap().unwrap();
    let mut seen = 0u64;
    let mut buffer = vec![0; 1 << 16];
    let error = loop {
        match file.read(&mut buffer) {
            Ok(0) => panic!("the bomb went off"),
            Ok(read) => seen += read as u64,
            Err(error) => break Error::from(error),
        }
    };
    assert!(matches!(error, Error::LimitExceeded { limit: "max_ratio" }));
    assert!(seen <= 128 << 20);
    // Nothing more is read after a failure.
    assert!(reader.next_file().is_err());
}

#[test]
fn a_directory_that_hides_an_entry_is_refused() {
    let archive = container(&[("a.txt", b"a")]);
    let shown = entries(&archive);
    // Two archives' worth of entries, the directory of one.
    let hidden = zip(&[("skjult.txt", b"x", Form::Deflated)]);
    let local = hidden.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let joined = [&hidden[..local], &archive].concat();
    assert_eq!(shown.len(), 4);
    assert!(matches!(read(&joined), Err(Error::MalformedContainer(_))));
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let mut archive = container(&[("a.txt", b"a")]);
    archive.push(0);
    assert!(matches!(read(&archive), Err(Error::MalformedContainer(_))));
}

#[test]
fn every_cut_is_noticed() {
    let archive = container(&[("a.txt", b"some text"), ("b.bin", &noise(200))]);
    for length in 0..archive.len() {
        assert!(read(&archive[..length]).is_err(), "cut to {length} bytes");
    }
}

#[test]
fn files_passed_over_are_verified_all_the_same() {
    let archive = container(&[("a.txt", &noise(100_000)), ("b.txt", b"b")]);
    let verified = AsiceReader::new(&archive[..], ReadOptions::default()).finish().unwrap();
    assert_eq!((verified.file_count, verified.total_bytes), (2, 100_001));
    let altered = rewritten(&archive, deflated, |entries| entries[1].1[99_999] ^= 1);
    let result = AsiceReader::new(&altered[..], ReadOptions::default()).finish();
    assert!(matches!(result, Err(Error::DigestMismatch(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_content_comes_back(content in proptest::collection::vec(any::<u8>(), 0..5000)) {
        let read = read(&container(&[("a", &content)])).unwrap();
        prop_assert_eq!(&read.files[0].content[..], &content[..]);
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        prop_assert!(read(&bytes).is_err());
        let mut archive = b"PK\x03\x04".to_vec();
        archive.extend_from_slice(&bytes);
        prop_assert!(read(&archive).is_err());
    }

    #[test]
    fn altered_containers_never_give_other_content(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut archive = container(&[("a.txt", b"some text"), ("b.txt", b"other text")]);
        let at = at.index(archive.len());
        archive[at] ^= flip;
        if let Ok(read) = read(&archive) {
            // Dates and such may change; files may not.
            prop_assert_eq!(read.file("a.txt").unwrap(), "some text");
            prop_assert_eq!(read.file("b.txt").unwrap(), "other text");
        }
    }
}
