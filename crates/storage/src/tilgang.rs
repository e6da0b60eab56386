use app::ports::{RegistryError, TilgangRepository};
use async_trait::async_trait;
use domain::tilgang::{Foresporsel, Tilgang};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
};
use wire::id::{KontoId, SystemId};

use crate::convert::{key, millis, timestamp};
use crate::error::failed;
use crate::konto;
use crate::tx::{SqlTx, insert};

const TABLE: &str = "tilgang";
const FORESPORSEL_TABLE: &str = "foresporsel";

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod table {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tilgang")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub konto_id: TextUuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub system_id: TextUuid,
        pub gitt: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod foresporsel {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "foresporsel")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub konto_id: TextUuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub system_id: TextUuid,
        pub sendt: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn tilgang_from_row(row: &table::Model) -> Result<Tilgang, RegistryError> {
    Ok(Tilgang {
        konto_id: KontoId::from_uuid(row.konto_id.0),
        system_id: SystemId::from_uuid(row.system_id.0),
        gitt: timestamp(TABLE, row.gitt)?,
    })
}

fn foresporsel_from_row(row: &foresporsel::Model) -> Result<Foresporsel, RegistryError> {
    Ok(Foresporsel {
        konto_id: KontoId::from_uuid(row.konto_id.0),
        system_id: SystemId::from_uuid(row.system_id.0),
        sendt: timestamp(FORESPORSEL_TABLE, row.sendt)?,
    })
}

async fn list_tilganger(
    tx: &SqlTx,
    column: table::Column,
    value: sea_orm::value::TextUuid,
) -> Result<Vec<Tilgang>, RegistryError> {
    let rows = table::Entity::find()
        .filter(column.eq(value))
        .order_by_asc(table::Column::Gitt)
        .order_by_asc(table::Column::KontoId)
        .order_by_asc(table::Column::SystemId)
        .all(tx.connection())
        .await
        .map_err(failed(TABLE))?;
    rows.iter().map(tilgang_from_row).collect()
}

async fn list_foresporsler(
    tx: &SqlTx,
    column: foresporsel::Column,
    value: sea_orm::value::TextUuid,
) -> Result<Vec<Foresporsel>, RegistryError> {
    let rows = foresporsel::Entity::find()
        .filter(column.eq(value))
        .order_by_asc(foresporsel::Column::Sendt)
        .order_by_asc(foresporsel::Column::KontoId)
        .order_by_asc(foresporsel::Column::SystemId)
        .all(tx.connection())
        .await
        .map_err(failed(FORESPORSEL_TABLE))?;
    rows.iter().map(foresporsel_from_row).collect()
}

#[async_trait]
impl TilgangRepository for SqlTx {
    async fn tilgang(&mut self, konto: KontoId, system: SystemId) -> Result<Option<Tilgang>, RegistryError> {
        let row = table::Entity::find_by_id((key(konto.as_uuid()), key(system.as_uuid())))
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        row.as_ref().map(tilgang_from_row).transpose()
    }

    async fn list_tilganger_til_konto(&mut self, konto: KontoId) -> Result<Vec<Tilgang>, RegistryError> {
        list_tilganger(self, table::Column::KontoId, key(konto.as_uuid())).await
    }

    async fn list_tilganger_for_system(&mut self, system: SystemId) -> Result<Vec<Tilgang>, RegistryError> {
        list_tilganger(self, table::Column::SystemId, key(system.as_uuid())).await
    }

    async fn count_tilganger_til_konto(&mut self, konto: KontoId) -> Result<u64, RegistryError> {
        table::Entity::find()
            .filter(table::Column::KontoId.eq(key(konto.as_uuid())))
            .count(self.connection())
            .await
            .map_err(failed(TABLE))
    }

    async fn count_tilganger_for_system(&mut self, system: SystemId) -> Result<u64, RegistryError> {
        table::Entity::find()
            .filter(table::Column::SystemId.eq(key(system.as_uuid())))
            .count(self.connection())
            .await
            .map_err(failed(TABLE))
    }

    async fn count_foresporsler_for_system(&mut self, system: SystemId) -> Result<u64, RegistryError> {
        foresporsel::Entity::find()
            .filter(foresporsel::Column::SystemId.eq(key(system.as_uuid())))
            .count(self.connection())
            .await
            .map_err(failed(FORESPORSEL_TABLE))
    }

    async fn count_tilganger_of_system(&mut self, system: SystemId) -> Result<u64, RegistryError> {
        // Each by its own index; asked for together, PostgreSQL reads the whole table. A tilgang to a Konto of its own counts once.
        let own = table::Column::SystemId.eq(key(system.as_uuid()));
        let to_its_kontoer = Condition::all()
            .add(table::Column::KontoId.in_subquery(konto::ids_of_system(system)))
            .add(table::Column::SystemId.ne(key(system.as_uuid())));
        let own = table::Entity::find().filter(own).count(self.connection()).await.map_err(failed(TABLE))?;
        let to_its_kontoer = table::Entity::find()
            .filter(to_its_kontoer)
            .count(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(own + to_its_kontoer)
    }

    async fn add_tilgang(&mut self, tilgang: &Tilgang) -> Result<(), RegistryError> {
        let row = table::Model {
            konto_id: key(tilgang.konto_id.as_uuid()),
            system_id: key(tilgang.system_id.as_uuid()),
            gitt: millis(tilgang.gitt),
        };
        insert(self.writer(), row.into_active_model(), TABLE).await
    }

    async fn remove_tilgang(&mut self, konto: KontoId, system: SystemId) -> Result<bool, RegistryError> {
        let removed = table::Entity::delete_by_id((key(konto.as_uuid()), key(system.as_uuid())))
            .exec(self.writer())
            .await
            .map_err(failed(TABLE))?;
        Ok(removed.rows_affected > 0)
    }

    async fn foresporsel(
        &mut self,
        konto: KontoId,
        system: SystemId,
    ) -> Result<Option<Foresporsel>, RegistryError> {
        let row = foresporsel::Entity::find_by_id((key(konto.as_uuid()), key(system.as_uuid())))
            .one(self.connection())
            .await
            .map_err(failed(FORESPORSEL_TABLE))?;
        row.as_ref().map(foresporsel_from_row).transpose()
    }

    async fn list_foresporsler_til_konto(
        &mut self,
        konto: KontoId,
    ) -> Result<Vec<Foresporsel>, RegistryError> {
        list_foresporsler(self, foresporsel::Column::KontoId, key(konto.as_uuid())).await
    }

    async fn list_foresporsler_for_system(
        &mut self,
        system: SystemId,
    ) -> Result<Vec<Foresporsel>, RegistryError> {
        list_foresporsler(self, foresporsel::Column::SystemId, key(system.as_uuid())).await
    }

    async fn add_foresporsel(&mut self, foresporsel: &Foresporsel) -> Result<(), RegistryError> {
        let row = foresporsel::Model {
            konto_id: key(foresporsel.konto_id.as_uuid()),
            system_id: key(foresporsel.system_id.as_uuid()),
            sendt: millis(foresporsel.sendt),
        };
        insert(self.writer(), row.into_active_model(), FORESPORSEL_TABLE).await
    }

    async fn remove_foresporsel(&mut self, konto: KontoId, system: SystemId) -> Result<bool, RegistryError> {
        let removed = foresporsel::Entity::delete_by_id((key(konto.as_uuid()), key(system.as_uuid())))
            .exec(self.writer())
            .await
            .map_err(failed(FORESPORSEL_TABLE))?;
        Ok(removed.rows_affected > 0)
    }
}
