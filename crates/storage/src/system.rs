use app::ports::{Partkrav, RegistryError, SystemRepository};
use async_trait::async_trait;
use domain::system::{System, SystemInfo};
use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, SelectStatement};
use sea_orm::value::TextUuid;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};
use wire::id::{FiksOrgId, SystemId, Uuid};

use crate::convert::{contains, key, millis, padded, searchable, sort_key, timestamp};
use crate::error::{backend, corrupt, failed};
use crate::konto;
use crate::tx::{SqlTx, insert};

const TABLE: &str = "system";

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
pub(crate) mod table {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "system")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: TextUuid,
        pub fiks_org_id: TextUuid,
        pub navn: String,
        pub beskrivelse: String,
        pub eposter: String,
        pub offentlig: bool,
        pub automatisk_godkjenning: bool,
        pub leverandor_navn: Option<String>,
        pub leverandor_kontaktpunkt: Option<String>,
        pub konfigureres_av_integrasjon: bool,
        pub opprettet: i64,
        pub sist_endret: i64,
        pub sok: String,
        pub sortering: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn to_row(system: &System) -> Result<table::ActiveModel, RegistryError> {
    let info = &system.info;
    let row = table::Model {
        id: key(system.id.as_uuid()),
        fiks_org_id: key(system.fiks_org_id.as_uuid()),
        navn: info.navn.clone(),
        beskrivelse: info.beskrivelse.clone(),
        eposter: serde_json::to_string(&info.eposter).map_err(backend)?,
        offentlig: info.offentlig,
        automatisk_godkjenning: info.automatisk_godkjenning,
        leverandor_navn: info.leverandor_navn.clone(),
        leverandor_kontaktpunkt: info.leverandor_kontaktpunkt.clone(),
        konfigureres_av_integrasjon: system.konfigureres_av_integrasjon,
        opprettet: millis(system.opprettet),
        sist_endret: millis(system.sist_endret),
        sok: searchable(&info.navn, &info.beskrivelse),
        sortering: sort_key(&info.navn),
    };
    Ok(row.into_active_model().reset_all())
}

pub(crate) fn from_row(row: table::Model) -> Result<System, RegistryError> {
    Ok(System {
        id: SystemId::from_uuid(row.id.0),
        fiks_org_id: FiksOrgId::from_uuid(row.fiks_org_id.0),
        info: SystemInfo {
            navn: row.navn,
            beskrivelse: row.beskrivelse,
            eposter: serde_json::from_str(&row.eposter).map_err(|error| corrupt(TABLE, error))?,
            offentlig: row.offentlig,
            automatisk_godkjenning: row.automatisk_godkjenning,
            leverandor_navn: row.leverandor_navn,
            leverandor_kontaktpunkt: row.leverandor_kontaktpunkt,
        },
        konfigureres_av_integrasjon: row.konfigureres_av_integrasjon,
        opprettet: timestamp(TABLE, row.opprettet)?,
        sist_endret: timestamp(TABLE, row.sist_endret)?,
    })
}

/// Systemer that `visible_to` may find, of `owners` if there are any.
pub(crate) fn findable(visible_to: FiksOrgId, owners: &[FiksOrgId]) -> Condition {
    let visible = Condition::any()
        .add(table::Column::Offentlig.eq(true))
        .add(table::Column::FiksOrgId.eq(key(visible_to.as_uuid())));
    let owned = (!owners.is_empty())
        .then(|| table::Column::FiksOrgId.is_in(padded(owners.iter().map(|owner| key(owner.as_uuid())))));
    Condition::all().add(visible).add_option(owned)
}

/// The ids of the systemer for which `condition` holds.
pub(crate) fn ids(condition: Condition) -> SelectStatement {
    table::Entity::find().select_only().column(table::Column::Id).filter(condition).into_query()
}

