use std::collections::HashMap;

use app::Caller;
use app::konto::KontoSti;
use app::lister::{KontoSok, SystemSok};
use app::paging::{Page, Side};
use domain::konto::Konto;
use domain::organisasjon::Organisasjon;
use domain::system::System;
use domain::utveksling::{self, Protokollpart};
use wire::id::{FiksOrgId, KontoId, SystemId};

use crate::world::World;

const DRIFT: &Caller = &Caller::Operator;

/// Everything there is, for finding out by looking at each what a search must find.
struct All {
    organisasjoner: HashMap<FiksOrgId, Organisasjon>,
    systemer: Vec<(System, Vec<Konto>)>,
}

impl All {
    async fn read(world: &World) -> Self {
        let mut tx = world.registry.begin_read().await.unwrap();
        let (mut organisasjoner, mut systemer) = (HashMap::new(), Vec::new());
        for organisasjon in tx.list_organisasjoner().await.unwrap() {
            for system in tx.list_systemer(organisasjon.id).await.unwrap() {
                let kontoer = tx.list_kontoer(system.id).await.unwrap();
                systemer.push((system, kontoer));
            }
            organisasjoner.insert(organisasjon.id, organisasjon);
        }
        Self { organisasjoner, systemer }
    }

    fn of_owner(&self, system: &System) -> String {
        self.organisasjoner[&system.fiks_org_id].navn.to_lowercase()
    }

    fn visible(&self, own: FiksOrgId, except: SystemId) -> impl Iterator<Item = &(System, Vec<Konto>)> {
        self.systemer.iter().filter(move |(system, _)| {
            system.id != except && (system.info.offentlig || system.fiks_org_id == own)
        })
    }
}

fn of_system(system: &System) -> String {
    format!("{}\n{}", system.info.navn, system.info.beskrivelse).to_lowercase()
}

fn of_konto(konto: &Konto) -> String {
    format!("{}\n{}", konto.navn, konto.beskrivelse).to_lowercase()
}

fn plays(konto: &Konto, parter: &[Protokollpart]) -> bool {
    konto.parter.iter().any(|played| {
        parter.iter().any(|part| {
            (&part.protokoll_navn, &part.versjon, &part.navn)
                == (&konto.protokoll_navn, &played.versjon, &played.navn)
        })
    })
}

/// All pages of a search.
async fn walk<T>(ask: impl AsyncFn(Page) -> Side<T>) -> Vec<T> {
    let (mut rows, mut page) = (Vec::new(), Page { number: 1, size: 7 });
    loop {
        let side = ask(page).await;
        let next = side.next();
        rows.extend(side.rows);
        let Some(next) = next else {
            assert_eq!(side.total, rows.len() as u64);
            return rows;
        };
        page = next;
    }
}

fn some(world: &World) -> Vec<KontoSti> {
    world.innhold.kontoer.iter().step_by(60).copied().collect()
}

const TERMS: [&str; 8] = ["", "arkiv", "sak drift", "ÅPEN", "vik ær", "bekymring byggesak", "-sky", "xyz"];
const RECEIVED: &str = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett";

