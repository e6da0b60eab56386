use app::ports::{OrganisasjonRepository, RegistryError};
use async_trait::async_trait;
use domain::Orgnummer;
use domain::organisasjon::Organisasjon;
use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};
use wire::id::FiksOrgId;

use crate::convert::{key, millis, sort_key, timestamp};
use crate::error::{corrupt, failed};
use crate::tx::{SqlTx, insert};

const TABLE: &str = "organisasjon";

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
pub(crate) mod table {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "organisasjon")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: TextUuid,
        pub navn: String,
        pub orgnummer: String,
        pub kommunenummer: Option<String>,
        pub tatt_i_bruk: Option<i64>,
        pub sortering: Vec<u8>,
        pub sok: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn to_row(organisasjon: &Organisasjon) -> table::ActiveModel {
    let row = table::Model {
        id: key(organisasjon.id.as_uuid()),
        navn: organisasjon.navn.clone(),
        orgnummer: organisasjon.orgnummer.to_string(),
        kommunenummer: organisasjon.kommunenummer.clone(),
        tatt_i_bruk: organisasjon.tatt_i_bruk.map(millis),
        sortering: sort_key(&organisasjon.navn),
        sok: organisasjon.navn.to_lowercase(),
    };
    row.into_active_model().reset_all()
}

pub(crate) fn from_row(row: table::Model) -> Result<Organisasjon, RegistryError> {
    Ok(Organisasjon {
        id: FiksOrgId::from_uuid(row.id.0),
        navn: row.navn,
        orgnummer: row.orgnummer.parse().map_err(|error| corrupt(TABLE, error))?,
        kommunenummer: row.kommunenummer,
        tatt_i_bruk: row.tatt_i_bruk.map(|at| timestamp(TABLE, at)).transpose()?,
    })
}

/// Those whose ids `ids` selects, by name.
pub(crate) async fn list_where_id_in(
    tx: &SqlTx,
    ids: SelectStatement,
) -> Result<Vec<Organisasjon>, RegistryError> {
    let rows = table::Entity::find()
        .filter(table::Column::Id.in_subquery(ids))
        .order_by_asc(table::Column::Sortering)
        .order_by_asc(table::Column::Id)
        .all(tx.connection())
        .await
        .map_err(failed(TABLE))?;
    rows.into_iter().map(from_row).collect()
}

#[async_trait]
impl OrganisasjonRepository for SqlTx {
    async fn organisasjon(&mut self, id: FiksOrgId) -> Result<Option<Organisasjon>, RegistryError> {
        let row = table::Entity::find_by_id(key(id.as_uuid()))
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        row.map(from_row).transpose()
    }

    async fn organisasjon_by_orgnummer(
        &mut self,
        orgnummer: Orgnummer,
    ) -> Result<Option<Organisasjon>, RegistryError> {
        let row = table::Entity::find()
            .filter(table::Column::Orgnummer.eq(orgnummer.as_str()))
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        row.map(from_row).transpose()
    }

    async fn list_organisasjoner(&mut self) -> Result<Vec<Organisasjon>, RegistryError> {
        let rows = table::Entity::find()
            .order_by_asc(table::Column::Sortering)
            .order_by_asc(table::Column::Id)
            .all(self.connection())
            .await
            .map_err(failed(TABLE))?;
        rows.into_iter().map(from_row).collect()
    }

    async fn add_organisasjon(&mut self, organisasjon: &Organisasjon) -> Result<(), RegistryError> {
        insert(self.writer(), to_row(organisasjon), TABLE).await
    }

    async fn update_organisasjon(&mut self, organisasjon: &Organisasjon) -> Result<(), RegistryError> {
        table::Entity::update_many()
            .set(table::ActiveModel { id: NotSet, ..to_row(organisasjon) })
            .filter(table::Column::Id.eq(key(organisasjon.id.as_uuid())))
            .exec(self.writer())
            .await
            .map_err(failed(TABLE))?;
        Ok(())
    }
}
