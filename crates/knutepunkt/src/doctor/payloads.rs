//! Payloads in Dokumentlager: whether those that meldinger name are there, and are what was stored.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use app::dokument::{FOLDER, dokument_at, object_path};
use aws_lc_rs::digest;
use futures::TryStreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _};
use storage::StoredDokument;
use tokio::runtime::Handle;
use wire::id::DokumentId;

use super::Finding;
use crate::progress::Progress;
use crate::uferdige::Uferdige;

const PAYLOADS: &str = "Dokumentlager";

/// How many ids are named.
const SHOWN: usize = 5;
/// After how many bytes the progress is said.
const SAY_EVERY: u64 = 1024 * 1024 * 1024;

/// What to look at.
pub(crate) struct Payloads<'a> {
    /// Where they lie.
    pub(crate) store: &'a dyn ObjectStore,
    /// Uploads that nobody finished.
    pub(crate) uferdige: &'a Uferdige,
    /// Those that meldinger name which wait or are dead letters.
    pub(crate) named: &'a BTreeSet<DokumentId>,
    /// What the registry knows of them; `None` where it cannot be asked.
    pub(crate) known: Option<&'a BTreeMap<DokumentId, StoredDokument>>,
    /// Whether to compare their lengths alone, and not read them.
    pub(crate) quick: bool,
}

impl Payloads<'_> {
    /// Looks. Blocks, for as long as all of them take to be read.
    ///
    /// # Errors
    /// When they cannot be listed or read at all, or the work is stopped.
    pub(crate) fn look(&self, runtime: &Handle, progress: &Progress) -> anyhow::Result<Vec<Finding>> {
        let stored = runtime.block_on(list(self.store)).context("cannot list the payloads")?;
        let missing: Vec<_> = self.named.iter().filter(|id| !stored.contains_key(id)).collect();
        let mut findings = vec![match missing.as_slice() {
            [] => Finding::ok(
                PAYLOADS,
                format!("all {} payloads that meldinger name are there", self.named.len()),
            ),
            missing => Finding::fault(
                PAYLOADS,
                format!("{} payloads that meldinger name are missing: {}", missing.len(), ids(missing)),
                "whoever fetches such a melding cannot have its payload: put the files back below dokumentlager/dokument from \
                 a backup",
            ),
        }];
        findings.extend(self.unknown(&stored));
        findings.extend(self.compare(&stored, runtime, progress)?);
        let (count, bytes) = self.uferdige.count().context("cannot look for unfinished uploads")?;
        if count > 0 {
            findings.push(Finding::ok(
                PAYLOADS,
                format!("{count} uploads are unfinished, {bytes} bytes; the server removes them an hour after their end"),
            ));
        }
        Ok(findings)
    }

    /// Payloads that are there, and that the registry does not know: nobody gets them.
    fn unknown(&self, stored: &BTreeMap<DokumentId, u64>) -> Option<Finding> {
        let known = self.known?;
        let is_unknown = |id: &&DokumentId| stored.contains_key(id) && !known.contains_key(id);
        let unknown: Vec<_> = self.named.iter().filter(is_unknown).collect();
        (!unknown.is_empty()).then(|| {
            Finding::fault(
                PAYLOADS,
                format!(
                    "{} payloads that meldinger name are not known to the registry, which is older than they are: {}",
                    unknown.len(),
                    ids(&unknown)
                ),
                "whoever fetches such a melding is answered that there is no such dokument: start with the registry as it was \
                 last; nothing of them is removed while meldinger name them",
            )
        })
    }

    fn compare(
        &self,
        stored: &BTreeMap<DokumentId, u64>,
        runtime: &Handle,
        progress: &Progress,
    ) -> anyhow::Result<Vec<Finding>> {
        let Some(known) = self.known else {
            return Ok(vec![Finding::warning(
                PAYLOADS,
                "the registry cannot say what the payloads should be, so they were not compared",
                "look again once the registry is in order",
            )]);
        };
        let (mut damaged, mut unreadable) = (Vec::new(), Vec::new());
        let (mut compared, mut bytes, mut said) = (0_u64, 0_u64, 0_u64);
        for (id, size) in stored {
            let Some(dokument) = known.get(id) else { continue };
            if *size != dokument.size_bytes {
                damaged.push(id);
                continue;
            }
            let Some(expected) = dokument.sha256.filter(|_| !self.quick) else { continue };
            match runtime.block_on(sum(self.store, *id, progress)) {
                Ok(Some(found)) if found == expected => {
                    compared += 1;
                    bytes += size;
                }
                Ok(Some(_)) => damaged.push(id),
                // It was removed meanwhile.
                Ok(None) => {}
                Err(error) => {
                    progress.check()?;
                    unreadable.push((id, error));
                }
            }
            if bytes / SAY_EVERY > said {
                said = bytes / SAY_EVERY;
                progress.say(format!("{compared} payloads read, {bytes} bytes"));
            }
        }
        let mut findings = Vec::new();
        if !damaged.is_empty() {
            findings.push(Finding::fault(
                PAYLOADS,
                format!("{} payloads are not what was stored: {}", damaged.len(), ids(&damaged)),
                "the disk has lied: look at its health. Nobody is ever served such a payload as whole; put the files back below \
                 dokumentlager/dokument from a backup that has them",
            ));
        }
        if let Some((id, error)) = unreadable.first() {
            findings.push(Finding::fault(
                PAYLOADS,
                format!("{} payloads cannot be read, such as {id}: {error:#}", unreadable.len()),
                "look at the disk and at who owns the files",
            ));
        }
        if findings.is_empty() {
            let what = if self.quick {
                "all have the length that was stored; their bytes were not read".to_owned()
            } else {
                format!("{compared} payloads are what was stored, {bytes} bytes")
            };
            findings.push(Finding::ok(PAYLOADS, what));
        }
        Ok(findings)
    }
}

fn ids(some: &[&DokumentId]) -> String {
    let shown: Vec<_> = some.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if some.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// The sum of a payload; `None` where it is not there.
async fn sum(
    store: &dyn ObjectStore,
    id: DokumentId,
    progress: &Progress,
) -> anyhow::Result<Option<[u8; 32]>> {
    let found = match store.get(&object_path(id)).await {
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        found => found?,
    };
    let (mut pieces, mut sum) = (found.into_stream(), digest::Context::new(&digest::SHA256));
    while let Some(piece) = pieces.try_next().await? {
        progress.check()?;
        sum.update(&piece);
    }
    Ok(sum.finish().as_ref().try_into().ok())
}

/// All payloads and their lengths.
async fn list(store: &dyn ObjectStore) -> object_store::Result<BTreeMap<DokumentId, u64>> {
    let objects = store.list(Some(&ObjectPath::from(FOLDER)));
    objects
        .try_filter_map(async |object| Ok(dokument_at(&object.location).map(|id| (id, object.size))))
        .try_collect()
        .await
}
