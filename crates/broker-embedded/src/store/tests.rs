use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use app::contract::{CountingIds, ManualClock};
use app::ports::{Broker as _, Eiere, Kobytes, MeldingSok};
use bytes::Bytes;
use domain::melding::{Hendelse, Melding, Retur, Sporing};
use fjall::AbstractTree as _;
use jiff::Timestamp;
use wire::id::{FiksOrgId, KontoId, MeldingId, Uuid};

use super::keys::{decode_dead, decode_entry, encode_dead, encode_entry, encode_held, handed_out};
use super::line::{decode, encode};
use super::*;
use crate::queue::{CRASHES_KEPT, Entry, Tries};

const MELDING: u128 = 0x1000;

pub(super) fn konto(n: u128) -> KontoId {
    KontoId::from_uuid(Uuid::from_u128(n))
}

pub(super) fn melding(n: u128, avsender: KontoId, mottaker: KontoId) -> Melding {
    Melding {
        id: MeldingId::from_uuid(Uuid::from_u128(MELDING + n)),
        avsender,
        mottaker,
        meldingstype: "no.ks.fiks.arkiv.v1.innsyn.sok".to_owned(),
        svar_pa_melding: None,
        svar_til_type: None,
        dokumentlager_id: None,
        headere: BTreeMap::new(),
        ttl: Duration::from_mins(1),
        mottatt: at(n),
    }
}

/// A second for each.
fn at(n: u128) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + i64::try_from(n).expect("it is small")).expect("it is in range")
}

/// Where a log may be. What stands beside it goes with it.
pub(crate) struct Place {
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        Self { log: folder.path().join("ko"), _folder: folder }
    }

    /// Of the log.
    pub(crate) fn path(&self) -> &Path {
        &self.log
    }
}

/// A log with `count` meldinger from one Konto to another, one a second.
pub(super) fn store(folder: &Place, count: u128) -> Store {
    store_at(folder.path(), count)
}

pub(super) fn store_at(path: &Path, count: u128) -> Store {
    let layout = Layout { cache_bytes: MIB, journal_bytes: 64 * MIB, open_tables: 64, seen: None };
    let (store, first, _) = Store::open(path, &layout).expect("the folder is empty");
    let mut write = store.write();
    for n in 0..count {
        let number = first + u64::try_from(n).expect("it is small");
        let lines = [Line::new(at(n), &Hendelse::LagtPaKo)];
        write.melding(number, &melding(n, konto(1), konto(2)), 0, &lines).expect("it can be written");
    }
    write.commit(false).expect("it can be written");
    store
}

/// A log that has promised `count` meldinger, each in a step of its own.
pub(super) fn promise_at(path: &Path, count: u128) {
    let layout = Layout { cache_bytes: MIB, journal_bytes: 64 * MIB, open_tables: 64, seen: None };
    let (store, first, _) = Store::open(path, &layout).expect("the folder is empty");
    for n in 0..count {
        let mut write = store.write();
        let number = first + u64::try_from(n).expect("it is small");
        let lines = [Line::new(at(n), &Hendelse::LagtPaKo)];
        write.melding(number, &melding(n, konto(1), konto(2)), 0, &lines).expect("it can be written");
        write.commit(true).expect("it can be written");
    }
}

fn search(store: &Store, sok: &MeldingSok, look_at: usize) -> (Vec<u128>, bool) {
    let found = store.search(sok, look_at).expect("the log can be read");
    let numbers = found.meldinger.iter().map(|record| record.melding.id.as_uuid().as_u128() - MELDING);
    (numbers.collect(), found.avkortet)
}

