use std::collections::{BTreeMap, BTreeSet, HashMap};

use app::ports::{KontoFakta, KontoRepository, Kontonavn, Partkrav, RegistryError};
use async_trait::async_trait;
use domain::konto::{Konto, PartRef};
use domain::nokkel::OffentligNokkel;
use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::{Expr, SelectStatement};
use sea_orm::value::TextUuid;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use wire::id::{FiksOrgId, KontoId, SystemId, Uuid};

use crate::convert::{contains, key, millis, padded, searchable, sort_key, timestamp};
use crate::error::{backend, failed};
use crate::tx::{SqlTx, insert};
use crate::{kontostatus, system};

const TABLE: &str = "konto";
const NOKKEL_TABLE: &str = "offentlig_nokkel";

/// Kontoer whose parter are fetched at once. Well below what either database takes as parameters of one statement.
pub(crate) const CHUNK: usize = 1000;

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
pub(crate) mod table {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "konto")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: TextUuid,
        pub system_id: TextUuid,
        pub navn: String,
        pub beskrivelse: String,
        pub protokoll_navn: String,
        pub send_meldinger_deaktivert: bool,
        pub opprettet: i64,
        pub sist_endret: i64,
        pub sok: String,
        pub sortering: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod part {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "konto_part")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub konto_id: TextUuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub posisjon: i32,
        pub versjon: String,
        pub navn: String,
        pub system_id: TextUuid,
        pub protokoll_navn: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
pub(crate) mod nokkel {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "offentlig_nokkel")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub konto_id: TextUuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub lopenummer: i32,
        pub gjeldende: bool,
        pub pem: String,
        pub gyldig_fra: i64,
        pub gyldig_til: i64,
        pub serienummer: String,
        pub utstedt_til: String,
        pub utsteder: String,
        pub fingeravtrykk: String,
        pub opprettet: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Whose ids [`with_part`] gives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Of {
    Konto,
    System,
}

/// The kontoer, or the systemer of kontoer, that play one of the parter that are asked for.
pub(crate) fn with_part(krav: &[Partkrav], of: Of) -> SelectStatement {
    // One condition for each version: a database takes no more than some hundred of them.
    let mut versjoner = BTreeMap::<_, Option<BTreeSet<_>>>::new();
    for part in krav {
        let navn = versjoner
            .entry((part.protokoll_navn.as_str(), part.versjon.as_str()))
            .or_insert_with(|| Some(BTreeSet::new()));
        match part.navn.as_deref() {
            Some(part) => navn.iter_mut().for_each(|navn| _ = navn.insert(part)),
            None => *navn = None,
        }
    }
    let any = versjoner.into_iter().fold(Condition::any(), |any, ((protokoll, versjon), navn)| {
        let played = Condition::all()
            .add(part::Column::ProtokollNavn.eq(protokoll))
            .add(part::Column::Versjon.eq(versjon))
            .add_option(navn.map(|navn| part::Column::Navn.is_in(padded(navn))));
        any.add(played)
    });
    let column = match of {
        Of::Konto => part::Column::KontoId,
        Of::System => part::Column::SystemId,
    };
    // Nothing is asked for: nothing plays it.
    let any = if krav.is_empty() { Condition::all().add(Expr::cust("1 = 0")) } else { any };
    part::Entity::find().select_only().column(column).filter(any).into_query()
}

fn to_row(konto: &Konto) -> table::ActiveModel {
    let row = table::Model {
        id: key(konto.id.as_uuid()),
        system_id: key(konto.system_id.as_uuid()),
        navn: konto.navn.clone(),
        beskrivelse: konto.beskrivelse.clone(),
        protokoll_navn: konto.protokoll_navn.clone(),
        send_meldinger_deaktivert: konto.send_meldinger_deaktivert,
        opprettet: millis(konto.opprettet),
        sist_endret: millis(konto.sist_endret),
        sok: searchable(&konto.navn, &konto.beskrivelse),
        sortering: sort_key(&konto.navn),
    };
    row.into_active_model().reset_all()
}

