//! The user guides hold together: what they link to and show exists, and no picture lies there that none of them shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Largest picture in bytes. They are all cut and reduced in colour by `tests/browser/bilder.sh`.
const PICTURE_MAX_BYTES: u64 = 120 * 1024;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/brukerveiledning")
}

/// Whether a guide is Markdown, by its name.
fn is_guide(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "md")
}

/// What the links and pictures of a text point to, but for other sites.
fn targets(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .filter(|target| !target.contains("://"))
        .collect()
}

/// The anchors of the headings of a text, as they are made where it is shown.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut in_code = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code || !line.starts_with('#') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        anchors.insert(heading.chars().filter(kept).collect::<String>().replace(' ', "-"));
    }
    anchors
}

/// What is wrong with the links of a guide in `folder`.
fn faults(folder: &Path, name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for target in targets(text) {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = if file.is_empty() { folder.join(name) } else { folder.join(file) };
        if !path.exists() {
            faults.push(format!("{name}: {target} does not exist"));
        } else if !anchor.is_empty() {
            let there = fs::read_to_string(&path).is_ok_and(|text| anchors(&text).contains(anchor));
            if !there {
                faults.push(format!("{name}: {target} has no such heading"));
            }
        }
    }
    faults
}

#[test]
fn every_link_and_picture_exists() {
    let folder = folder();
    let mut shown = BTreeSet::new();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if !is_guide(&path) {
            continue;
        }
        let (name, text) = (path.file_name().unwrap().to_str().unwrap(), fs::read_to_string(&path).unwrap());
        wrong.extend(faults(&folder, name, &text));
        let pictures = targets(&text).into_iter().filter_map(|target| target.strip_prefix("bilder/"));
        shown.extend(pictures.map(str::to_owned));
    }
    assert_eq!(wrong, Vec::<String>::new());
    let pictures = fs::read_dir(folder.join("bilder")).unwrap().map(Result::unwrap);
    let there: BTreeSet<String> = pictures
        .map(|picture| {
            let name = picture.file_name().into_string().unwrap();
            let bytes = picture.metadata().unwrap().len();
            assert!(bytes <= PICTURE_MAX_BYTES, "{name} has {bytes} bytes");
            name
        })
        .collect();
    assert_eq!(there, shown, "the pictures that are there, and those that are shown");
}

#[test]
fn wrong_links_are_found() {
    let text = "# Ett & to\n[a](#ett--to) ![b](bilder/borte.png) [c](README.md#borte) [d](https://eksempel.no/) [e](borte.md)";
    let folder = folder();
    assert_eq!(anchors(text).into_iter().collect::<Vec<_>>(), ["ett--to"]);
    let found = faults(&folder, "README.md", &text.replace("(#ett--to)", "(#innhold)"));
    assert_eq!(
        found,
        [
            "README.md: bilder/borte.png does not exist",
            "README.md: README.md#borte has no such heading",
            "README.md: borte.md does not exist"
        ]
    );
}