/// What a log of format 1 holds is read as it was meant, whatever came to be told since.
#[test]
fn lines_of_the_first_format_are_read() {
    let time = [0x80, 0xa0, 0x94, 0xa5, 0x8d, 0x1d]; // 500 s after 1970, as a varint of twice the nanoseconds.
    for (rest, expected) in [
        (vec![0], Hendelse::LagtPaKo),
        (vec![1, 3], Hendelse::Levert { forsok: 3, adresse: None }),
        (vec![2], Hendelse::Returnert { arsak: Retur::NackMedRequeue }),
        (vec![3], Hendelse::Returnert { arsak: Retur::Frakoblet }),
        (vec![4], Hendelse::Returnert { arsak: Retur::Omstart }),
        (vec![5], Hendelse::Bekreftet),
        (vec![6], Hendelse::Avvist),
        (vec![7], Hendelse::Utlopt),
        (vec![8], Hendelse::Dodko),
        (vec![9], Hendelse::KontoSlettet),
        (
            [vec![10], vec![7; 16]].concat(),
            Hendelse::KvitteringSendt { kvittering: MeldingId::from_uuid(Uuid::from_bytes([7; 16])) },
        ),
    ] {
        let bytes = [vec![1], time.to_vec(), rest].concat();
        let line: Line = decode(&bytes, "a line").expect("it is a line");
        let tidspunkt = Timestamp::from_second(500).expect("it is in range");
        assert_eq!(
            line.sporing().expect("its time is in range"),
            Sporing { tidspunkt, hendelse: expected.clone() }
        );
        assert_eq!(encode(&line, 32).expect("it can be written"), bytes, "{expected:?}");
    }
}

#[test]
fn lines_are_read_back_as_written() {
    for hendelse in [
        Hendelse::LagtTilbake,
        Hendelse::Levert { forsok: 2, adresse: Some("192.0.2.7:50123".parse().expect("it is one")) },
        Hendelse::Levert { forsok: 1, adresse: Some("[2001:db8::7]:443".parse().expect("it is one")) },
    ] {
        let bytes = encode(&Line::new(at(0), &hendelse), 32).expect("it can be written");
        let line: Line = decode(&bytes, "a line").expect("it is a line");
        assert_eq!(line.sporing().expect("its time is in range"), Sporing { tidspunkt: at(0), hendelse });
    }
}

/// What an entry of format 2 says is read as it was meant, and one that counts crashes keeps all it says.
#[test]
fn entries_are_read_back_as_written() {
    let none = Cost::default();
    let first = Entry { number: 5, deadline: -3, tries: Tries::default(), held: true, share: none };
    let mut old = encode_entry(konto(7), &first)[..28].to_vec();
    assert_eq!(old[27], 1);
    (old[0], old[25], old[26], old[27]) = (1, 2, 9, 1);
    let (_, entry) = decode_entry(&5_u64.to_be_bytes(), &old).expect("it is an entry");
    let tries = Tries { failed: 2, crashes: 0, returned: 9 };
    assert_eq!(entry, Entry { number: 5, deadline: -3, tries, held: true, share: none });
    let share = cost(1 << 20);
    for (crashes, held) in [(0, false), (0, true), (9, false), (10, true), (CRASHES_KEPT, true)] {
        let tries = Tries { failed: 1, crashes, returned: 200 };
        let entry = Entry { number: 8, deadline: 1, tries, held, share };
        let value = encode_entry(konto(7), &entry);
        assert_eq!(decode_entry(&8_u64.to_be_bytes(), &value).expect("it is an entry"), (konto(7), entry));
        assert_eq!(handed_out(&value), None);
        let value = encode_held(konto(7), &entry, i64::MIN + 7);
        assert_eq!(decode_entry(&8_u64.to_be_bytes(), &value).expect("it is an entry"), (konto(7), entry));
        assert_eq!(handed_out(&value), Some(i64::MIN + 7));
    }
    for length in (0..28).chain(29..64) {
        let value = &encode_entry(konto(7), &first)[..length];
        assert!(decode_entry(&8_u64.to_be_bytes(), value).is_err(), "{length}");
    }
}

fn cost(bytes: u64) -> Cost {
    let org = |n| FiksOrgId::from_uuid(Uuid::from_u128(n));
    Cost::new(Eiere { avsender: org(3), mottaker: org(4) }, bytes)
}

/// One from before its cost was counted takes no room.
#[test]
fn dead_letters_are_read_back_as_written() {
    let dead = KeptDead { at: at(7), cost: cost(u64::MAX) };
    let value = encode_dead(&dead);
    assert_eq!(decode_dead(&value).expect("it is one"), dead);
    let old = KeptDead { at: at(7), cost: Cost::default() };
    assert_eq!(decode_dead(&value[..16]).expect("it is one"), old);
    assert!(decode_dead(&value[..17]).is_err());
}

#[test]
fn a_log_of_an_unknown_format_is_refused() {
    let folder = Place::new();
    let store = store(&folder, 0);
    for (format, known) in [(0, false), (OLDEST_FORMAT, true), (FORMAT, true), (FORMAT + 1, false)] {
        let meta = store.db.keyspace("meta", KeyspaceCreateOptions::default).expect("it is there");
        meta.insert("format", format.to_be_bytes()).expect("it can be written");
        assert_eq!(check_format(&meta).is_ok(), known, "format {format}");
    }
}

