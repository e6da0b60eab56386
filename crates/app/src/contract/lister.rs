//! What every adapter of [`Registry`](crate::ports::Registry) must do when people ask for lists, as cases that take an
//! empty registry.
//!
//! An adapter runs all of them with [`lister_contract!`](crate::lister_contract).

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by a panic, as tests do")]

use domain::konto::Konto;
use domain::system::{System, SystemInfo};
use domain::utveksling::Protokollpart;
use wire::id::{KontoId, SystemId, Uuid};

use crate::contract::registry::{
    Reg, at, audit_line, begin, commit, foresporsel, integrasjon, integrasjon_id, konto, konto_id, nokkel,
    org_id, organisasjon, part, person, person_id, read, seed, system, system_id, tilgang,
};
use crate::paging::{Page, Side};
use crate::ports::{
    AuditLine, HendelseFilter, KontoListe, KontoSortering, NokkelTilstand, OrgKontoListe, OrgKontoSortering,
    OrganisasjonTall, SystemListe, SystemSortering, TilgangListe, TilgangSortering, Tx, Utvalg,
};

/// Runs each case as a test of its own, as [`registry_contract!`](crate::registry_contract) does.
#[macro_export]
macro_rules! lister_contract {
    ($factory:path) => {
        $crate::lister_contract! { @cases $factory;
            things_are_found_by_id_in_one_go,
            pages_tell_how_many_there_are_and_hold_each_row_once,
            systemer_are_sorted_and_searched,
            kontoer_are_sorted_and_searched,
            nokler_are_told_of_those_in_use,
            konto_ids_and_counts_are_of_the_owner_alone,
            kontoer_of_an_organisasjon_are_sorted_searched_and_paged,
            tilganger_til_konto_are_paged_sorted_and_searched,
            tilganger_for_system_are_paged_sorted_and_searched,
            foresporsler_are_listed_and_counted,
            relations_are_told_of_those_asked_for,
            words_are_all_found_in_system_kontoer_and_owner,
            words_at_the_start_come_first,
            words_are_taken_literally,
            words_and_parter_follow_what_is_changed_and_removed,
            only_visible_systemer_and_their_kontoer_are_found,
            search_is_kept_to_owner_and_parter,
            organisasjoner_with_visible_systemer_are_listed_by_name,
            hendelser_are_filtered_and_paged_newest_first,
            hendelser_name_what_is_there_now,
            names_of_people_are_told_by_id,
            old_hendelser_are_removed_oldest_first,
        }
    };
    (@cases $factory:path; $($case:ident,)+) => {$(
        #[tokio::test]
        async fn $case() {
            let (registry, _alive) = $factory().await;
            $crate::contract::lister::$case(registry).await;
        }
    )+};
}

const fn page(number: u32, size: u32) -> Page {
    Page { number, size }
}

fn names(side: &Side<System>) -> Vec<&str> {
    side.rows.iter().map(|system| system.info.navn.as_str()).collect()
}

fn konto_names(side: &Side<Konto>) -> Vec<&str> {
    side.rows.iter().map(|konto| konto.navn.as_str()).collect()
}

fn utvalg(synlig_for: u128, term: &str) -> Utvalg {
    Utvalg {
        synlig_for: org_id(synlig_for),
        unntatt: system_id(99),
        ord: term.split_whitespace().map(str::to_owned).collect(),
        eier: None,
        protokoll: None,
        parter: None,
        page: Page::all(),
    }
}

async fn systemer(registry: &Reg, utvalg: &Utvalg) -> Vec<String> {
    let side = read(registry).await.sok_systemer(utvalg).await.unwrap();
    assert_eq!(side.total, side.rows.len() as u64);
    names(&side).into_iter().map(str::to_owned).collect()
}

async fn kontoer(registry: &Reg, utvalg: &Utvalg) -> Vec<String> {
    let side = read(registry).await.sok_kontoer(utvalg).await.unwrap();
    assert_eq!(side.total, side.rows.len() as u64);
    konto_names(&side).into_iter().map(str::to_owned).collect()
}

fn described(system: System, beskrivelse: &str) -> System {
    let info = SystemInfo { beskrivelse: beskrivelse.to_owned(), ..system.info };
    System { info, ..system }
}

fn hidden(system: System) -> System {
    System { info: SystemInfo { offentlig: false, ..system.info }, ..system }
}

