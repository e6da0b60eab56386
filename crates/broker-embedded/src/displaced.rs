//! Notices that files of the log were removed, moved or replaced under this process, and says what to do.
//!
//! All that is written then is gone with the process, so nothing more is taken, and nothing is tidied up: each table that is written
//! would fail, and with it the log. It is not closed as long as that lasts, for what is open can still be copied.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use app::ports::Clock;
use tokio::sync::watch;

use crate::pulse::Condition;
use crate::slot::Slot;
use crate::store::Store;

/// How often to look.
const LOOK: Duration = Duration::from_secs(1);
/// At which look tables are looked at, too.
const ALL: u32 = 10;

/// What was found last.
#[derive(Default)]
pub(crate) struct Displaced(Mutex<BTreeSet<PathBuf>>);

impl Displaced {
    pub(crate) fn is_none(&self) -> bool {
        self.held().is_empty()
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.held().iter().cloned().collect()
    }

    /// Looks at the files of an open log, and returns whether all are in place. Says so where that has changed.
    pub(crate) fn look(
        &self,
        store: &Store,
        all: bool,
        condition: &watch::Sender<Condition>,
        clock: &dyn Clock,
    ) -> bool {
        // What a look at all files has found is not back because a look at some does not find it.
        let all = all || !self.held().is_empty();
        let found = store.displaced(all);
        let mut known = self.held();
        let now = clock.now();
        if !found.is_empty() && known.is_empty() {
            let files: Vec<_> = found.iter().map(|path| path.display().to_string()).collect();
            tracing::error!(
                files = files.join(", "),
                process = std::process::id(),
                still_open = open_files().join(", "),
                "files of the queue log were removed, moved or replaced under this server. What waits is gone when it stops, so nothing \
                 more is taken. Do not stop it. Put back what was moved: the server goes on by itself then. What was removed cannot be put \
                 back: make a backup with knutepunkt backup, which has all that is still there where only journals or the witness are gone, \
                 and else says that none can be made; and copy what is still open from /proc/PID/fd. Then stop the server"
            );
            condition.send_modify(|condition| condition.displaced_since = Some(now));
        } else if found.is_empty() && !known.is_empty() {
            tracing::info!("the files of the queue log are in their place again, meldinger are taken");
            condition.send_modify(|condition| {
                condition.displaced_since = None;
                condition.availability.since = now;
            });
        }
        let is_in_place = found.is_empty();
        *known = found;
        is_in_place
    }

    fn held(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks as long as the broker lives.
pub(crate) async fn watch(
    displaced: Arc<Displaced>,
    clock: Arc<dyn Clock>,
    slot: Arc<Slot>,
    condition: Arc<watch::Sender<Condition>>,
) {
    let mut looks: u32 = 0;
    loop {
        clock.sleep(LOOK).await;
        // While the log is not open, whoever opens it looks.
        let Some(open) = slot.get() else { continue };
        looks = looks.wrapping_add(1);
        let all = looks.is_multiple_of(ALL);
        let (displaced, condition, now) =
            (Arc::clone(&displaced), Arc::clone(&condition), Arc::clone(&clock));
        let looked = tokio::task::spawn_blocking(move || displaced.look(&open, all, &condition, &*now));
        match looked.await {
            Ok(_) => {}
            Err(error) if error.is_cancelled() => return,
            Err(_) => {
                tracing::error!("a panic ended a look at the files of the queue log; it is tried again");
            }
        }
    }
}

/// The journals and witnesses that this process has open: number and name, as the system knows it.
fn open_files() -> Vec<String> {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let mut files = Vec::new();
    for file in open.flatten() {
        let Ok(name) = std::fs::read_link(file.path()) else { continue };
        let name = name.display().to_string();
        let end = Path::new(name.strip_suffix(" (deleted)").unwrap_or(&name)).extension();
        if end.is_some_and(|end| end == "jnl" || end == "vitne") {
            files.push(format!("{}: {name}", file.file_name().display()));
        }
    }
    files
}
