use app::ports::{RegistryError, Sesjon, SesjonRepository};
use async_trait::async_trait;
use jiff::Timestamp;
use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::value::TextUuid;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use wire::id::{PersonId, SesjonId};

use crate::convert::{key, millis, padded, timestamp};
use crate::error::{corrupt, failed};
use crate::tx::{SqlTx, insert};

const TABLE: &str = "sesjon";
const VERDI_TABLE: &str = "sesjon_verdi";
const ENGANGSNOKKEL_TABLE: &str = "engangsnokkel";

/// Most values dropped at once, far more than there ever are too many.
const MAX_DROPPED: u64 = 1000;

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod table {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sesjon")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: TextUuid,
        pub token_hash: Vec<u8>,
        pub person_id: TextUuid,
        pub issuer: String,
        pub sid: Option<String>,
        pub acr: Option<String>,
        pub id_token: Option<Vec<u8>>,
        pub logget_inn: i64,
        pub sist_brukt: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod verdi {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sesjon_verdi")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sesjon_id: TextUuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub nokkel: Vec<u8>,
        pub verdi: Vec<u8>,
        pub satt: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod engangsnokkel {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "engangsnokkel")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sesjon_id: TextUuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub nokkel: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn to_row(sesjon: &Sesjon) -> table::ActiveModel {
    let row = table::Model {
        id: key(sesjon.id.as_uuid()),
        token_hash: sesjon.token_hash.to_vec(),
        person_id: key(sesjon.person_id.as_uuid()),
        issuer: sesjon.issuer.clone(),
        sid: sesjon.sid.clone(),
        acr: sesjon.acr.clone(),
        id_token: sesjon.id_token.clone(),
        logget_inn: millis(sesjon.logget_inn),
        sist_brukt: millis(sesjon.sist_brukt),
    };
    row.into_active_model().reset_all()
}

fn from_row(row: table::Model) -> Result<Sesjon, RegistryError> {
    Ok(Sesjon {
        id: SesjonId::from_uuid(row.id.0),
        token_hash: row.token_hash.try_into().map_err(|_| corrupt(TABLE, "the hash has not 32 bytes"))?,
        person_id: PersonId::from_uuid(row.person_id.0),
        issuer: row.issuer,
        sid: row.sid,
        acr: row.acr,
        id_token: row.id_token,
        logget_inn: timestamp(TABLE, row.logget_inn)?,
        sist_brukt: timestamp(TABLE, row.sist_brukt)?,
    })
}

/// Sessions come and go all day and nobody keeps facts about them, so they do not count as a change of the registry.
#[async_trait]
impl SesjonRepository for SqlTx {
    async fn add_sesjon(&mut self, sesjon: &Sesjon) -> Result<(), RegistryError> {
        insert(self.connection(), to_row(sesjon), TABLE).await
    }

    async fn sesjon(&mut self, id: SesjonId) -> Result<Option<Sesjon>, RegistryError> {
        let row = table::Entity::find_by_id(key(id.as_uuid()))
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        row.map(from_row).transpose()
    }

    async fn sesjon_by_token(&mut self, token_hash: &[u8; 32]) -> Result<Option<Sesjon>, RegistryError> {
        let row = table::Entity::find()
            .filter(table::Column::TokenHash.eq(token_hash.to_vec()))
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        row.map(from_row).transpose()
    }

    async fn update_sesjon(&mut self, sesjon: &Sesjon) -> Result<(), RegistryError> {
        table::Entity::update_many()
            .set(table::ActiveModel { id: NotSet, ..to_row(sesjon) })
            .filter(table::Column::Id.eq(key(sesjon.id.as_uuid())))
            .exec(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(())
    }

    async fn touch_sesjon(&mut self, id: SesjonId, at: Timestamp) -> Result<(), RegistryError> {
        table::Entity::update_many()
            .col_expr(table::Column::SistBrukt, Expr::value(millis(at)))
            .filter(table::Column::Id.eq(key(id.as_uuid())))
            .exec(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(())
    }

    async fn remove_sesjon(&mut self, id: SesjonId) -> Result<(), RegistryError> {
        table::Entity::delete_by_id(key(id.as_uuid()))
            .exec(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(())
    }

    async fn remove_sesjoner_by_sid(&mut self, issuer: &str, sid: &str) -> Result<u64, RegistryError> {
        let removed = table::Entity::delete_many()
            .filter(table::Column::Sid.eq(sid))
            .filter(table::Column::Issuer.eq(issuer))
            .exec(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(removed.rows_affected)
    }

    async fn remove_oldest_sesjoner(&mut self, person: PersonId, keep: u64) -> Result<u64, RegistryError> {
        let oldest: Vec<TextUuid> = table::Entity::find()
            .select_only()
            .column(table::Column::Id)
            .filter(table::Column::PersonId.eq(key(person.as_uuid())))
            .order_by_desc(table::Column::LoggetInn)
            .order_by_desc(table::Column::Id)
            .offset(keep)
            .limit(MAX_DROPPED)
            .into_tuple()
            .all(self.connection())
            .await
            .map_err(failed(TABLE))?;
        if oldest.is_empty() {
            return Ok(0);
        }
        let removed = table::Entity::delete_many()
            .filter(table::Column::Id.is_in(padded(oldest)))
            .exec(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(removed.rows_affected)
    }

    async fn remove_expired_sesjoner(
        &mut self,
        idle: Timestamp,
        begun: Timestamp,
    ) -> Result<u64, RegistryError> {
        let expired = Condition::any()
            .add(table::Column::SistBrukt.lte(millis(idle)))
            .add(table::Column::LoggetInn.lte(millis(begun)));
        let removed = table::Entity::delete_many()
            .filter(expired)
            .exec(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(removed.rows_affected)
    }

    async fn sesjon_value(&mut self, id: SesjonId, name: &str) -> Result<Option<String>, RegistryError> {
        let row = verdi::Entity::find_by_id((key(id.as_uuid()), name.as_bytes().to_vec()))
            .one(self.connection())
            .await
            .map_err(failed(VERDI_TABLE))?;
        row.map(|row| String::from_utf8(row.verdi).map_err(|error| corrupt(VERDI_TABLE, error))).transpose()
    }

    async fn put_sesjon_value(
        &mut self,
        id: SesjonId,
        name: &str,
        value: &str,
        at: Timestamp,
        keep_others: u32,
    ) -> Result<(), RegistryError> {
        let row = verdi::Model {
            sesjon_id: key(id.as_uuid()),
            nokkel: name.as_bytes().to_vec(),
            verdi: value.as_bytes().to_vec(),
            satt: millis(at),
        };
        let replace = OnConflict::columns([verdi::Column::SesjonId, verdi::Column::Nokkel])
            .update_columns([verdi::Column::Verdi, verdi::Column::Satt])
            .to_owned();
        verdi::Entity::insert(row.into_active_model())
            .on_conflict(replace)
            .exec_without_returning(self.connection())
            .await
            .map_err(failed(VERDI_TABLE))?;
        let too_many: Vec<Vec<u8>> = verdi::Entity::find()
            .select_only()
            .column(verdi::Column::Nokkel)
            .filter(verdi::Column::SesjonId.eq(key(id.as_uuid())))
            .filter(verdi::Column::Nokkel.ne(name.as_bytes().to_vec()))
            .order_by_desc(verdi::Column::Satt)
            .order_by_desc(verdi::Column::Nokkel)
            .limit(MAX_DROPPED)
            .offset(u64::from(keep_others))
            .into_tuple()
            .all(self.connection())
            .await
            .map_err(failed(VERDI_TABLE))?;
        if !too_many.is_empty() {
            verdi::Entity::delete_many()
                .filter(verdi::Column::SesjonId.eq(key(id.as_uuid())))
                .filter(verdi::Column::Nokkel.is_in(padded(too_many)))
                .exec(self.connection())
                .await
                .map_err(failed(VERDI_TABLE))?;
        }
        Ok(())
    }

    async fn remove_sesjon_value(&mut self, id: SesjonId, name: &str) -> Result<(), RegistryError> {
        verdi::Entity::delete_by_id((key(id.as_uuid()), name.as_bytes().to_vec()))
            .exec(self.connection())
            .await
            .map_err(failed(VERDI_TABLE))?;
        Ok(())
    }

    async fn add_engangsnokkel(&mut self, id: SesjonId, name: &str) -> Result<(), RegistryError> {
        let row = engangsnokkel::Model { sesjon_id: key(id.as_uuid()), nokkel: name.as_bytes().to_vec() };
        insert(self.connection(), row.into_active_model(), ENGANGSNOKKEL_TABLE).await
    }
}
