use std::collections::HashMap;
use std::hash::Hash;

use app::paging::{Page, Side};
use app::ports::{
    HendelseFilter, KontoListe, KontoSortering, ListeRepository, NamedAuditLine, NokkelTilstand,
    OrgKontoListe, OrgKontoSortering, OrganisasjonTall, RegistryError, SystemListe, SystemSortering,
    TilgangListe, TilgangSortering, Utvalg,
};
use async_trait::async_trait;
use domain::konto::Konto;
use domain::organisasjon::Organisasjon;
use domain::system::System;
use domain::tilgang::{Foresporsel, Tilgang};
use jiff::Timestamp;
use sea_orm::value::TextUuid;
use sea_orm::{
    ColumnTrait, ConnectionTrait as _, EntityTrait, FromQueryResult as _, QueryFilter, QueryResult,
    Statement, TryGetable,
};
use wire::id::{FiksOrgId, KontoId, PersonId, SystemId, Uuid};

use crate::convert::{key, millis, padded, timestamp};
use crate::error::{backend, failed};
use crate::konto::CHUNK;
use crate::sql::Sql;
use crate::tx::SqlTx;
use crate::{audit, konto, organisasjon, sok, system};

const ORGANISASJON: &str = "organisasjon";
const SYSTEM: &str = "system";
const KONTO: &str = "konto";
const NOKKEL: &str = "offentlig_nokkel";
const AUDIT: &str = "audit_line";
const PERSON: &str = "person";

/// Which table tells who may, or wants to, send to whom, and the column that tells since when.
#[derive(Clone, Copy)]
struct Forhold {
    table: &'static str,
    since: &'static str,
}

const TILGANG: Forhold = Forhold { table: "tilgang", since: "gitt" };
const FORESPORSEL: Forhold = Forhold { table: "foresporsel", since: "sendt" };

/// The value of a column.
fn get<T: TryGetable>(row: &QueryResult, column: &str, what: &'static str) -> Result<T, RegistryError> {
    row.try_get("", column).map_err(failed(what))
}

/// The value of a column that holds an id.
pub(crate) fn id(row: &QueryResult, column: &str) -> Result<Uuid, RegistryError> {
    Ok(get::<TextUuid>(row, column, "id")?.0)
}

fn count(row: &QueryResult, column: &str, what: &'static str) -> Result<u64, RegistryError> {
    u64::try_from(get::<i64>(row, column, what)?).map_err(backend)
}

/// The page of `ids` with what `found` has of each.
fn in_order<K: Eq + Hash, T>(ids: Side<K>, found: Vec<T>, id_of: impl Fn(&T) -> K) -> Side<T> {
    let mut found: HashMap<K, T> = found.into_iter().map(|one| (id_of(&one), one)).collect();
    let Side { rows, total, page } = ids;
    Side { rows: rows.into_iter().filter_map(|id| found.remove(&id)).collect(), total, page }
}

/// The words of a list's search box, and the id that it may be.
fn words(sok: &str) -> (Vec<String>, Option<Uuid>) {
    const MAX_WORDS: usize = 8;
    let words = sok.split_whitespace().take(MAX_WORDS).map(str::to_lowercase).collect();
    (words, Uuid::try_parse(sok.trim()).ok())
}

/// Each word stands in one of `columns`; or `id`, if there is one, in `id_column`.
fn matching(sql: &mut Sql, sok: &str, columns: &[&str], id_column: &str) {
    let (words, id) = words(sok);
    if let Some(id) = id {
        sql.push(" AND ").push(id_column).push(" = ").bind(key(&id));
        return;
    }
    for word in words {
        sql.push(" AND (");
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                sql.push(" OR ");
            }
            sql.has_word(column, &word);
        }
        sql.push(")");
    }
}

const fn direction(synkende: bool) -> &'static str {
    if synkende { " DESC" } else { "" }
}

