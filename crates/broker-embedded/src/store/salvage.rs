//! Saving what can be read of a damaged log into a new one.
//!
//! The damaged log is not changed: a [`Shadow`] of it is opened, whose journals keep every batch that is whole. What its tables
//! still hold is copied keyspace by keyspace, past what cannot be read. Where the list of what waits, or of dead letters, has
//! gaps, it is completed from the meldinger: one whose sporing has no end waits still. A melding that waits and cannot be
//! read is left in its place as far as it is known, so that its turn makes a dead letter of it and notifies its sender.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use domain::melding::{Hendelse, Melding, UKJENT_MELDINGSTYPE};
use fjall::{Database, Keyspace};
use jiff::Timestamp;
use wire::id::{KontoId, MeldingId, Uuid};

use super::chunks::Space;
use super::damage::guarded;
use super::journal::list;
use super::keys::{decode_entry, encode_entry, konto_at, number_at, pair};
use super::line::{Line, StoredMelding, VERSION, decode, melding_value};
use super::load::{Bulk, Returned};
use super::loss::{LAYOUT, no_log, sync_folder_of};
use super::mend::mend;
use super::scan::scan;
use super::shadow::Shadow;
use super::witness;
use super::{Begun, Damage, EPOCH_BITS, Store, StoreError, files};
use crate::OpenError;
use crate::queue::{Entry, Number, Tries};

/// What was saved for one Konto, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedKonto {
    /// Meldinger that wait in its queue, and are whole.
    pub waiting: u64,
    /// Its dead letters.
    pub dead: u64,
    /// Meldinger that should wait or be dead letters, and of which something could not be saved.
    pub lost: Vec<Unsaved>,
}

/// A melding of which something could not be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsaved {
    /// Its id, where that is known.
    pub id: Option<MeldingId>,
    /// Who sent it, where that is known.
    pub avsender: Option<KontoId>,
    /// What is missing.
    pub missing: Missing,
}

/// What is missing of a melding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Its payload. It becomes a dead letter when its turn comes, and its sender is notified.
    Payload,
    /// All but its place. As above, where its sender is known.
    Melding,
    /// Everything: it was promised, and the log does not know it any more.
    All,
}

impl Missing {
    fn name(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Melding => "melding",
            Self::All => "alt",
        }
    }
}

/// A log that was saved as far as it could be.
#[derive(Debug)]
pub struct Salvaged {
    /// By the Konto whose queue it is.
    pub kontoer: BTreeMap<KontoId, SavedKonto>,
    /// Places in tables that could not be read.
    pub places: u64,
    /// Bytes of journals that could not be read.
    pub journal_bytes: u64,
    /// Keyspaces none of whose tables could be opened.
    pub unopened: usize,
    /// A file with a line of JSON for each melding of which something is missing.
    pub report: PathBuf,
    /// The damaged log, as it was found.
    pub old_log: PathBuf,
}

/// What the log knows of what is not over yet, by number.
#[derive(Default)]
struct Live {
    waiting: BTreeMap<Number, (KontoId, Entry)>,
    dead: BTreeMap<Number, (KontoId, Timestamp)>,
    /// Lists that have gaps.
    gaps: u64,
}

impl Live {
    fn konto(&self, number: Number) -> Option<KontoId> {
        let waiting = self.waiting.get(&number).map(|(konto, _)| *konto);
        waiting.or_else(|| self.dead.get(&number).map(|(konto, _)| *konto))
    }
}

/// Saves what can be read of the log at `path` into a new log, which takes its place; the damaged one is kept beside it. What
/// waits is handed out as redelivered. Blocks.
///
/// # Errors
/// [`OpenError`]: there is no log, a server uses it, or so much is missing that nothing can be read. Nothing is changed then.
pub fn salvage(path: &Path, now: Timestamp) -> Result<Salvaged, OpenError> {
    if !path.is_dir() {
        return Err(no_log(path));
    }
    save(path, now).map_err(|error| OpenError::new(path, error))
}