/// Unknown ids are passed over; no id is no row.
pub async fn things_are_found_by_id_in_one_go(registry: Reg) {
    seed(&registry).await;
    let mut tx = read(&registry).await;
    let mut systemer = tx.systemer_by_id(&[system_id(2), system_id(9), system_id(1)]).await.unwrap();
    systemer.sort_by_key(|found| found.info.navn.clone());
    assert_eq!(systemer, [system(2, 2, "Mitt arkiv"), system(1, 1, "Mitt fagsystem")]);
    let kontoer = tx.kontoer_by_id(&[konto_id(3), konto_id(9)]).await.unwrap();
    assert_eq!(kontoer, [konto(3, 2, "Arkivet")]);
    let organisasjoner = tx.organisasjoner_by_id(&[org_id(2), org_id(9)]).await.unwrap();
    assert_eq!(organisasjoner, [organisasjon(2, "Lillefjord kommune")]);
    assert!(tx.systemer_by_id(&[]).await.unwrap().is_empty());
    assert!(tx.kontoer_by_id(&[]).await.unwrap().is_empty());
    assert!(tx.organisasjoner_by_id(&[]).await.unwrap().is_empty());
}

/// Also where all rows are alike but for their ids, and on a page behind the last one.
pub async fn pages_tell_how_many_there_are_and_hold_each_row_once(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    for n in 10..17 {
        tx.add_system(&system(n, 2, "Likt navn")).await.unwrap();
    }
    commit(tx).await;
    let mut tx = read(&registry).await;
    let mut seen = Vec::new();
    let mut next = Some(page(1, 3));
    while let Some(page) = next {
        let side =
            tx.list_systemer_side(org_id(2), &SystemListe { page, ..Default::default() }).await.unwrap();
        assert_eq!((side.total, side.page), (8, page));
        seen.extend(side.rows.iter().map(|system| system.id));
        next = side.next();
    }
    assert_eq!(seen.len(), 8);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 8);
    let behind = SystemListe { page: page(9, 3), ..Default::default() };
    let side = tx.list_systemer_side(org_id(2), &behind).await.unwrap();
    assert_eq!((side.rows.len(), side.total), (0, 8));
    let nothing = tx.list_systemer_side(org_id(9), &SystemListe::default()).await.unwrap();
    assert_eq!((nothing.rows.len(), nothing.total), (0, 0));
}

/// By name as in Norwegian, by kontoer and by time of change, either way; words in navn and beskrivelse; a whole id.
pub async fn systemer_are_sorted_and_searched(registry: Reg) {
    use SystemSortering::{Kontoer, Navn, SistEndret};
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    let older = System { sist_endret: at(-5), ..system(3, 1, "Økonomi") };
    tx.add_system(&described(older, "Fra BLÅ leverandør")).await.unwrap();
    tx.add_system(&System { sist_endret: at(5), ..system(4, 1, "Åpent arkiv") }).await.unwrap();
    tx.add_konto(&konto(10, 4, "Inn")).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let mut list = async |sok: &str, sortering, synkende| {
        let liste = SystemListe { sok: sok.to_owned(), sortering, synkende, page: Page::default() };
        let side = tx.list_systemer_side(org_id(1), &liste).await.unwrap();
        names(&side).join(", ")
    };
    assert_eq!(list("", Navn, false).await, "Mitt fagsystem, Økonomi, Åpent arkiv");
    assert_eq!(list("", Navn, true).await, "Åpent arkiv, Økonomi, Mitt fagsystem");
    assert_eq!(list("", Kontoer, false).await, "Økonomi, Åpent arkiv, Mitt fagsystem");
    assert_eq!(list("", Kontoer, true).await, "Mitt fagsystem, Åpent arkiv, Økonomi");
    assert_eq!(list("", SistEndret, true).await, "Åpent arkiv, Mitt fagsystem, Økonomi");
    assert_eq!(list("leverandør  ØKO", Navn, false).await, "Økonomi");
    assert_eq!(list("blå arkiv", Navn, false).await, "");
    let id = format!(" {} ", system_id(3).to_string().to_uppercase());
    assert_eq!(list(&id, Navn, false).await, "Økonomi");
    assert_eq!(list(&system_id(2).to_string(), Navn, false).await, "", "another owner's");
}

/// By name and by Protokoll; each has its parter.
pub async fn kontoer_are_sorted_and_searched(registry: Reg) {
    use KontoSortering::{Navn, Protokoll};
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    let plan = Konto { protokoll_navn: "no.ks.fiks.plan".to_owned(), ..konto(10, 1, "Arealplan") };
    let plan = Konto { parter: vec![part("v2", "b"), part("v2", "a")], ..plan };
    tx.add_konto(&plan).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let mut list = async |sok: &str, sortering, synkende| {
        let liste = KontoListe { sok: sok.to_owned(), sortering, synkende, page: Page::default() };
        tx.list_kontoer_side(system_id(1), &liste).await.unwrap()
    };
    let side = list("", Navn, false).await;
    assert_eq!((konto_names(&side), side.total), (vec!["Arealplan", "Byggesak", "Saker"], 3));
    assert_eq!(side.rows[0], plan);
    assert_eq!(konto_names(&list("", Navn, true).await), ["Saker", "Byggesak", "Arealplan"]);
    assert_eq!(konto_names(&list("", Protokoll, false).await), ["Byggesak", "Saker", "Arealplan"]);
    assert_eq!(konto_names(&list("", Protokoll, true).await), ["Arealplan", "Byggesak", "Saker"]);
    assert_eq!(konto_names(&list("konto SAK", Navn, false).await), ["Byggesak", "Saker"]);
    assert_eq!(konto_names(&list(&konto_id(2).to_string(), Navn, false).await), ["Byggesak"]);
    assert!(list(&konto_id(3).to_string(), Navn, false).await.rows.is_empty(), "another System's");
}

