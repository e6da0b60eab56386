//! Room on the disk of the data folder.

use std::path::{Path, PathBuf};

use std::sync::Arc;

use app::ports::Rom;
use app::{Grense, Grenser};
use broker_embedded::Reserve;

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

/// Looks at the file system that a folder lies on.
pub(crate) struct Mappe {
    pub(crate) folder: PathBuf,
    /// Kept free.
    pub(crate) minst: Minst,
}

impl Rom for Mappe {
    fn has_room(&self) -> bool {
        // Where the system does not say, the write itself does.
        fs4::available_space(&self.folder).map_or(true, |free| free >= self.minst.bytes())
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
        let has_room =
            |bytes| Mappe { folder: folder.path().to_owned(), minst: Minst::Bytes(bytes) }.has_room();
        assert!(has_room(1));
        assert!(!has_room(u64::MAX));
    }
}