fn save(path: &Path, now: Timestamp) -> Result<Salvaged, StoreError> {
    files::check(path)?;
    let (shadow, journal_bytes, unopened) = open_what_can_be(path)?;
    let begun = Begun::new(shadow.path(), &LAYOUT, Damage::Accept)?;
    let promised = begun.loss.clone();
    let (old, ..) = Store::go_on(shadow.path(), begun)?;

    let stamp = now.as_second();
    let place = path.with_extension("berget");
    DirBuilder::new().mode(0o700).create(&place).map_err(StoreError::Files)?;
    let new_path = place.join("ko");
    let saved = Saving { old: &old, now, unopened, places: 0, kontoer: BTreeMap::new() }.run(&new_path);
    let (mut kontoer, places) = match saved {
        Ok(saved) => saved,
        Err(error) => {
            // It was made just now, and nothing is in it that is not in the old one.
            drop(std::fs::remove_dir_all(&place));
            return Err(error);
        }
    };
    for melding in promised.into_iter().flat_map(|loss| loss.meldinger) {
        if old.number_of(&old.db.snapshot(), melding.id)?.is_none() {
            let lost =
                Unsaved { id: Some(melding.id), avsender: Some(melding.avsender), missing: Missing::All };
            kontoer.entry(melding.mottaker).or_default().lost.push(lost);
        }
    }
    drop((old, shadow));
    let report = path.with_extension(format!("berging-{stamp}.jsonl"));
    write_report(&report, &kontoer).map_err(StoreError::Files)?;
    let old_log = put_in_place(path, &place, stamp).map_err(StoreError::Files)?;
    Ok(Salvaged { kontoer, places, journal_bytes, unopened, report, old_log })
}

/// A shadow of the log whose journals have all their whole batches, and without the keyspaces that cannot be opened.
fn open_what_can_be(path: &Path) -> Result<(Shadow, u64, usize), StoreError> {
    let mut without: Vec<PathBuf> = Vec::new();
    if let Err(error) = try_open(path, &without) {
        if !error.is_damage() && !matches!(error, StoreError::Backend(_)) {
            return Err(error);
        }
        let mut all = Vec::new();
        for entry in std::fs::read_dir(path.join("keyspaces")).map_err(StoreError::Files)? {
            let name = PathBuf::from(entry.map_err(StoreError::Files)?.file_name());
            // The list of all others.
            if name != Path::new("0") {
                all.push(name);
            }
        }
        for name in &all {
            let alone: Vec<_> = all.iter().filter(|other| *other != name).cloned().collect();
            if try_open(path, &alone).is_err() {
                without.push(name.clone());
            }
        }
        try_open(path, &without)?;
    }
    let (shadow, journal_bytes) = prepared(path, &without)?;
    Ok((shadow, journal_bytes, without.len()))
}

fn try_open(path: &Path, without: &[PathBuf]) -> Result<(), StoreError> {
    let (shadow, _) = prepared(path, without)?;
    guarded(|| {
        drop(Database::builder(shadow.path()).worker_threads(1).open()?);
        Ok(())
    })
}

fn prepared(path: &Path, without: &[PathBuf]) -> Result<(Shadow, u64), StoreError> {
    let shadow = Shadow::of(path)?;
    let mut gone = 0;
    for journal in list(shadow.path()).map_err(StoreError::Files)? {
        gone += mend(&journal).map_err(StoreError::Files)?;
    }
    for name in without {
        std::fs::remove_dir_all(shadow.path().join("keyspaces").join(name)).map_err(StoreError::Files)?;
    }
    Ok((shadow, gone))
}

struct Saving<'a> {
    old: &'a Store,
    now: Timestamp,
    /// Keyspaces that are empty since they could not be opened; which is not known.
    unopened: usize,
    places: u64,
    kontoer: BTreeMap<KontoId, SavedKonto>,
}