/// One that was replaced or taken out of use is not told of.
pub async fn nokler_are_told_of_those_in_use(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    let mut first = nokkel(1, "a", 0);
    first.gyldig_til = at(7);
    tx.add_nokkel(&first).await.unwrap();
    tx.add_nokkel(&nokkel(1, "b", 1)).await.unwrap();
    tx.add_nokkel(&nokkel(2, "c", 0)).await.unwrap();
    tx.remove_nokkel(konto_id(2)).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let found = tx.list_nokkeltilstander(&[konto_id(1), konto_id(2), konto_id(3)]).await.unwrap();
    let in_use = NokkelTilstand { gyldig_fra: at(-1000), gyldig_til: at(1_000_000) };
    assert_eq!(found, [(konto_id(1), in_use)]);
    assert!(tx.list_nokkeltilstander(&[]).await.unwrap().is_empty());
}

/// By the name asked for, each page with the number of all; words may stand in the Konto or in its System; nothing of others.
pub async fn kontoer_of_an_organisasjon_are_sorted_searched_and_paged(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_system(&system(8, 1, "Åpent")).await.unwrap();
    tx.add_konto(&konto(8, 8, "Anna")).await.unwrap();
    tx.add_konto(&konto(9, 8, "Ærlig")).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let (system, navn) = (OrgKontoSortering::System, OrgKontoSortering::Navn);
    for (sok, sortering, synkende, expected) in [
        ("", system, false, vec![2, 1, 8, 9]),
        ("", system, true, vec![9, 8, 1, 2]),
        ("", navn, false, vec![8, 2, 1, 9]),
        ("", navn, true, vec![9, 1, 2, 8]),
        ("ÅPENT", navn, false, vec![8, 9]),
        ("fagsystem sak", system, false, vec![2, 1]),
        ("åpent sak", system, false, vec![]),
        ("arkiv", system, false, vec![]),
        (&konto_id(9).to_string(), system, false, vec![9]),
        (&konto_id(3).to_string(), system, false, vec![]),
    ] {
        let liste = OrgKontoListe { sok: sok.to_owned(), sortering, synkende };
        let expected: Vec<_> = expected.into_iter().map(konto_id).collect();
        assert_eq!(tx.list_konto_ids_sorted(org_id(1), &liste).await.unwrap(), expected, "{liste:?}");
        let all = tx.list_konto_ids_side(org_id(1), &liste, page(1, 10)).await.unwrap();
        assert_eq!((all.rows.as_slice(), all.total), (&*expected, expected.len() as u64), "{liste:?}");
        let second = tx.list_konto_ids_side(org_id(1), &liste, page(2, 2)).await.unwrap();
        let rest: Vec<_> = expected.iter().copied().skip(2).take(2).collect();
        assert_eq!((second.rows, second.total), (rest, expected.len() as u64), "{liste:?}");
    }
}

/// Nothing of others.
pub async fn konto_ids_and_counts_are_of_the_owner_alone(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_system(&system(3, 1, "Tomt")).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let sorted = |mut ids: Vec<(SystemId, KontoId)>| {
        ids.sort_unstable();
        ids
    };
    let own = sorted(vec![(system_id(1), konto_id(1)), (system_id(1), konto_id(2))]);
    assert_eq!(sorted(tx.list_konto_ids_for_org(org_id(1)).await.unwrap()), own);
    let found = tx.list_konto_ids_for_systemer(&[system_id(1), system_id(3)]).await.unwrap();
    assert_eq!(sorted(found), own);
    assert!(tx.list_konto_ids_for_systemer(&[]).await.unwrap().is_empty());
    let counts = tx.count_kontoer(&[system_id(1), system_id(3)]).await.unwrap();
    assert_eq!(counts, [(system_id(1), 2)]);
    let tall = tx.count_organisasjon(org_id(1)).await.unwrap();
    assert_eq!(tall, OrganisasjonTall { systemer: 2, kontoer: 2 });
    let tall = tx.count_organisasjon(org_id(9)).await.unwrap();
    assert_eq!(tall, OrganisasjonTall { systemer: 0, kontoer: 0 });
}

