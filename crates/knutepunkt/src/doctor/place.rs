//! What can be looked at from outside, whether a server runs or not.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use app::ports::{Clock as _, Deltilstand, Funn, HealthCheck as _};
use jiff::Timestamp;
use storage::StorageError;

use super::Finding;
use crate::adapters::SystemClock;
use crate::config::Config;
use crate::grenser::Grenser;
use crate::health::{PlassCheck, TlsCheck};
use crate::hints;
use crate::installasjon::check_expected;
use crate::installasjon::judge::{Verdict, judge};
use crate::installasjon::look::{self, Places};
use crate::names;
use crate::rom::{self, Disk, Minst};

/// What to do about certificate files that cannot be used.
const TLS_FILES: &str = "name PEM files that fit each other in tls.certificate_file and tls.private_key_file";
/// By so much a file may be newer than the clock says it is.
const AHEAD_SECONDS: i64 = 60;

/// Looks at all parts from outside; but not at a registry of which the server that runs says that its files were moved.
pub(crate) async fn look(config: &Config, places: &Places, is_registry_displaced: bool) -> Vec<Finding> {
    let data = &config.data;
    let mut findings = Vec::new();
    if !is_registry_displaced {
        findings.extend(parts(config, places).await);
        findings.extend(registry(places).await);
    }
    findings.push(permissions(data));
    findings.push(match Grenser::of_process(config) {
        Ok(_) => {
            Finding::ok("open files", "the limit is high enough for a server started as this command was")
        }
        Err(error) => Finding::error(
            "open files",
            &error,
            "raise the limit for the server too: LimitNOFILE= of systemd, or ulimit -n",
        ),
    });
    findings.push(clock(data));
    findings.extend(tls(config).await);
    let min_free_bytes = config.lager.min_free_bytes;
    for disk in rom::disks(places, Minst::Bytes(min_free_bytes), min_free_bytes) {
        findings.push(room(disk).await);
    }
    findings
}

async fn parts(config: &Config, places: &Places) -> Vec<Finding> {
    const PART: &str = "installation";
    let looked = match look::look(places).await {
        Ok((parts, _)) => parts,
        Err(error) => return vec![Finding::error(PART, &error, what_to_do(places, &error))],
    };
    let verdict = judge(&looked);
    if let Ok(verdict) = &verdict
        && let Err(error) = check_expected(config, verdict, places)
    {
        return vec![Finding::error(
            PART,
            &error,
            "mount its disk, or correct data, registry.url or installasjon",
        )];
    }
    match verdict {
        Err(refusal) => vec![Finding::fault(PART, refusal.to_string(), format!("{places}"))],
        Ok(Verdict::New(_) | Verdict::Adopt(_)) => {
            vec![Finding::warning(
                PART,
                "it has not been started by this version yet",
                "start the server once",
            )]
        }
        Ok(Verdict::Same { installasjon, older }) => {
            let mut findings = vec![Finding::ok(
                PART,
                format!("registry, queue log, payloads and passord.key belong to {installasjon}"),
            )];
            if older {
                findings.push(Finding::warning(
                    PART,
                    "the registry is older than the queue log: changes made to it are gone",
                    "start with the registry as it was last, or go on with this one; see docs/operations.md",
                ));
            }
            findings
        }
    }
}

async fn registry(places: &Places) -> Vec<Finding> {
    const PART: &str = "registry";
    match storage::examine(&places.registry_url).await {
        Ok(None) => Vec::new(),
        Ok(Some(found)) if found.mangler.is_empty() => {
            vec![Finding::ok(PART, format!("sound, {} kontoer", found.stand.kontoer))]
        }
        Ok(Some(found)) => vec![Finding::warning(
            PART,
            format!("it lacks {} migrations of this version", found.mangler.len()),
            "the server applies them when it is started with this version; make a backup before",
        )],
        Err(error) => {
            let error = anyhow::Error::from(error);
            let todo = what_to_do(places, &error);
            vec![Finding::error(PART, &error, todo)]
        }
    }
}

