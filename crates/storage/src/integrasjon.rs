use app::ports::{IntegrasjonRepository, RegistryError};
use async_trait::async_trait;
use domain::system::Integrasjon;
use sea_orm::ActiveValue::NotSet;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};
use wire::id::{IntegrasjonId, SystemId};

use crate::convert::{key, millis, timestamp};
use crate::error::{corrupt, failed};
use crate::tx::{SqlTx, insert};

const TABLE: &str = "integrasjon";

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod table {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "integrasjon")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: TextUuid,
        pub system_id: TextUuid,
        pub orgnummer: String,
        pub gyldig_fra: i64,
        pub utlops_dato: Option<i64>,
        pub primer: bool,
        pub passord_hash: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn to_row(integrasjon: &Integrasjon) -> table::ActiveModel {
    let row = table::Model {
        id: key(integrasjon.id.as_uuid()),
        system_id: key(integrasjon.system_id.as_uuid()),
        orgnummer: integrasjon.orgnummer.to_string(),
        gyldig_fra: millis(integrasjon.gyldig_fra),
        utlops_dato: integrasjon.utlops_dato.map(millis),
        primer: integrasjon.primer,
        passord_hash: integrasjon.passord_hash.to_vec(),
    };
    row.into_active_model().reset_all()
}

fn from_row(row: table::Model) -> Result<Integrasjon, RegistryError> {
    Ok(Integrasjon {
        id: IntegrasjonId::from_uuid(row.id.0),
        system_id: SystemId::from_uuid(row.system_id.0),
        orgnummer: row.orgnummer.parse().map_err(|error| corrupt(TABLE, error))?,
        gyldig_fra: timestamp(TABLE, row.gyldig_fra)?,
        utlops_dato: row.utlops_dato.map(|at| timestamp(TABLE, at)).transpose()?,
        primer: row.primer,
        passord_hash: row.passord_hash.try_into().map_err(|_| corrupt(TABLE, "the hash has not 32 bytes"))?,
    })
}

#[async_trait]
impl IntegrasjonRepository for SqlTx {
    async fn integrasjon(&mut self, id: IntegrasjonId) -> Result<Option<Integrasjon>, RegistryError> {
        let row = table::Entity::find_by_id(key(id.as_uuid()))
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        row.map(from_row).transpose()
    }

    async fn list_integrasjoner(&mut self, system: SystemId) -> Result<Vec<Integrasjon>, RegistryError> {
        let rows = table::Entity::find()
            .filter(table::Column::SystemId.eq(key(system.as_uuid())))
            .order_by_desc(table::Column::Primer)
            .order_by_desc(table::Column::GyldigFra)
            .order_by_asc(table::Column::Id)
            .all(self.connection())
            .await
            .map_err(failed(TABLE))?;
        rows.into_iter().map(from_row).collect()
    }

    async fn add_integrasjon(&mut self, integrasjon: &Integrasjon) -> Result<(), RegistryError> {
        insert(self.writer(), to_row(integrasjon), TABLE).await
    }

    async fn update_integrasjon(&mut self, integrasjon: &Integrasjon) -> Result<(), RegistryError> {
        table::Entity::update_many()
            .set(table::ActiveModel { id: NotSet, ..to_row(integrasjon) })
            .filter(table::Column::Id.eq(key(integrasjon.id.as_uuid())))
            .exec(self.writer())
            .await
            .map_err(failed(TABLE))?;
        Ok(())
    }

    async fn remove_integrasjon(&mut self, id: IntegrasjonId) -> Result<(), RegistryError> {
        table::Entity::delete_by_id(key(id.as_uuid())).exec(self.writer()).await.map_err(failed(TABLE))?;
        Ok(())
    }
}
