use app::ports::{ProtokollRepository, RegistryError};
use async_trait::async_trait;
use domain::protokoll::Protokoll;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, Select};

use crate::convert::version_key;
use crate::error::{backend, corrupt, failed};
use crate::tx::SqlTx;

const TABLE: &str = "protokoll";
const KATALOG_TABLE: &str = "katalog";

/// The only row of the table katalog.
const KATALOG_ROW: i32 = 1;

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod table {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "protokoll")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub navn: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub versjon: String,
        pub definisjon: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod katalog {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "katalog")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub fingeravtrykk: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn from_row(row: &table::Model) -> Result<Protokoll, RegistryError> {
    serde_json::from_str(&row.definisjon).map_err(|error| corrupt(TABLE, error))
}

/// By name and version. There are few of them, so they are sorted here, where `v10` can be made to come after `v2`.
async fn list(tx: &SqlTx, query: Select<table::Entity>) -> Result<Vec<Protokoll>, RegistryError> {
    let mut rows = query.all(tx.connection()).await.map_err(failed(TABLE))?;
    rows.sort_by_cached_key(|row| (row.navn.clone(), version_key(&row.versjon)));
    rows.iter().map(from_row).collect()
}

#[async_trait]
impl ProtokollRepository for SqlTx {
    async fn protokoll(&mut self, navn: &str, versjon: &str) -> Result<Option<Protokoll>, RegistryError> {
        let row = table::Entity::find_by_id((navn.to_owned(), versjon.to_owned()))
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        row.as_ref().map(from_row).transpose()
    }

    async fn list_versjoner(&mut self, navn: &str) -> Result<Vec<Protokoll>, RegistryError> {
        list(self, table::Entity::find().filter(table::Column::Navn.eq(navn))).await
    }

    async fn list_protokoller(&mut self) -> Result<Vec<Protokoll>, RegistryError> {
        list(self, table::Entity::find()).await
    }

    async fn put_protokoll(&mut self, protokoll: &Protokoll) -> Result<(), RegistryError> {
        let row = table::Model {
            navn: protokoll.navn.clone(),
            versjon: protokoll.versjon.clone(),
            definisjon: serde_json::to_string(protokoll).map_err(backend)?,
        };
        let replace = OnConflict::columns([table::Column::Navn, table::Column::Versjon])
            .update_column(table::Column::Definisjon)
            .to_owned();
        table::Entity::insert(row.into_active_model())
            .on_conflict(replace)
            .exec_without_returning(self.writer())
            .await
            .map_err(failed(TABLE))?;
        Ok(())
    }

    async fn katalog_fingerprint(&mut self) -> Result<Option<String>, RegistryError> {
        let row = katalog::Entity::find_by_id(KATALOG_ROW)
            .one(self.connection())
            .await
            .map_err(failed(KATALOG_TABLE))?;
        Ok(row.map(|row| row.fingeravtrykk))
    }

    async fn set_katalog_fingerprint(&mut self, fingerprint: &str) -> Result<(), RegistryError> {
        let row = katalog::Model { id: KATALOG_ROW, fingeravtrykk: fingerprint.to_owned() };
        let replace =
            OnConflict::column(katalog::Column::Id).update_column(katalog::Column::Fingeravtrykk).to_owned();
        katalog::Entity::insert(row.into_active_model())
            .on_conflict(replace)
            .exec_without_returning(self.writer())
            .await
            .map_err(failed(KATALOG_TABLE))?;
        Ok(())
    }
}
