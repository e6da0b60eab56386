use std::collections::BTreeMap;

use app::ports::{Dokument, DokumentRepository, Dokumentbytes, Eiere, RegistryError};
use async_trait::async_trait;
use jiff::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::value::TextUuid;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use wire::id::{DokumentId, FiksOrgId, KontoId};

use crate::convert::{key, millis, timestamp};
use crate::error::{backend, corrupt, failed};
use crate::generation;
use crate::tx::{SqlTx, insert};

const TABLE: &str = "dokument";

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod table {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dokument")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: TextUuid,
        pub avsender: TextUuid,
        pub mottaker: TextUuid,
        pub size_bytes: i64,
        pub opprettet: i64,
        pub utloper: i64,
        pub sha256: Option<Vec<u8>>,
        pub melding_id: Option<String>,
        pub avsender_org: Option<String>,
        pub mottaker_org: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn from_row(row: &table::Model) -> Result<Dokument, RegistryError> {
    let eiere = match (&row.avsender_org, &row.mottaker_org) {
        (Some(avsender), Some(mottaker)) => Some(Eiere {
            avsender: avsender.parse().map_err(|error| corrupt(TABLE, error))?,
            mottaker: mottaker.parse().map_err(|error| corrupt(TABLE, error))?,
        }),
        _ => None,
    };
    Ok(Dokument {
        id: DokumentId::from_uuid(row.id.0),
        avsender: KontoId::from_uuid(row.avsender.0),
        mottaker: KontoId::from_uuid(row.mottaker.0),
        eiere,
        size_bytes: row.size_bytes.try_into().map_err(|error| corrupt(TABLE, error))?,
        opprettet: timestamp(TABLE, row.opprettet)?,
        utloper: timestamp(TABLE, row.utloper)?,
        sha256: row
            .sha256
            .as_deref()
            .map(|sum| sum.try_into().map_err(|error| corrupt(TABLE, error)))
            .transpose()?,
        melding: row
            .melding_id
            .as_deref()
            .map(|id| id.parse().map_err(|error| corrupt(TABLE, error)))
            .transpose()?,
    })
}

/// Documents come with every large melding, so they do not count as a change of the registry.
#[async_trait]
impl DokumentRepository for SqlTx {
    async fn dokument(&mut self, id: DokumentId) -> Result<Option<Dokument>, RegistryError> {
        let row = table::Entity::find_by_id(key(id.as_uuid()))
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        row.as_ref().map(from_row).transpose()
    }

    async fn add_dokument(&mut self, dokument: &Dokument) -> Result<(), RegistryError> {
        let row = table::Model {
            id: key(dokument.id.as_uuid()),
            avsender: key(dokument.avsender.as_uuid()),
            mottaker: key(dokument.mottaker.as_uuid()),
            size_bytes: dokument.size_bytes.try_into().map_err(backend)?,
            opprettet: millis(dokument.opprettet),
            utloper: millis(dokument.utloper),
            sha256: dokument.sha256.map(Vec::from),
            melding_id: dokument.melding.map(|id| id.to_string()),
            avsender_org: dokument.eiere.map(|eiere| eiere.avsender.to_string()),
            mottaker_org: dokument.eiere.map(|eiere| eiere.mottaker.to_string()),
        };
        insert(self.connection(), row.into_active_model(), TABLE).await?;
        generation::count_dokument(self.connection()).await.map_err(failed(TABLE))
    }

    async fn dokumentbytes(&mut self, organisasjon: FiksOrgId) -> Result<Dokumentbytes, RegistryError> {
        let mut sums = [0, 0];
        for (sum, column) in sums.iter_mut().zip(["avsender_org", "mottaker_org"]) {
            let mut sql =
                self.sql("SELECT CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM dokument WHERE ");
            sql.push(column).push(" = ").bind(key(organisasjon.as_uuid()));
            *sum = sql.count(self.connection(), TABLE).await?;
        }
        let [sendt, mottatt] = sums;
        Ok(Dokumentbytes { sendt, mottatt })
    }

    async fn list_dokumentbytes(&mut self) -> Result<Vec<(FiksOrgId, Dokumentbytes)>, RegistryError> {
        let mut sums: BTreeMap<FiksOrgId, Dokumentbytes> = BTreeMap::new();
        for column in ["avsender_org", "mottaker_org"] {
            let mut sql = self.sql("SELECT ");
            sql.push(column)
                .push(" AS org, CAST(SUM(size_bytes) AS BIGINT) AS bytes FROM dokument WHERE ")
                .push(column)
                .push(" IS NOT NULL GROUP BY ")
                .push(column);
            for row in sql.all(self.connection(), TABLE).await? {
                let org: TextUuid = row.try_get("", "org").map_err(failed(TABLE))?;
                let bytes: i64 = row.try_get("", "bytes").map_err(failed(TABLE))?;
                let bytes = u64::try_from(bytes).map_err(|error| corrupt(TABLE, error))?;
                let sum = sums.entry(FiksOrgId::from_uuid(org.0)).or_default();
                if column == "avsender_org" { sum.sendt = bytes } else { sum.mottatt = bytes }
            }
        }
        Ok(sums.into_iter().collect())
    }

    async fn list_expired_dokumenter(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Dokument>, RegistryError> {
        let rows = table::Entity::find()
            .filter(table::Column::Utloper.lte(millis(now)))
            .order_by_asc(table::Column::Utloper)
            .order_by_asc(table::Column::Id)
            .limit(u64::from(limit))
            .all(self.connection())
            .await
            .map_err(failed(TABLE))?;
        rows.iter().map(from_row).collect()
    }

    async fn extend_dokument(&mut self, id: DokumentId, utloper: Timestamp) -> Result<(), RegistryError> {
        table::Entity::update_many()
            .col_expr(table::Column::Utloper, Expr::value(millis(utloper)))
            .filter(table::Column::Id.eq(key(id.as_uuid())))
            .filter(table::Column::Utloper.lt(millis(utloper)))
            .exec(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(())
    }

    async fn remove_dokument(&mut self, id: DokumentId) -> Result<(), RegistryError> {
        table::Entity::delete_by_id(key(id.as_uuid()))
            .exec(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(())
    }
}