/// The kontoer of an organisasjon, in order.
fn kontoer_of_org(sql: &mut Sql, owner: FiksOrgId, liste: &OrgKontoListe) {
    sql.push(" FROM system JOIN konto ON konto.system_id = system.id WHERE system.fiks_org_id = ");
    sql.bind(key(owner.as_uuid()));
    matching(sql, &liste.sok, &["konto.sok", "system.sok"], "konto.id");
    let direction = direction(liste.synkende);
    let by = match liste.sortering {
        OrgKontoSortering::System => {
            format!("system.sortering{direction}, system.id{direction}, konto.sortering{direction}")
        }
        OrgKontoSortering::Navn => format!("konto.sortering{direction}, system.sortering, system.id"),
    };
    sql.push(" ORDER BY ").push(&by).push(", konto.id");
}

impl SqlTx {
    /// Runs `sql` for [`CHUNK`] ids at a time, which it is given as a list, and reads each row.
    async fn by_ids<T>(
        &self,
        ids: &[Uuid],
        what: &'static str,
        sql: impl Fn(&mut Sql, &[TextUuid]),
        read: impl Fn(&QueryResult) -> Result<T, RegistryError>,
    ) -> Result<Vec<T>, RegistryError> {
        let mut found = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            let keys: Vec<_> = chunk.iter().map(key).collect();
            let mut statement = self.sql("");
            sql(&mut statement, &keys);
            for row in statement.all(self.connection(), what).await? {
                found.push(read(&row)?);
            }
        }
        Ok(found)
    }

    /// One page of the systemer at the other end of a Konto's tilganger or forespørsler.
    async fn til_konto<T>(
        &self,
        forhold: Forhold,
        konto: KontoId,
        liste: &TilgangListe,
        made: impl Fn(KontoId, SystemId, Timestamp) -> T,
    ) -> Result<Side<T>, RegistryError> {
        let Forhold { table, since } = forhold;
        let mut sql = self.sql(&format!(
            "SELECT system.id, {table}.{since} AS since, COUNT(*) OVER () AS total FROM {table} \
             JOIN system ON system.id = {table}.system_id \
             JOIN organisasjon ON organisasjon.id = system.fiks_org_id WHERE {table}.konto_id = "
        ));
        sql.bind(key(konto.as_uuid()));
        matching(&mut sql, &liste.sok, &["system.sok", "organisasjon.sok"], "system.id");
        forhold_order(&mut sql, liste, forhold, "system");
        sql.side(self.connection(), table, liste.page, |row| {
            let since = timestamp(table, get(row, "since", table)?)?;
            Ok(made(konto, SystemId::from_uuid(id(row, "id")?), since))
        })
        .await
    }

    /// One page of the kontoer at the other end of a System's tilganger or forespørsler.
    async fn for_system<T>(
        &self,
        forhold: Forhold,
        system: SystemId,
        liste: &TilgangListe,
        made: impl Fn(KontoId, SystemId, Timestamp) -> T,
    ) -> Result<Side<T>, RegistryError> {
        let Forhold { table, since } = forhold;
        let mut sql = self.sql(&format!(
            "SELECT konto.id, {table}.{since} AS since, COUNT(*) OVER () AS total FROM {table} \
             JOIN konto ON konto.id = {table}.konto_id \
             JOIN system ON system.id = konto.system_id \
             JOIN organisasjon ON organisasjon.id = system.fiks_org_id WHERE {table}.system_id = "
        ));
        sql.bind(key(system.as_uuid()));
        let texts = ["konto.sok", "system.sok", "organisasjon.sok"];
        matching(&mut sql, &liste.sok, &texts, "konto.id");
        forhold_order(&mut sql, liste, forhold, "konto");
        sql.side(self.connection(), table, liste.page, |row| {
            let since = timestamp(table, get(row, "since", table)?)?;
            Ok(made(KontoId::from_uuid(id(row, "id")?), system, since))
        })
        .await
    }

    /// Of `ids`, those that stand in `column` of a row of `forhold` whose `other_column` is `other`.
    async fn related(
        &self,
        forhold: Forhold,
        column: &str,
        ids: &[Uuid],
        (other_column, other): (&str, &Uuid),
    ) -> Result<Vec<Uuid>, RegistryError> {
        let table = forhold.table;
        self.by_ids(
            ids,
            table,
            |sql, keys| {
                sql.push(&format!("SELECT {column} AS id FROM {table} WHERE {other_column} = "));
                sql.bind(key(other)).push(&format!(" AND {column} IN ("));
                sql.bind_all(keys.iter().copied()).push(")");
            },
            |row| id(row, "id"),
        )
        .await
    }
}

