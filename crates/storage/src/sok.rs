//! Searches of people.

use app::ports::{RegistryError, Utvalg};
use domain::utveksling::Protokollpart;
use wire::id::{KontoId, SystemId};

use crate::convert::key;
use crate::sql::Sql;

/// The ids of the systemer that [`ListeRepository::sok_systemer`](app::ports::ListeRepository::sok_systemer) finds.
pub(crate) fn systemer(utvalg: &Utvalg) -> Sql {
    let mut sql = Sql::default();
    // The kontoer are gone through once a word, and those that match are looked at more closely.
    for (at, word) in utvalg.ord.iter().enumerate() {
        sql.push(if at == 0 { "WITH " } else { ", " });
        sql.push(&format!("of_konto{at} AS MATERIALIZED (SELECT konto.system_id, MAX(CASE WHEN "));
        sql.has_word_start("konto.sok", word).push(" THEN 1 ELSE 0 END) AS at_start FROM konto WHERE ");
        sql.has_word("konto.sok", word).push(" GROUP BY konto.system_id) ");
    }
    sql.push("SELECT system.id, COUNT(*) OVER () AS total FROM system");
    for at in 0..utvalg.ord.len() {
        sql.push(&format!(" LEFT JOIN of_konto{at} ON of_konto{at}.system_id = system.id"));
    }
    sql.push(" WHERE ");
    findable(&mut sql, utvalg);
    for (at, word) in utvalg.ord.iter().enumerate() {
        sql.push(&format!(" AND (of_konto{at}.system_id IS NOT NULL OR ")).has_word("system.sok", word);
        sql.push(" OR ");
        of_matching_owner(&mut sql, word);
        sql.push(")");
    }
    match (&utvalg.parter, utvalg.eier) {
        // Of one owner there are few, so each is asked; of all, those that play a part are fewer than those that do not.
        (Some(parter), Some(_)) => {
            sql.push(" AND EXISTS (SELECT 1 FROM konto WHERE konto.system_id = system.id AND ");
            plays(&mut sql, parter);
            sql.push(")");
        }
        (Some(parter), None) => {
            sql.push(" AND system.id IN (");
            systemer_that_play(&mut sql, parter);
            sql.push(")");
        }
        (None, _) => {}
    }
    sql.push(" ORDER BY ");
    for (at, word) in utvalg.ord.iter().enumerate() {
        sql.push(&format!("CASE WHEN of_konto{at}.at_start = 1 OR ")).has_word_start("system.sok", word);
        sql.push(" THEN 0 ELSE 1 END").push(if at + 1 < utvalg.ord.len() { " + " } else { ", " });
    }
    sql.push("system.sortering, system.id");
    sql
}

/// The ids of the kontoer that [`ListeRepository::sok_kontoer`](app::ports::ListeRepository::sok_kontoer) finds by words.
pub(crate) fn kontoer_by_words(utvalg: &Utvalg) -> Sql {
    // What is asked of a System is asked once for all its kontoer.
    let mut sql = Sql::new("WITH findable AS MATERIALIZED (SELECT system.id AS system_id, system.sok");
    for (at, word) in utvalg.ord.iter().enumerate() {
        sql.push(", (").has_word("system.sok", word).push(" OR ");
        of_matching_owner(&mut sql, word);
        sql.push(&format!(") AS matches{at}"));
    }
    sql.push(" FROM system WHERE ");
    findable(&mut sql, utvalg);
    sql.push(") SELECT konto.id, COUNT(*) OVER () AS total FROM findable CROSS JOIN konto ");
    sql.push("WHERE konto.system_id = findable.system_id");
    of_protokoll(&mut sql, utvalg);
    for (at, word) in utvalg.ord.iter().enumerate() {
        sql.push(&format!(" AND (findable.matches{at} OR ")).has_word("konto.sok", word).push(")");
    }
    sql.push(" ORDER BY ");
    for (at, word) in utvalg.ord.iter().enumerate() {
        sql.push("CASE WHEN ").has_word_start("konto.sok", word);
        sql.push(" OR ").has_word_start("findable.sok", word).push(" THEN 0 ELSE 1 END");
        sql.push(if at + 1 < utvalg.ord.len() { " + " } else { ", " });
    }
    sql.push("konto.sortering, konto.id");
    sql
}

/// How many kontoer can be found without words. To count them along with a page would mean to sort them all.
pub(crate) fn count_kontoer(utvalg: &Utvalg) -> Sql {
    // SQLite takes the tables of a CROSS JOIN in the order they are written in: an index tells the kontoer of a System.
    let mut sql =
        Sql::new("SELECT COUNT(*) FROM system CROSS JOIN konto WHERE konto.system_id = system.id AND ");
    findable(&mut sql, utvalg);
    of_protokoll(&mut sql, utvalg);
    sql
}

/// A page of the kontoer that can be found without words, by name.
pub(crate) fn kontoer_by_name(utvalg: &Utvalg) -> Sql {
    let mut sql =
        Sql::new("SELECT konto.id FROM konto CROSS JOIN system WHERE system.id = konto.system_id AND ");
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

/// The ids of the systemer with a Konto that plays one of `parter`.
fn systemer_that_play(sql: &mut Sql, parter: &[Protokollpart]) {
    sql.push("SELECT konto.system_id FROM konto_part JOIN konto ON konto.id = konto_part.konto_id WHERE ");
    if parter.is_empty() {
        sql.push("1 = 0");
    } else {
        any_of(sql, parter);
    }
}

fn any_of(sql: &mut Sql, parter: &[Protokollpart]) {
    for (at, part) in parter.iter().enumerate() {
        if at > 0 {
            sql.push(" OR ");
        }
        sql.push("konto.protokoll_navn = ").bind(part.protokoll_navn.as_str());
        sql.push(" AND konto_part.versjon = ").bind(part.versjon.as_str());
        sql.push(" AND konto_part.navn = ").bind(part.navn.as_str());
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