#[test]
fn search_looks_at_no_more_than_it_may() {
    let folder = Place::new();
    let store = store(&folder, 20);
    let sok = MeldingSok { kontoer: vec![konto(2), konto(1)], limit: 100, ..MeldingSok::default() };
    assert_eq!(search(&store, &sok, 5), (vec![19, 18, 17, 16, 15], true));
    assert_eq!(search(&store, &sok, 20), ((0..20).rev().collect(), false));
    // What is newer than the period costs nothing.
    let sok = MeldingSok { til: Some(at(3)), ..sok };
    assert_eq!(search(&store, &sok, 5), (vec![3, 2, 1, 0], false));
    let sok = MeldingSok { fra: Some(at(2)), ..sok };
    assert_eq!(search(&store, &sok, 5), (vec![3, 2], false));
}

#[test]
fn search_goes_on_after_a_melding_that_is_forgotten() {
    let folder = Place::new();
    let store = store(&folder, 6);
    let sok = MeldingSok { kontoer: vec![konto(1)], limit: 2, ..MeldingSok::default() };
    let unknown = MeldingId::from_uuid(Uuid::from_u128(7));
    for (before, expected) in [
        ((at(4), MeldingId::from_uuid(Uuid::from_u128(MELDING + 4))), [3, 2]),
        ((at(4), unknown), [3, 2]),
        // It was at that time once, and is elsewhere now.
        ((at(3), MeldingId::from_uuid(Uuid::from_u128(MELDING + 5))), [2, 1]),
    ] {
        let sok = MeldingSok { before: Some(before), ..sok.clone() };
        assert_eq!(search(&store, &sok, 100), (expected.to_vec(), false), "{before:?}");
    }
}

/// Opening would make a new log, or forget what the missing part held.
#[test]
fn a_log_with_a_missing_part_is_refused_and_left_as_it_is() {
    let layout = Layout { cache_bytes: MIB, journal_bytes: 64 * MIB, open_tables: 64, seen: None };
    for part in [
        "version",
        "0.jnl",
        "keyspaces/0",
        "keyspaces/0/current",
        "keyspaces",
        "keyspaces/0/v",
        "keyspaces/4/current",
        "keyspaces/10/current",
    ] {
        let folder = Place::new();
        let log = store(&folder, 3);
        log.write().commit(true).expect("it can be written");
        drop(log);
        let file = if part.ends_with("/v") {
            // There may be an older one too, which nothing needs.
            let current = std::fs::read(folder.path().join("keyspaces/0/current")).expect("it is there");
            let version = current[..8].try_into().map(u64::from_le_bytes).expect("it has eight bytes");
            folder.path().join(format!("{part}{version}"))
        } else {
            folder.path().join(part)
        };
        let aside = tempfile::tempdir().expect("there is room");
        std::fs::rename(&file, aside.path().join("part")).expect("it can be moved");
        let refused = Store::open(folder.path(), &layout).err();
        let refused = refused.unwrap_or_else(|| unreachable!("{part} is missing")).to_string();
        let named = if part == "0.jnl" { "*.jnl".to_owned() } else { file.display().to_string() };
        assert!(refused.contains(&named), "{part}: {refused}");
        std::fs::rename(aside.path().join("part"), &file).expect("it can be moved back");
        let (again, _, _) = Store::open(folder.path(), &layout).expect("it is whole again");
        let sok = MeldingSok { kontoer: vec![konto(1)], limit: 10, ..MeldingSok::default() };
        assert_eq!(search(&again, &sok, 100).0.len(), 3, "{part}");
    }
}