fn forhold_order(sql: &mut Sql, liste: &TilgangListe, forhold: Forhold, other: &str) {
    let direction = direction(liste.synkende);
    let Forhold { table, since } = forhold;
    let by = match liste.sortering {
        TilgangSortering::Navn => format!(" ORDER BY {other}.sortering{direction}, {other}.id"),
        TilgangSortering::Tidspunkt => {
            format!(" ORDER BY {table}.{since}{direction}, {other}.sortering, {other}.id")
        }
    };
    sql.push(&by);
}

fn tilgang(konto_id: KontoId, system_id: SystemId, gitt: Timestamp) -> Tilgang {
    Tilgang { konto_id, system_id, gitt }
}

fn foresporsel(konto_id: KontoId, system_id: SystemId, sendt: Timestamp) -> Foresporsel {
    Foresporsel { konto_id, system_id, sendt }
}

fn tilstand(row: &QueryResult) -> Result<Option<NokkelTilstand>, RegistryError> {
    let fra: Option<i64> = get(row, "gyldig_fra", NOKKEL)?;
    let til: Option<i64> = get(row, "gyldig_til", NOKKEL)?;
    let (Some(fra), Some(til)) = (fra, til) else { return Ok(None) };
    Ok(Some(NokkelTilstand { gyldig_fra: timestamp(NOKKEL, fra)?, gyldig_til: timestamp(NOKKEL, til)? }))
}

fn konto_with_system(row: &QueryResult) -> Result<(SystemId, KontoId), RegistryError> {
    Ok((SystemId::from_uuid(id(row, "system_id")?), KontoId::from_uuid(id(row, "id")?)))
}

fn uuids<T>(ids: &[T], uuid: impl Fn(&T) -> &Uuid) -> Vec<Uuid> {
    ids.iter().map(|id| *uuid(id)).collect()
}

/// Which lines `filter` lets through, for counting and for reading alike.
fn hendelser(sql: &mut Sql, owner: FiksOrgId, filter: &HendelseFilter) {
    // Text, as it is stored.
    sql.push(" FROM audit_line WHERE audit_line.fiks_org_id = ").bind(owner.to_string());
    if let Some(system) = filter.system {
        sql.push(" AND audit_line.system_id = ").bind(system.to_string());
    }
    if let Some(konto) = filter.konto {
        sql.push(" AND audit_line.konto_id = ").bind(konto.to_string());
    }
    if let Some(hva) = &filter.hva {
        sql.push(" AND audit_line.hva = ").bind(hva.as_str());
    }
    if let Some(fra) = filter.fra {
        sql.push(" AND audit_line.tidspunkt >= ").bind(millis(fra));
    }
    if let Some(til) = filter.til {
        sql.push(" AND audit_line.tidspunkt < ").bind(millis(til));
    }
}