/// Systemer 3 «Ærlig» of Storevik, 4 «Bil» and 5 «Åsen» of Lillefjord.
async fn add_senders(tx: &mut dyn Tx) {
    for (n, owner, navn) in [(3, 1, "Ærlig"), (4, 2, "Bil"), (5, 2, "Åsen")] {
        tx.add_system(&system(n, owner, navn)).await.unwrap();
    }
}

/// By the name of the System or by time; words in it and in its owner.
pub async fn tilganger_til_konto_are_paged_sorted_and_searched(registry: Reg) {
    use TilgangSortering::{Navn, Tidspunkt};
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    add_senders(&mut *tx).await;
    for (n, gitt) in [(3, 10), (4, 30), (5, 20)] {
        tx.add_tilgang(&tilgang(1, n, gitt)).await.unwrap();
    }
    tx.add_tilgang(&tilgang(2, 4, 0)).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let mut list = async |sok: &str, sortering, synkende, page| {
        let liste = TilgangListe { sok: sok.to_owned(), sortering, synkende, page };
        let side = tx.list_tilganger_til_konto_side(konto_id(1), &liste).await.unwrap();
        (side.rows, side.total)
    };
    let (bil, aerlig, asen) = (tilgang(1, 4, 30), tilgang(1, 3, 10), tilgang(1, 5, 20));
    assert_eq!(list("", Navn, false, page(1, 9)).await, (vec![bil, aerlig, asen], 3));
    assert_eq!(list("", Navn, true, page(1, 2)).await, (vec![asen, aerlig], 3));
    assert_eq!(list("", Tidspunkt, false, page(2, 2)).await, (vec![bil], 3));
    assert_eq!(list("", Tidspunkt, true, page(1, 1)).await, (vec![bil], 3));
    assert_eq!(list("LILLEFJORD ås", Navn, false, page(1, 9)).await, (vec![asen], 1));
    assert_eq!(list(&system_id(3).to_string(), Navn, false, page(1, 9)).await, (vec![aerlig], 1));
}

/// By the name of the Konto or by time; words in it, in its System and in the owner.
pub async fn tilganger_for_system_are_paged_sorted_and_searched(registry: Reg) {
    use TilgangSortering::{Navn, Tidspunkt};
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    add_senders(&mut *tx).await;
    for (n, gitt) in [(1, 10), (2, 30), (3, 20)] {
        tx.add_tilgang(&tilgang(n, 4, gitt)).await.unwrap();
    }
    tx.add_tilgang(&tilgang(1, 5, 0)).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let mut list = async |sok: &str, sortering, synkende, page| {
        let liste = TilgangListe { sok: sok.to_owned(), sortering, synkende, page };
        let side = tx.list_tilganger_for_system_side(system_id(4), &liste).await.unwrap();
        (side.rows, side.total)
    };
    let (arkivet, byggesak, saker) = (tilgang(3, 4, 20), tilgang(2, 4, 30), tilgang(1, 4, 10));
    assert_eq!(list("", Navn, false, page(1, 9)).await, (vec![arkivet, byggesak, saker], 3));
    assert_eq!(list("", Navn, true, page(2, 2)).await, (vec![arkivet], 3));
    assert_eq!(list("", Tidspunkt, true, page(1, 2)).await, (vec![byggesak, arkivet], 3));
    assert_eq!(list("fagsystem STOREVIK sak", Navn, false, page(1, 9)).await, (vec![byggesak, saker], 2));
    assert_eq!(list(&konto_id(3).to_string(), Navn, false, page(1, 9)).await, (vec![arkivet], 1));
}

/// In both directions, apart from tilganger.
pub async fn foresporsler_are_listed_and_counted(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    add_senders(&mut *tx).await;
    tx.add_foresporsel(&foresporsel(1, 4, 10)).await.unwrap();
    tx.add_foresporsel(&foresporsel(1, 5, 20)).await.unwrap();
    tx.add_foresporsel(&foresporsel(2, 4, 30)).await.unwrap();
    tx.add_tilgang(&tilgang(1, 3, 0)).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let liste = TilgangListe::default();
    let side = tx.list_foresporsler_til_konto_side(konto_id(1), &liste).await.unwrap();
    assert_eq!((side.rows, side.total), (vec![foresporsel(1, 4, 10), foresporsel(1, 5, 20)], 2));
    let side = tx.list_foresporsler_for_system_side(system_id(4), &liste).await.unwrap();
    assert_eq!((side.rows, side.total), (vec![foresporsel(2, 4, 30), foresporsel(1, 4, 10)], 2));
    assert_eq!(tx.count_foresporsler_til_konto(konto_id(1)).await.unwrap(), 2);
    assert_eq!(tx.count_foresporsler_til_konto(konto_id(3)).await.unwrap(), 0);
}

