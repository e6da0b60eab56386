//! Room on the disks that an installation lies on.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use std::sync::Arc;

use app::ports::Rom;
use app::{Grense, Grenser};
use broker_embedded::Reserve;

use crate::installasjon::look::Places;

/// What is kept free where the data lie.
#[derive(Clone)]
pub(crate) enum Minst {
    /// `lager.min_free_bytes`, where no queue log is open. Bytes.
    Bytes(u64),
    /// That, or what the queue log needs.
    Ko(Arc<Reserve>),
}

impl Minst {
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => *bytes,
            Self::Ko(reserve) => reserve.bytes(),
        }
    }
}

/// A file system that something of an installation lies on.
#[derive(Clone)]
pub(crate) struct Disk {
    /// A folder on it.
    pub(crate) folder: PathBuf,
    /// Kept free.
    pub(crate) minst: Minst,
}

impl Disk {
    fn has_room(&self) -> bool {
        // Where the system does not say, the write itself does.
        fs4::available_space(&self.folder).map_or(true, |free| free >= self.minst.bytes())
    }
}

/// All file systems that an installation lies on: that of the queue log, which keeps `ko` free, and those of the data folder, of
/// Dokumentlager and of the registry where they are others, which keep `min_free_bytes` free.
pub(crate) fn disks(places: &Places, ko: Minst, min_free_bytes: u64) -> Vec<Disk> {
    disks_by(places, ko, min_free_bytes, |folder| folder.metadata().ok().map(|metadata| metadata.dev()))
}

/// The same where `device` says on which file system a folder lies that is there.
fn disks_by(
    places: &Places,
    ko: Minst,
    min_free_bytes: u64,
    device: impl Fn(&Path) -> Option<u64>,
) -> Vec<Disk> {
    let of_log = device(&places.log());
    let log = match of_log {
        Some(own) if Some(own) != device(&places.data) => places.log(),
        _ => places.data.clone(),
    };
    let mut seen = vec![device(&log)];
    let mut disks = vec![Disk { folder: log, minst: ko }];
    let registry = storage::sqlite_file(&places.registry_url).and_then(|file| folder_of(&file));
    for folder in [Some(places.data.clone()), Some(places.payloads()), registry].into_iter().flatten() {
        let found = device(&folder);
        if found.is_some() && !seen.contains(&found) {
            seen.push(found);
            disks.push(Disk { folder, minst: Minst::Bytes(min_free_bytes) });
        }
    }
    disks
}

/// Where a file lies, also one that goes by another name.
fn folder_of(file: &Path) -> Option<PathBuf> {
    let whole = file.canonicalize().or_else(|_| std::path::absolute(file)).ok()?;
    whole.parent().map(Path::to_owned)
}

/// Looks at all file systems of an installation.
pub(crate) struct Disker(pub(crate) Vec<Disk>);

impl Rom for Disker {
    fn has_room(&self) -> bool {
        self.0.iter().all(Disk::has_room)
    }
}

/// A limit of one organisasjon that is a share of a disk where nobody has said how much: of which, and at most how many bytes.
struct Share {
    grense: Grense,
    one_in: u64,
    most: u64,
}

/// Of the disk of the queues. What waits there is gone once it was fetched; its sporing stays for a time.
const OF_QUEUES: [Share; 3] = [
    Share { grense: Grense::SendteBytesIKoPerOrganisasjon, one_in: 4, most: u64::MAX },
    Share { grense: Grense::MottatteBytesIKoPerOrganisasjon, one_in: 2, most: u64::MAX },
    Share { grense: Grense::SporingBytesPerOrganisasjon, one_in: SPORING_ONE_IN, most: u64::MAX },
];
/// Of the disk of Dokumentlager, where payloads stay until their time is over, so that several can do so.
const OF_DOKUMENTLAGER: [Share; 2] = [
    Share { grense: Grense::SendteBytesPerOrganisasjon, one_in: 8, most: 100 * GIB },
    Share { grense: Grense::MottatteBytesPerOrganisasjon, one_in: 4, most: 200 * GIB },
];
/// One part of the disk in so many may be sporing of one organisasjon.
const SPORING_ONE_IN: u64 = 8;
const GIB: u64 = 1024 * 1024 * 1024;

/// What may lie on the disks of the queues and of Dokumentlager for one organisasjon, where nobody has said how much.
pub(crate) fn share_disks(grenser: Grenser, queues: &Path, payloads: &Path) -> Grenser {
    let grenser = share_disk(grenser, queues, OF_QUEUES);
    share_disk(grenser, payloads, OF_DOKUMENTLAGER)
}

/// How much sporing the meldinger of one organisasjon may leave behind: what is set, or its share of the disk of the queue log, also
/// where that is to be made yet.
pub(crate) fn sporing_bytes(grenser: &Grenser, places: &Places) -> u64 {
    let share = || {
        let disk = fs4::total_space(places.log()).or_else(|_| fs4::total_space(&places.data));
        disk.map_or(u64::MAX, |disk| disk / SPORING_ONE_IN)
    };
    match grenser.get(Grense::SporingBytesPerOrganisasjon) {
        0 => share(),
        set => set,
    }
}