#[tokio::test]
async fn systemer_found_are_those_that_looking_at_each_finds() {
    let world = World::new().await;
    let all = All::read(&world).await;
    let protokoller = world.app.list_protokoller().await.unwrap();
    let mottakere: Vec<_> = utveksling::mottakere(RECEIVED, &protokoller).into_iter().collect();
    let (mut hits, mut fitting) = (0, 0);
    for sti in some(&world) {
        let (_, own) = all.systemer.iter().find(|(system, _)| system.id == sti.system_id).unwrap();
        let konto = own.iter().find(|konto| konto.id == sti.konto_id).unwrap();
        let motparter: Vec<_> = utveksling::motparter(konto, &protokoller).into_iter().collect();
        for (at, term) in TERMS.iter().enumerate() {
            let sok = SystemSok {
                term: (*term).to_owned(),
                bare_som_kan_utveksle: at % 2 == 0,
                bare_egne: at == 3,
                kan_motta: (at == 1).then(|| RECEIVED.to_owned()),
                eier: (at == 2).then_some(world.innhold.organisasjoner[0]),
                ..Default::default()
            };
            let mut wanted: Vec<_> = all
                .visible(sti.fiks_org_id, sti.system_id)
                .filter(|(system, _)| sok.eier.is_none_or(|owner| owner == system.fiks_org_id))
                .filter(|(system, _)| !sok.bare_egne || system.fiks_org_id == sti.fiks_org_id)
                .filter(|(system, kontoer)| {
                    term.to_lowercase().split_whitespace().all(|word| {
                        of_system(system).contains(word)
                            || all.of_owner(system).contains(word)
                            || kontoer.iter().any(|konto| of_konto(konto).contains(word))
                    })
                })
                .filter(|(_, kontoer)| {
                    !sok.bare_som_kan_utveksle || kontoer.iter().any(|konto| plays(konto, &motparter))
                })
                .filter(|(_, kontoer)| {
                    sok.kan_motta.is_none() || kontoer.iter().any(|konto| plays(konto, &mottakere))
                })
                .map(|(system, _)| system.id)
                .collect();
            let found = walk(async |page| {
                world.app.sok_systemer(DRIFT, sti, &SystemSok { page, ..sok.clone() }).await.unwrap()
            })
            .await;
            let mut ids: Vec<_> = found.iter().map(|hit| hit.system.id).collect();
            ids.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(ids, wanted, "{sok:?}");
            hits += found.len();
            fitting += if sok.bare_som_kan_utveksle { found.len() } else { 0 };
            let mut tx = world.registry.begin_read().await.unwrap();
            for hit in found.iter().take(3) {
                let id = hit.system.id;
                assert_eq!(hit.eier.id, hit.system.fiks_org_id);
                assert_eq!(hit.har_tilgang, tx.tilgang(sti.konto_id, id).await.unwrap().is_some());
                assert_eq!(hit.har_bedt, tx.foresporsel(sti.konto_id, id).await.unwrap().is_some());
            }
        }
    }
    assert!(hits > 100 && fitting > 50, "{hits} and {fitting} prove little");
}

#[tokio::test]
async fn kontoer_found_are_those_that_looking_at_each_finds() {
    let world = World::new().await;
    let all = All::read(&world).await;
    let protokoller = world.app.list_protokoller().await.unwrap();
    let mottakere: Vec<_> = utveksling::mottakere(RECEIVED, &protokoller).into_iter().collect();
    let mut hits = 0;
    for sti in some(&world) {
        for (at, term) in TERMS.iter().enumerate() {
            let sok = KontoSok {
                term: (*term).to_owned(),
                protokoll: (at == 2).then(|| "no.ks.fiks.arkiv".to_owned()),
                kan_motta: (at == 1).then(|| RECEIVED.to_owned()),
                eier: (at == 4).then_some(world.innhold.organisasjoner[0]),
                ..Default::default()
            };
            let mut wanted: Vec<KontoId> = all
                .visible(sti.fiks_org_id, sti.system_id)
                .filter(|(system, _)| sok.eier.is_none_or(|owner| owner == system.fiks_org_id))
                .flat_map(|(system, kontoer)| kontoer.iter().map(move |konto| (system, konto)))
                .filter(|(system, konto)| {
                    term.to_lowercase().split_whitespace().all(|word| {
                        let texts = [of_system(system), all.of_owner(system), of_konto(konto)];
                        texts.iter().any(|text| text.contains(word))
                    })
                })
                .filter(|(_, konto)| sok.protokoll.as_ref().is_none_or(|navn| *navn == konto.protokoll_navn))
                .filter(|(_, konto)| sok.kan_motta.is_none() || plays(konto, &mottakere))
                .map(|(_, konto)| konto.id)
                .collect();
            let found = walk(async |page| {
                let sok = KontoSok { page, ..sok.clone() };
                world.app.sok_kontoer(DRIFT, sti.fiks_org_id, sti.system_id, &sok).await.unwrap()
            })
            .await;
            let mut ids: Vec<_> = found.iter().map(|hit| hit.konto.id).collect();
            ids.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(ids, wanted, "{sok:?}");
            hits += found.len();
            let mut tx = world.registry.begin_read().await.unwrap();
            for hit in found.iter().take(3) {
                assert_eq!((hit.eier.id, hit.konto.system_id), (hit.system.fiks_org_id, hit.system.id));
                let tilgang = tx.tilgang(hit.konto.id, sti.system_id).await.unwrap();
                assert_eq!(hit.har_tilgang, tilgang.is_some());
            }
        }
    }
    assert!(hits > 100, "{hits} prove little");
}