/// Brings what words are looked for in up to date, after the texts of a System or of its kontoer have changed.
pub(crate) async fn update_sok_med_kontoer(tx: &mut SqlTx, id: TextUuid) -> Result<(), RegistryError> {
    let mut sql = tx.sql(
        "UPDATE system SET sok_med_kontoer = sok || COALESCE((SELECT string_agg('\n' || konto.sok, '') \
         FROM konto WHERE konto.system_id = system.id), '') WHERE system.id = ",
    );
    sql.bind(id);
    sql.execute(tx.writer(), TABLE).await
}

/// Systemer that match `term` in their own texts.
pub(crate) fn matching(term: &str) -> Condition {
    Condition::all().add(table::Column::Sok.like(contains(term)))
}

#[async_trait]
impl SystemRepository for SqlTx {
    async fn system(&mut self, id: SystemId) -> Result<Option<System>, RegistryError> {
        let row = table::Entity::find_by_id(key(id.as_uuid()))
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        row.map(from_row).transpose()
    }

    async fn list_systemer(&mut self, owner: FiksOrgId) -> Result<Vec<System>, RegistryError> {
        let rows = table::Entity::find()
            .filter(table::Column::FiksOrgId.eq(key(owner.as_uuid())))
            .order_by_asc(table::Column::Sortering)
            .order_by_asc(table::Column::Id)
            .all(self.connection())
            .await
            .map_err(failed(TABLE))?;
        rows.into_iter().map(from_row).collect()
    }

    async fn add_system(&mut self, system: &System) -> Result<(), RegistryError> {
        insert(self.writer(), to_row(system)?, TABLE).await?;
        update_sok_med_kontoer(self, key(system.id.as_uuid())).await
    }

    async fn update_system(&mut self, system: &System) -> Result<(), RegistryError> {
        table::Entity::update_many()
            .set(table::ActiveModel { id: NotSet, ..to_row(system)? })
            .filter(table::Column::Id.eq(key(system.id.as_uuid())))
            .exec(self.writer())
            .await
            .map_err(failed(TABLE))?;
        update_sok_med_kontoer(self, key(system.id.as_uuid())).await
    }

    async fn remove_system(&mut self, id: SystemId) -> Result<(), RegistryError> {
        // What hangs on it goes by the foreign keys.
        table::Entity::delete_by_id(key(id.as_uuid())).exec(self.writer()).await.map_err(failed(TABLE))?;
        Ok(())
    }

    async fn search_systemer(
        &mut self,
        visible_to: FiksOrgId,
        except: Option<SystemId>,
        term: &str,
        owners: &[FiksOrgId],
        krav: Option<&[Partkrav]>,
        limit: u32,
    ) -> Result<Vec<System>, RegistryError> {
        let mut query = table::Entity::find().filter(findable(visible_to, owners));
        if let Some(except) = except {
            query = query.filter(table::Column::Id.ne(key(except.as_uuid())));
        }
        if let Some(krav) = krav {
            query = query.filter(table::Column::Id.in_subquery(konto::with_part(krav, konto::Of::System)));
        }
        if !term.is_empty() {
            let is_id = Uuid::try_parse(term).ok().map(|id| table::Column::Id.eq(key(&id)));
            let matches = Expr::col(Alias::new("sok_med_kontoer")).like(contains(term));
            query = query.filter(Condition::any().add(matches).add_option(is_id));
        }
        // The first of each owner, then the second of each …
        let turn = "ROW_NUMBER() OVER (PARTITION BY system.fiks_org_id ORDER BY system.sortering, system.id)";
        let mut rows = query
            .order_by_asc(Expr::cust(turn))
            .order_by_asc(table::Column::Sortering)
            .order_by_asc(table::Column::Id)
            .limit(u64::from(limit))
            .all(self.connection())
            .await
            .map_err(failed(TABLE))?;
        rows.sort_unstable_by(|a, b| (&a.sortering, a.id.0).cmp(&(&b.sortering, b.id.0)));
        rows.into_iter().map(from_row).collect()
    }
}