/// A log may hold dead letters of kontoer that were removed when those stayed. They end once it is opened, and what they took
/// of their sender's room is free again; those of kontoer that are there stay.
#[tokio::test]
async fn dead_letters_of_kontoer_that_were_removed_earlier_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ko");
    let layout = Layout { cache_bytes: MIB, journal_bytes: 64 * MIB, open_tables: 64, seen: None };
    let (store, first, _) = Store::open(&path, &layout).expect("the folder is empty");
    let eiere = |n| Eiere {
        avsender: FiksOrgId::from_uuid(Uuid::from_u128(n)),
        mottaker: FiksOrgId::from_uuid(Uuid::from_u128(n + 1)),
    };
    let mut write = store.write();
    write.queue_created(konto(3));
    for n in 0..1_000_u64 {
        let (mottaker, eiere) = if n % 100 == 0 { (konto(3), eiere(30)) } else { (konto(2), eiere(20)) };
        let lines = [Line::new(at(0), &Hendelse::LagtPaKo), Line::new(at(0), &Hendelse::Dodko)];
        let payload = Bytes::from(vec![7; 100]);
        let melding = melding(n.into(), konto(1), mottaker);
        write.melding(first + n, &melding, payload.len(), &lines).expect("it can be written");
        write.payload(first + n, &melding, &payload).expect("it can be written");
        write.dead(mottaker, first + n, &KeptDead { at: at(1), cost: Cost::new(eiere, 10) });
    }
    write.commit(true).expect("it can be written");
    drop(store);

    let (clock, ids) = (ManualClock::default(), Arc::new(CountingIds::default()));
    let options = crate::Options { min_free_bytes: 0, ..crate::Options::default() };
    let broker =
        crate::EmbeddedBroker::open(&path, Arc::new(clock), ids, options).await.expect("it can be opened");
    // Whoever makes the queue anew waits until nothing is left of the earlier one.
    broker.create_queue(konto(2)).await.expect("the broker runs");
    assert_eq!(broker.queue_status(konto(2)).await.expect("it is there").dead, 0);
    assert_eq!(broker.list_dead_letters(konto(2), 10).await.expect("the broker runs"), []);
    assert_eq!(broker.kobytes(eiere(20).avsender), Kobytes::default());
    assert_eq!(broker.kobytes(eiere(30).avsender), Kobytes { sendt: 100, mottatt: 0 });
    assert_eq!(broker.list_dead_letters(konto(3), 100).await.expect("the broker runs").len(), 10);
    let ended = broker.melding(melding(999, konto(1), konto(2)).id).await.expect("the broker runs");
    let last = ended.and_then(|record| record.sporing.last().map(|line| line.hendelse.clone()));
    assert_eq!(last, Some(Hendelse::KontoSlettet));
}

/// What is in memory is written a second time, so as much again is kept free until it is.
#[test]
fn room_is_kept_for_what_stands_in_no_table_yet() {
    let folder = Place::new();
    let store = store(&folder, 100);
    let unwritten = store.unwritten_bytes();
    assert!(unwritten > 100 * 100, "{unwritten} bytes");
    assert_eq!(store.reserve_bytes(7 * MIB, 0), 7 * MIB + unwritten);
    for keyspace in store.keyspaces() {
        keyspace.rotate_memtable_and_wait().expect("there is room");
    }
    // The log store counts it as written a little after it is.
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while store.unwritten_bytes() > 0 {
        assert!(std::time::Instant::now() < deadline, "{} bytes are left", store.unwritten_bytes());
        std::thread::yield_now();
    }
    store.look_at_tables();
    assert!(store.merging_bytes() > 0);
    assert_eq!(store.reserve_bytes(7 * MIB, 0), 7 * MIB);
    // Emptying the queues takes room too, a little for each.
    assert_eq!(store.reserve_bytes(0, 0), store.merging_bytes());
    assert!(store.reserve_bytes(0, 1_000) > store.merging_bytes() + 1_000 * 2048);
    assert_eq!(store.reserve_bytes(u64::MAX, 1_000), u64::MAX);
}