#[tokio::test]
async fn whole_id_finds_a_hidden_system_but_no_hidden_konto() {
    let world = World::new().await;
    let all = All::read(&world).await;
    let sti = world.innhold.kontoer[0];
    let hidden = |(system, kontoer): &&(System, Vec<Konto>)| {
        !system.info.offentlig && system.fiks_org_id != sti.fiks_org_id && !kontoer.is_empty()
    };
    let (system, kontoer) = all.systemer.iter().find(hidden).unwrap();
    let sok = SystemSok {
        term: format!(" {} ", system.id.to_string().to_uppercase()),
        bare_egne: true,
        ..Default::default()
    };
    let side = world.app.sok_systemer(DRIFT, sti, &sok).await.unwrap();
    assert_eq!((side.total, side.rows[0].system.id), (1, system.id));
    let own = SystemSok { term: sti.system_id.to_string(), ..Default::default() };
    assert_eq!(world.app.sok_systemer(DRIFT, sti, &own).await.unwrap().total, 0);

    let find = async |konto: KontoId| {
        let sok = KontoSok { term: konto.to_string(), ..Default::default() };
        world.app.sok_kontoer(DRIFT, sti.fiks_org_id, sti.system_id, &sok).await.unwrap().total
    };
    assert_eq!(find(kontoer[0].id).await, 0);
    assert_eq!(find(sti.konto_id).await, 0, "its own");
    let open = all.systemer.iter().find(|(system, kontoer)| {
        system.info.offentlig && system.fiks_org_id != sti.fiks_org_id && !kontoer.is_empty()
    });
    assert_eq!(find(open.unwrap().1[0].id).await, 1);
}

#[tokio::test]
async fn konto_of_a_hidden_system_is_shown_to_those_with_tilgang_alone() {
    let world = World::new().await;
    let all = All::read(&world).await;
    let sti = world.innhold.kontoer[0];
    let mut tx = world.registry.begin_read().await.unwrap();
    let (mut with, mut without) = (None, None);
    for (system, kontoer) in &all.systemer {
        if system.info.offentlig || system.fiks_org_id == sti.fiks_org_id {
            continue;
        }
        for konto in kontoer {
            let tilgang = tx.tilgang(konto.id, sti.system_id).await.unwrap();
            let asked = tx.foresporsel(konto.id, sti.system_id).await.unwrap();
            match (tilgang, asked) {
                (Some(_), _) => with = Some(konto.id),
                (None, None) => without = Some(konto.id),
                _ => {}
            }
        }
    }
    drop(tx);
    let show = async |konto: KontoId| {
        world.app.ekstern_konto_for_system(DRIFT, sti.fiks_org_id, sti.system_id, konto).await
    };
    let shown = show(with.unwrap()).await.unwrap();
    assert!(shown.tilgang.is_some());
    assert!(!shown.ekstern.versjoner.is_empty());
    assert!(matches!(show(without.unwrap()).await, Err(app::Error::NotFound(_))));
}

#[tokio::test]
async fn lists_of_tilganger_hold_what_the_registry_has() {
    let world = World::new().await;
    let liste = |page| app::lister::TilgangListe { page, ..Default::default() };
    for sti in some(&world) {
        let mut tx = world.registry.begin_read().await.unwrap();
        let given = tx.list_tilganger_til_konto(sti.konto_id).await.unwrap().len();
        let held = tx.list_tilganger_for_system(sti.system_id).await.unwrap().len();
        drop(tx);
        let rows =
            walk(async |page| world.app.list_tilganger_side(DRIFT, sti, &liste(page)).await.unwrap()).await;
        assert_eq!(rows.len(), given);
        assert!(rows.iter().all(|row| row.avsender.eier.id == row.avsender.system.fiks_org_id));
        let rows = walk(async |page| {
            let (owner, system) = (sti.fiks_org_id, sti.system_id);
            world.app.list_tilganger_for_system_side(DRIFT, owner, system, &liste(page)).await.unwrap()
        })
        .await;
        assert_eq!(rows.len(), held);
        assert!(rows.iter().all(|row| row.konto.system_id == row.system.id && !row.konto.parter.is_empty()));
    }
}
