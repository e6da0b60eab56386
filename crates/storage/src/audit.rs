use std::str::FromStr;

use app::ports::{AuditLine, AuditRepository, RegistryError};
use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use wire::id::{FiksOrgId, InvalidId};

use crate::convert::{key, millis, timestamp};
use crate::error::{corrupt, failed};
use crate::tx::{SqlTx, insert};

const TABLE: &str = "audit_line";

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
pub(crate) mod table {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_line")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub lopenummer: i64,
        pub id: TextUuid,
        pub tidspunkt: i64,
        pub hvem: String,
        pub hva: String,
        // Text, since the library's TextUuid cannot read a column that is null.
        pub fiks_org_id: Option<String>,
        pub system_id: Option<String>,
        pub konto_id: Option<String>,
        pub detaljer: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn id<T: FromStr<Err = InvalidId>>(text: Option<String>) -> Result<Option<T>, RegistryError> {
    text.map(|text| text.parse().map_err(|error| corrupt(TABLE, error))).transpose()
}

pub(crate) fn from_row(row: table::Model) -> Result<AuditLine, RegistryError> {
    Ok(AuditLine {
        id: row.id.0,
        tidspunkt: timestamp(TABLE, row.tidspunkt)?,
        hvem: row.hvem,
        hva: row.hva,
        fiks_org_id: id(row.fiks_org_id)?,
        system_id: id(row.system_id)?,
        konto_id: id(row.konto_id)?,
        detaljer: row.detaljer,
    })
}

/// A line tells of a change but is none itself.
#[async_trait]
impl AuditRepository for SqlTx {
    async fn add_audit_line(&mut self, line: &AuditLine) -> Result<(), RegistryError> {
        // Numbered in the order of writing, since two lines may have the same time and clocks may go back. Nobody else
        // can take the same number: only one unit of work writes at a time.
        let last: Option<i64> = table::Entity::find()
            .select_only()
            .column(table::Column::Lopenummer)
            .order_by_desc(table::Column::Lopenummer)
            .limit(1)
            .into_tuple()
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        let row = table::Model {
            lopenummer: last.unwrap_or(0) + 1,
            id: key(&line.id),
            tidspunkt: millis(line.tidspunkt),
            hvem: line.hvem.clone(),
            hva: line.hva.clone(),
            fiks_org_id: line.fiks_org_id.map(|id| id.to_string()),
            system_id: line.system_id.map(|id| id.to_string()),
            konto_id: line.konto_id.map(|id| id.to_string()),
            detaljer: line.detaljer.clone(),
        };
        insert(self.connection(), row.into_active_model(), TABLE).await
    }

    async fn list_audit_lines(
        &mut self,
        owner: FiksOrgId,
        limit: u32,
    ) -> Result<Vec<AuditLine>, RegistryError> {
        let rows = table::Entity::find()
            .filter(table::Column::FiksOrgId.eq(owner.to_string()))
            .order_by_desc(table::Column::Lopenummer)
            .limit(u64::from(limit))
            .all(self.connection())
            .await
            .map_err(failed(TABLE))?;
        rows.into_iter().map(from_row).collect()
    }
}