/// What to do about a part that cannot be looked at.
fn what_to_do(places: &Places, error: &anyhow::Error) -> &'static str {
    if let Some(hint) = hints::hint(error) {
        return hint;
    }
    let is_away = error.chain().any(|cause| {
        cause
            .downcast_ref::<StorageError>()
            .is_some_and(|error| matches!(error, StorageError::Connect(_) | StorageError::Unreachable { .. }))
    });
    match (is_away, storage::sqlite_file(&places.registry_url)) {
        (true, None) => "see that PostgreSQL runs and that registry.url leads to it; nothing is lost by that",
        _ => "put what is damaged or missing back as it was, or restore a backup",
    }
}

/// What others on this machine may read.
fn permissions(data: &Path) -> Finding {
    const PART: &str = "permissions";
    let mut open = Vec::new();
    let all = ["", names::KEY, names::LOG, names::WITNESS, names::MARK, names::PAYLOADS, names::SQLITE];
    for name in all {
        let path = if name.is_empty() { data.to_owned() } else { data.join(name) };
        if std::fs::metadata(&path).is_ok_and(|known| known.permissions().mode() & 0o077 != 0) {
            open.push(path.display().to_string());
        }
    }
    if open.is_empty() {
        return Finding::ok(PART, "nobody but the owner may read the data folder");
    }
    Finding::warning(
        PART,
        format!("others on this machine may reach {}", open.join(", ")),
        format!("run: chmod -R go-rwx {}", data.display()),
    )
}

/// Files cannot be from the future.
fn clock(data: &Path) -> Finding {
    let now: Timestamp = SystemClock.now();
    let newest = [names::MARK, names::WITNESS, names::SQLITE]
        .iter()
        .filter_map(|name| std::fs::metadata(data.join(name)).ok())
        .map(|known| known.mtime())
        .max();
    match newest {
        Some(newest) if newest > now.as_second() + AHEAD_SECONDS => Finding::warning(
            "clock",
            format!(
                "the clock says {now}, but the data were written {} seconds later",
                newest - now.as_second()
            ),
            "set the clock before the server is started: times of meldinger are judged by it",
        ),
        _ => Finding::ok("clock", format!("{now}")),
    }
}

async fn tls(config: &Config) -> Option<Finding> {
    const PART: &str = "certificate";
    if config.https.listen.is_empty() && config.amqps.listen.is_empty() {
        return None;
    }
    let keys = &config.tls;
    if let Err(error) = crate::tls::from_files(&keys.certificate_file, &keys.private_key_file) {
        return Some(Finding::error(PART, &error, TLS_FILES));
    }
    let check = match TlsCheck::from_file(&keys.certificate_file) {
        Ok(check) => check,
        Err(error) => return Some(Finding::error(PART, &error, TLS_FILES)),
    };
    let found = check.check(SystemClock.now()).await;
    let file = keys.certificate_file.display();
    let (what, todo) = match found.funn {
        Funn::GyldigTil(end) => (
            format!("what is served from {file} is valid until {end}"),
            "have a new one issued, also where it is that of the issuer in this file, and start the server again",
        ),
        Funn::GyldigFra(begin) => (
            format!("what is served from {file} is not valid before {begin}"),
            "see that the clock is right, or put the former certificate back, and start the server again",
        ),
        _ => return None,
    };
    Some(match found.tilstand {
        Deltilstand::IOrden => Finding::ok(PART, what),
        Deltilstand::Nede => Finding::fault(PART, what, todo),
        _ => Finding::warning(PART, what, todo),
    })
}

async fn room(disk: Disk) -> Finding {
    const PART: &str = "room";
    let (folder, minst_bytes) = (disk.folder.display().to_string(), disk.minst.bytes());
    let found = PlassCheck(vec![disk]).check(SystemClock.now()).await;
    let Funn::Ledig { ledig_bytes, .. } = found.funn else {
        return Finding::fault(
            PART,
            format!("the disk of {folder} cannot be looked at"),
            "see that the folder is there and its disk mounted",
        );
    };
    let what = format!(
        "{ledig_bytes} bytes are free on the disk of {folder}; below {minst_bytes}, and on that of the queue log what it needs to be \
         emptied and started, what adds to it is refused"
    );
    match found.tilstand {
        Deltilstand::IOrden => Finding::ok(PART, what),
        Deltilstand::Nede => Finding::fault(PART, what, "make room, or move the folder to a larger disk"),
        _ => Finding::warning(PART, what, "make room soon, or move the folder to a larger disk"),
    }
}
