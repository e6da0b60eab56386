//! How much memory this process may use, and who gets how much of it: payloads on their way, and threads.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use tokio::runtime::{Builder, Runtime};

const MIB: u64 = 1024 * 1024;
/// Payloads get this part of the memory, in each direction.
const PART: u64 = 16;
const FEWEST_BYTES: u64 = 12 * MIB;
const MOST_BYTES: u64 = 1024 * MIB;
/// Channels and consumers, with what they hold, get this part.
const PART_FOR_CHANNELS: u64 = 8;
/// For each thread that may block there is so much memory.
const THREAD_BYTES: u64 = 8 * MIB;
const FEWEST_THREADS: u64 = 16;
const MOST_THREADS: u64 = 512;
/// Below this what the allocator keeps for later is a large part of all.
const LITTLE_BYTES: u64 = 1024 * MIB;
/// What the allocator is told then: after how many milliseconds it gives back what is free (a second otherwise), and to use no huge
/// pages, of which a few bytes in use keep all.
const SPARING: [(&str, &str); 2] = [("MIMALLOC_PURGE_DELAY", "10"), ("MIMALLOC_ALLOW_THP", "0")];

/// Bytes for payloads on their way in, and as many for those on their way out.
pub(crate) fn for_payloads() -> u64 {
    let memory = of_process();
    let payloads = share(memory);
    tracing::info!(
        memory.bytes = memory,
        payloads.bytes = payloads,
        "shared out the memory: payloads on their way in may take so much, and those on their way out as much"
    );
    payloads
}

/// Bytes for channels and consumers; where nobody knows how much memory there is, as on a small machine.
pub(crate) fn for_channels() -> u64 {
    of_process().map_or(FEWEST_BYTES, |memory| memory / PART_FOR_CHANNELS)
}

/// Where memory is little, starts this program anew with an allocator that gives back at once what is free. The allocator reads
/// how it is to do that before anything of ours runs. Does nothing where somebody has said so already, or where it cannot.
pub fn spare() {
    let is_little = of_process().is_some_and(|memory| memory < LITTLE_BYTES);
    if !is_little || SPARING.iter().any(|(key, _)| env::var_os(key).is_some()) {
        return;
    }
    let (Ok(program), Some(name)) = (env::current_exe(), env::args_os().next()) else { return };
    let error = Command::new(program).arg0(name).args(env::args_os().skip(1)).envs(SPARING).exec();
    tracing::warn!(
        error = &error as &dyn std::error::Error,
        "memory is little, and the allocator could not be made to spare it; set MIMALLOC_PURGE_DELAY=10 and \
         MIMALLOC_ALLOW_THP=0 in the environment"
    );
}

/// The threads of this process: at a time as many for files and other work that blocks as there is memory for.
///
/// # Errors
/// When the operating system gives none.
pub fn runtime() -> io::Result<Runtime> {
    let blocking = blocking_threads(of_process());
    Builder::new_multi_thread().enable_all().max_blocking_threads(blocking).build()
}

/// Each has a stack, and keeps for itself what it has freed.
fn blocking_threads(memory: Option<u64>) -> usize {
    let threads = memory.map_or(FEWEST_THREADS, |memory| memory / THREAD_BYTES);
    usize::try_from(threads.clamp(FEWEST_THREADS, MOST_THREADS)).unwrap_or(usize::MAX)
}

/// What payloads get of so much memory; where nobody knows how much there is, little.
fn share(memory: Option<u64>) -> u64 {
    memory.map_or(FEWEST_BYTES, |memory| (memory / PART).clamp(FEWEST_BYTES, MOST_BYTES))
}

/// The memory of the machine, or of the control group that this process is in, where that is less.
pub(crate) fn of_process() -> Option<u64> {
    below(Path::new("/"))
}

/// The same, as the files below `root` say.
fn below(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let (mount, file) = if number == "0" && controllers.is_empty() {
            ("sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            return None;
        };
        smallest(&root.join(mount), group, file)
    });
    limits.chain(of_machine(root)).min()
}

/// The smallest limit of `group` and those that it is in. Within a container the group may be named as the host sees it,
/// while the mount shows that of the container.
fn smallest(mount: &Path, group: &str, file: &str) -> Option<u64> {
    let within: PathBuf = mount.join(group.trim_start_matches('/'));
    let folders = within.ancestors().take_while(|folder| folder.starts_with(mount));
    folders.filter_map(|folder| number(&fs::read_to_string(folder.join(file)).ok()?)).min()
}

/// Version 2 says "max" where there is no limit, version 1 a number beyond all memory.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

fn of_machine(root: &Path) -> Option<u64> {
    let known = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = known.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    number(total.trim().strip_suffix("kB")?).map(|kib| kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of 8 GiB with these files besides.
    fn machine(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in
            [("proc/meminfo", "MemFree: 1 kB\nMemTotal:        8388608 kB\n")].iter().chain(files)
        {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        below(root.path())
    }

    #[test]
    fn memory_is_that_of_the_machine_or_of_the_tightest_control_group() {
        assert_eq!(machine(&[]), Some(8 << 30));
        let v2 = ("proc/self/cgroup", "0::/system.slice/knutepunkt.service\n");
        let service = "sys/fs/cgroup/system.slice/knutepunkt.service/memory.max";
        assert_eq!(machine(&[v2, (service, "max\n")]), Some(8 << 30));
        assert_eq!(machine(&[v2, (service, "268435456\n")]), Some(256 << 20));
        let slice = ("sys/fs/cgroup/system.slice/memory.max", "134217728\n");
        assert_eq!(machine(&[v2, (service, "268435456\n"), slice]), Some(128 << 20));
        let container = [("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "536870912\n")];
        assert_eq!(machine(&container), Some(512 << 20));
        let v1 = ("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/docker/abc\n");
        let file = |limit| ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", limit);
        assert_eq!(machine(&[v1, file("9223372036854771712\n")]), Some(8 << 30));
        assert_eq!(machine(&[v1, file("268435456\n")]), Some(256 << 20));
        // Where the container sees its own group as the root of the mount.
        assert_eq!(
            machine(&[v1, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456")]),
            Some(256 << 20)
        );
    }

    #[test]
    fn payloads_get_a_sixteenth_within_bounds() {
        assert_eq!(share(Some(256 * MIB)), 16 * MIB);
        assert_eq!(
            (share(Some(64 * MIB)), share(None), share(Some(u64::MAX))),
            (12 * MIB, 12 * MIB, 1024 * MIB)
        );
    }

    #[test]
    fn threads_that_block_are_as_many_as_there_is_memory_for() {
        let of = |mib| blocking_threads(Some(mib * MIB));
        assert_eq!((of(64), of(256), of(1_024), of(1 << 20)), (16, 32, 128, 512));
        assert_eq!(blocking_threads(None), 16);
    }

    #[test]
    fn memory_of_this_machine_is_known() {
        assert!(of_process().is_some_and(|bytes| bytes > 16 * MIB));
    }
}