#[async_trait]
impl ListeRepository for SqlTx {
    async fn organisasjoner_by_id(&mut self, ids: &[FiksOrgId]) -> Result<Vec<Organisasjon>, RegistryError> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let rows = organisasjon::table::Entity::find()
                .filter(
                    organisasjon::table::Column::Id.is_in(padded(chunk.iter().map(|id| key(id.as_uuid())))),
                )
                .all(self.connection())
                .await
                .map_err(failed(ORGANISASJON))?;
            for row in rows {
                found.push(organisasjon::from_row(row)?);
            }
        }
        Ok(found)
    }

    async fn systemer_by_id(&mut self, ids: &[SystemId]) -> Result<Vec<System>, RegistryError> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let rows = system::table::Entity::find()
                .filter(system::table::Column::Id.is_in(padded(chunk.iter().map(|id| key(id.as_uuid())))))
                .all(self.connection())
                .await
                .map_err(failed(SYSTEM))?;
            for row in rows {
                found.push(system::from_row(row)?);
            }
        }
        Ok(found)
    }

    async fn kontoer_by_id(&mut self, ids: &[KontoId]) -> Result<Vec<Konto>, RegistryError> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let rows = konto::table::Entity::find()
                .filter(konto::table::Column::Id.is_in(padded(chunk.iter().map(|id| key(id.as_uuid())))))
                .all(self.connection())
                .await
                .map_err(failed(KONTO))?;
            found.extend(konto::with_parter(self.connection(), rows).await?);
        }
        Ok(found)
    }

    async fn list_nokkeltilstander(
        &mut self,
        kontoer: &[KontoId],
    ) -> Result<Vec<(KontoId, NokkelTilstand)>, RegistryError> {
        let found = self
            .by_ids(
                &uuids(kontoer, KontoId::as_uuid),
                NOKKEL,
                |sql, keys| {
                    sql.push("SELECT konto_id, gyldig_fra, gyldig_til FROM offentlig_nokkel ");
                    sql.push("WHERE gjeldende AND konto_id IN (").bind_all(keys.iter().copied()).push(")");
                },
                |row| Ok((KontoId::from_uuid(id(row, "konto_id")?), tilstand(row)?)),
            )
            .await?;
        Ok(found.into_iter().filter_map(|(konto, nokkel)| Some((konto, nokkel?))).collect())
    }

    async fn count_kontoer(&mut self, systemer: &[SystemId]) -> Result<Vec<(SystemId, u64)>, RegistryError> {
        self.by_ids(
            &uuids(systemer, SystemId::as_uuid),
            KONTO,
            |sql, keys| {
                sql.push("SELECT system_id, COUNT(*) AS kontoer FROM konto WHERE system_id IN (");
                sql.bind_all(keys.iter().copied()).push(") GROUP BY system_id");
            },
            |row| Ok((SystemId::from_uuid(id(row, "system_id")?), count(row, "kontoer", KONTO)?)),
        )
        .await
    }

    async fn count_organisasjon(&mut self, owner: FiksOrgId) -> Result<OrganisasjonTall, RegistryError> {
        let owner = key(owner.as_uuid());
        let mut systemer = self.sql("SELECT COUNT(*) FROM system WHERE fiks_org_id = ");
        systemer.bind(owner);
        let mut kontoer = self.sql(
            "SELECT COUNT(*) FROM system JOIN konto ON konto.system_id = system.id WHERE system.fiks_org_id = ",
        );
        kontoer.bind(owner);
        Ok(OrganisasjonTall {
            systemer: systemer.count(self.connection(), SYSTEM).await?,
            kontoer: kontoer.count(self.connection(), KONTO).await?,
        })
    }

    async fn list_systemer_side(
        &mut self,
        owner: FiksOrgId,
        liste: &SystemListe,
    ) -> Result<Side<System>, RegistryError> {
        let mut sql =
            self.sql("SELECT system.id, COUNT(*) OVER () AS total FROM system WHERE system.fiks_org_id = ");
        sql.bind(key(owner.as_uuid()));
        matching(&mut sql, &liste.sok, &["system.sok"], "system.id");
        let direction = direction(liste.synkende);
        let by = match liste.sortering {
            SystemSortering::Navn => format!("system.sortering{direction}"),
            SystemSortering::Kontoer => format!(
                "(SELECT COUNT(*) FROM konto WHERE konto.system_id = system.id){direction}, system.sortering"
            ),
            SystemSortering::SistEndret => format!("system.sist_endret{direction}, system.sortering"),
        };
        sql.push(" ORDER BY ").push(&by).push(", system.id");
        let ids = sql.side(self.connection(), SYSTEM, liste.page, sok::system_id).await?;
        let found = self.systemer_by_id(&ids.rows).await?;
        Ok(in_order(ids, found, |system| system.id))
    }

    async fn list_kontoer_side(
        &mut self,
        system: SystemId,
        liste: &KontoListe,
    ) -> Result<Side<Konto>, RegistryError> {
        let mut sql =
            self.sql("SELECT konto.id, COUNT(*) OVER () AS total FROM konto WHERE konto.system_id = ");
        sql.bind(key(system.as_uuid()));
        matching(&mut sql, &liste.sok, &["konto.sok"], "konto.id");
        let direction = direction(liste.synkende);
        let by = match liste.sortering {
            KontoSortering::Navn => format!("konto.sortering{direction}"),
            KontoSortering::Protokoll => format!("konto.protokoll_navn{direction}, konto.sortering"),
        };
        sql.push(" ORDER BY ").push(&by).push(", konto.id");
        let ids = sql.side(self.connection(), KONTO, liste.page, sok::konto_id).await?;
        let found = self.kontoer_by_id(&ids.rows).await?;
        Ok(in_order(ids, found, |konto| konto.id))
    }

    async fn list_konto_ids_side(
        &mut self,
        owner: FiksOrgId,
        liste: &OrgKontoListe,
        page: Page,
    ) -> Result<Side<KontoId>, RegistryError> {
        let mut sql = self.sql("SELECT konto.id, COUNT(*) OVER () AS total");
        kontoer_of_org(&mut sql, owner, liste);
        sql.side(self.connection(), KONTO, page, sok::konto_id).await
    }

    async fn list_konto_ids_sorted(
        &mut self,
        owner: FiksOrgId,
        liste: &OrgKontoListe,
    ) -> Result<Vec<KontoId>, RegistryError> {
        let mut sql = self.sql("SELECT konto.id");
        kontoer_of_org(&mut sql, owner, liste);
        sql.all(self.connection(), KONTO).await?.iter().map(sok::konto_id).collect()
    }

    async fn list_konto_ids_for_org(
        &mut self,
        owner: FiksOrgId,
    ) -> Result<Vec<(SystemId, KontoId)>, RegistryError> {
        let mut sql = self.sql(
            "SELECT konto.system_id, konto.id FROM system JOIN konto ON konto.system_id = system.id \
             WHERE system.fiks_org_id = ",
        );
        sql.bind(key(owner.as_uuid()));
        let rows = sql.all(self.connection(), KONTO).await?;
        rows.iter().map(konto_with_system).collect()
    }

    async fn list_konto_ids_for_systemer(
        &mut self,
        systemer: &[SystemId],
    ) -> Result<Vec<(SystemId, KontoId)>, RegistryError> {
        self.by_ids(
            &uuids(systemer, SystemId::as_uuid),
            KONTO,
            |sql, keys| {
                sql.push("SELECT system_id, id FROM konto WHERE system_id IN (");
                sql.bind_all(keys.iter().copied()).push(")");
            },
            konto_with_system,
        )
        .await
    }

    async fn list_tilganger_til_konto_side(
        &mut self,
        konto: KontoId,
        liste: &TilgangListe,
    ) -> Result<Side<Tilgang>, RegistryError> {
        self.til_konto(TILGANG, konto, liste, tilgang).await
    }

    async fn list_foresporsler_til_konto_side(
        &mut self,
        konto: KontoId,
        liste: &TilgangListe,
    ) -> Result<Side<Foresporsel>, RegistryError> {
        self.til_konto(FORESPORSEL, konto, liste, foresporsel).await
    }

    async fn count_foresporsler_til_konto(&mut self, konto: KontoId) -> Result<u64, RegistryError> {
        let mut sql = self.sql("SELECT COUNT(*) FROM foresporsel WHERE konto_id = ");
        sql.bind(key(konto.as_uuid()));
        sql.count(self.connection(), FORESPORSEL.table).await
    }

    async fn list_tilganger_for_system_side(
        &mut self,
        system: SystemId,
        liste: &TilgangListe,
    ) -> Result<Side<Tilgang>, RegistryError> {
        self.for_system(TILGANG, system, liste, tilgang).await
    }

    async fn list_foresporsler_for_system_side(
        &mut self,
        system: SystemId,
        liste: &TilgangListe,
    ) -> Result<Side<Foresporsel>, RegistryError> {
        self.for_system(FORESPORSEL, system, liste, foresporsel).await
    }

    async fn tilganger_til_konto_of(
        &mut self,
        konto: KontoId,
        systemer: &[SystemId],
    ) -> Result<(Vec<SystemId>, Vec<SystemId>), RegistryError> {
        let (ids, own) = (uuids(systemer, SystemId::as_uuid), ("konto_id", konto.as_uuid()));
        let of = |ids: Vec<Uuid>| ids.into_iter().map(SystemId::from_uuid).collect();
        let given = self.related(TILGANG, "system_id", &ids, own).await?;
        let asked = self.related(FORESPORSEL, "system_id", &ids, own).await?;
        Ok((of(given), of(asked)))
    }

    async fn tilganger_for_system_of(
        &mut self,
        system: SystemId,
        kontoer: &[KontoId],
    ) -> Result<(Vec<KontoId>, Vec<KontoId>), RegistryError> {
        let (ids, own) = (uuids(kontoer, KontoId::as_uuid), ("system_id", system.as_uuid()));
        let of = |ids: Vec<Uuid>| ids.into_iter().map(KontoId::from_uuid).collect();
        let given = self.related(TILGANG, "konto_id", &ids, own).await?;
        let asked = self.related(FORESPORSEL, "konto_id", &ids, own).await?;
        Ok((of(given), of(asked)))
    }

    async fn sok_systemer(&mut self, utvalg: &Utvalg) -> Result<Side<System>, RegistryError> {
        let ids = sok::systemer(utvalg, self.backend())
            .side(self.connection(), SYSTEM, utvalg.page, sok::system_id)
            .await?;
        let found = self.systemer_by_id(&ids.rows).await?;
        Ok(in_order(ids, found, |system| system.id))
    }

    async fn sok_kontoer(&mut self, utvalg: &Utvalg) -> Result<Side<Konto>, RegistryError> {
        let ids = if utvalg.ord.is_empty() {
            let total = sok::count_kontoer(utvalg, self.backend()).count(self.connection(), KONTO).await?;
            let mut sql = sok::kontoer_by_name(utvalg, self.backend());
            sql.limit(utvalg.page)?;
            let rows = sql.all(self.connection(), KONTO).await?;
            let rows = rows.iter().map(sok::konto_id).collect::<Result<_, _>>()?;
            Side { rows, total, page: utvalg.page }
        } else {
            let sql = sok::kontoer_by_words(utvalg, self.backend());
            sql.side(self.connection(), KONTO, utvalg.page, sok::konto_id).await?
        };
        let found = self.kontoer_by_id(&ids.rows).await?;
        Ok(in_order(ids, found, |konto| konto.id))
    }

    async fn list_organisasjoner_with_synlige(
        &mut self,
        synlig_for: FiksOrgId,
        unntatt: SystemId,
    ) -> Result<Vec<Organisasjon>, RegistryError> {
        let mut sql = self.sql(
            "SELECT * FROM organisasjon WHERE EXISTS (SELECT 1 FROM system \
             WHERE system.fiks_org_id = organisasjon.id AND (system.offentlig OR system.fiks_org_id = ",
        );
        sql.bind(key(synlig_for.as_uuid())).push(") AND system.id <> ").bind(key(unntatt.as_uuid()));
        sql.push(") ORDER BY sortering, id");
        let rows = sql.all(self.connection(), ORGANISASJON).await?;
        rows.iter()
            .map(|row| {
                let row =
                    organisasjon::table::Model::from_query_result(row, "").map_err(failed(ORGANISASJON))?;
                organisasjon::from_row(row)
            })
            .collect()
    }

    async fn list_hendelser_side(
        &mut self,
        owner: FiksOrgId,
        filter: &HendelseFilter,
    ) -> Result<Side<NamedAuditLine>, RegistryError> {
        // Counted apart: names are then looked up for the rows of the page alone.
        let mut counting = self.sql("SELECT COUNT(*)");
        hendelser(&mut counting, owner, filter);
        let total = counting.count(self.connection(), AUDIT).await?;
        let mut sql = self.sql(
            "SELECT line.*, system.navn AS system_navn, konto.navn AS konto_navn, \
             COALESCE(person.navn, its_system.navn, other.navn) AS hvem_navn FROM (SELECT audit_line.*",
        );
        hendelser(&mut sql, owner, filter);
        sql.push(" ORDER BY audit_line.tidspunkt DESC, audit_line.lopenummer DESC").limit(filter.page)?;
        sql.push(
            ") AS line \
             LEFT JOIN system ON system.id = line.system_id \
             LEFT JOIN konto ON konto.id = line.konto_id \
             LEFT JOIN person \
             ON line.hvem LIKE 'person:%' AND person.id = substr(line.hvem, 8) \
             LEFT JOIN integrasjon \
             ON line.hvem LIKE 'integrasjon:%' AND integrasjon.id = substr(line.hvem, 13) \
             LEFT JOIN system AS its_system ON its_system.id = integrasjon.system_id \
             LEFT JOIN organisasjon AS other \
             ON line.hvem LIKE 'organisasjon:%' AND other.id = substr(line.hvem, 14) \
             ORDER BY line.tidspunkt DESC, line.lopenummer DESC",
        );
        let rows = sql.all(self.connection(), AUDIT).await?;
        let rows = rows
            .iter()
            .map(|row| {
                let line = audit::table::Model::from_query_result(row, "").map_err(failed(AUDIT))?;
                Ok(NamedAuditLine {
                    line: audit::from_row(line)?,
                    hvem_navn: get(row, "hvem_navn", AUDIT)?,
                    system_navn: get(row, "system_navn", AUDIT)?,
                    konto_navn: get(row, "konto_navn", AUDIT)?,
                })
            })
            .collect::<Result<_, RegistryError>>()?;
        Ok(Side { rows, total, page: filter.page })
    }

    async fn list_personnavn(
        &mut self,
        personer: &[PersonId],
    ) -> Result<Vec<(PersonId, String)>, RegistryError> {
        self.by_ids(
            &uuids(personer, PersonId::as_uuid),
            PERSON,
            |sql, keys| {
                sql.push("SELECT id, navn FROM person WHERE id IN (");
                sql.bind_all(keys.iter().copied()).push(")");
            },
            |row| Ok((PersonId::from_uuid(id(row, "id")?), get(row, "navn", PERSON)?)),
        )
        .await
    }

    async fn remove_old_audit_lines(&mut self, before: Timestamp, limit: u32) -> Result<u64, RegistryError> {
        let connection = self.connection();
        let statement = Statement::from_sql_and_values(
            connection.get_database_backend(),
            "DELETE FROM audit_line WHERE lopenummer IN (SELECT lopenummer FROM audit_line \
             WHERE tidspunkt < $1 ORDER BY tidspunkt LIMIT $2)",
            [millis(before).into(), i64::from(limit).into()],
        );
        let done = connection.execute_raw(statement).await.map_err(failed(AUDIT))?;
        Ok(done.rows_affected())
    }
}
