use std::collections::HashMap;

use app::paging::{Page, Side};
use app::ports::{PersonRepository, RegistryError};
use async_trait::async_trait;
use domain::organisasjon::Organisasjon;
use domain::person::{Person, Rolle, Rolletildeling};
use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};
use wire::id::{FiksOrgId, PersonId};

use crate::convert::{key, millis, padded, sort_key, timestamp};
use crate::error::{corrupt, failed};
use crate::organisasjon;
use crate::tx::{SqlTx, insert};

const TABLE: &str = "person";
const ROLLE_TABLE: &str = "rolletildeling";

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod table {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "person")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: TextUuid,
        pub lookup: Vec<u8>,
        pub navn: String,
        pub drift: bool,
        pub sprak: Option<String>,
        pub opprettet: i64,
        pub sist_innlogget: Option<i64>,
        pub sortering: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "the entity derive asks for pub")]
mod tildeling {
    use sea_orm::entity::prelude::*;
    use sea_orm::value::TextUuid;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "rolletildeling")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub person_id: TextUuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub fiks_org_id: TextUuid,
        pub rolle: String,
        pub gitt: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn to_row(person: &Person) -> table::ActiveModel {
    let row = table::Model {
        id: key(person.id.as_uuid()),
        lookup: person.lookup.to_vec(),
        navn: person.navn.clone(),
        drift: person.drift,
        sprak: person.sprak.clone(),
        opprettet: millis(person.opprettet),
        sist_innlogget: person.sist_innlogget.map(millis),
        sortering: sort_key(&person.navn),
    };
    row.into_active_model().reset_all()
}

fn from_row(row: table::Model) -> Result<Person, RegistryError> {
    Ok(Person {
        id: PersonId::from_uuid(row.id.0),
        lookup: row.lookup.try_into().map_err(|_| corrupt(TABLE, "the hash has not 32 bytes"))?,
        navn: row.navn,
        drift: row.drift,
        sprak: row.sprak,
        opprettet: timestamp(TABLE, row.opprettet)?,
        sist_innlogget: row.sist_innlogget.map(|at| timestamp(TABLE, at)).transpose()?,
    })
}

fn tildeling_from_row(row: &tildeling::Model) -> Result<Rolletildeling, RegistryError> {
    Ok(Rolletildeling {
        person_id: PersonId::from_uuid(row.person_id.0),
        fiks_org_id: FiksOrgId::from_uuid(row.fiks_org_id.0),
        rolle: row.rolle.parse().map_err(|error| corrupt(ROLLE_TABLE, error))?,
        gitt: timestamp(ROLLE_TABLE, row.gitt)?,
    })
}

/// People are read anew at each request, so what is written here does not count as a change of the registry.
#[async_trait]
impl PersonRepository for SqlTx {
    async fn person(&mut self, id: PersonId) -> Result<Option<Person>, RegistryError> {
        let row = table::Entity::find_by_id(key(id.as_uuid()))
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        row.map(from_row).transpose()
    }

    async fn person_by_lookup(&mut self, lookup: &[u8; 32]) -> Result<Option<Person>, RegistryError> {
        let row = table::Entity::find()
            .filter(table::Column::Lookup.eq(lookup.to_vec()))
            .one(self.connection())
            .await
            .map_err(failed(TABLE))?;
        row.map(from_row).transpose()
    }

    async fn add_person(&mut self, person: &Person) -> Result<(), RegistryError> {
        insert(self.connection(), to_row(person), TABLE).await
    }

    async fn update_person(&mut self, person: &Person) -> Result<(), RegistryError> {
        table::Entity::update_many()
            .set(table::ActiveModel { id: NotSet, ..to_row(person) })
            .filter(table::Column::Id.eq(key(person.id.as_uuid())))
            .exec(self.connection())
            .await
            .map_err(failed(TABLE))?;
        Ok(())
    }

