//! Builds the portal's styles and script from `web/` with Node.js, into `OUT_DIR`.
//!
//! Nothing is written to the source tree. The packages of the lockfile are installed once, beside Cargo's other build folders: a change of
//! the manifest gives a new `OUT_DIR`, and should not ask the network again.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

/// What `npm ci` reads.
const MANIFESTS: [&str; 3] = [".npmrc", "package.json", "package-lock.json"];

/// The oldest major version of Node.js that still gets fixes.
const OLDEST_NODE: u32 = 20;

fn main() {
    if let Err(error) = run() {
        println!(
            "cargo::error=the portal needs Node.js {OLDEST_NODE} or newer with npm to build its pages: {error}"
        );
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let web = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("web");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for file in MANIFESTS.iter().chain(&["build.mjs", "ikon.svg", "src", "styles"]) {
        println!("cargo::rerun-if-changed={}", web.join(file).display());
    }

    check_node()?;
    let modules = install(&web, &out)?;
    answer("node build.mjs", Command::new("node").arg(web.join("build.mjs")).arg(modules).arg(&out))?;
    Ok(())
}

fn check_node() -> Result<(), Box<dyn Error>> {
    let version = answer("node --version", Command::new("node").arg("--version"))?;
    let version = version.trim();
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok())
        .unwrap_or_default();
    if major < OLDEST_NODE {
        return Err(format!("found Node.js {version}").into());
    }
    Ok(())
}

/// The folder `node_modules` with the packages of the lockfile.
///
/// Its parent is named after the lockfile and takes its name when the packages are all there, so it is never found half filled, also when
/// two builds install at once.
fn install(web: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let mut hasher = DefaultHasher::new();
    for file in MANIFESTS {
        fs::read(web.join(file))?.hash(&mut hasher);
    }
    let shared = out.ancestors().nth(2).unwrap_or(out);
    let installed = shared.join(format!("knutepunkt-portal-web-{:016x}", hasher.finish()));
    if !installed.exists() {
        let fresh = out.join("web");
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        fs::create_dir_all(&fresh)?;
        for file in MANIFESTS {
            fs::copy(web.join(file), fresh.join(file))?;
        }
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        answer(
            "npm ci",
            Command::new(npm).current_dir(&fresh).args([
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--prefer-offline",
            ]),
        )?;
        if let Err(error) = fs::rename(&fresh, &installed)
            && !installed.exists()
        {
            return Err(error.into());
        }
    }
    Ok(installed.join("node_modules"))
}

/// What a command prints, or in one line why it failed.
fn answer(name: &str, command: &mut Command) -> Result<String, Box<dyn Error>> {
    let Output { status, stdout, stderr } = command.output().map_err(|error| format!("{name}: {error}"))?;
    if status.success() {
        return Ok(String::from_utf8(stdout)?);
    }
    // npm says what is wrong first, and then a page of where in npm that was.
    let lines: Vec<_> = String::from_utf8_lossy(&stderr)
        .lines()
        .map(|line| line.trim_start_matches("npm error").trim().to_owned())
        .filter(|line| !line.is_empty())
        .take(4)
        .collect();
    Err(format!("{name} failed: {}", lines.join(" · ")).into())
}
