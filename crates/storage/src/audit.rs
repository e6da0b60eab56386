use app::ports::{AuditLine, AuditRepository, RegistryError};
use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use wire::id::{FiksOrgId, KontoId, SystemId};

use crate::convert::{key, millis, timestamp};
use crate::error::failed;
use crate::tx::{SqlTx, insert};

const TABLE: &str = "audit_line";

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod table {
    use sea_orm::value::TextUuid;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_line")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub lopenummer: i64,
        pub id: TextUuid,
        pub tidspunkt: i64,
        pub hvem: String,
        pub hva: String,
        pub fiks_org_id: Option<TextUuid>,
        pub system_id: Option<TextUuid>,
        pub konto_id: Option<TextUuid>,
        pub detaljer: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn from_row(row: table::Model) -> Result<AuditLine, RegistryError> {
    Ok(AuditLine {
        id: row.id.0,
        tidspunkt: timestamp(TABLE, row.tidspunkt)?,
        hvem: row.hvem,
        hva: row.hva,
        fiks_org_id: row.fiks_org_id.map(|id| FiksOrgId::from_uuid(id.0)),
        system_id: row.system_id.map(|id| SystemId::from_uuid(id.0)),
        konto_id: row.konto_id.map(|id| KontoId::from_uuid(id.0)),
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
            fiks_org_id: line.fiks_org_id.map(|id| key(id.as_uuid())),
            system_id: line.system_id.map(|id| key(id.as_uuid())),
            konto_id: line.konto_id.map(|id| key(id.as_uuid())),
            detaljer: line.detaljer.clone(),
        };
        insert(self.connection(), row.into_active_model(), TABLE).await
    }

    async fn list_audit_lines(&mut self, owner: FiksOrgId, limit: u32) -> Result<Vec<AuditLine>, RegistryError> {
        let rows = table::Entity::find()
            .filter(table::Column::FiksOrgId.eq(key(owner.as_uuid())))
            .order_by_desc(table::Column::Lopenummer)
            .limit(u64::from(limit))
            .all(self.connection())
            .await
            .map_err(failed(TABLE))?;
        rows.into_iter().map(from_row).collect()
    }
}
