//! Which crate may use which: arrows point inward, edge to `app` to `domain` to `wire`, adapter to `app`'s ports.
//!
//! An edge never names an adapter, an adapter never an edge or another adapter; only the binary sees both sides. Nothing
//! in `sdk/` uses `crates/` but `wire`, and of `crates/` only the binary uses `sdk/`. The test at the end reads the real
//! workspace with `cargo metadata`; the others show that each wrong arrow would be found.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// What a crate may use besides third parties, by folder. A workspace member without a row is an error.
const MAY_USE: &[(&str, &[&str])] = &[
    ("crates/wire", &[]),
    ("crates/domain", &["crates/wire"]),
    ("crates/app", &["crates/domain", "crates/wire"]),
    ("crates/storage", INWARD),
    ("crates/broker-embedded", INWARD),
    ("crates/broker-rabbitmq", INWARD),
    ("crates/maskinporten", INWARD),
    ("crates/amqp", INWARD),
    ("crates/api", INWARD),
    ("crates/portal", INWARD),
    ("crates/simulator", &["crates/wire"]),
    ("crates/knutepunkt", &["crates/", "sdk/"]),
    ("sdk/asice", &[]),
    ("sdk/fiks-io-client", &["crates/wire", "sdk/asice"]),
    ("tests/architecture", &[]),
    (
        "tests/parsers",
        &["crates/amqp", "crates/api", "crates/app", "crates/maskinporten", "crates/portal", "sdk/asice"],
    ),
    (
        "tests/testkit",
        &[
            "crates/knutepunkt",
            "crates/simulator",
            "crates/storage",
            "crates/app",
            "crates/domain",
            "crates/wire",
            "sdk/fiks-io-client",
        ],
    ),
    ("tests/conformance", &["tests/testkit", "sdk/", "crates/wire"]),
];

const INWARD: &[&str] = &["crates/app", "crates/domain", "crates/wire"];

/// Third parties that belong to one place: what stands in for them elsewhere is a port, or a type of our own.
const KEPT_TO: &[(&str, &[&str])] = &[
    ("sea-orm", &["crates/storage"]),
    ("sea-orm-migration", &["crates/storage"]),
    ("sqlx", &["crates/storage"]),
    ("fjall", &["crates/broker-embedded"]),
    ("amq-protocol", &["crates/amqp"]),
    ("lapin", &["crates/broker-rabbitmq", "crates/knutepunkt", "sdk/fiks-io-client", "tests/"]),
    ("multer", &["crates/api"]),
    ("anyhow", &["crates/knutepunkt", "tests/"]),
    ("rcgen", &["crates/simulator", "crates/knutepunkt", "tests/"]),
];

/// What `domain` and `wire` must do without: they never wait and draw nothing at random.
const NOT_IN_RULES: &[&str] =
    &["async-trait", "axum", "futures", "http", "hyper", "reqwest", "tokio", "tracing"];

/// When a dependency counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// For the crate itself or its build script.
    Normal,
    /// For its tests, examples and benchmarks.
    Dev,
}

/// A member of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its folder below the root, such as `crates/wire`.
    pub folder: String,
    /// Each dependency on another member, by folder.
    pub members: Vec<(String, Kind)>,
    /// Each dependency on a third party, by package name.
    pub third_parties: Vec<(String, Kind)>,
}

