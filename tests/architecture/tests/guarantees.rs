//! `docs/guarantees.md` says which test tries to break which promise. Each of them must be there, and no promise without one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

/// A line of the tables: promise, where it stands, and the names of tests.
struct Row {
    promise: String,
    place: String,
    tests: Vec<String>,
}

fn rows() -> Vec<Row> {
    let text = read("docs/guarantees.md");
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    text.lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Promise"))
        .map(|line| {
            let cells: Vec<String> = cells(line);
            assert_eq!(cells.len(), 3, "promise, where it stands, tests: {line}");
            let (promise, place, tests) = (&cells[0], &cells[1], &cells[2]);
            let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            Row { promise: promise.clone(), place: place.clone(), tests }
        })
        .collect()
}

/// Names of functions in all Rust sources of our own, each of them with whether an attribute of a test, or a macro that runs
/// contract suites, may stand for it: a name that is there at all is enough, since such names are whole sentences.
fn functions() -> BTreeSet<String> {
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("it is a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                if !path.ends_with("target") && !path.ends_with("node_modules") {
                    walk(&path, found);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source is text");
                for line in text.lines() {
                    if let Some((_, rest)) = line.split_once("fn ") {
                        let name: String =
                            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                        found.insert(name);
                    }
                    // Made by a macro that takes the name first.
                    if let Some((name, _)) = line.trim().split_once(": ")
                        && name.contains('_')
                        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                    {
                        found.insert(name.to_owned());
                    }
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    for folder in ["crates", "sdk", "tests"] {
        walk(&root().join(folder), &mut found);
    }
    found
}

#[test]
fn every_test_named_by_a_guarantee_exists() {
    let functions = functions();
    let scenarios = read("tests/faults/faults.py");
    let missing: Vec<String> = rows()
        .iter()
        .flat_map(|row| row.tests.clone())
        .filter(|test| match test.strip_prefix("faults: ") {
            Some(name) => {
                let file = root().join(format!("tests/faults/scenarios/{name}.py"));
                !file.exists() || !scenarios.contains(&format!("\"{name}\": "))
            }
            None => !functions.contains(test),
        })
        .collect();
    assert!(missing.is_empty(), "no such test: {}", missing.join(", "));
}

#[test]
fn nothing_is_promised_untested() {
    let rows = rows();
    assert!(rows.len() > 20, "the tables are read");
    for row in &rows {
        assert!(!row.tests.is_empty(), "promised untested: {}", row.promise);
    }
}

#[test]
fn every_invariant_of_the_architecture_is_a_guarantee() {
    let text = read("docs/architecture.md");
    let (_, invariants) = text.split_once("## Invariants").expect("architecture.md has invariants");
    let (invariants, _) = invariants.split_once("\n## ").expect("something follows them");
    let rows = rows();
    let mut numbers = BTreeSet::new();
    for line in invariants.lines() {
        let Some((number, _)) = line.split_once(". **") else { continue };
        // A sentence in the middle of one may begin in bold too.
        if number.parse::<u32>().is_err() {
            continue;
        }
        assert!(numbers.insert(number), "architecture.md has two invariants {number}");
        let place = format!("A{number}");
        assert!(
            rows.iter().any(|row| row.place.split(", ").any(|each| each == place)),
            "invariant {number} of architecture.md stands in no row of guarantees.md"
        );
    }
    assert!(numbers.len() >= 18, "the invariants are read");
}

/// A scenario that no promise names would be run for nothing.
#[test]
fn every_scenario_tries_a_promise() {
    let named: BTreeSet<String> = rows().into_iter().flat_map(|row| row.tests).collect();
    for entry in fs::read_dir(root().join("tests/faults/scenarios")).expect("there are scenarios").flatten() {
        let path = entry.path();
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "py") && name != "__init__" {
            assert!(named.contains(&format!("faults: {name}")), "scenario {name} stands in no row");
        }
    }
}
