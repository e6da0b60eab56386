//! Lists over kontoer together with what they belong to, each one query.

use app::ports::{KontoFakta, Kontonavn, RegistryError};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::value::TextUuid;
use sea_orm::{ConnectionTrait, QueryResult, TryGetable};
use wire::id::{FiksOrgId, KontoId, SystemId};

use crate::convert::{key, padded, timestamp};
use crate::error::failed;
use crate::konto::{nokkel, table as konto};
use crate::organisasjon::table as organisasjon;
use crate::system::table as system;

const TABLE: &str = "konto";
/// Kontoer that are asked for at once. Well below what either database takes as parameters of one statement.
const CHUNK: usize = 1000;

fn read<T: TryGetable>(row: &QueryResult, name: &str) -> Result<T, RegistryError> {
    row.try_get("", name).map_err(failed(TABLE))
}

/// Kontoer with their systemer.
fn with_systemer() -> SelectStatement {
    let mut query = Query::select();
    query
        .expr_as(Expr::col((konto::Entity, konto::Column::Id)), Alias::new("konto_id"))
        .expr_as(Expr::col((system::Entity, system::Column::Id)), Alias::new("system_id"))
        .from(konto::Entity)
        .inner_join(
            system::Entity,
            Expr::col((konto::Entity, konto::Column::SystemId)).equals((system::Entity, system::Column::Id)),
        );
    query
}

pub(crate) async fn list_kontostatus(
    connection: &impl ConnectionTrait,
    owner: FiksOrgId,
    of_system: Option<SystemId>,
    limit: u32,
) -> Result<Vec<KontoFakta>, RegistryError> {
    let mut query = with_systemer();
    query
        .column((konto::Entity, konto::Column::SendMeldingerDeaktivert))
        .column((nokkel::Entity, nokkel::Column::GyldigFra))
        .column((nokkel::Entity, nokkel::Column::GyldigTil))
        .left_join(
            nokkel::Entity,
            Expr::col((nokkel::Entity, nokkel::Column::KontoId))
                .equals((konto::Entity, konto::Column::Id))
                .and(Expr::col((nokkel::Entity, nokkel::Column::Gjeldende)).eq(true)),
        )
        .and_where(Expr::col((system::Entity, system::Column::FiksOrgId)).eq(key(owner.as_uuid())))
        .order_by((system::Entity, system::Column::Sortering), sea_orm::Order::Asc)
        .order_by((system::Entity, system::Column::Id), sea_orm::Order::Asc)
        .order_by((konto::Entity, konto::Column::Sortering), sea_orm::Order::Asc)
        .order_by((konto::Entity, konto::Column::Id), sea_orm::Order::Asc)
        .limit(u64::from(limit));
    if let Some(of_system) = of_system {
        query.and_where(Expr::col((system::Entity, system::Column::Id)).eq(key(of_system.as_uuid())));
    }
    let rows = connection.query_all(&query).await.map_err(failed(TABLE))?;
    rows.iter().map(fakta).collect()
}

fn fakta(row: &QueryResult) -> Result<KontoFakta, RegistryError> {
    let (fra, til): (Option<i64>, Option<i64>) = (read(row, "gyldig_fra")?, read(row, "gyldig_til")?);
    let nokkel = fra.zip(til).map(|(fra, til)| {
        Ok::<_, RegistryError>((timestamp("offentlig_nokkel", fra)?, timestamp("offentlig_nokkel", til)?))
    });
    Ok(KontoFakta {
        konto_id: KontoId::from_uuid(read::<TextUuid>(row, "konto_id")?.0),
        system_id: SystemId::from_uuid(read::<TextUuid>(row, "system_id")?.0),
        nokkel: nokkel.transpose()?,
        send_meldinger_deaktivert: read(row, "send_meldinger_deaktivert")?,
    })
}

pub(crate) async fn list_kontonavn(
    connection: &impl ConnectionTrait,
    kontoer: &[KontoId],
) -> Result<Vec<Kontonavn>, RegistryError> {
    let mut names = Vec::new();
    for chunk in kontoer.chunks(CHUNK) {
        let mut query = with_systemer();
        query
            .expr_as(Expr::col((konto::Entity, konto::Column::Navn)), Alias::new("konto_navn"))
            .expr_as(Expr::col((system::Entity, system::Column::Navn)), Alias::new("system_navn"))
            .expr_as(Expr::col((organisasjon::Entity, organisasjon::Column::Id)), Alias::new("fiks_org_id"))
            .expr_as(
                Expr::col((organisasjon::Entity, organisasjon::Column::Navn)),
                Alias::new("organisasjon_navn"),
            )
            .inner_join(
                organisasjon::Entity,
                Expr::col((system::Entity, system::Column::FiksOrgId))
                    .equals((organisasjon::Entity, organisasjon::Column::Id)),
            )
            .and_where(
                Expr::col((konto::Entity, konto::Column::Id))
                    .is_in(padded(chunk.iter().map(|konto| key(konto.as_uuid())))),
            );
        for row in connection.query_all(&query).await.map_err(failed(TABLE))? {
            names.push(Kontonavn {
                konto_id: KontoId::from_uuid(read::<TextUuid>(&row, "konto_id")?.0),
                navn: read(&row, "konto_navn")?,
                system_id: SystemId::from_uuid(read::<TextUuid>(&row, "system_id")?.0),
                system_navn: read(&row, "system_navn")?,
                fiks_org_id: FiksOrgId::from_uuid(read::<TextUuid>(&row, "fiks_org_id")?.0),
                organisasjon_navn: read(&row, "organisasjon_navn")?,
            });
        }
    }
    Ok(names)
}
