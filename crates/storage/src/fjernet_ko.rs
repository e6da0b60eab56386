use app::ports::{FjernetKoRepository, RegistryError, SattTilSide};
use async_trait::async_trait;
use jiff::Timestamp;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, QueryResult, QueryTrait};
use wire::id::KontoId;

use crate::convert::{key, millis};
use crate::error::{backend, corrupt, failed};
use crate::tx::SqlTx;

const TABLE: &str = "fjernet_ko";
const ASIDE: &str = "ko_satt_til_side";

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod table {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "fjernet_ko")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub konto_id: TextUuid,
        pub fjernet: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Nobody keeps these as facts, so they do not count as a change of the registry.
#[async_trait]
impl FjernetKoRepository for SqlTx {
    async fn list_set_aside(&mut self) -> Result<Vec<SattTilSide>, RegistryError> {
        let rows = self.sql("SELECT konto_id, meldinger, uleverte FROM ko_satt_til_side ORDER BY konto_id");
        let rows = rows.all(self.connection(), ASIDE).await?;
        let number = |row: &QueryResult, name| -> Result<u64, RegistryError> {
            let number: i64 = row.try_get("", name).map_err(failed(ASIDE))?;
            number.try_into().map_err(|error| corrupt(ASIDE, error))
        };
        let read = |row: &QueryResult| {
            let konto: String = row.try_get("", "konto_id").map_err(failed(ASIDE))?;
            Ok(SattTilSide {
                konto: konto.parse().map_err(|_| corrupt(ASIDE, "no id"))?,
                meldinger: number(row, "meldinger")?,
                uleverte: number(row, "uleverte")?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn put_set_aside(&mut self, queues: &[SattTilSide]) -> Result<(), RegistryError> {
        self.sql("DELETE FROM ko_satt_til_side").execute(self.connection(), ASIDE).await?;
        for queue in queues {
            let number = |number: u64| i64::try_from(number).map_err(backend);
            let mut insert =
                self.sql("INSERT INTO ko_satt_til_side (konto_id, meldinger, uleverte) VALUES (");
            insert.bind(queue.konto.to_string()).push(", ");
            insert.bind(number(queue.meldinger)?).push(", ");
            insert.bind(number(queue.uleverte)?).push(")");
            insert.execute(self.connection(), ASIDE).await?;
        }
        Ok(())
    }

    async fn list_fjernede_koer(&mut self) -> Result<Vec<KontoId>, RegistryError> {
        let rows = table::Entity::find().all(self.connection()).await.map_err(failed(TABLE))?;
        Ok(rows.into_iter().map(|row| KontoId::from_uuid(row.konto_id.0)).collect())
    }

    async fn add_fjernet_ko(&mut self, konto: KontoId, at: Timestamp) -> Result<(), RegistryError> {
        let row = table::Model { konto_id: key(konto.as_uuid()), fjernet: millis(at) };
        let mut insert = table::Entity::insert(row.into_active_model());
        insert.query().on_conflict(OnConflict::new().do_nothing().to_owned());
        self.connection().execute(insert.query()).await.map_err(failed(TABLE))?;
        Ok(())
    }

    async fn remove_fjernet_ko(&mut self, konto: KontoId) -> Result<(), RegistryError> {
        table::Entity::delete_by_id(key(konto.as_uuid()))
            .exec(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(())
    }
}