/// Tilganger and forespørsler apart, and none of others.
pub async fn relations_are_told_of_those_asked_for(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    add_senders(&mut *tx).await;
    tx.add_tilgang(&tilgang(1, 3, 0)).await.unwrap();
    tx.add_tilgang(&tilgang(1, 5, 0)).await.unwrap();
    tx.add_tilgang(&tilgang(2, 4, 0)).await.unwrap();
    tx.add_foresporsel(&foresporsel(1, 4, 0)).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let found = tx.tilganger_til_konto_of(konto_id(1), &[system_id(3), system_id(4)]).await.unwrap();
    assert_eq!(found, (vec![system_id(3)], vec![system_id(4)]));
    let found = tx.tilganger_for_system_of(system_id(4), &[konto_id(1), konto_id(2)]).await.unwrap();
    assert_eq!(found, (vec![konto_id(2)], vec![konto_id(1)]));
    assert_eq!(tx.tilganger_til_konto_of(konto_id(1), &[]).await.unwrap(), (vec![], vec![]));
}

/// Each word anywhere, also inside of words; a System stands once.
pub async fn words_are_all_found_in_system_kontoer_and_owner(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_system(&described(system(3, 2, "BLÅBÆR"), "Til sylteTØY")).await.unwrap();
    tx.add_konto(&konto(10, 3, "Økonomi")).await.unwrap();
    commit(tx).await;
    let all = ["BLÅBÆR", "Mitt arkiv", "Mitt fagsystem"];
    assert_eq!(systemer(&registry, &utvalg(1, "")).await, all);
    assert_eq!(systemer(&registry, &utvalg(1, "bær tøy økonomi lillefjord")).await, ["BLÅBÆR"]);
    assert_eq!(systemer(&registry, &utvalg(1, "bær saker")).await, [""; 0]);
    assert_eq!(systemer(&registry, &utvalg(1, "system")).await, ["Mitt arkiv", "Mitt fagsystem"]);
    assert_eq!(systemer(&registry, &utvalg(1, "en konto")).await, all);
    assert_eq!(kontoer(&registry, &utvalg(1, "")).await, ["Arkivet", "Byggesak", "Saker", "Økonomi"]);
    assert_eq!(kontoer(&registry, &utvalg(1, "blåbær øko")).await, ["Økonomi"]);
    assert_eq!(kontoer(&registry, &utvalg(1, "sak storevik")).await, ["Saker", "Byggesak"]);
    assert_eq!(kontoer(&registry, &utvalg(1, "sak lillefjord")).await, [""; 0]);
}

/// At the start of any word, in a Konto as well; then by name.
pub async fn words_at_the_start_come_first(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    for (n, navn) in [(3, "Adelsak"), (4, "Plan-sak"), (5, "Sak/arkiv"), (6, "Zoo"), (7, "Boligsaker")] {
        tx.add_system(&described(system(n, 2, navn), "x")).await.unwrap();
    }
    tx.add_konto(&Konto { beskrivelse: "y\nsak".to_owned(), ..konto(10, 6, "y") }).await.unwrap();
    commit(tx).await;
    // System 1 has the Konto «Saker».
    let inside = ["Adelsak", "Boligsaker"];
    let at_start = ["Mitt fagsystem", "Plan-sak", "Sak/arkiv", "Zoo"];
    assert_eq!(systemer(&registry, &utvalg(1, "sak")).await, [&at_start[..], &inside[..]].concat());
    assert_eq!(systemer(&registry, &utvalg(1, "sak arkiv")).await, ["Sak/arkiv"]);
    let some = Utvalg { page: page(2, 4), ..utvalg(1, "sak") };
    let side = read(&registry).await.sok_systemer(&some).await.unwrap();
    assert_eq!((names(&side), side.total), (inside.to_vec(), 6));
}

/// Wildcards, escapes and quotes are characters like others.
pub async fn words_are_taken_literally(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_system(&system(3, 1, "100% klar!")).await.unwrap();
    tx.add_system(&system(4, 1, "a\\b's c_d")).await.unwrap();
    commit(tx).await;
    for (term, found) in [
        ("%", vec!["100% klar!"]),
        ("!", vec!["100% klar!"]),
        ("_", vec!["a\\b's c_d"]),
        ("\\", vec!["a\\b's c_d"]),
        ("b's c_d", vec!["a\\b's c_d"]),
        ("k%r", vec![]),
        ("$1", vec![]),
    ] {
        assert_eq!(systemer(&registry, &utvalg(1, term)).await, found, "{term}");
    }
}

