//! How many connections this process may have open, by the files and the memory that there are.
//!
//! A socket is a file to the operating system. Where strangers can take the last one, the queue log cannot open its next
//! table and the registry cannot answer. So what is open for others is counted beforehand: log, registry and whatever else
//! the server needs have their part set aside, and only the rest is given to connections.

use anyhow::{Context as _, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;
use crate::memory;

/// Fewest open files with which a server starts.
pub const FEWEST_FILES: u64 = 512;
/// With this many open files every default of the configuration is reached.
pub const ENOUGH_FILES: u64 = 65_536;
/// With so many bytes of memory, too.
const ENOUGH_MEMORY: u64 = MOST_AMQP * CONNECTION_BYTES * PART / 2;
/// Set aside for the registry, the journals of the queue log, listeners, timers, outgoing requests, health checks.
const RESERVE: u64 = 128;
/// Tables that the queue log keeps open at most.
const MOST_LOG_FILES: u64 = 900;
/// Connections over AMQP at most, both listeners together.
const MOST_AMQP: u64 = 20_000;
/// What a connection may keep of the memory by leaving something unfinished or unread, besides what is counted as payload: what was
/// read ahead, and what waits to be written.
const CONNECTION_BYTES: u64 = 64 * 1024;
/// Connections over HTTP get this part of the memory, and those over AMQP twice as much.
const PART: u64 = 8;
/// There are never fewer places than this for lack of memory.
const FEWEST_PLACES: u64 = 64;

/// What there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grenser {
    /// Files that the process may have open.
    pub filer: u64,
    /// Tables that the queue log may keep open.
    pub queue_log_files: usize,
    /// Connections over HTTP and HTTPS together. Each may have a payload file open beside its socket, and is counted twice.
    pub http_tilkoblinger: usize,
    /// Connections over AMQP and AMQPS together.
    pub amqp_tilkoblinger: usize,
}

impl Grenser {
    /// As if any number of files could be open.
    pub(crate) const UNBOUNDED: Self = Self {
        filer: u64::MAX,
        queue_log_files: usize::MAX,
        http_tilkoblinger: usize::MAX,
        amqp_tilkoblinger: usize::MAX,
    };

    /// Raises the soft limit of open files to the hard one and shares out what there is.
    ///
    /// # Errors
    /// When the limit is below [`FEWEST_FILES`], and how to raise it.
    pub fn of_process(config: &Config) -> anyhow::Result<Self> {
        let filer = raise().context("cannot raise the limit of open files to the hard limit")?;
        let grenser = Self::share(filer, memory::of_process(), config.http.tilkoblinger_maks)?;
        tracing::info!(
            files = grenser.filer,
            connections.http = grenser.http_tilkoblinger,
            connections.amqp = grenser.amqp_tilkoblinger,
            "shared out the files that may be open"
        );
        if grenser.http_tilkoblinger < config.http.tilkoblinger_maks
            || grenser.amqp_tilkoblinger < saturating(MOST_AMQP)
        {
            tracing::warn!(
                files = grenser.filer,
                enough.files = ENOUGH_FILES,
                enough.memory_mib = ENOUGH_MEMORY / 1024 / 1024,
                "the limit of open files, or the memory, leaves room for fewer connections than configured; raise it (ulimit -n, \
                 or LimitNOFILE= of systemd; MemoryMax= of systemd, or --memory of a container)"
            );
        }
        Ok(grenser)
    }

    /// Shares out `filer` open files and so many bytes of memory, of which HTTP gets at most `http_wanted` connections.
    ///
    /// # Errors
    /// When there are too few.
    fn share(filer: u64, memory: Option<u64>, http_wanted: usize) -> anyhow::Result<Self> {
        if filer < FEWEST_FILES {
            bail!(
                "this process may have {filer} files open, and a server needs {FEWEST_FILES}: raise the hard limit \
                 (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of a container); {ENOUGH_FILES} is enough for \
                 every default"
            );
        }
        let log = (filer / 8).min(MOST_LOG_FILES);
        let rest = filer - RESERVE - log;
        let places =
            memory.map_or(u64::MAX / 2, |memory| (memory / PART / CONNECTION_BYTES).max(FEWEST_PLACES));
        let http = u64::try_from(http_wanted).unwrap_or(u64::MAX).min(rest / 4).min(places);
        let amqp = MOST_AMQP.min(rest - 2 * http).min(2 * places);
        Ok(Self {
            filer,
            queue_log_files: saturating(log),
            http_tilkoblinger: saturating(http),
            amqp_tilkoblinger: saturating(amqp),
        })
    }
}

fn saturating(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The limit after it was raised as far as this process may.
fn raise() -> rustix::io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_out_never_exceeds_the_limit() {
        for filer in [512, 513, 600, 1_024, 2_048, 4_096, 10_000, 65_536, 1_048_576, u64::MAX] {
            for wanted in [1, 100, 10_000, usize::MAX] {
                let grenser = Grenser::share(filer, None, wanted).unwrap();
                let used = RESERVE
                    + u64::try_from(grenser.queue_log_files).unwrap()
                    + 2 * u64::try_from(grenser.http_tilkoblinger).unwrap()
                    + u64::try_from(grenser.amqp_tilkoblinger).unwrap();
                assert!(used <= filer, "{filer} {wanted}: {grenser:?}");
                assert!(grenser.http_tilkoblinger >= 64.min(wanted) && grenser.amqp_tilkoblinger >= 64);
                assert!(grenser.queue_log_files >= 64);
            }
        }
    }

    #[test]
    fn too_few_files_are_refused_with_what_to_do() {
        let refused = format!("{:#}", Grenser::share(FEWEST_FILES - 1, None, 10_000).unwrap_err());
        assert!(
            refused.contains("511") && refused.contains("512") && refused.contains("LimitNOFILE"),
            "{refused}"
        );
    }

    #[test]
    fn enough_files_reach_every_default() {
        let wanted = Config::defaults().http.tilkoblinger_maks;
        let grenser = Grenser::share(ENOUGH_FILES, Some(ENOUGH_MEMORY), wanted).unwrap();
        assert_eq!((grenser.http_tilkoblinger, grenser.amqp_tilkoblinger), (10_000, 20_000));
    }

    #[test]
    fn connections_never_keep_more_than_their_part_of_the_memory() {
        let of = |mib: u64| {
            let grenser = Grenser::share(u64::MAX, Some(mib * 1024 * 1024), 10_000).unwrap();
            (grenser.http_tilkoblinger, grenser.amqp_tilkoblinger)
        };
        assert_eq!(of(256), (512, 1_024));
        assert_eq!(of(1_024), (2_048, 4_096));
        assert_eq!(of(1), (64, 128));
        assert_eq!(of(1 << 20), (10_000, 20_000));
    }

    #[test]
    fn soft_limit_is_raised_to_the_hard_one() {
        raise().unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