fn share_disk<const N: usize>(grenser: Grenser, folder: &Path, shares: [Share; N]) -> Grenser {
    let missing: Vec<_> = shares.into_iter().filter(|share| grenser.get(share.grense) == 0).collect();
    if missing.is_empty() {
        return grenser;
    }
    let disk = match fs4::total_space(folder) {
        Ok(disk) => disk,
        Err(error) => {
            let keys: Vec<_> = missing.iter().map(|share| share.grense.nokkel()).collect();
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                folder = %folder.display(),
                "how large the disk is cannot be found out, so its share for one organisasjon has no limit, or a large one; set {}",
                keys.join(" and ")
            );
            u64::MAX
        }
    };
    missing.into_iter().fold(grenser, |all, Share { grense, one_in, most }| {
        let bytes = (disk / one_in).min(most);
        tracing::info!(limit = %grense, bytes, "a limit was set by the size of the disk");
        all.with(grense, bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_wait_is_a_share_of_the_disk_unless_it_is_set() {
        let folder = tempfile::tempdir().unwrap();
        let disk = fs4::total_space(folder.path()).unwrap();
        let ends = [
            Grense::SendteBytesIKoPerOrganisasjon,
            Grense::MottatteBytesIKoPerOrganisasjon,
            Grense::SporingBytesPerOrganisasjon,
            Grense::SendteBytesPerOrganisasjon,
            Grense::MottatteBytesPerOrganisasjon,
        ];
        let of = |grenser: &Grenser| ends.map(|grense| grenser.get(grense));
        let unset = ends.into_iter().fold(Grenser::default(), |all, grense| all.with(grense, 0));
        let share = |grenser: Grenser| share_disks(grenser, folder.path(), folder.path());
        let (sent, received) = ((disk / 8).min(100 * GIB), (disk / 4).min(200 * GIB));
        assert_eq!(of(&share(unset.clone())), [disk / 4, disk / 2, disk / 8, sent, received]);
        let two = unset
            .clone()
            .with(Grense::SendteBytesIKoPerOrganisasjon, 7)
            .with(Grense::MottatteBytesPerOrganisasjon, 8);
        assert_eq!(of(&share(two)), [7, disk / 2, disk / 8, sent, 8]);
        let unknown = share_disks(unset, Path::new("/not/there"), Path::new("/not/there"));
        assert_eq!(of(&unknown), [u64::MAX / 4, u64::MAX / 2, u64::MAX / 8, 100 * GIB, 200 * GIB]);
    }

    #[test]
    fn there_is_room_down_to_what_is_kept_free() {
        let folder = tempfile::tempdir().unwrap();
        let disk = |bytes| Disk { folder: folder.path().to_owned(), minst: Minst::Bytes(bytes) };
        assert!(Disker(vec![disk(1), disk(2)]).has_room());
        assert!(!Disker(vec![disk(1), disk(u64::MAX)]).has_room());
    }

    /// A disk is looked at once, however much of the installation lies on it, and each that there is.
    #[test]
    fn each_disk_of_an_installation_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_owned();
        std::fs::create_dir(data.join("dokumentlager")).unwrap();
        let looked_at = |registry: &str| {
            let places = Places { data: data.clone(), registry_url: format!("sqlite://{registry}") };
            let disks = disks(&places, Minst::Bytes(7), 9);
            disks.into_iter().map(|disk| (disk.folder, disk.minst.bytes())).collect::<Vec<_>>()
        };
        let own = data.join("register.sqlite");
        assert_eq!(looked_at(own.to_str().unwrap()), [(data.clone(), 7)]);
        assert_eq!(looked_at("/not/there/register.sqlite"), [(data.clone(), 7)]);
        // Linux has it wherever it runs, and it is a file system of its own.
        let other = "/proc/self/register.sqlite";
        assert_eq!(looked_at(other), [(data.clone(), 7), (PathBuf::from("/proc/self"), 9)]);
        // A name in the data folder for a file that lies elsewhere.
        std::os::unix::fs::symlink("/proc/self/status", &own).unwrap();
        let found = looked_at(own.to_str().unwrap());
        assert!(found.len() == 2 && found[1].0.starts_with("/proc") && found[1].1 == 9, "{found:?}");
    }

    /// What the queue log needs is kept free where it lies, and not where it does not.
    #[test]
    fn room_of_the_queue_log_is_kept_on_its_own_disk() {
        let data = PathBuf::from("/data");
        let url = "sqlite:///data/register.sqlite".to_owned();
        let places = Places { data: data.clone(), registry_url: url };
        let looked_at = |own: &[&str]| {
            let device = |folder: &Path| {
                Some(own.iter().position(|name| folder.ends_with(name)).map_or(0, |n| n as u64 + 1))
            };
            let disks = disks_by(&places, Minst::Bytes(7), 9, device);
            disks.into_iter().map(|disk| (disk.folder, disk.minst.bytes())).collect::<Vec<_>>()
        };
        assert_eq!(looked_at(&[]), [(data.clone(), 7)]);
        assert_eq!(looked_at(&["ko"]), [(places.log(), 7), (data.clone(), 9)]);
        assert_eq!(looked_at(&["dokumentlager"]), [(data.clone(), 7), (places.payloads(), 9)]);
        let all = [(places.log(), 7), (data.clone(), 9), (places.payloads(), 9)];
        assert_eq!(looked_at(&["ko", "dokumentlager"]), all);
    }
}
