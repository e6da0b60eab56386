//! Searches of people.

use std::collections::BTreeMap;

use app::ports::{RegistryError, Utvalg};
use domain::utveksling::Protokollpart;
use sea_orm::DbBackend;
use wire::id::{KontoId, SystemId};

use crate::convert::key;
use crate::sql::Sql;

/// The ids of the systemer that [`ListeRepository::sok_systemer`](app::ports::ListeRepository::sok_systemer) finds.
pub(crate) fn systemer(utvalg: &Utvalg, backend: DbBackend) -> Sql {
    // All are found before a page is taken of them. PostgreSQL does not see that a count takes them all, and would walk the
    // systemer by name, looking for each of them among those that play a Part, in the hope of stopping after a page.
    let mut sql = Sql::new(backend, "WITH found AS MATERIALIZED (SELECT system.id, system.sortering, ");
    for (at, word) in utvalg.ord.iter().enumerate() {
        sql.push(if at > 0 { " + " } else { "" }).push("CASE WHEN ");
        sql.has_word_start("system.sok_med_kontoer", word).push(" THEN 0 ELSE 1 END");
    }
    sql.push(if utvalg.ord.is_empty() { "0" } else { "" }).push(" AS inside FROM system WHERE ");
    findable(&mut sql, utvalg);
    has_every_word(&mut sql, utvalg);
    plays_as_system(&mut sql, utvalg);
    sql.push(") SELECT id, COUNT(*) OVER () AS total FROM found ORDER BY inside, sortering, id");
    sql
}

/// The ids of the kontoer that [`ListeRepository::sok_kontoer`](app::ports::ListeRepository::sok_kontoer) finds by words.
pub(crate) fn kontoer_by_words(utvalg: &Utvalg, backend: DbBackend) -> Sql {
    // What is asked of a System is asked once for all its kontoer: whether it has a word at the start (2), or has it or is
    // of an owner who has it (1).
    let mut sql = Sql::new(backend, "WITH findable AS MATERIALIZED (SELECT system.id AS system_id");
    for (at, word) in utvalg.ord.iter().enumerate() {
        sql.push(", CASE WHEN ").has_word_start("system.sok", word).push(" THEN 2 WHEN ");
        sql.has_word("system.sok", word).push(" OR ");
        of_matching_owner(&mut sql, word);
        sql.push(&format!(" THEN 1 ELSE 0 END AS word{at}"));
    }
    sql.push(" FROM system WHERE ");
    findable(&mut sql, utvalg);
    // What stands neither in a System nor in any of its kontoer need not be looked for in each of them.
    has_every_word(&mut sql, utvalg);
    plays_as_system(&mut sql, utvalg);
    sql.push(") SELECT konto.id, COUNT(*) OVER () AS total FROM findable CROSS JOIN ");
    // PostgreSQL takes far more systemer to be found than are, and would read every Konto there is.
    sql.push(match backend {
        DbBackend::Postgres => {
            "LATERAL (SELECT * FROM konto WHERE konto.system_id = findable.system_id OFFSET 0) AS konto WHERE 1 = 1"
        }
        _ => "konto WHERE konto.system_id = findable.system_id",
    });
    for (at, word) in utvalg.ord.iter().enumerate() {
        sql.push(&format!(" AND (findable.word{at} > 0 OR ")).has_word("konto.sok", word).push(")");
    }
    of_protokoll(&mut sql, utvalg);
    sql.push(" ORDER BY ");
    for (at, word) in utvalg.ord.iter().enumerate() {
        sql.push(&format!("CASE WHEN findable.word{at} = 2 OR ")).has_word_start("konto.sok", word);
        sql.push(" THEN 0 ELSE 1 END").push(if at + 1 < utvalg.ord.len() { " + " } else { ", " });
    }
    sql.push("konto.sortering, konto.id");
    sql
}

/// How many kontoer can be found without words. To count them along with a page would mean to sort them all.
pub(crate) fn count_kontoer(utvalg: &Utvalg, backend: DbBackend) -> Sql {
    // SQLite takes the tables of a CROSS JOIN in the order they are written in: an index tells the kontoer of a System.
    let mut sql = Sql::new(
        backend,
        "SELECT COUNT(*) FROM system CROSS JOIN konto WHERE konto.system_id = system.id AND ",
    );
    findable(&mut sql, utvalg);
    of_protokoll(&mut sql, utvalg);
    sql
}

