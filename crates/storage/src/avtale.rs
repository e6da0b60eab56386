use app::ports::{AvtaleRepository, RegistryError};
use async_trait::async_trait;
use domain::avtale::{AvtaleDokument, AvtaleSignatur};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};
use wire::id::{FiksOrgId, PersonId};

use crate::convert::{key, millis, timestamp};
use crate::error::failed;
use crate::tx::{SqlTx, insert};

const TABLE: &str = "avtale_signatur";

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod table {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "avtale_signatur")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: TextUuid,
        pub fiks_org_id: TextUuid,
        pub versjon: String,
        pub sha256: String,
        pub dokumentnavn: String,
        pub signert_av: TextUuid,
        pub signert_navn: String,
        pub acr: Option<String>,
        pub tidspunkt: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn from_row(row: table::Model) -> Result<AvtaleSignatur, RegistryError> {
    Ok(AvtaleSignatur {
        id: row.id.0,
        fiks_org_id: FiksOrgId::from_uuid(row.fiks_org_id.0),
        dokument: AvtaleDokument { versjon: row.versjon, sha256: row.sha256, navn: row.dokumentnavn },
        signert_av: PersonId::from_uuid(row.signert_av.0),
        signert_navn: row.signert_navn,
        acr: row.acr,
        tidspunkt: timestamp(TABLE, row.tidspunkt)?,
    })
}

#[async_trait]
impl AvtaleRepository for SqlTx {
    async fn avtale_signatur(&mut self, owner: FiksOrgId) -> Result<Option<AvtaleSignatur>, RegistryError> {
        let row = table::Entity::find()
            .filter(table::Column::FiksOrgId.eq(key(owner.as_uuid())))
            .order_by_desc(table::Column::Tidspunkt)
            .order_by_desc(table::Column::Id)
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        row.map(from_row).transpose()
    }

    async fn add_avtale_signatur(&mut self, signatur: &AvtaleSignatur) -> Result<(), RegistryError> {
        let row = table::Model {
            id: key(&signatur.id),
            fiks_org_id: key(signatur.fiks_org_id.as_uuid()),
            versjon: signatur.dokument.versjon.clone(),
            sha256: signatur.dokument.sha256.clone(),
            dokumentnavn: signatur.dokument.navn.clone(),
            signert_av: key(signatur.signert_av.as_uuid()),
            signert_navn: signatur.signert_navn.clone(),
            acr: signatur.acr.clone(),
            tidspunkt: millis(signatur.tidspunkt),
        };
        insert(self.connection(), row.into_active_model(), TABLE).await
    }
}