/// What a System can be found by through its kontoer goes when they go, and changes when they change.
pub async fn words_and_parter_follow_what_is_changed_and_removed(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_system(&system(3, 2, "Plan")).await.unwrap();
    tx.add_konto(&konto(10, 3, "Økonomi")).await.unwrap();
    tx.add_konto(&konto(11, 3, "Journal")).await.unwrap();
    commit(tx).await;
    assert_eq!(systemer(&registry, &utvalg(1, "plan økonomi journal")).await, ["Plan"]);
    let mut tx = begin(&registry).await;
    let moved = "no.ks.fiks.plan".to_owned();
    tx.update_konto(&Konto { protokoll_navn: moved.clone(), ..konto(10, 3, "Regnskap") }).await.unwrap();
    tx.update_system(&system(3, 2, "Kart")).await.unwrap();
    commit(tx).await;
    assert_eq!(systemer(&registry, &utvalg(1, "kart regnskap journal")).await, ["Kart"]);
    assert_eq!(kontoer(&registry, &utvalg(1, "kart regnskap")).await, ["Regnskap"]);
    for gone in ["plan", "økonomi"] {
        assert_eq!(systemer(&registry, &utvalg(1, gone)).await, [""; 0], "{gone}");
        assert_eq!(kontoer(&registry, &utvalg(1, gone)).await, [""; 0], "{gone}");
    }
    let part = konto(10, 3, "").parter[0].clone();
    let part = Protokollpart { protokoll_navn: moved, versjon: part.versjon, navn: part.navn };
    let plays = Utvalg { parter: Some(vec![part]), ..utvalg(1, "") };
    assert_eq!(systemer(&registry, &plays).await, ["Kart"]);
    let mut tx = begin(&registry).await;
    tx.remove_konto(konto_id(10)).await.unwrap();
    commit(tx).await;
    assert_eq!(systemer(&registry, &utvalg(1, "regnskap")).await, [""; 0]);
    assert_eq!(systemer(&registry, &utvalg(1, "kart journal")).await, ["Kart"]);
    assert_eq!(systemer(&registry, &plays).await, [""; 0]);
}

/// Own and offentlige, but for the excepted one.
pub async fn only_visible_systemer_and_their_kontoer_are_found(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.update_system(&hidden(system(2, 2, "Mitt arkiv"))).await.unwrap();
    commit(tx).await;
    assert_eq!(systemer(&registry, &utvalg(1, "")).await, ["Mitt fagsystem"]);
    assert_eq!(systemer(&registry, &utvalg(2, "")).await, ["Mitt arkiv", "Mitt fagsystem"]);
    assert_eq!(systemer(&registry, &utvalg(1, "arkivet")).await, [""; 0]);
    assert_eq!(kontoer(&registry, &utvalg(1, "")).await, ["Byggesak", "Saker"]);
    assert_eq!(kontoer(&registry, &utvalg(2, "")).await, ["Arkivet", "Byggesak", "Saker"]);
    let without = Utvalg { unntatt: system_id(1), ..utvalg(2, "") };
    assert_eq!(systemer(&registry, &without).await, ["Mitt arkiv"]);
    assert_eq!(kontoer(&registry, &without).await, ["Arkivet"]);
}

fn protokollpart(versjon: &str, navn: &str) -> Protokollpart {
    Protokollpart {
        protokoll_navn: "no.ks.fiks.arkiv".to_owned(),
        versjon: versjon.to_owned(),
        navn: navn.to_owned(),
    }
}

