//! Room on the disk of the data folder.

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

/// All file systems that an installation lies on: that of the data folder, which keeps `data` free, and those of Dokumentlager and
/// of the registry where they have their own, which keep `min_free_bytes` free.
pub(crate) fn disks(places: &Places, data: Minst, min_free_bytes: u64) -> Vec<Disk> {
    let device = |folder: &Path| folder.metadata().ok().map(|metadata| metadata.dev());
    let mut seen = vec![device(&places.data)];
    let mut disks = vec![Disk { folder: places.data.clone(), minst: data }];
    let registry = storage::sqlite_file(&places.registry_url)
        .and_then(|file| std::path::absolute(file).ok()?.parent().map(Path::to_owned));
    for folder in [Some(places.payloads()), registry].into_iter().flatten() {
        let found = device(&folder);
        if found.is_some() && !seen.contains(&found) {
            seen.push(found);
            disks.push(Disk { folder, minst: Minst::Bytes(min_free_bytes) });
        }
    }
    disks
}

/// Looks at all file systems of an installation.
pub(crate) struct Disker(pub(crate) Vec<Disk>);

impl Rom for Disker {
    fn has_room(&self) -> bool {
        self.0.iter().all(Disk::has_room)
    }
}

/// What may wait on queues for one organisasjon, where nobody has said how much: a share of the disk that `folder` lies on.
pub(crate) fn share_queues(grenser: Grenser, folder: &Path) -> Grenser {
    let shares = [(Grense::SendteBytesIKoPerOrganisasjon, 4), (Grense::MottatteBytesIKoPerOrganisasjon, 2)];
    let missing = shares.into_iter().filter(|(grense, _)| grenser.get(*grense) == 0);
    let missing: Vec<_> = missing.collect();
    if missing.is_empty() {
        return grenser;
    }
    match fs4::total_space(folder) {
        Ok(disk) => missing.into_iter().fold(grenser, |all, (grense, share)| {
            let bytes = disk / share;
            tracing::info!(limit = %grense, bytes, "a limit was set by the size of the disk");
            all.with(grense, bytes)
        }),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "how large the disk is cannot be found out, so what waits on queues has no limit for one organisasjon; set \
                 grenser.sendte_bytes_i_ko_per_organisasjon and grenser.mottatte_bytes_i_ko_per_organisasjon"
            );
            grenser
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_wait_is_a_share_of_the_disk_unless_it_is_set() {
        let folder = tempfile::tempdir().unwrap();
        let disk = fs4::total_space(folder.path()).unwrap();
        let of = |grenser: &Grenser| {
            let ends = [Grense::SendteBytesIKoPerOrganisasjon, Grense::MottatteBytesIKoPerOrganisasjon];
            ends.map(|grense| grenser.get(grense))
        };
        let shared = share_queues(Grenser::default(), folder.path());
        assert_eq!(of(&shared), [disk / 4, disk / 2]);
        let one = Grenser::default().with(Grense::SendteBytesIKoPerOrganisasjon, 7);
        assert_eq!(of(&share_queues(one, folder.path())), [7, disk / 2]);
        assert_eq!(of(&share_queues(Grenser::default(), Path::new("/not/there"))), [0, 0]);
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
    }
}