/// Reads the answer of `cargo metadata --no-deps --format-version 1`.
///
/// # Errors
/// The text is not such an answer.
pub fn read(metadata: &str) -> Result<Vec<Package>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<RawPackage>,
        workspace_root: String,
    }
    #[derive(Deserialize)]
    struct RawPackage {
        manifest_path: String,
        dependencies: Vec<RawDependency>,
    }
    #[derive(Deserialize)]
    struct RawDependency {
        name: String,
        kind: Option<String>,
        path: Option<String>,
    }

    let Metadata { packages, workspace_root } = serde_json::from_str(metadata)?;
    let folder = |path: &str| {
        let below = path.strip_prefix(&workspace_root).unwrap_or(path);
        below.trim_start_matches('/').trim_end_matches("/Cargo.toml").to_owned()
    };
    Ok(packages
        .into_iter()
        .map(|package| {
            let (mut members, mut third_parties) = (Vec::new(), Vec::new());
            for RawDependency { name, kind, path } in package.dependencies {
                let kind = if kind.as_deref() == Some("dev") { Kind::Dev } else { Kind::Normal };
                match path {
                    Some(path) => members.push((folder(&path), kind)),
                    None => third_parties.push((name, kind)),
                }
            }
            Package { folder: folder(&package.manifest_path), members, third_parties }
        })
        .collect())
}

/// Every arrow that the table does not allow, one line each.
///
/// Tests of a crate may use what they like, with two exceptions: `crates/` never needs `tests/`, which stand outside it,
/// and what the suites under `tests/` use counts in full, since they have nothing but tests.
pub fn violations(packages: &[Package]) -> Vec<String> {
    let may_use: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut found = BTreeSet::new();
    for Package { folder, members, third_parties } in packages {
        let Some(allowed) = may_use.get(folder.as_str()) else {
            found.insert(format!("{folder} has no row in the table of crates"));
            continue;
        };
        for (member, kind) in members {
            let counts = *kind == Kind::Normal || folder.starts_with("tests/");
            if counts && !stands_in(allowed, member) {
                found.insert(format!("{folder} must not use {member}"));
            }
            if folder.starts_with("crates/") && member.starts_with("tests/") {
                found.insert(format!("{folder} must not use {member}, not even in its tests"));
            }
        }
        for (name, _) in third_parties.iter().filter(|(_, kind)| *kind == Kind::Normal) {
            if let Some((_, places)) = KEPT_TO.iter().find(|(kept, _)| kept == name)
                && !stands_in(places, folder)
            {
                found.insert(format!("{folder} must not use {name}, which is kept to {}", places.join(", ")));
            }
            if ["crates/domain", "crates/wire"].contains(&folder.as_str())
                && NOT_IN_RULES.contains(&name.as_str())
            {
                found.insert(format!("{folder} must not use {name}: it never waits"));
            }
        }
    }
    found.into_iter().collect()
}