/// Protokoll, version and Part must all fit, in one and the same Konto.
pub async fn search_is_kept_to_owner_and_parter(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    let both = vec![part("v1", "arkiv.full"), part("v2", "klient.full")];
    tx.update_konto(&Konto { parter: both, ..konto(3, 2, "Arkivet") }).await.unwrap();
    commit(tx).await;
    let of = |owner| Utvalg { eier: Some(org_id(owner)), ..utvalg(1, "") };
    assert_eq!(systemer(&registry, &of(2)).await, ["Mitt arkiv"]);
    assert_eq!(kontoer(&registry, &of(1)).await, ["Byggesak", "Saker"]);
    let plays = |parter: &[(&str, &str)]| {
        let parter = parter.iter().map(|(versjon, navn)| protokollpart(versjon, navn)).collect();
        Utvalg { parter: Some(parter), ..utvalg(1, "") }
    };
    assert_eq!(systemer(&registry, &plays(&[("v1", "arkiv.full")])).await, ["Mitt arkiv"]);
    assert_eq!(kontoer(&registry, &plays(&[("v1", "arkiv.full")])).await, ["Arkivet"]);
    assert_eq!(systemer(&registry, &plays(&[("v2", "arkiv.full")])).await, [""; 0]);
    let either = plays(&[("v2", "klient.full"), ("v1", "klient.full")]);
    assert_eq!(systemer(&registry, &either).await, ["Mitt arkiv", "Mitt fagsystem"]);
    assert_eq!(kontoer(&registry, &either).await, ["Arkivet", "Byggesak", "Saker"]);
    assert_eq!(systemer(&registry, &plays(&[])).await, [""; 0]);
    assert_eq!(kontoer(&registry, &plays(&[])).await, [""; 0]);
    let of = |navn: &str, term| Utvalg { protokoll: Some(navn.to_owned()), ..utvalg(1, term) };
    assert_eq!(kontoer(&registry, &of("no.ks.fiks.arkiv", "")).await, ["Arkivet", "Byggesak", "Saker"]);
    assert_eq!(kontoer(&registry, &of("no.ks.fiks.arkiv", "sak")).await, ["Saker", "Byggesak"]);
    assert_eq!(kontoer(&registry, &of("no.ks.fiks.plan", "sak")).await, [""; 0]);
    assert_eq!(kontoer(&registry, &of("no.ks.fiks.plan", "")).await, [""; 0]);
    let some = Utvalg { page: page(2, 2), ..utvalg(1, "") };
    let side = read(&registry).await.sok_kontoer(&some).await.unwrap();
    assert_eq!((konto_names(&side), side.total), (vec!["Saker"], 3));
    let of_owner = |owner| Utvalg { eier: Some(org_id(owner)), ..plays(&[("v1", "arkiv.full")]) };
    assert_eq!(systemer(&registry, &of_owner(2)).await, ["Mitt arkiv"]);
    assert_eq!(systemer(&registry, &of_owner(1)).await, [""; 0]);
    let mut other = plays(&[("v1", "klient.full")]);
    "no.ks.fiks.plan".clone_into(&mut other.parter.as_mut().unwrap()[0].protokoll_navn);
    assert_eq!(systemer(&registry, &other).await, [""; 0]);
}

/// An own one counts when it is not offentlig, the excepted one never.
pub async fn organisasjoner_with_visible_systemer_are_listed_by_name(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    for (n, navn) in [(3, "Ås"), (4, "Ørsta"), (5, "Uten")] {
        tx.add_organisasjon(&organisasjon(n, navn)).await.unwrap();
    }
    tx.add_system(&hidden(system(3, 3, "a"))).await.unwrap();
    tx.add_system(&system(4, 4, "b")).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let mut list = async |own, except| {
        let found = tx.list_organisasjoner_with_synlige(org_id(own), system_id(except)).await.unwrap();
        found.iter().map(|one| one.navn.clone()).collect::<Vec<_>>()
    };
    assert_eq!(list(1, 9).await, ["Lillefjord kommune", "Storevik kommune", "Ørsta"]);
    assert_eq!(list(1, 1).await, ["Lillefjord kommune", "Ørsta"]);
    assert_eq!(list(3, 4).await, ["Lillefjord kommune", "Storevik kommune", "Ås"]);
}

/// A line of organisasjon 1.
fn line(n: u128, tidspunkt: i64) -> AuditLine {
    AuditLine { hva: "opprettet konto".to_owned(), ..audit_line(n, Some(1), tidspunkt) }
}

/// By System, Konto, kind and time, `til` not included.
pub async fn hendelser_are_filtered_and_paged_newest_first(registry: Reg) {
    seed(&registry).await;
    let of_system = AuditLine { system_id: Some(system_id(1)), ..line(2, 20) };
    let of_konto = AuditLine { konto_id: Some(konto_id(1)), ..of_system.clone() };
    let of_konto = AuditLine { id: line(3, 0).id, tidspunkt: at(30), ..of_konto };
    let other = AuditLine { hva: "slettet konto".to_owned(), ..line(4, 30) };
    let mut tx = begin(&registry).await;
    let lines =
        [line(1, 10), of_system, of_konto, other, audit_line(5, Some(2), 40), audit_line(6, None, 50)];
    for line in &lines {
        tx.add_audit_line(line).await.unwrap();
    }
    commit(tx).await;
    let mut tx = read(&registry).await;
    let mut list = async |filter: HendelseFilter| {
        let side = tx.list_hendelser_side(org_id(1), &filter).await.unwrap();
        let at = |id: Uuid| lines.iter().position(|line| line.id == id).unwrap() + 1;
        (side.rows.iter().map(|row| at(row.line.id)).collect::<Vec<_>>(), side.total)
    };
    let all = HendelseFilter::default;
    assert_eq!(list(all()).await, (vec![4, 3, 2, 1], 4));
    assert_eq!(list(HendelseFilter { page: page(2, 3), ..all() }).await, (vec![1], 4));
    assert_eq!(list(HendelseFilter { page: page(3, 3), ..all() }).await, (vec![], 4));
    assert_eq!(list(HendelseFilter { system: Some(system_id(1)), ..all() }).await, (vec![3, 2], 2));
    assert_eq!(list(HendelseFilter { konto: Some(konto_id(1)), ..all() }).await, (vec![3], 1));
    let hva = Some("slettet konto".to_owned());
    assert_eq!(list(HendelseFilter { hva, ..all() }).await, (vec![4], 1));
    let (fra, til) = (Some(at(20)), Some(at(30)));
    assert_eq!(list(HendelseFilter { fra, ..all() }).await, (vec![4, 3, 2], 3));
    assert_eq!(list(HendelseFilter { fra, til, ..all() }).await, (vec![2], 1));
    assert_eq!(list(HendelseFilter { til: Some(at(10)), ..all() }).await, (vec![], 0));
}

