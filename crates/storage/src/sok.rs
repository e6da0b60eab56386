//! Searches of people.

use app::ports::{RegistryError, Utvalg};
use domain::utveksling::Protokollpart;
use wire::id::{KontoId, SystemId};

use crate::convert::key;
use crate::sql::Sql;

/// The ids of the systemer that [`ListeRepository::sok_systemer`](app::ports::ListeRepository::sok_systemer) finds.
pub(crate) fn systemer(utvalg: &Utvalg) -> Sql {
    let mut sql = Sql::new("SELECT system.id, COUNT(*) OVER () AS total FROM system WHERE ");
    findable(&mut sql, utvalg);
    for word in &utvalg.ord {
        sql.push(" AND (").has_word("system.sok", word).push(" OR ");
        of_matching_owner(&mut sql, word);
        sql.push(" OR system.id IN (SELECT konto.system_id FROM konto WHERE ");
        sql.has_word("konto.sok", word).push("))");
    }
    if let Some(parter) = &utvalg.parter {
        sql.push(" AND EXISTS (SELECT 1 FROM konto WHERE konto.system_id = system.id AND ");
        plays(&mut sql, parter);
        sql.push(")");
    }
    sql.push(" ORDER BY ");
    for (at, word) in utvalg.ord.iter().enumerate() {
        sql.push("CASE WHEN ").has_word_start("system.sok", word);
        sql.push(" OR EXISTS (SELECT 1 FROM konto WHERE konto.system_id = system.id AND ");
        sql.has_word_start("konto.sok", word).push(") THEN 0 ELSE 1 END");
        sql.push(if at + 1 < utvalg.ord.len() { " + " } else { ", " });
    }
    sql.push("system.sortering, system.id");
    sql
}

/// The ids of the kontoer that [`ListeRepository::sok_kontoer`](app::ports::ListeRepository::sok_kontoer) finds.
pub(crate) fn kontoer(utvalg: &Utvalg) -> Sql {
    let mut sql = Sql::new(
        "SELECT konto.id, COUNT(*) OVER () AS total \
         FROM konto JOIN system ON system.id = konto.system_id WHERE ",
    );
    findable(&mut sql, utvalg);
    for word in &utvalg.ord {
        sql.push(" AND (").has_word("konto.sok", word).push(" OR ").has_word("system.sok", word);
        sql.push(" OR ");
        of_matching_owner(&mut sql, word);
        sql.push(")");
    }
    if let Some(parter) = &utvalg.parter {
        sql.push(" AND ");
        plays(&mut sql, parter);
    }
    sql.push(" ORDER BY ");
    for (at, word) in utvalg.ord.iter().enumerate() {
        sql.push("CASE WHEN ").has_word_start("konto.sok", word);
        sql.push(" OR ").has_word_start("system.sok", word).push(" THEN 0 ELSE 1 END");
        sql.push(if at + 1 < utvalg.ord.len() { " + " } else { ", " });
    }
    sql.push("konto.sortering, konto.id");
    sql
}

/// Whether a Konto plays one of `parter`.
pub(crate) fn plays(sql: &mut Sql, parter: &[Protokollpart]) {
    if parter.is_empty() {
        sql.push("1 = 0");
        return;
    }
    sql.push("EXISTS (SELECT 1 FROM konto_part WHERE konto_part.konto_id = konto.id AND (");
    for (at, part) in parter.iter().enumerate() {
        if at > 0 {
            sql.push(" OR ");
        }
        sql.push("konto.protokoll_navn = ").bind(part.protokoll_navn.as_str());
        sql.push(" AND konto_part.versjon = ").bind(part.versjon.as_str());
        sql.push(" AND konto_part.navn = ").bind(part.navn.as_str());
    }
    sql.push("))");
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