impl Saving<'_> {
    fn scan(
        &mut self,
        keyspace: &Keyspace,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        // A record that can be read and not be understood is damaged, and costs itself alone.
        let mut odd = 0;
        let places = scan(keyspace, |key, value| match each(key, value) {
            Err(StoreError::Damaged(_)) => {
                odd += 1;
                Ok(())
            }
            other => other,
        })?;
        self.places += places + odd;
        Ok(places + odd)
    }

    fn run(mut self, to: &Path) -> Result<(BTreeMap<KontoId, SavedKonto>, u64), StoreError> {
        let old = self.old;
        let (new, ..) = Store::open(to, &LAYOUT)?;
        let mut bulk = Bulk::begin(&new);
        let mut returned = Returned::default();
        let now = self.now;

        let mut live = self.live()?;
        let mut kontoer = BTreeSet::new();
        let lost_kontoer = self.scan(&old.kontoer, |key, _| {
            kontoer.insert(konto_at(key, 0)?);
            Ok(())
        })?;
        let sizes = self.look_at_meldinger(&mut live)?;
        if lost_kontoer > 0 || live.gaps > 0 {
            kontoer.extend(live.waiting.values().map(|(konto, _)| *konto));
            kontoer.extend(live.dead.values().map(|(konto, _)| *konto));
        }

        let highest = sizes.last_key_value().map_or(0, |(number, _)| number >> EPOCH_BITS);
        let mut epoch = highest + 1;
        self.scan(&old.meta, |key, value| {
            if key == b"epoch" {
                epoch = epoch.max(number_at(value, 0)?);
                return Ok(());
            }
            returned.put(&mut bulk, Space::Meta, key, value, now)
        })?;
        returned.put(&mut bulk, Space::Meta, b"epoch", &epoch.to_be_bytes(), now)?;
        for konto in &kontoer {
            returned.put(&mut bulk, Space::Konto, konto.as_uuid().as_bytes(), &[VERSION], now)?;
        }

        let missing: BTreeSet<_> = live
            .waiting
            .keys()
            .chain(live.dead.keys())
            .filter(|number| !sizes.contains_key(number))
            .copied()
            .collect();
        let stand_ins = self.stand_ins(&live, &missing)?;
        for (number, (konto, entry)) in &live.waiting {
            if stand_ins.get(number).is_none_or(|stand_in| stand_in.is_known) {
                let value = encode_entry(*konto, entry);
                returned.put(&mut bulk, Space::Queue, &number.to_be_bytes(), &value, now)?;
            } else {
                // Whom to notify is not known, so it is a dead letter at once.
                live.dead.insert(*number, (*konto, now));
            }
        }
        let mut dead: Vec<_> = live
            .dead
            .iter()
            .map(|(number, (konto, at))| (pair(*konto, *number), at.as_nanosecond()))
            .collect();
        dead.sort_unstable();
        for (key, at) in dead {
            returned.put(&mut bulk, Space::Dead, &key, &at.to_be_bytes(), now)?;
        }

        let mut waits = stand_ins.iter().peekable();
        self.scan(&old.meldinger, |key, value| {
            let number = number_at(key, 0)?;
            if !sizes.contains_key(&number) {
                return Ok(()); // Cannot be understood.
            }
            while let Some((before, stand_in)) = waits.next_if(|(before, _)| **before < number) {
                bulk.put(Space::Melding, &before.to_be_bytes(), &stand_in.value)?;
            }
            bulk.put(Space::Melding, key, value)
        })?;
        for (number, stand_in) in waits {
            bulk.put(Space::Melding, &number.to_be_bytes(), &stand_in.value)?;
        }
        self.scan(&old.sporing, |key, value| {
            decode::<Line>(value, "a line of sporing")?;
            returned.put(&mut bulk, Space::Sporing, key, value, now)
        })?;
        returned.lines_before(&mut bulk, Number::MAX, now)?;

        let mut payloads = BTreeSet::new();
        self.scan(&old.payloads, |key, value| {
            let number = number_at(key, 0)?;
            if sizes.get(&number).is_none_or(|known| known.payload_bytes != value.len() as u64) {
                return Err(StoreError::Damaged("a payload"));
            }
            payloads.insert(number);
            bulk.put(Space::Payload, key, value)
        })?;
        bulk.finish()?;

        for number in live.waiting.keys().chain(live.dead.keys()).collect::<BTreeSet<_>>() {
            self.count(*number, &live, sizes.get(number), stand_ins.get(number), payloads.contains(number));
        }
        Ok((self.kontoer, self.places))
    }

    /// What waits and what was given up, as the log lists it.
    fn live(&mut self) -> Result<Live, StoreError> {
        let old = self.old;
        let mut live = Live::default();
        let waiting = &mut live.waiting;
        let gaps = self.scan(&old.entries, |key, value| {
            let (konto, entry) = decode_entry(key, value)?;
            waiting.insert(entry.number, (konto, entry));
            Ok(())
        })?;
        let dead = &mut live.dead;
        live.gaps = self.unopened as u64
            + gaps
            + self.scan(&old.dead, |key, value| {
                let at = value.try_into().map(i128::from_be_bytes);
                let at = at.ok().and_then(|at| Timestamp::from_nanosecond(at).ok());
                let at = at.ok_or(StoreError::Damaged("a time"))?;
                dead.insert(number_at(key, 16)?, (konto_at(key, 0)?, at));
                Ok(())
            })?;
        Ok(live)
    }

    /// Looks at all meldinger that can be read, and completes the lists by them where those have gaps.
    fn look_at_meldinger(&mut self, live: &mut Live) -> Result<BTreeMap<Number, Known>, StoreError> {
        let old = self.old;
        let mut known = BTreeMap::new();
        self.scan(&old.meldinger, |key, value| {
            let number = number_at(key, 0)?;
            let put = decode::<StoredMelding>(value, "a melding")?;
            let put_at = put.put();
            let (melding, payload_bytes, mut lines) = put.melding()?;
            known.insert(number, Known { id: melding.id, avsender: melding.avsender, payload_bytes });
            if live.gaps == 0 || live.konto(number).is_some() {
                return Ok(());
            }
            let later: Result<Vec<Line>, _> = guarded(|| {
                let mut later = Vec::new();
                for guard in old.sporing.prefix(number.to_be_bytes()) {
                    later.push(decode(&guard.value()?, "a line of sporing")?);
                }
                Ok(later)
            });
            // Without its sporing it may be over; better twice, and marked, than not at all.
            lines.extend(later.or_else(|error| if error.is_damage() { Ok(Vec::new()) } else { Err(error) })?);
            match end_of(&lines)? {
                None => {
                    let put_at = Timestamp::from_nanosecond(put_at).unwrap_or(melding.mottatt);
                    let deadline = put_at.checked_add(melding.ttl).unwrap_or(Timestamp::MAX).as_millisecond();
                    let tries = Tries { returned: 1, ..Tries::default() };
                    let entry = Entry { number, deadline, tries, held: false };
                    live.waiting.insert(number, (melding.mottaker, entry));
                }
                Some(End::Dead(at)) => {
                    live.dead.insert(number, (melding.mottaker, at));
                }
                Some(End::Over) => {}
            }
            Ok(())
        })?;
        Ok(known)
    }

    /// What stands for meldinger that are listed and cannot be read.
    fn stand_ins(
        &mut self,
        live: &Live,
        missing: &BTreeSet<Number>,
    ) -> Result<BTreeMap<Number, StandIn>, StoreError> {
        if missing.is_empty() {
            return Ok(BTreeMap::new());
        }
        let old = self.old;
        let (mut ids, mut senders) = (HashMap::new(), HashMap::new());
        self.scan(&old.ids, |id, number| {
            let number = number_at(number, 0)?;
            if missing.contains(&number) {
                ids.insert(number, Uuid::from_slice(id).map_err(|_| StoreError::Damaged("an id"))?);
            }
            Ok(())
        })?;
        self.scan(&old.by_konto, |key, _| {
            let (konto, number) = (konto_at(key, 0)?, number_at(key, 16)?);
            if missing.contains(&number) && live.konto(number) != Some(konto) {
                senders.insert(number, konto);
            }
            Ok(())
        })?;
        let mut stand_ins = BTreeMap::new();
        for number in missing {
            let Some(mottaker) = live.konto(*number) else { continue };
            let id = ids.get(number).copied().map(MeldingId::from_uuid);
            let avsender = senders.get(number).copied();
            let is_known = id.is_some() && avsender.is_some();
            let melding = Melding {
                // One that nobody knows: no two of them have the same number.
                id: id.unwrap_or_else(|| MeldingId::from_uuid(Uuid::from_u64_pair(*number, u64::MAX))),
                avsender: avsender.unwrap_or(mottaker),
                mottaker,
                meldingstype: UKJENT_MELDINGSTYPE.to_owned(),
                svar_pa_melding: None,
                svar_til_type: None,
                dokumentlager_id: None,
                headere: BTreeMap::new(),
                ttl: domain::melding::DEFAULT_TTL,
                mottatt: self.now,
            };
            let mut lines = vec![Line::new(self.now, &Hendelse::LagtPaKo)];
            if !is_known {
                lines.push(Line::new(self.now, &Hendelse::Skadet));
            }
            // A payload that is not there is what makes it damaged when its turn comes.
            let value = melding_value(&melding, 1, &lines)?;
            stand_ins.insert(*number, StandIn { id, avsender, is_known, value });
        }
        Ok(stand_ins)
    }

    fn count(
        &mut self,
        number: Number,
        live: &Live,
        known: Option<&Known>,
        stand_in: Option<&StandIn>,
        has_payload: bool,
    ) {
        let Some(konto) = live.konto(number) else { return };
        let of_konto = self.kontoer.entry(konto).or_default();
        if let Some(StandIn { id, avsender, .. }) = stand_in {
            of_konto.lost.push(Unsaved { id: *id, avsender: *avsender, missing: Missing::Melding });
        } else if let Some(Known { id, avsender, payload_bytes }) = known
            && *payload_bytes > 0
            && !has_payload
        {
            let (id, avsender) = (Some(*id), Some(*avsender));
            of_konto.lost.push(Unsaved { id, avsender, missing: Missing::Payload });
        } else if live.dead.contains_key(&number) {
            of_konto.dead += 1;
        } else {
            of_konto.waiting += 1;
        }
    }
}