/// What is gone has no name.
pub async fn hendelser_name_what_is_there_now(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_integrasjon(&integrasjon(1, 2, true, 0)).await.unwrap();
    tx.add_person(&person(1, "Kari")).await.unwrap();
    let about = AuditLine { system_id: Some(system_id(1)), konto_id: Some(konto_id(1)), ..line(1, 10) };
    for (n, hvem) in [
        (1, format!("integrasjon:{}", integrasjon_id(1))),
        (2, format!("organisasjon:{}", org_id(2))),
        (3, "drift".to_owned()),
        (4, format!("integrasjon:{}", integrasjon_id(2))),
        (5, format!("person:{}", person_id(1))),
    ] {
        let tidspunkt = at(100 - i64::try_from(n).unwrap());
        let line = AuditLine { id: line(n, 0).id, tidspunkt, hvem, ..about.clone() };
        tx.add_audit_line(&line).await.unwrap();
    }
    tx.update_system(&system(1, 1, "Nytt navn")).await.unwrap();
    commit(tx).await;
    let named = async || {
        let mut tx = read(&registry).await;
        let side = tx.list_hendelser_side(org_id(1), &HendelseFilter::default()).await.unwrap();
        side.rows
    };
    let rows = named().await;
    let hvem: Vec<_> = rows.iter().map(|row| row.hvem_navn.as_deref()).collect();
    assert_eq!(hvem, [Some("Mitt arkiv"), Some("Lillefjord kommune"), None, None, Some("Kari")]);
    assert!(rows.iter().all(|row| row.system_navn.as_deref() == Some("Nytt navn")));
    assert!(rows.iter().all(|row| row.konto_navn.as_deref() == Some("Saker")));
    let mut tx = begin(&registry).await;
    tx.remove_system(system_id(1)).await.unwrap();
    commit(tx).await;
    let rows = named().await;
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row.system_navn.is_none() && row.konto_navn.is_none()));
    assert_eq!(rows[0].line.system_id, Some(system_id(1)));
}

/// Unknown ids are passed over.
pub async fn names_of_people_are_told_by_id(registry: Reg) {
    let mut tx = begin(&registry).await;
    tx.add_person(&person(1, "Kari")).await.unwrap();
    tx.add_person(&person(2, "Åse")).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let found = tx.list_personnavn(&[person_id(2), person_id(9)]).await.unwrap();
    assert_eq!(found, [(person_id(2), "Åse".to_owned())]);
    assert!(tx.list_personnavn(&[]).await.unwrap().is_empty());
}

/// No more than the limit; a line of that very time stays. New lines still come last.
pub async fn old_hendelser_are_removed_oldest_first(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    for n in 1..=4 {
        tx.add_audit_line(&line(n, i64::try_from(n).unwrap() * 10)).await.unwrap();
    }
    assert_eq!(tx.remove_old_audit_lines(at(30), 1).await.unwrap(), 1);
    assert_eq!(tx.remove_old_audit_lines(at(30), 10).await.unwrap(), 1);
    assert_eq!(tx.remove_old_audit_lines(at(30), 10).await.unwrap(), 0);
    tx.add_audit_line(&line(5, 40)).await.unwrap();
    commit(tx).await;
    let left = read(&registry).await.list_audit_lines(org_id(1), 10).await.unwrap();
    assert_eq!(left, [line(5, 40), line(4, 40), line(3, 30)]);
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_run_by_the_macro() {
        let source = include_str!("lister.rs");
        let (list, _) = source.split_once("(@cases $factory:path;").unwrap();
        let cases: Vec<_> = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn ")?.split_once('('))
            .map(|(name, _)| name)
            .collect();
        assert!(cases.len() >= 20);
        for case in cases {
            assert!(list.contains(&format!("            {case},\n")), "{case} is not run");
        }
    }
}