fn from_row(row: table::Model, parter: Vec<PartRef>) -> Result<Konto, RegistryError> {
    Ok(Konto {
        id: KontoId::from_uuid(row.id.0),
        system_id: SystemId::from_uuid(row.system_id.0),
        navn: row.navn,
        beskrivelse: row.beskrivelse,
        protokoll_navn: row.protokoll_navn,
        parter,
        send_meldinger_deaktivert: row.send_meldinger_deaktivert,
        opprettet: timestamp(TABLE, row.opprettet)?,
        sist_endret: timestamp(TABLE, row.sist_endret)?,
    })
}

fn nokkel_from_row(row: nokkel::Model) -> Result<OffentligNokkel, RegistryError> {
    Ok(OffentligNokkel {
        konto_id: KontoId::from_uuid(row.konto_id.0),
        pem: row.pem,
        gyldig_fra: timestamp(NOKKEL_TABLE, row.gyldig_fra)?,
        gyldig_til: timestamp(NOKKEL_TABLE, row.gyldig_til)?,
        serienummer: row.serienummer,
        utstedt_til: row.utstedt_til,
        utsteder: row.utsteder,
        fingeravtrykk: row.fingeravtrykk,
        opprettet: timestamp(NOKKEL_TABLE, row.opprettet)?,
    })
}

/// The ids of the kontoer of a System.
pub(crate) fn ids_of_system(system: SystemId) -> SelectStatement {
    table::Entity::find()
        .select_only()
        .column(table::Column::Id)
        .filter(table::Column::SystemId.eq(key(system.as_uuid())))
        .into_query()
}

/// Adds the parter to each row.
pub(crate) async fn with_parter(
    connection: &impl ConnectionTrait,
    rows: Vec<table::Model>,
) -> Result<Vec<Konto>, RegistryError> {
    let mut parter: HashMap<Uuid, Vec<PartRef>> = HashMap::new();
    for chunk in rows.chunks(CHUNK) {
        let found = part::Entity::find()
            .filter(part::Column::KontoId.is_in(padded(chunk.iter().map(|row| row.id))))
            .order_by_asc(part::Column::Posisjon)
            .all(connection)
            .await
            .map_err(failed(TABLE))?;
        for row in found {
            let part = PartRef { versjon: row.versjon, navn: row.navn };
            parter.entry(row.konto_id.0).or_default().push(part);
        }
    }
    rows.into_iter()
        .map(|row| {
            let parter = parter.remove(&row.id.0).unwrap_or_default();
            from_row(row, parter)
        })
        .collect()
}

async fn add_parter(tx: &mut SqlTx, konto: &Konto) -> Result<(), RegistryError> {
    for (posisjon, part) in konto.parter.iter().enumerate() {
        let row = part::Model {
            konto_id: key(konto.id.as_uuid()),
            posisjon: i32::try_from(posisjon).map_err(backend)?,
            versjon: part.versjon.clone(),
            navn: part.navn.clone(),
            system_id: key(konto.system_id.as_uuid()),
            protokoll_navn: konto.protokoll_navn.clone(),
        };
        insert(tx.writer(), row.into_active_model(), TABLE).await?;
    }
    Ok(())
}

async fn retire_nokkel(tx: &mut SqlTx, konto: TextUuid) -> Result<(), RegistryError> {
    nokkel::Entity::update_many()
        .col_expr(nokkel::Column::Gjeldende, Expr::value(false))
        .filter(nokkel::Column::KontoId.eq(konto))
        .filter(nokkel::Column::Gjeldende.eq(true))
        .exec(tx.writer())
        .await
        .map_err(failed(NOKKEL_TABLE))?;
    Ok(())
}

#[async_trait]
impl KontoRepository for SqlTx {
    async fn konto(&mut self, id: KontoId) -> Result<Option<Konto>, RegistryError> {
        let row = table::Entity::find_by_id(key(id.as_uuid()))
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(with_parter(self.connection(), row.into_iter().collect()).await?.pop())
    }