/// Opened, used and closed while there was little room, as often as it takes for tables to be many.
#[test]
fn log_on_a_disk_that_is_short_is_written_out_before_anything_else() {
    let folder = Place::new();
    let layout = Layout { cache_bytes: MIB, journal_bytes: 64 * MIB, open_tables: 64, seen: None };
    let idle = || Begun::open(folder.path(), &layout, Vec::new(), true).expect("it can be read");
    for round in 1..=6 {
        drop(store(&folder, 20));
        let refused = idle().make_room_of(folder.path(), &layout, || MIB).map(|_| ());
        let Err(StoreError::NoRoom { missing_bytes, .. }) = refused else {
            unreachable!("there is too little room")
        };
        assert!((3 * MIB..4 * MIB).contains(&missing_bytes), "{missing_bytes} bytes");
        let begun = idle();
        room::make(&begun.db, folder.path(), || 64 * MIB).expect("there is room");
        assert_eq!(begun.db.journal_count(), 1);
        for name in names::NAMES {
            let keyspace = begun.db.keyspace(name, KeyspaceCreateOptions::default).expect("it is there");
            room::merge_newest(&begun.db, &keyspace).expect("there is room");
            assert!(keyspace.l0_table_count() <= 1, "{name}");
        }
        drop(begun);
        let begun = idle().make_room_of(folder.path(), &layout, || 64 * MIB).expect("there is room");
        assert_eq!(begun.db.write_buffer_size(), 0);
        let journals = journal::list(folder.path()).expect("they can be listed");
        assert_eq!(journals.len(), 1);
        assert!(journals.iter().all(|journal| journal.metadata().is_ok_and(|journal| journal.len() == 0)));
        let (store, ..) = Store::go_on(folder.path(), begun).expect("it can be gone on with");
        for keyspace in [&store.meldinger, &store.by_konto] {
            let each = keyspace.iter().map(|guard| guard.into_inner().expect("it can be read"));
            assert!(each.count() >= 20 * round);
        }
        assert_eq!(store.meldinger.iter().count(), 20 * round);
        assert_eq!(store.ids.iter().count(), 20);
    }
}

/// What a file system takes of the disk, whether the log still knows it or not.
fn on_disk(folder: &Path) -> u64 {
    let of = |entry: std::fs::DirEntry| {
        let path = entry.path();
        if path.is_dir() { on_disk(&path) } else { entry.metadata().map_or(0, |metadata| metadata.len()) }
    };
    std::fs::read_dir(folder).map_or(0, |entries| entries.flatten().map(of).sum())
}

/// Of each keyspace much is forgotten, and a table is damaged: an attempt to write it anew is not made at every look.
#[test]
fn damaged_table_of_any_keyspace_is_not_written_anew_again_and_again() {
    let folder = Place::new();
    let log = store(&folder, 40_000);
    let flush = |log: &Store| {
        for keyspace in log.keyspaces() {
            keyspace.rotate_memtable_and_wait().expect("there is room");
        }
    };
    flush(&log);
    let large = log.keyspaces().into_iter().filter(|keyspace| keyspace.disk_space() > 256 * 1024);
    let damaged: Vec<_> = large.map(|keyspace| keyspace.path().join("tables")).collect();
    assert!(damaged.len() >= 3, "melding, melding_id and konto_melding");
    drop(log);
    for tables in damaged {
        for file in std::fs::read_dir(tables).expect("it is there").flatten() {
            let mut bytes = std::fs::read(file.path()).expect("it can be read");
            // Behind what is read first.
            let place = bytes.len() * 3 / 4;
            bytes[place] ^= 0x10;
            std::fs::write(file.path(), bytes).expect("it can be written");
        }
    }
    let layout = Layout { cache_bytes: MIB, journal_bytes: 64 * MIB, open_tables: 64, seen: None };
    let (log, ..) = Store::open(folder.path(), &layout).expect("the damage is met later");
    log.prune(at(1_000_000)).expect("what is damaged stays");
    flush(&log);
    let keyspaces = folder.path().join("keyspaces");
    log.tidy(0).expect("what is damaged is left");
    let before = on_disk(&keyspaces);
    for _ in 0..40 {
        log.tidy(0).expect("what is damaged is left");
    }
    let after = on_disk(&keyspaces);
    assert!(after <= before + MIB, "{before} bytes became {after}");
}

/// Neither a log that was just opened, nor a copy that is being made, keeps in memory what is written meanwhile.
#[test]
fn what_comes_while_a_moment_is_held_does_not_stay_in_memory() {
    let place = Place::new();
    let store = Arc::new(store(&place, 10));
    let moment = LogMoment::of(store.clone(), None);
    let mut number: Number = 1_000;
    let mut most = 0;
    for _ in 0..24 {
        for _ in 0..16 {
            // Of the size that goes into tables.
            store.payloads.insert(number.to_be_bytes(), vec![0x5a; 16 * 1024]).expect("there is room");
            number += 1;
        }
        store.payloads.rotate_memtable_and_wait().expect("it can be written");
        most = most.max(store.payloads.tree.version_memtable_size_sum());
    }
    // Some of them: the log store looks after each table which of those before it can go.
    assert!(most < 5 * 16 * 16 * 1024, "{most} bytes stay in memory");
    let mut copied = Vec::new();
    let counts = moment.dump(&mut copied, || true).expect("it can be read");
    assert_eq!((counts.meldinger, counts.payloads), (10, 0), "as it was at the moment");
}