/// A page of the kontoer that can be found without words, by name.
pub(crate) fn kontoer_by_name(utvalg: &Utvalg, backend: DbBackend) -> Sql {
    let mut sql = Sql::new(
        backend,
        "SELECT konto.id FROM konto CROSS JOIN system WHERE system.id = konto.system_id AND ",
    );
    findable(&mut sql, utvalg);
    of_protokoll(&mut sql, utvalg);
    sql.push(" ORDER BY konto.sortering, konto.id");
    sql
}

/// Whether a Konto is of the Protokoll and plays one of the parter that are asked for.
fn of_protokoll(sql: &mut Sql, utvalg: &Utvalg) {
    if let Some(navn) = &utvalg.protokoll {
        sql.push(" AND konto.protokoll_navn = ").bind(navn.as_str());
    }
    if let Some(parter) = &utvalg.parter {
        sql.push(" AND ");
        plays(sql, parter);
    }
}

/// Whether a Konto plays one of `parter`.
pub(crate) fn plays(sql: &mut Sql, parter: &[Protokollpart]) {
    if parter.is_empty() {
        sql.push("1 = 0");
        return;
    }
    sql.push("EXISTS (SELECT 1 FROM konto_part WHERE konto_part.konto_id = konto.id AND (");
    any_of(sql, parter);
    sql.push("))");
}

/// Demands that each word stands in a System, in one of its kontoer or in its owner.
fn has_every_word(sql: &mut Sql, utvalg: &Utvalg) {
    for word in &utvalg.ord {
        sql.push(" AND (").has_word("system.sok_med_kontoer", word).push(" OR ");
        of_matching_owner(sql, word);
        sql.push(")");
    }
}

/// Demands that a System has a Konto that plays one of the parter that are asked for.
fn plays_as_system(sql: &mut Sql, utvalg: &Utvalg) {
    let Some(parter) = &utvalg.parter else { return };
    // Of one owner there are few, so each is asked; of all, those that play a part are found first.
    if utvalg.eier.is_some() {
        sql.push(" AND EXISTS (SELECT 1 FROM konto WHERE konto.system_id = system.id AND ");
        plays(sql, parter);
        sql.push(")");
    } else if parter.is_empty() {
        sql.push(" AND 1 = 0");
    } else {
        sql.push(" AND system.id IN (SELECT konto_part.system_id FROM konto_part WHERE ");
        any_of(sql, parter);
        sql.push(")");
    }
}

fn any_of(sql: &mut Sql, parter: &[Protokollpart]) {
    // Names are listed a Protokoll: PostgreSQL reads the index alone for a list, but rows for each side of an OR.
    let mut names: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for part in parter {
        names
            .entry((part.protokoll_navn.as_str(), part.versjon.as_str()))
            .or_default()
            .push(part.navn.as_str());
    }
    for (at, ((protokoll, versjon), names)) in names.into_iter().enumerate() {
        sql.push(if at > 0 { " OR " } else { "" });
        sql.push("konto_part.protokoll_navn = ").bind(protokoll);
        sql.push(" AND konto_part.versjon = ").bind(versjon);
        sql.push(" AND konto_part.navn IN (").bind_all(names).push(")");
    }
}

fn findable(sql: &mut Sql, utvalg: &Utvalg) {
    let own = key(utvalg.synlig_for.as_uuid());
    sql.push("(system.offentlig OR system.fiks_org_id = ").bind(own).push(")");
    sql.push(" AND system.id <> ").bind(key(utvalg.unntatt.as_uuid()));
    if let Some(owner) = utvalg.eier {
        sql.push(" AND system.fiks_org_id = ").bind(key(owner.as_uuid()));
    }
}

fn of_matching_owner(sql: &mut Sql, word: &str) {
    sql.push("system.fiks_org_id IN (SELECT organisasjon.id FROM organisasjon WHERE ");
    sql.has_word("organisasjon.sok", word).push(")");
}

pub(crate) fn system_id(row: &sea_orm::QueryResult) -> Result<SystemId, RegistryError> {
    crate::lister::id(row, "id").map(SystemId::from_uuid)
}

pub(crate) fn konto_id(row: &sea_orm::QueryResult) -> Result<KontoId, RegistryError> {
    crate::lister::id(row, "id").map(KontoId::from_uuid)
}