/// Whether `folder` is one of `places`; a place that ends with a slash stands for all below it.
fn stands_in(places: &[&str], folder: &str) -> bool {
    places.iter().any(|place| if place.ends_with('/') { folder.starts_with(place) } else { folder == *place })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn package(folder: &str, members: &[&str]) -> Package {
        let members = members.iter().map(|&member| (member.to_owned(), Kind::Normal)).collect();
        Package { folder: folder.to_owned(), members, third_parties: Vec::new() }
    }

    fn one(package: Package) -> Vec<String> {
        violations(&[package])
    }

    #[test]
    fn arrows_that_point_inward_are_fine() {
        let all = [
            package("crates/wire", &[]),
            package("crates/domain", &["crates/wire"]),
            package("crates/app", &["crates/domain", "crates/wire"]),
            package("crates/storage", &["crates/app", "crates/domain"]),
            package("crates/api", &["crates/app", "crates/wire"]),
            package("crates/knutepunkt", &["crates/api", "crates/storage", "sdk/fiks-io-client"]),
            package("sdk/fiks-io-client", &["crates/wire", "sdk/asice"]),
            package("tests/conformance", &["tests/testkit", "sdk/asice"]),
        ];
        assert_eq!(violations(&all), Vec::<String>::new());
    }

    #[test]
    fn each_wrong_arrow_is_found() {
        for (from, to) in [
            ("crates/wire", "crates/domain"),
            ("crates/domain", "crates/app"),
            ("crates/app", "crates/storage"),
            ("crates/app", "crates/api"),
            ("crates/storage", "crates/broker-embedded"),
            ("crates/storage", "crates/api"),
            ("crates/api", "crates/storage"),
            ("crates/amqp", "crates/broker-embedded"),
            ("crates/amqp", "crates/api"),
            ("crates/api", "sdk/asice"),
            ("crates/simulator", "crates/domain"),
            ("crates/api", "crates/simulator"),
            ("crates/api", "crates/knutepunkt"),
            ("sdk/asice", "crates/wire"),
            ("sdk/fiks-io-client", "crates/domain"),
            ("sdk/fiks-io-client", "crates/simulator"),
            ("crates/knutepunkt", "tests/testkit"),
            ("tests/conformance", "crates/app"),
        ] {
            let found = one(package(from, &[to]));
            assert!(found.contains(&format!("{from} must not use {to}")), "{from} to {to}: {found:?}");
        }
    }

    #[test]
    fn a_member_without_a_row_is_found() {
        assert_eq!(one(package("crates/util", &[])), ["crates/util has no row in the table of crates"]);
    }

    #[test]
    fn tests_of_a_crate_may_use_other_crates_but_not_the_suites() {
        let mut api = package("crates/api", &[]);
        api.members.push(("crates/storage".to_owned(), Kind::Dev));
        assert_eq!(one(api.clone()), Vec::<String>::new());
        api.members.push(("tests/testkit".to_owned(), Kind::Dev));
        assert_eq!(one(api), ["crates/api must not use tests/testkit, not even in its tests"]);
    }

    #[test]
    fn what_a_suite_uses_counts_in_full() {
        let mut conformance = package("tests/conformance", &[]);
        conformance.members.push(("crates/storage".to_owned(), Kind::Dev));
        assert_eq!(one(conformance), ["tests/conformance must not use crates/storage"]);
    }

    #[test]
    fn third_parties_stay_behind_their_ports() {
        for (folder, name) in [
            ("crates/app", "sea-orm"),
            ("crates/api", "fjall"),
            ("crates/amqp", "lapin"),
            ("crates/domain", "tokio"),
            ("crates/wire", "axum"),
        ] {
            let mut package = package(folder, &[]);
            package.third_parties.push((name.to_owned(), Kind::Dev));
            assert_eq!(one(package.clone()), Vec::<String>::new(), "tests of {folder} may use {name}");
            package.third_parties[0].1 = Kind::Normal;
            assert_eq!(one(package).len(), 1, "{folder} may not use {name}");
        }
    }

    #[test]
    fn the_answer_of_cargo_is_read() {
        let metadata = r#"{
            "workspace_root": "/root/of/it",
            "packages": [{
                "manifest_path": "/root/of/it/crates/api/Cargo.toml",
                "dependencies": [
                    {"name": "knutepunkt-app", "kind": null, "path": "/root/of/it/crates/app"},
                    {"name": "knutepunkt-storage", "kind": "dev", "path": "/root/of/it/crates/storage"},
                    {"name": "cc", "kind": "build"},
                    {"name": "axum", "kind": null}
                ]
            }]
        }"#;
        let expected = Package {
            folder: "crates/api".to_owned(),
            members: vec![("crates/app".to_owned(), Kind::Normal), ("crates/storage".to_owned(), Kind::Dev)],
            third_parties: vec![("cc".to_owned(), Kind::Normal), ("axum".to_owned(), Kind::Normal)],
        };
        assert_eq!(read(metadata).unwrap(), [expected]);
    }

    #[test]
    fn the_workspace_keeps_to_the_table() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
            .current_dir(root)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let packages = read(std::str::from_utf8(&output.stdout).unwrap()).unwrap();
        let folders: BTreeSet<&str> = packages.iter().map(|package| package.folder.as_str()).collect();
        assert!(folders.contains("crates/wire") && folders.contains("tests/architecture"), "{folders:?}");
        assert!(packages.iter().any(|package| !package.members.is_empty()), "no arrow was read at all");
        let found = violations(&packages);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}
