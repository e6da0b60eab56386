use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use app::ports::{Clock as _, IdSource as _};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use domain::melding::Melding;
use tokio::runtime::Handle;
use wire::id::{DokumentId, KontoId, MeldingId};

use super::manifest::Manifest;
use super::*;
use crate::adapters::{RandomIds, SystemClock};
use crate::commands::backup::NotWhole;
use crate::commands::restore::RestoreArgs;
use crate::config::Config;
use crate::installasjon::look::Places;
use crate::installasjon::unfinished::UNFINISHED;
use crate::progress::Progress;
use crate::rom::{self, Minst};
use crate::server::{self, Listeners, Parts, Running};
use crate::styring::{self, Request};

pub(crate) const COUNT: u64 = 30;

pub(crate) fn config(data: PathBuf) -> Config {
    Config { data, ..Config::defaults() }
}

pub(crate) async fn start(config: &Config) -> anyhow::Result<Running> {
    // Another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let parts = Parts {
        config: config.clone(),
        listeners: Listeners { http: None, https: None, amqps: None, amqp: None },
        tls: None,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        verktoy: None,
        more: axum::Router::new(),
    };
    server::start(parts).await
}

/// Puts a melding with a payload in Dokumentlager, and some without, into a queue.
pub(crate) async fn fill(running: &Running, config: &Config) {
    let konto = KontoId::from_uuid(RandomIds.uuid());
    let broker = running.app.broker();
    broker.create_queue(konto).await.unwrap();
    let dokument = DokumentId::from_uuid(RandomIds.uuid());
    let folder = config.data.join("dokumentlager/dokument");
    fs::create_dir_all(&folder).unwrap();
    let bytes = vec![5; 100_000];
    fs::write(folder.join(dokument.to_string()), &bytes).unwrap();
    let now = running.app.clock().now();
    let row = app::ports::Dokument {
        id: dokument,
        avsender: konto,
        mottaker: konto,
        eiere: None,
        size_bytes: bytes.len() as u64,
        opprettet: now,
        utloper: now + Duration::from_hours(1),
        sha256: digest(&SHA256, &bytes).as_ref().try_into().ok(),
        melding: None,
    };
    let database = storage::connect(&config.registry_url().unwrap()).await.unwrap();
    let mut tx = database.registry().await.unwrap().begin().await.unwrap();
    tx.add_dokument(&row).await.unwrap();
    tx.commit().await.unwrap();
    database.close().await.unwrap();
    for n in 0..COUNT {
        let melding = melding(konto, (n == 0).then_some(dokument), running.app.clock().now());
        broker.publish(melding, Bytes::from_static(b"innhold")).await.unwrap();
    }
}

/// Puts so much into a queue that tables are written.
pub(crate) async fn fill_tables(running: &Running, config: &Config) {
    let konto = KontoId::from_uuid(RandomIds.uuid());
    let broker = running.app.broker();
    broker.create_queue(konto).await.unwrap();
    let has_tables = || files_of(&config.data.join("ko/keyspaces")).iter().any(|file| is_in(file, "blobs"));
    for _ in 0..200 {
        if has_tables() {
            return;
        }
        let melding = melding(konto, None, running.app.clock().now());
        broker.publish(melding, Bytes::from(vec![5; 1 << 20])).await.unwrap();
    }
    panic!("no table is written");
}

fn is_in(file: &Path, folder: &str) -> bool {
    file.parent().is_some_and(|parent| parent.ends_with(folder))
}

fn melding(konto: KontoId, dokument: Option<DokumentId>, now: jiff::Timestamp) -> Melding {
    Melding {
        id: MeldingId::from_uuid(RandomIds.uuid()),
        avsender: konto,
        mottaker: konto,
        meldingstype: "no.ks.fiks.arkiv.v1.innsyn.sok".to_owned(),
        svar_pa_melding: None,
        svar_til_type: None,
        dokumentlager_id: dokument,
        headere: BTreeMap::new(),
        ttl: Duration::from_hours(1),
        mottatt: now,
    }
}

async fn back_up(config: &Config, target: &Path) -> anyhow::Result<Manifest> {
    let request = Request::Backup { target: target.to_owned() };
    let made = styring::ask(&config.data, &request).await?;
    made.ok_or_else(|| anyhow::anyhow!("no server runs"))
}