    async fn list_kontoer(&mut self, system: SystemId) -> Result<Vec<Konto>, RegistryError> {
        let rows = table::Entity::find()
            .filter(table::Column::SystemId.eq(key(system.as_uuid())))
            .order_by_asc(table::Column::Sortering)
            .order_by_asc(table::Column::Id)
            .all(self.connection())
            .await
            .map_err(failed(TABLE))?;
        with_parter(self.connection(), rows).await
    }

    async fn count_kontoer_of_system(&mut self, system: SystemId) -> Result<u64, RegistryError> {
        table::Entity::find()
            .filter(table::Column::SystemId.eq(key(system.as_uuid())))
            .count(self.connection())
            .await
            .map_err(failed(TABLE))
    }

    async fn count_nokler(&mut self, konto: KontoId) -> Result<u64, RegistryError> {
        nokkel::Entity::find()
            .filter(nokkel::Column::KontoId.eq(key(konto.as_uuid())))
            .count(self.connection())
            .await
            .map_err(failed(NOKKEL_TABLE))
    }

    async fn list_konto_ids(&mut self) -> Result<Vec<KontoId>, RegistryError> {
        let ids: Vec<TextUuid> = table::Entity::find()
            .select_only()
            .column(table::Column::Id)
            .order_by_asc(table::Column::Id)
            .into_tuple()
            .all(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(ids.into_iter().map(|id| KontoId::from_uuid(id.0)).collect())
    }

    async fn list_kontostatus(
        &mut self,
        owner: FiksOrgId,
        system: Option<SystemId>,
        limit: u32,
    ) -> Result<Vec<KontoFakta>, RegistryError> {
        kontostatus::list_kontostatus(self.connection(), owner, system, limit).await
    }

    async fn list_kontonavn(&mut self, kontoer: &[KontoId]) -> Result<Vec<Kontonavn>, RegistryError> {
        kontostatus::list_kontonavn(self.connection(), kontoer).await
    }

    async fn add_konto(&mut self, konto: &Konto) -> Result<(), RegistryError> {
        insert(self.writer(), to_row(konto), TABLE).await?;
        add_parter(self, konto).await?;
        system::update_sok_med_kontoer(self, key(konto.system_id.as_uuid())).await
    }

    async fn update_konto(&mut self, konto: &Konto) -> Result<(), RegistryError> {
        let id = key(konto.id.as_uuid());
        let updated = table::Entity::update_many()
            .set(table::ActiveModel { id: NotSet, ..to_row(konto) })
            .filter(table::Column::Id.eq(id))
            .exec(self.writer())
            .await
            .map_err(failed(TABLE))?;
        if updated.rows_affected == 0 {
            return Ok(());
        }
        part::Entity::delete_many()
            .filter(part::Column::KontoId.eq(id))
            .exec(self.writer())
            .await
            .map_err(failed(TABLE))?;
        add_parter(self, konto).await?;
        system::update_sok_med_kontoer(self, key(konto.system_id.as_uuid())).await
    }

    async fn remove_konto(&mut self, id: KontoId) -> Result<(), RegistryError> {
        let system: Option<TextUuid> = table::Entity::find_by_id(key(id.as_uuid()))
            .select_only()
            .column(table::Column::SystemId)
            .into_tuple()
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        // What hangs on it goes by the foreign keys.
        table::Entity::delete_by_id(key(id.as_uuid())).exec(self.writer()).await.map_err(failed(TABLE))?;
        match system {
            Some(system) => system::update_sok_med_kontoer(self, system).await,
            None => Ok(()),
        }
    }

    async fn nokkel(&mut self, konto: KontoId) -> Result<Option<OffentligNokkel>, RegistryError> {
        let row = nokkel::Entity::find()
            .filter(nokkel::Column::KontoId.eq(key(konto.as_uuid())))
            .filter(nokkel::Column::Gjeldende.eq(true))
            .one(self.connection())
            .await
            .map_err(failed(NOKKEL_TABLE))?;
        row.map(nokkel_from_row).transpose()
    }

    async fn list_nokler(&mut self, konto: KontoId) -> Result<Vec<OffentligNokkel>, RegistryError> {
        let rows = nokkel::Entity::find()
            .filter(nokkel::Column::KontoId.eq(key(konto.as_uuid())))
            .order_by_desc(nokkel::Column::Lopenummer)
            .all(self.connection())
            .await
            .map_err(failed(NOKKEL_TABLE))?;
        rows.into_iter().map(nokkel_from_row).collect()
    }

    async fn add_nokkel(&mut self, nokkel: &OffentligNokkel) -> Result<(), RegistryError> {
        let konto_id = key(nokkel.konto_id.as_uuid());
        retire_nokkel(self, konto_id).await?;
        let last: Option<i32> = nokkel::Entity::find()
            .select_only()
            .column(nokkel::Column::Lopenummer)
            .filter(nokkel::Column::KontoId.eq(konto_id))
            .order_by_desc(nokkel::Column::Lopenummer)
            .limit(1)
            .into_tuple()
            .one(self.connection())
            .await
            .map_err(failed(NOKKEL_TABLE))?;
        let row = nokkel::Model {
            konto_id,
            lopenummer: last.unwrap_or(0) + 1,
            gjeldende: true,
            pem: nokkel.pem.clone(),
            gyldig_fra: millis(nokkel.gyldig_fra),
            gyldig_til: millis(nokkel.gyldig_til),
            serienummer: nokkel.serienummer.clone(),
            utstedt_til: nokkel.utstedt_til.clone(),
            utsteder: nokkel.utsteder.clone(),
            fingeravtrykk: nokkel.fingeravtrykk.clone(),
            opprettet: millis(nokkel.opprettet),
        };
        insert(self.writer(), row.into_active_model(), NOKKEL_TABLE).await
    }

    async fn remove_nokkel(&mut self, konto: KontoId) -> Result<(), RegistryError> {
        retire_nokkel(self, key(konto.as_uuid())).await
    }

    async fn search_kontoer(
        &mut self,
        visible_to: FiksOrgId,
        except: Option<SystemId>,
        term: &str,
        owners: &[FiksOrgId],
        krav: Option<&[Partkrav]>,
        limit: u32,
    ) -> Result<Vec<Konto>, RegistryError> {
        let findable = system::ids(system::findable(visible_to, owners));
        let mut query = table::Entity::find().filter(table::Column::SystemId.in_subquery(findable));
        if let Some(except) = except {
            query = query.filter(table::Column::SystemId.ne(key(except.as_uuid())));
        }
        if let Some(krav) = krav {
            query = query.filter(table::Column::Id.in_subquery(with_part(krav, Of::Konto)));
        }
        if !term.is_empty() {
            let is_id = Uuid::try_parse(term).ok().map(|id| table::Column::Id.eq(key(&id)));
            let of_its_system = table::Column::SystemId.in_subquery(system::ids(system::matching(term)));
            let in_its_texts = table::Column::Sok.like(contains(term));
            query = query.filter(Condition::any().add(in_its_texts).add(of_its_system).add_option(is_id));
        }
        // The first of each owner, then the second of each …
        let turn = "ROW_NUMBER() OVER (PARTITION BY (SELECT fiks_org_id FROM system WHERE system.id = konto.system_id) \
                    ORDER BY konto.sortering, konto.id)";
        let mut rows = query
            .order_by_asc(Expr::cust(turn))
            .order_by_asc(table::Column::Sortering)
            .order_by_asc(table::Column::Id)
            .limit(u64::from(limit))
            .all(self.connection())
            .await
            .map_err(failed(TABLE))?;
        rows.sort_unstable_by(|a, b| (&a.sortering, a.id.0).cmp(&(&b.sortering, b.id.0)));
        with_parter(self.connection(), rows).await
    }
}
