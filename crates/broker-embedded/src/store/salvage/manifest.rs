//! The list of tables and of files of large values that a keyspace keeps, as `lsm-tree` 3 writes it: `current` names the file
//! `vN` that has it, with a checksum of that.

use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

const CURRENT: &str = "current";
/// Kind of every checksum in it.
const XXH3: u8 = 0;
const FORMAT: u8 = 3;
const LEVELS: usize = 7;
/// How many runs a level can have.
const RUNS: usize = 255;

/// What a keyspace is made of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) tables: Vec<u64>,
    pub(super) blobs: Vec<u64>,
    /// Whether it is as it was written.
    pub(super) is_whole: bool,
}

/// Reads the newest one that there is; `None` where none can be read.
pub(super) fn read(folder: &Path) -> io::Result<Option<Manifest>> {
    let current = std::fs::read(folder.join(CURRENT)).unwrap_or_default();
    let named = current.first_chunk().map(|id| u64::from_le_bytes(*id));
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        ids.extend(name.to_str().and_then(|name| name.strip_prefix('v')?.parse::<u64>().ok()));
    }
    ids.sort_unstable();
    let newest_first = named.into_iter().chain(ids.into_iter().rev());
    for id in newest_first {
        let Ok(bytes) = std::fs::read(folder.join(format!("v{id}"))) else { continue };
        let Ok(Some((tables, blobs))) = parse(&bytes) else { continue };
        let checksum = xxh3_128(&bytes).to_le_bytes();
        let is_whole = named == Some(id) && current.get(8..24) == Some(&checksum);
        return Ok(Some(Manifest { tables, blobs, is_whole }));
    }
    Ok(None)
}

type Ids = (Vec<u64>, Vec<u64>);

fn parse(bytes: &[u8]) -> io::Result<Option<Ids>> {
    let Ok(reader) = sfa::Reader::from_reader(&mut Cursor::new(bytes)) else { return Ok(None) };
    let section = |name: &[u8]| {
        let entry = reader.toc().section(name)?;
        let (from, length) = (usize::try_from(entry.pos()).ok()?, usize::try_from(entry.len()).ok()?);
        bytes.get(from..from.checked_add(length)?)
    };
    let (Some(mut levels), Some(mut files)) = (section(b"tables"), section(b"blob_files")) else {
        return Ok(None);
    };
    let mut tables = Vec::new();
    let [level_count] = take(&mut levels)?;
    for _ in 0..level_count {
        let [runs] = take(&mut levels)?;
        for _ in 0..runs {
            let count = u32::from_le_bytes(take(&mut levels)?);
            for _ in 0..count {
                tables.push(u64::from_le_bytes(take(&mut levels)?));
                let _checksum: [u8; 17] = take(&mut levels)?;
                let _added_to_sequence_numbers: [u8; 8] = take(&mut levels)?;
            }
        }
    }
    let mut blobs = Vec::new();
    let count = u32::from_le_bytes(take(&mut files)?);
    for _ in 0..count {
        blobs.push(u64::from_le_bytes(take(&mut files)?));
        let _checksum: [u8; 17] = take(&mut files)?;
    }
    Ok(Some((tables, blobs)))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> io::Result<[u8; N]> {
    let mut taken = [0; N];
    bytes.read_exact(&mut taken)?;
    Ok(taken)
}

/// Makes the keyspace in `folder` consist of these runs of tables, each sorted and without overlaps, and these files of large
/// values. What was added to the sequence numbers of tables that were filled at once is not known any more and not needed:
/// only new logs are filled, so nothing in them is older.
pub(super) fn write(folder: &Path, runs: &[Vec<u64>], blobs: Option<&[u64]>) -> io::Result<()> {
    if runs.len() > RUNS * LEVELS {
        return Err(io::Error::other("it has too many tables that overlap"));
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name == CURRENT || name.starts_with('v')) {
            std::fs::remove_file(entry.path())?;
        }
    }
    let count = |count: usize| u32::try_from(count).map_err(io::Error::other);
    let short = |count: usize| u8::try_from(count).map_err(io::Error::other);
    let mut archive = sfa::Writer::from_writer(Cursor::new(Vec::new()));
    archive.start("format_version")?;
    archive.write_all(&[FORMAT])?;
    archive.start("crate_version")?;
    archive.write_all(b"knutepunkt")?;
    archive.start("tree_type")?;
    archive.write_all(&[u8::from(blobs.is_some())])?;
    archive.start("level_count")?;
    archive.write_all(&[short(LEVELS)?])?;
    archive.start("filter_hash_type")?;
    archive.write_all(&[XXH3])?;
    archive.start("tables")?;
    archive.write_all(&[short(LEVELS)?])?;
    for level in 0..LEVELS {
        let of_level = runs.iter().skip(level * RUNS).take(RUNS);
        archive.write_all(&[short(of_level.len())?])?;
        for run in of_level {
            archive.write_all(&count(run.len())?.to_le_bytes())?;
            for table in run {
                archive.write_all(&table.to_le_bytes())?;
                archive.write_all(&[XXH3])?;
                // Nothing that reads compares it.
                archive.write_all(&[0; 16 + 8])?;
            }
        }
    }
    let blobs = blobs.unwrap_or_default();
    archive.start("blob_files")?;
    archive.write_all(&count(blobs.len())?.to_le_bytes())?;
    for file in blobs {
        archive.write_all(&file.to_le_bytes())?;
        archive.write_all(&[XXH3])?;
        archive.write_all(&[0; 16])?;
    }
    archive.start("blob_gc_stats")?;
    archive.write_all(&[0; 4])?;
    let bytes = archive.into_inner().map_err(io::Error::other)?.into_inner();

    let create = |name: &str| -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(name))
    };
    create("v0")?.write_all(&bytes)?;
    let current = [&0_u64.to_le_bytes()[..], &xxh3_128(&bytes).to_le_bytes(), &[XXH3]].concat();
    create(CURRENT)?.write_all(&current)
}