async fn verify_there(backup: &Path) -> anyhow::Result<Manifest> {
    let (backup, runtime) = (backup.to_owned(), Handle::current());
    let (progress, _stop) = Progress::new(|_| {});
    tokio::task::spawn_blocking(move || verify::verify(&backup, &runtime, &progress)).await.unwrap()
}

async fn restore_to(backup: &Path, config: &Config) -> anyhow::Result<Manifest> {
    let (backup, places, runtime) = (backup.to_owned(), Places::of(config).unwrap(), Handle::current());
    let (progress, _stop) = Progress::new(|_| {});
    tokio::task::spawn_blocking(move || restore::restore(&backup, &places, &runtime, &progress))
        .await
        .unwrap()
}

/// As the command does it.
async fn run_restore(backup: &Path, verify: bool, data: Option<PathBuf>) -> anyhow::Result<()> {
    crate::commands::restore::run(RestoreArgs { backup: backup.to_owned(), verify, config: None, data }).await
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_of(&path)) } else { files.push(path) }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_of_a_running_server_is_checked_and_put_back_into_an_empty_place() {
    let folder = tempfile::tempdir().unwrap();
    let first = config(folder.path().join("data"));
    let running = start(&first).await.unwrap();
    fill(&running, &first).await;
    let target = folder.path().join("backup");
    let made = back_up(&first, &target).await.unwrap();
    assert_eq!((made.ko.queued, made.dokumenter.antall), (COUNT, 1));
    let refused = back_up(&first, &target).await.unwrap_err().to_string();
    assert!(refused.contains("is not empty"), "{refused}");
    // It goes on meanwhile and after.
    fill(&running, &first).await;
    running.stop().await.unwrap();
    assert_eq!(verify_there(&target).await.unwrap(), made);

    let refused = restore_to(&target, &first).await.unwrap_err().to_string();
    assert!(refused.contains("is there: a backup is put back into an empty place only"), "{refused}");
    let second = config(folder.path().join("second"));
    assert_eq!(restore_to(&target, &second).await.unwrap(), made);
    let running = start(&second).await.unwrap();
    let aside = running.app.broker().list_set_aside().await.unwrap();
    // Nobody registered the konto, so it stands aside; that it is there with all that waits is what counts here.
    assert_eq!(aside.iter().map(|(_, status)| status.ready).sum::<u64>(), COUNT);
    running.stop().await.unwrap();
    assert_eq!(fs::read_dir(second.data.join("dokumentlager/dokument")).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flipped_byte_in_any_file_of_a_backup_is_refused_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let first = config(folder.path().join("data"));
    let running = start(&first).await.unwrap();
    fill(&running, &first).await;
    let target = folder.path().join("backup");
    back_up(&first, &target).await.unwrap();
    running.stop().await.unwrap();
    let files = files_of(&target);
    assert_eq!(files.len(), 6, "{files:?}");
    for file in files {
        let whole = fs::read(&file).unwrap();
        for part in 0..3 {
            let mut flipped = whole.clone();
            let at = (whole.len() - 1) * part / 2;
            flipped[at] ^= 1;
            fs::write(&file, &flipped).unwrap();
            let second = config(folder.path().join("second"));
            assert!(verify_there(&target).await.is_err(), "{} at {at}", file.display());
            assert!(restore_to(&target, &second).await.is_err(), "{} at {at}", file.display());
            assert!(!second.data.exists());
        }
        fs::remove_file(&file).unwrap();
        assert!(verify_there(&target).await.is_err(), "without {}", file.display());
        fs::write(&file, &whole).unwrap();
    }
    verify_there(&target).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_that_was_cut_off_starts_nothing_and_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = config(folder.path().join("data"));
    let running = start(&first).await.unwrap();
    fill(&running, &first).await;
    let target = folder.path().join("backup");
    back_up(&first, &target).await.unwrap();
    running.stop().await.unwrap();
    let second = config(folder.path().join("second"));
    fs::create_dir_all(second.data.join(UNFINISHED).join("ko")).unwrap();
    let refused = start(&second).await.err().unwrap().to_string();
    assert!(refused.contains("says: run knutepunkt restore again"), "{refused}");
    restore_to(&target, &second).await.unwrap();
    start(&second).await.unwrap().stop().await.unwrap();

    // Cut off while the parts got their names: what is there is not touched, and does not start.
    fs::remove_file(second.data.join("register.sqlite")).unwrap();
    fs::create_dir(second.data.join(UNFINISHED)).unwrap();
    let refused = restore_to(&target, &second).await.unwrap_err().to_string();
    assert!(refused.contains("did not finish: remove what it has left"), "{refused}");
    fs::remove_dir(second.data.join(UNFINISHED)).unwrap();
    let refused = start(&second).await.err().unwrap().to_string();
    assert!(refused.contains("the registry is missing or empty"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folder_without_manifest_is_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    for refused in [
        verify_there(folder.path()).await,
        restore_to(folder.path(), &config(folder.path().join("data"))).await,
    ] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("is no backup, or one that was not finished"), "{refused}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A payload of the installation.
pub(crate) fn payload(config: &Config) -> PathBuf {
    let mut files = files_of(&config.data.join("dokumentlager/dokument"));
    assert_eq!(files.len(), 1);
    files.pop().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_says_which_payloads_are_damaged_or_missing_and_can_be_restored() {
    let folder = tempfile::tempdir().unwrap();
    let first = config(folder.path().join("data"));
    let running = start(&first).await.unwrap();
    fill(&running, &first).await;
    let file = payload(&first);
    let id = file.file_name().unwrap().to_str().unwrap().to_owned();
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[70_000] ^= 1;
    for (name, bytes) in [("flipped", &flipped[..]), ("cut", &whole[..10])] {
        fs::write(&file, bytes).unwrap();
        let target = folder.path().join(name);
        let made = back_up(&first, &target).await.unwrap();
        assert!(!made.is_whole() && made.to_string().contains(&id), "{made}");
        assert_eq!((made.dokumenter.skadet.len(), made.dokumenter.mangler.len()), (1, 0), "{name}");
        assert_eq!(verify_there(&target).await.unwrap(), made);
    }
    fs::remove_file(&file).unwrap();
    let target = folder.path().join("missing");
    let made = back_up(&first, &target).await.unwrap();
    assert!(!made.is_whole() && made.to_string().contains(&id), "{made}");
    assert_eq!((made.dokumenter.skadet.len(), made.dokumenter.mangler.len()), (0, 1));
    assert_eq!(verify_there(&target).await.unwrap(), made);
    let second = config(folder.path().join("second"));
    assert_eq!(restore_to(&target, &second).await.unwrap(), made);
    fs::remove_dir_all(&second.data).unwrap();
    for (verify, data) in [(true, None), (false, Some(second.data.clone()))] {
        let ended = run_restore(&target, verify, data).await.unwrap_err();
        assert!(ended.is::<NotWhole>(), "{ended:#}");
    }
    assert!(second.data.join("register.sqlite").is_file(), "all that is there is put back");
    fs::write(&file, &whole).unwrap();
    let mended = folder.path().join("mended");
    assert!(back_up(&first, &mended).await.unwrap().is_whole());
    run_restore(&mended, true, None).await.unwrap();

    // As with a registry that was put back to before it came.
    let database = storage::connect(&first.registry_url().unwrap()).await.unwrap();
    let mut tx = database.registry().await.unwrap().begin().await.unwrap();
    tx.remove_dokument(id.parse().unwrap()).await.unwrap();
    tx.commit().await.unwrap();
    let target = folder.path().join("unknown");
    let made = back_up(&first, &target).await.unwrap();
    assert!(!made.is_whole() && made.to_string().contains(&id), "{made}");
    assert_eq!(made.dokumenter.ukjent.len(), 1);
    assert_eq!(verify_there(&target).await.unwrap(), made);
    running.stop().await.unwrap();
}

/// Killed while the files of the backup are compared, a restore must not leave a place where a new installation would be made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn place_is_marked_before_a_backup_is_read_through() {
    let folder = tempfile::tempdir().unwrap();
    let first = config(folder.path().join("data"));
    let running = start(&first).await.unwrap();
    fill(&running, &first).await;
    let target = folder.path().join("backup");
    back_up(&first, &target).await.unwrap();
    running.stop().await.unwrap();
    let second = config(folder.path().join("second"));
    let mark = second.data.join(UNFINISHED);
    let was_marked = Arc::new(std::sync::atomic::AtomicBool::default());
    let seen = Arc::clone(&was_marked);
    let (progress, _stop) = Progress::new(move |line| {
        if line.contains("all files have their sums") {
            seen.store(mark.exists(), std::sync::atomic::Ordering::Relaxed);
        }
    });
    let (places, runtime) = (Places::of(&second).unwrap(), Handle::current());
    tokio::task::spawn_blocking(move || restore::restore(&target, &places, &runtime, &progress))
        .await
        .unwrap()
        .unwrap();
    assert!(was_marked.load(std::sync::atomic::Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_backup_leaves_nothing_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path().join("data"));
    let running = start(&config).await.unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let refused = back_up(&config, &file).await.unwrap_err().to_string();
    assert!(refused.contains("is a file; name an absent or empty folder"), "{refused}");
    let within = config.data.join("backup");
    let refused = back_up(&config, &within).await.unwrap_err().to_string();
    assert!(refused.contains("a backup belongs on another disk") && !within.exists(), "{refused}");
    let target = folder.path().join("backup");
    fs::remove_file(config.data.join("passord.key")).unwrap();
    fs::create_dir(config.data.join("passord.key")).unwrap();
    assert!(back_up(&config, &target).await.is_err());
    assert!(!target.exists(), "what was written is of no use, and takes room");
    // As after a kill.
    fs::create_dir(&target).unwrap();
    fs::write(target.join("ko.dump"), "half").unwrap();
    let refused = back_up(&config, &target).await.unwrap_err().to_string();
    assert!(refused.contains("holds a backup that was not finished: remove it"), "{refused}");
    assert!(target.join("ko.dump").exists(), "it is not this one's");
    running.stop().await.unwrap();
}

/// Senders take the room that was free when it was begun: whenever that is seen, what is kept for them stays free, and nothing is left
/// of the backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_gives_up_before_it_takes_the_room_that_the_server_needs() {
    const KEPT: u64 = 1 << 40;
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path().join("data"));
    let running = start(&config).await.unwrap();
    fill(&running, &config).await;
    running.stop().await.unwrap();
    // More than one piece, so that it is looked at within a file, too.
    fs::write(payload(&config), vec![7; 20 << 20]).unwrap();
    let target = folder.path().join("backup");
    fs::create_dir(&target).unwrap();
    let mut gave_up = 0;
    loop {
        let (at, places, runtime) = (target.clone(), Places::of(&config).unwrap(), Handle::current());
        let made = tokio::task::spawn_blocking(move || {
            let source = make::Source {
                moment: broker_embedded::hold_log(&places.log(), None)?,
                payloads: crate::payloads::store(&places.payloads())?,
                places,
                disks: Vec::new(),
                now: SystemClock.now(),
            };
            // Room enough at first, and at the looks after `gave_up` all but what is kept, so that what is to come does not fit.
            let looks = std::cell::Cell::new(0);
            let free = move || {
                looks.set(looks.get() + 1);
                Ok(if looks.get() <= gave_up + 1 { u64::MAX } else { KEPT + (8 << 20) - 1 })
            };
            let room = |at: &Path, _: &[_]| Ok(room::Room::new(at, vec![Minst::Bytes(KEPT)], free));
            let (progress, _stop) = Progress::new(|_| {});
            make::make_in(source, &at, room, &runtime, &progress)
        });
        match made.await.unwrap() {
            Ok(_) => break,
            Err(error) => {
                let said = format!("{error:#}");
                assert!(said.contains("what was written of it to") || gave_up == 0, "{said}");
                assert!(said.contains(&format!("{} stay free", KEPT + (8 << 20))), "{said}");
                assert!(said.contains("Name a folder on another disk"), "{said}");
                assert_eq!(files_of(&target), Vec::<PathBuf>::new(), "after {gave_up} looks");
                gave_up += 1;
            }
        }
    }
    // Before the log, the registry and the payload, and twice within that.
    assert!(gave_up >= 5, "{gave_up}");
    assert!(verify_there(&target).await.is_ok());
}

/// A disk that is none of the installation's is nobody else's to keep room on.
#[test]
fn room_is_kept_where_the_installation_lies() {
    let folder = tempfile::tempdir().unwrap();
    let disk = |folder: &Path| rom::Disk { folder: folder.to_owned(), minst: Minst::Bytes(u64::MAX) };
    let own = room::Room::of(folder.path(), &[disk(Path::new("/proc")), disk(folder.path())]).unwrap();
    assert!(own.look().is_err());
    let other = room::Room::of(folder.path(), &[disk(Path::new("/proc"))]).unwrap();
    assert!(other.look().is_ok() && other.begin(u64::MAX).is_err());
}