/// What is known of a melding that can be read.
struct Known {
    id: MeldingId,
    avsender: KontoId,
    payload_bytes: u64,
}

/// What stands for a melding that cannot be read.
struct StandIn {
    id: Option<MeldingId>,
    avsender: Option<KontoId>,
    /// Whether both are known.
    is_known: bool,
    value: Vec<u8>,
}

/// How a melding ended.
enum End {
    Over,
    Dead(Timestamp),
}

/// How it ended by its sporing, if it did.
fn end_of(lines: &[Line]) -> Result<Option<End>, StoreError> {
    let mut end = None;
    for line in lines {
        let sporing = line.sporing()?;
        match sporing.hendelse {
            Hendelse::Bekreftet | Hendelse::Avvist | Hendelse::Utlopt | Hendelse::KontoSlettet => {
                end = Some(End::Over);
            }
            Hendelse::Dodko | Hendelse::Skadet => end = Some(End::Dead(sporing.tidspunkt)),
            Hendelse::LagtTilbake => end = None,
            _ => {}
        }
    }
    Ok(end)
}

fn write_report(path: &Path, kontoer: &BTreeMap<KontoId, SavedKonto>) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut lines = BufWriter::new(file);
    let quoted = |id: Option<String>| id.map_or_else(|| "null".to_owned(), |id| format!("\"{id}\""));
    for (konto, saved) in kontoer {
        for lost in &saved.lost {
            writeln!(
                lines,
                r#"{{"meldingId":{},"avsenderKontoId":{},"mottakerKontoId":"{konto}","mangler":"{}"}}"#,
                quoted(lost.id.map(|id| id.to_string())),
                quoted(lost.avsender.map(|id| id.to_string())),
                lost.missing.name()
            )?;
        }
    }
    lines.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    sync_folder_of(path)
}

/// Has the new log take the place of the old one, which keeps another name.
fn put_in_place(path: &Path, place: &Path, stamp: i64) -> io::Result<PathBuf> {
    let old = path.with_extension(format!("skadet-{stamp}"));
    let witness = witness::beside(path);
    if witness.exists() {
        std::fs::rename(&witness, path.with_extension(format!("vitne-{stamp}")))?;
    }
    std::fs::rename(path, &old)?;
    std::fs::rename(place.join("ko"), path)?;
    std::fs::rename(witness::beside(&place.join("ko")), witness)?;
    std::fs::remove_dir(place)?;
    sync_folder_of(path)?;
    Ok(old)
}