    async fn list_roller(&mut self, person: PersonId) -> Result<Vec<(Organisasjon, Rolle)>, RegistryError> {
        let of_person =
            tildeling::Entity::find().filter(tildeling::Column::PersonId.eq(key(person.as_uuid())));
        let rows = of_person.clone().all(self.connection()).await.map_err(failed(ROLLE_TABLE))?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut roller = HashMap::new();
        for row in &rows {
            let tildeling = tildeling_from_row(row)?;
            roller.insert(tildeling.fiks_org_id, tildeling.rolle);
        }
        let ids = of_person.select_only().column(tildeling::Column::FiksOrgId).into_query();
        let organisasjoner = organisasjon::list_where_id_in(self, ids).await?;
        Ok(organisasjoner
            .into_iter()
            .filter_map(|organisasjon| {
                let rolle = *roller.get(&organisasjon.id)?;
                Some((organisasjon, rolle))
            })
            .collect())
    }

    async fn list_personer(
        &mut self,
        owner: FiksOrgId,
        page: Page,
    ) -> Result<Side<(Person, Rolletildeling)>, RegistryError> {
        let in_owner =
            tildeling::Entity::find().filter(tildeling::Column::FiksOrgId.eq(key(owner.as_uuid())));
        let total = in_owner.clone().count(self.connection()).await.map_err(failed(ROLLE_TABLE))?;
        let ids = in_owner.clone().select_only().column(tildeling::Column::PersonId).into_query();
        let people = table::Entity::find()
            .filter(table::Column::Id.in_subquery(ids))
            .order_by_asc(table::Column::Sortering)
            .order_by_asc(table::Column::Id)
            .limit(page.limit())
            .offset(page.offset())
            .all(self.connection())
            .await
            .map_err(failed(TABLE))?;
        let of_page = tildeling::Column::PersonId.is_in(padded(people.iter().map(|row| row.id)));
        let tildelinger =
            in_owner.filter(of_page).all(self.connection()).await.map_err(failed(ROLLE_TABLE))?;
        let mut found = HashMap::new();
        for row in &tildelinger {
            let tildeling = tildeling_from_row(row)?;
            found.insert(tildeling.person_id, tildeling);
        }
        let mut rows = Vec::with_capacity(people.len());
        for person in people {
            let person = from_row(person)?;
            if let Some(tildeling) = found.remove(&person.id) {
                rows.push((person, tildeling));
            }
        }
        Ok(Side { rows, total, page })
    }

    async fn rolle(
        &mut self,
        person: PersonId,
        owner: FiksOrgId,
    ) -> Result<Option<Rolletildeling>, RegistryError> {
        let row = tildeling::Entity::find_by_id((key(person.as_uuid()), key(owner.as_uuid())))
            .one(self.connection())
            .await
            .map_err(failed(ROLLE_TABLE))?;
        row.as_ref().map(tildeling_from_row).transpose()
    }

    async fn put_rolle(&mut self, tildeling: &Rolletildeling) -> Result<(), RegistryError> {
        let row = tildeling::Model {
            person_id: key(tildeling.person_id.as_uuid()),
            fiks_org_id: key(tildeling.fiks_org_id.as_uuid()),
            rolle: tildeling.rolle.as_str().to_owned(),
            gitt: millis(tildeling.gitt),
        };
        let replace = OnConflict::columns([tildeling::Column::PersonId, tildeling::Column::FiksOrgId])
            .update_columns([tildeling::Column::Rolle, tildeling::Column::Gitt])
            .to_owned();
        tildeling::Entity::insert(row.into_active_model())
            .on_conflict(replace)
            .exec_without_returning(self.connection())
            .await
            .map_err(failed(ROLLE_TABLE))?;
        Ok(())
    }

    async fn remove_rolle(&mut self, person: PersonId, owner: FiksOrgId) -> Result<bool, RegistryError> {
        let removed = tildeling::Entity::delete_by_id((key(person.as_uuid()), key(owner.as_uuid())))
            .exec(self.connection())
            .await
            .map_err(failed(ROLLE_TABLE))?;
        Ok(removed.rows_affected > 0)
    }

    async fn count_administratorer(&mut self, owner: FiksOrgId) -> Result<u64, RegistryError> {
        tildeling::Entity::find()
            .filter(tildeling::Column::FiksOrgId.eq(key(owner.as_uuid())))
            .filter(tildeling::Column::Rolle.eq(Rolle::Administrator.as_str()))
            .count(self.connection())
            .await
            .map_err(failed(ROLLE_TABLE))
    }
}
