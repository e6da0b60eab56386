//! What every adapter of [`Registry`] must do, as cases that take an empty registry.
//!
//! An adapter runs all of them with [`registry_contract!`](crate::registry_contract).

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by a panic, as tests do")]

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use domain::Orgnummer;
use domain::avtale::{AvtaleDokument, AvtaleSignatur};
use domain::konto::{Konto, PartRef};
use domain::nokkel::OffentligNokkel;
use domain::organisasjon::Organisasjon;
use domain::person::{Person, Rolle, Rolletildeling};
use domain::protokoll::{Meldingstype, Part, PayloadKriterie, Protokoll, Protokollstatus};
use domain::system::{Integrasjon, System, SystemInfo};
use domain::tilgang::{Foresporsel, Tilgang};
use jiff::Timestamp;
use wire::id::{
    DokumentId, FiksOrgId, IntegrasjonId, KontoId, MeldingId, PersonId, SesjonId, SystemId, Uuid,
};

use crate::paging::Page;
use crate::ports::{
    AuditLine, Dokument, Dokumentbytes, Eiere, KontoFakta, Kontonavn, Partkrav, Registry, RegistryError,
    SattTilSide, Sesjon, Tx,
};

/// Runs each case as a test of its own. `$factory` is an async function that returns an empty registry as
/// `Arc<dyn Registry>` together with whatever must live as long as it, such as a temporary folder.
///
/// Needs the crate tokio with its macros where it is used.
#[macro_export]
macro_rules! registry_contract {
    ($factory:path) => {
        $crate::registry_contract! { @cases $factory;
            unknown_ids_are_not_found,
            organisasjon_is_found_by_id_and_by_orgnummer,
            organisasjon_is_replaced_whole,
            second_organisasjon_with_an_id_or_orgnummer_is_a_conflict,
            organisasjoner_are_listed_by_norwegian_name,
            system_is_read_back_as_written,
            system_is_replaced_whole,
            second_system_with_an_id_is_a_conflict,
            system_of_an_unknown_organisasjon_is_refused,
            systemer_are_listed_by_name_for_their_owner,
            removed_system_takes_all_that_hangs_on_it,
            integrasjon_is_read_back_as_written,
            integrasjon_is_replaced_whole_and_removed,
            integrasjoner_are_listed_primary_first_then_newest_first,
            second_integrasjon_with_an_id_is_a_conflict,
            second_primary_integrasjon_of_a_system_is_a_conflict,
            primary_integrasjon_can_be_another_one,
            konto_is_read_back_with_its_parter_in_order,
            konto_is_replaced_with_its_parter,
            second_konto_with_an_id_is_a_conflict,
            konto_of_an_unknown_system_is_refused,
            kontoer_are_listed_by_name_for_their_system,
            every_konto_id_is_listed,
            kontostatus_is_listed_with_systemer_and_nokler,
            kontonavn_tells_of_those_that_exist,
            removed_konto_takes_all_that_hangs_on_it,
            last_nokkel_is_the_current_one_and_history_is_kept,
            removed_nokkel_stays_in_the_history,
            same_nokkel_can_be_uploaded_again,
            tilgang_is_one_for_each_konto_and_system,
            tilganger_are_listed_oldest_first_in_both_directions,
            removing_tilgang_tells_whether_it_was_there,
            foresporsel_is_one_for_each_konto_and_system,
            foresporsler_are_listed_oldest_first_in_both_directions,
            removing_foresporsel_tells_whether_it_was_there,
            protokoll_is_read_back_as_written_and_replaced,
            versjoner_are_listed_as_people_count,
            katalog_fingerprint_is_the_last_one_set,
            dokument_is_read_back_as_written,
            dokumentbytes_are_summed_by_organisasjon,
            times_at_both_ends_of_the_calendar_are_read_back,
            second_dokument_with_an_id_is_a_conflict,
            expired_dokumenter_are_listed_first_expired_first,
            dokument_is_extended_and_never_shortened,
            dokument_outlives_its_kontoer,
            queue_that_goes_is_noted_once_and_until_it_is_gone,
            queues_set_aside_are_those_put_last,
            audit_lines_are_listed_newest_first_for_their_owner,
            audit_lines_outlive_what_they_tell_of,
            search_for_systemer_ignores_case_of_norwegian_letters,
            search_for_systemer_looks_in_their_kontoer,
            search_for_systemer_finds_an_id,
            search_for_systemer_shows_own_and_offentlige_only,
            search_for_systemer_can_be_kept_to_owners,
            search_for_systemer_is_by_name_and_limited,
            search_takes_wildcards_and_escapes_literally,
            search_follows_changed_names,
            search_for_kontoer_looks_in_their_system,
            search_for_kontoer_finds_an_id,
            search_for_kontoer_shows_own_and_offentlige_only,
            search_for_kontoer_leaves_out_the_excepted_system,
            search_for_kontoer_is_by_name_and_limited,
            search_asks_for_parter_and_lets_no_owner_hide_the_others,
            times_are_kept_to_the_millisecond,
            work_dropped_without_commit_leaves_no_trace,
            work_is_seen_by_others_only_after_commit,
            work_goes_on_after_a_conflict,
            reader_sees_one_moment_and_waits_for_no_writer,
            reader_cannot_write,
            generation_grows_by_the_time_a_commit_returns,
            generation_stays_on_rollback_and_reading,
            generation_stays_for_documents_and_audit_lines,
            generation_grows_when_the_committer_gives_up,
            person_is_found_by_id_and_by_lookup_and_replaced_whole,
            second_person_with_an_id_or_lookup_is_a_conflict,
            rolle_is_one_for_each_person_and_organisasjon,
            roller_of_a_person_are_listed_by_norwegian_name,
            people_of_an_organisasjon_are_listed_by_norwegian_name_in_pages,
            sesjon_is_read_back_as_written_and_replaced,
            second_sesjon_with_an_id_or_token_is_a_conflict,
            sesjoner_are_removed_by_their_login_at_the_provider,
            sesjoner_whose_time_is_over_are_removed,
            oldest_sesjoner_of_a_person_are_removed_and_no_others,
            value_of_a_sesjon_is_kept_replaced_and_removed,
            values_set_longest_ago_are_dropped_beyond_the_limit,
            one_time_key_is_spent_once,
            removed_sesjon_takes_all_that_it_keeps,
            newest_signature_of_an_avtale_is_found,
            generation_stays_for_people_and_their_sesjoner,
            concurrent_writers_lose_no_update,
            concurrent_adding_of_one_tilgang_succeeds_once,
        }
    };
    (@cases $factory:path; $($case:ident,)+) => {$(
        #[tokio::test]
        async fn $case() {
            let (registry, _alive) = $factory().await;
            $crate::contract::registry::$case(registry).await;
        }
    )+};
}

pub(super) type Reg = Arc<dyn Registry>;

pub(super) fn uuid(n: u128) -> Uuid {
    // Spread over all bytes, so that an adapter that mixes up their order is found out.
    Uuid::from_u128(n.wrapping_mul(0x0123_4567_89ab_cdef_fedc_ba98_7654_3211))
}

pub(super) fn org_id(n: u128) -> FiksOrgId {
    FiksOrgId::from_uuid(uuid(n))
}

pub(super) fn system_id(n: u128) -> SystemId {
    SystemId::from_uuid(uuid(100 + n))
}

pub(super) fn konto_id(n: u128) -> KontoId {
    KontoId::from_uuid(uuid(10_000 + n))
}

pub(super) fn integrasjon_id(n: u128) -> IntegrasjonId {
    IntegrasjonId::from_uuid(uuid(20_000 + n))
}

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + millis).expect("the time is in range")
}

fn orgnummer(n: u32) -> Orgnummer {
    format!("{:09}", 900_000_000 + n).parse().expect("it has nine digits")
}

pub(super) fn organisasjon(n: u32, navn: &str) -> Organisasjon {
    Organisasjon {
        id: org_id(n.into()),
        navn: navn.to_owned(),
        orgnummer: orgnummer(n),
        kommunenummer: None,
        tatt_i_bruk: None,
    }
}

pub(super) fn system(n: u128, owner: u128, navn: &str) -> System {
    System {
        id: system_id(n),
        fiks_org_id: org_id(owner),
        info: SystemInfo {
            navn: navn.to_owned(),
            beskrivelse: "Et system".to_owned(),
            eposter: vec!["drift@storevik.no".to_owned()],
            offentlig: true,
            automatisk_godkjenning: false,
            leverandor_navn: None,
            leverandor_kontaktpunkt: None,
        },
        konfigureres_av_integrasjon: true,
        opprettet: at(0),
        sist_endret: at(0),
    }
}

pub(super) fn integrasjon(n: u128, system: u128, primer: bool, gyldig_fra: i64) -> Integrasjon {
    Integrasjon {
        id: integrasjon_id(n),
        system_id: system_id(system),
        orgnummer: orgnummer(7),
        gyldig_fra: at(gyldig_fra),
        utlops_dato: None,
        primer,
        passord_hash: std::array::from_fn(|i| u8::try_from(i * 8).expect("32 times 8 fits a byte")),
    }
}

pub(super) fn part(versjon: &str, navn: &str) -> PartRef {
    PartRef { versjon: versjon.to_owned(), navn: navn.to_owned() }
}

pub(super) fn konto(n: u128, system: u128, navn: &str) -> Konto {
    Konto {
        id: konto_id(n),
        system_id: system_id(system),
        navn: navn.to_owned(),
        beskrivelse: "En konto".to_owned(),
        protokoll_navn: "no.ks.fiks.arkiv".to_owned(),
        parter: vec![part("v1", "klient.full")],
        send_meldinger_deaktivert: false,
        opprettet: at(0),
        sist_endret: at(0),
    }
}

pub(super) fn nokkel(konto: u128, name: &str, opprettet: i64) -> OffentligNokkel {
    OffentligNokkel {
        konto_id: konto_id(konto),
        pem: format!("-----BEGIN CERTIFICATE-----\r\n{name}\n-----END CERTIFICATE-----\n"),
        gyldig_fra: at(-1000),
        gyldig_til: at(1_000_000),
        serienummer: "0aff".to_owned(),
        utstedt_til: format!("CN={name}"),
        utsteder: "CN=Test CA, O=Ærlig".to_owned(),
        fingeravtrykk: "ab".repeat(32),
        opprettet: at(opprettet),
    }
}

pub(super) fn tilgang(konto: u128, system: u128, gitt: i64) -> Tilgang {
    Tilgang { konto_id: konto_id(konto), system_id: system_id(system), gitt: at(gitt) }
}

pub(super) fn foresporsel(konto: u128, system: u128, sendt: i64) -> Foresporsel {
    Foresporsel { konto_id: konto_id(konto), system_id: system_id(system), sendt: at(sendt) }
}

fn protokoll(navn: &str, versjon: &str) -> Protokoll {
    Protokoll {
        navn: navn.to_owned(),
        versjon: versjon.to_owned(),
        beskrivelse: "For prøving".to_owned(),
        status: Protokollstatus::Aktiv,
        meldingstyper: vec![Meldingstype {
            navn: "no.ks.fiks.arkiv.v1.opprett".to_owned(),
            payload_kriterie: PayloadKriterie::Required,
            er_feilmelding: false,
        }],
        parter: vec![Part {
            navn: "klient".to_owned(),
            beskrivelse: "Sender".to_owned(),
            avsender_meldingstyper: vec!["no.ks.fiks.arkiv.v1.opprett".to_owned()],
            mottaker_meldingstyper: vec![],
            stottede_parter: vec!["arkiv".to_owned()],
        }],
    }
}

fn dokument(n: u128, utloper: i64) -> Dokument {
    Dokument {
        id: DokumentId::from_uuid(uuid(30_000 + n)),
        avsender: konto_id(1),
        mottaker: konto_id(2),
        eiere: Some(Eiere { avsender: org_id(1), mottaker: org_id(1) }),
        size_bytes: 5_368_709_120,
        opprettet: at(0),
        utloper: at(utloper),
        sha256: Some([0, 0xff].repeat(16).try_into().expect("it has 32 bytes")),
        melding: Some(MeldingId::from_uuid(uuid(35_000 + n))),
    }
}

pub(super) fn audit_line(n: u128, owner: Option<u128>, tidspunkt: i64) -> AuditLine {
    AuditLine {
        id: uuid(40_000 + n),
        tidspunkt: at(tidspunkt),
        hvem: "drift".to_owned(),
        hva: format!("endret nr. {n}"),
        fiks_org_id: owner.map(org_id),
        system_id: None,
        konto_id: None,
        detaljer: None,
    }
}

pub(super) async fn begin(registry: &Reg) -> Box<dyn Tx> {
    registry.begin().await.expect("a unit of work begins")
}

pub(super) async fn read(registry: &Reg) -> Box<dyn Tx> {
    registry.begin_read().await.expect("a unit of work that reads begins")
}

pub(super) async fn commit(tx: Box<dyn Tx>) {
    tx.commit().await.expect("the commit succeeds");
}

/// Organisasjon 1 «Storevik» with System 1, which has kontoer 1 and 2; organisasjon 2 «Lillefjord» with System 2, which has
/// Konto 3. All systemer are offentlige.
pub(super) async fn seed(registry: &Reg) {
    let mut tx = begin(registry).await;
    tx.add_organisasjon(&organisasjon(1, "Storevik kommune")).await.unwrap();
    tx.add_organisasjon(&organisasjon(2, "Lillefjord kommune")).await.unwrap();
    tx.add_system(&system(1, 1, "Mitt fagsystem")).await.unwrap();
    tx.add_system(&system(2, 2, "Mitt arkiv")).await.unwrap();
    tx.add_konto(&konto(1, 1, "Saker")).await.unwrap();
    tx.add_konto(&konto(2, 1, "Byggesak")).await.unwrap();
    tx.add_konto(&konto(3, 2, "Arkivet")).await.unwrap();
    commit(tx).await;
}

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(result: Result<T, RegistryError>, about: &str) {
    match result {
        Err(RegistryError::Conflict { what }) => assert_eq!(what, about),
        other => unreachable!("expected a conflict about {about}, got {other:?}"),
    }
}

fn system_navn(found: &[System]) -> Vec<&str> {
    found.iter().map(|system| system.info.navn.as_str()).collect()
}

fn konto_navn(found: &[Konto]) -> Vec<&str> {
    found.iter().map(|konto| konto.navn.as_str()).collect()
}

async fn search_systemer(registry: &Reg, visible_to: u128, term: &str, owners: &[FiksOrgId]) -> Vec<String> {
    let found = read(registry)
        .await
        .search_systemer(org_id(visible_to), None, term, owners, None, 100)
        .await
        .unwrap();
    found.into_iter().map(|system| system.info.navn).collect()
}

async fn search_kontoer(
    registry: &Reg,
    visible_to: u128,
    except: Option<SystemId>,
    term: &str,
) -> Vec<String> {
    let found =
        read(registry).await.search_kontoer(org_id(visible_to), except, term, &[], None, 100).await.unwrap();
    found.into_iter().map(|konto| konto.navn).collect()
}

/// A look-up of what is not there answers with nothing, and changing or removing it does nothing.
pub async fn unknown_ids_are_not_found(registry: Reg) {
    let mut tx = begin(&registry).await;
    assert_eq!(tx.organisasjon(org_id(1)).await.unwrap(), None);
    assert_eq!(tx.organisasjon_by_orgnummer(orgnummer(1)).await.unwrap(), None);
    assert_eq!(tx.list_organisasjoner().await.unwrap(), []);
    assert_eq!(tx.system(system_id(1)).await.unwrap(), None);
    assert_eq!(tx.list_systemer(org_id(1)).await.unwrap(), []);
    assert_eq!(tx.search_systemer(org_id(1), None, "", &[], None, 10).await.unwrap(), []);
    assert_eq!(tx.integrasjon(integrasjon_id(1)).await.unwrap(), None);
    assert_eq!(tx.list_integrasjoner(system_id(1)).await.unwrap(), []);
    assert_eq!(tx.konto(konto_id(1)).await.unwrap(), None);
    assert_eq!(tx.list_kontoer(system_id(1)).await.unwrap(), []);
    assert_eq!(tx.list_konto_ids().await.unwrap(), []);
    assert_eq!(tx.search_kontoer(org_id(1), None, "", &[], None, 10).await.unwrap(), []);
    assert_eq!(tx.nokkel(konto_id(1)).await.unwrap(), None);
    assert_eq!(tx.list_nokler(konto_id(1)).await.unwrap(), []);
    assert_eq!(tx.tilgang(konto_id(1), system_id(1)).await.unwrap(), None);
    assert_eq!(tx.foresporsel(konto_id(1), system_id(1)).await.unwrap(), None);
    assert_eq!(tx.protokoll("no.ks", "v1").await.unwrap(), None);
    assert_eq!(tx.list_versjoner("no.ks").await.unwrap(), []);
    assert_eq!(tx.list_protokoller().await.unwrap(), []);
    assert_eq!(tx.katalog_fingerprint().await.unwrap(), None);
    assert_eq!(tx.dokument(dokument(1, 0).id).await.unwrap(), None);
    assert_eq!(tx.list_expired_dokumenter(at(0), 10).await.unwrap(), []);
    assert_eq!(tx.list_audit_lines(org_id(1), 10).await.unwrap(), []);

    tx.update_organisasjon(&organisasjon(1, "Storevik kommune")).await.unwrap();
    tx.update_system(&system(1, 1, "Mitt fagsystem")).await.unwrap();
    tx.update_integrasjon(&integrasjon(1, 1, true, 0)).await.unwrap();
    tx.update_konto(&konto(1, 1, "Saker")).await.unwrap();
    tx.remove_system(system_id(1)).await.unwrap();
    tx.remove_integrasjon(integrasjon_id(1)).await.unwrap();
    tx.remove_konto(konto_id(1)).await.unwrap();
    tx.remove_nokkel(konto_id(1)).await.unwrap();
    tx.remove_dokument(dokument(1, 0).id).await.unwrap();
    commit(tx).await;

    let mut tx = read(&registry).await;
    assert_eq!(tx.organisasjon(org_id(1)).await.unwrap(), None);
    assert_eq!(tx.system(system_id(1)).await.unwrap(), None);
    assert_eq!(tx.integrasjon(integrasjon_id(1)).await.unwrap(), None);
    assert_eq!(tx.konto(konto_id(1)).await.unwrap(), None);
}

/// Both keys lead to the same organisasjon, as it was written.
pub async fn organisasjon_is_found_by_id_and_by_orgnummer(registry: Reg) {
    let storevik = Organisasjon {
        kommunenummer: Some("0301".to_owned()),
        tatt_i_bruk: Some(at(5)),
        ..organisasjon(1, "Storevik kommune")
    };
    let mut tx = begin(&registry).await;
    tx.add_organisasjon(&storevik).await.unwrap();
    tx.add_organisasjon(&organisasjon(2, "Lillefjord kommune")).await.unwrap();
    commit(tx).await;

    let mut tx = read(&registry).await;
    assert_eq!(tx.organisasjon(storevik.id).await.unwrap(), Some(storevik.clone()));
    assert_eq!(tx.organisasjon_by_orgnummer(storevik.orgnummer).await.unwrap(), Some(storevik));
}

/// Every field changes, and no other organisasjon does.
pub async fn organisasjon_is_replaced_whole(registry: Reg) {
    seed(&registry).await;
    let changed = Organisasjon {
        id: org_id(1),
        navn: "Nye Storevik kommune".to_owned(),
        orgnummer: orgnummer(77),
        kommunenummer: Some("4601".to_owned()),
        tatt_i_bruk: Some(at(9)),
    };
    let mut tx = begin(&registry).await;
    tx.update_organisasjon(&changed).await.unwrap();
    commit(tx).await;

    let mut tx = read(&registry).await;
    assert_eq!(tx.organisasjon(org_id(1)).await.unwrap(), Some(changed));
    assert_eq!(tx.organisasjon(org_id(2)).await.unwrap(), Some(organisasjon(2, "Lillefjord kommune")));
}

/// Both the id and the orgnummer are unique, also when an organisasjon changes.
pub async fn second_organisasjon_with_an_id_or_orgnummer_is_a_conflict(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    let same_id = Organisasjon { orgnummer: orgnummer(9), ..organisasjon(1, "En annen") };
    assert_conflict(tx.add_organisasjon(&same_id).await, "organisasjon");
    let same_orgnummer = Organisasjon { id: org_id(9), ..organisasjon(1, "En annen") };
    assert_conflict(tx.add_organisasjon(&same_orgnummer).await, "organisasjon");
    let taken = Organisasjon { orgnummer: orgnummer(2), ..organisasjon(1, "Storevik kommune") };
    assert_conflict(tx.update_organisasjon(&taken).await, "organisasjon");
    drop(tx);
    assert_eq!(read(&registry).await.list_organisasjoner().await.unwrap().len(), 2);
}

/// æ, ø and å come last, and case does not matter.
pub async fn organisasjoner_are_listed_by_norwegian_name(registry: Reg) {
    let mut tx = begin(&registry).await;
    for (n, navn) in (1..).zip(["Ås", "zebra", "Østre Toten", "Ærø", "Arendal", "bodø"]) {
        tx.add_organisasjon(&organisasjon(n, navn)).await.unwrap();
    }
    commit(tx).await;
    let found = read(&registry).await.list_organisasjoner().await.unwrap();
    let navn: Vec<_> = found.iter().map(|organisasjon| organisasjon.navn.as_str()).collect();
    assert_eq!(navn, ["Arendal", "bodø", "zebra", "Ærø", "Østre Toten", "Ås"]);
}

/// Every field comes back, the optional ones both with and without a value.
pub async fn system_is_read_back_as_written(registry: Reg) {
    seed(&registry).await;
    let full = System {
        id: system_id(8),
        fiks_org_id: org_id(2),
        info: SystemInfo {
            navn: "Æsops «arkiv»".to_owned(),
            beskrivelse: "Linje 1\nlinje \"2\" '; DROP TABLE konto --".to_owned(),
            eposter: vec!["b@storevik.no".to_owned(), "a@storevik.no".to_owned()],
            offentlig: false,
            automatisk_godkjenning: true,
            leverandor_navn: Some("Leverandør AS".to_owned()),
            leverandor_kontaktpunkt: Some("+47 22 22 22 22".to_owned()),
        },
        konfigureres_av_integrasjon: false,
        opprettet: at(1),
        sist_endret: at(2),
    };
    let mut tx = begin(&registry).await;
    tx.add_system(&full).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.system(system_id(8)).await.unwrap(), Some(full));
    assert_eq!(tx.system(system_id(1)).await.unwrap(), Some(system(1, 1, "Mitt fagsystem")));
}

/// Every field changes, and no other System does.
pub async fn system_is_replaced_whole(registry: Reg) {
    seed(&registry).await;
    let changed = System {
        id: system_id(1),
        fiks_org_id: org_id(2),
        info: SystemInfo {
            navn: "Nytt navn".to_owned(),
            beskrivelse: "Ny beskrivelse".to_owned(),
            eposter: vec![],
            offentlig: false,
            automatisk_godkjenning: true,
            leverandor_navn: Some("Leverandør".to_owned()),
            leverandor_kontaktpunkt: Some("post@leverandor.no".to_owned()),
        },
        konfigureres_av_integrasjon: false,
        opprettet: at(1),
        sist_endret: at(2),
    };
    let mut tx = begin(&registry).await;
    tx.update_system(&changed).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.system(system_id(1)).await.unwrap(), Some(changed));
    assert_eq!(tx.system(system_id(2)).await.unwrap(), Some(system(2, 2, "Mitt arkiv")));
}

/// An id is used once.
pub async fn second_system_with_an_id_is_a_conflict(registry: Reg) {
    seed(&registry).await;
    assert_conflict(begin(&registry).await.add_system(&system(1, 2, "Et annet")).await, "system");
}

/// A System has an owner.
pub async fn system_of_an_unknown_organisasjon_is_refused(registry: Reg) {
    seed(&registry).await;
    assert!(begin(&registry).await.add_system(&system(9, 9, "Eierløst")).await.is_err());
    assert_eq!(read(&registry).await.system(system_id(9)).await.unwrap(), None);
}

/// Those of others are not among them.
pub async fn systemer_are_listed_by_name_for_their_owner(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_system(&system(3, 1, "arkiv")).await.unwrap();
    tx.add_system(&system(4, 1, "Åpne data")).await.unwrap();
    commit(tx).await;
    let found = read(&registry).await.list_systemer(org_id(1)).await.unwrap();
    assert_eq!(system_navn(&found), ["arkiv", "Mitt fagsystem", "Åpne data"]);
}

/// Integrasjoner, kontoer, nøkler, and tilganger and forespørsler both from and to it; nothing of anybody else.
pub async fn removed_system_takes_all_that_hangs_on_it(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_system(&system(3, 1, "Et tredje")).await.unwrap();
    tx.add_integrasjon(&integrasjon(1, 1, true, 0)).await.unwrap();
    tx.add_integrasjon(&integrasjon(2, 2, true, 0)).await.unwrap();
    tx.add_nokkel(&nokkel(1, "nøkkel", 0)).await.unwrap();
    for (konto, system) in [(1, 2), (3, 1), (3, 3), (2, 1)] {
        tx.add_tilgang(&tilgang(konto, system, 0)).await.unwrap();
        tx.add_foresporsel(&foresporsel(konto, system, 0)).await.unwrap();
    }
    commit(tx).await;

    let mut tx = begin(&registry).await;
    assert_eq!(tx.count_tilganger_of_system(system_id(1)).await.unwrap(), 3);
    assert_eq!(tx.count_kontoer_of_system(system_id(1)).await.unwrap(), 2);
    assert_eq!(tx.count_nokler(konto_id(1)).await.unwrap(), 1);
    assert_eq!(tx.count_tilganger_til_konto(konto_id(3)).await.unwrap(), 2);
    for n in 1..6 {
        let system = system_id(n);
        let listed = tx.list_tilganger_for_system(system).await.unwrap().len() as u64;
        assert_eq!(tx.count_tilganger_for_system(system).await.unwrap(), listed);
    }
    assert_eq!(tx.count_foresporsler_for_system(system_id(1)).await.unwrap(), 2);
    tx.remove_system(system_id(1)).await.unwrap();
    commit(tx).await;

    let mut tx = begin(&registry).await;
    assert_eq!(tx.count_tilganger_of_system(system_id(1)).await.unwrap(), 0);
    assert_eq!(tx.system(system_id(1)).await.unwrap(), None);
    assert_eq!(tx.integrasjon(integrasjon_id(1)).await.unwrap(), None);
    assert_eq!(tx.list_konto_ids().await.unwrap(), [konto_id(3)]);
    assert_eq!(tx.list_nokler(konto_id(1)).await.unwrap(), []);
    assert_eq!(tx.list_tilganger_for_system(system_id(2)).await.unwrap(), []);
    assert_eq!(tx.list_foresporsler_for_system(system_id(2)).await.unwrap(), []);
    assert_eq!(tx.list_tilganger_til_konto(konto_id(3)).await.unwrap(), [tilgang(3, 3, 0)]);
    assert_eq!(tx.list_foresporsler_til_konto(konto_id(3)).await.unwrap(), [foresporsel(3, 3, 0)]);
    assert_eq!(tx.list_integrasjoner(system_id(2)).await.unwrap(), [integrasjon(2, 2, true, 0)]);

    // Nothing is left behind that would come back with the same ids.
    tx.add_system(&system(1, 1, "Mitt fagsystem")).await.unwrap();
    tx.add_konto(&Konto { parter: vec![], ..konto(1, 1, "Saker") }).await.unwrap();
    assert_eq!(tx.konto(konto_id(1)).await.unwrap().unwrap().parter, []);
    assert_eq!(tx.list_nokler(konto_id(1)).await.unwrap(), []);
    assert_eq!(tx.list_tilganger_til_konto(konto_id(1)).await.unwrap(), []);
}

/// Every field comes back, the hash byte by byte.
pub async fn integrasjon_is_read_back_as_written(registry: Reg) {
    seed(&registry).await;
    let first = integrasjon(1, 1, true, 5);
    let second = Integrasjon {
        orgnummer: orgnummer(8),
        utlops_dato: Some(at(100)),
        passord_hash: [0xff; 32],
        ..integrasjon(2, 1, false, 6)
    };
    let mut tx = begin(&registry).await;
    tx.add_integrasjon(&first).await.unwrap();
    tx.add_integrasjon(&second).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.integrasjon(first.id).await.unwrap(), Some(first));
    assert_eq!(tx.integrasjon(second.id).await.unwrap(), Some(second));
}

/// Every field changes; once removed it is gone.
pub async fn integrasjon_is_replaced_whole_and_removed(registry: Reg) {
    seed(&registry).await;
    let changed = Integrasjon {
        orgnummer: orgnummer(8),
        utlops_dato: Some(at(100)),
        passord_hash: [1; 32],
        ..integrasjon(1, 1, true, 50)
    };
    let mut tx = begin(&registry).await;
    tx.add_integrasjon(&integrasjon(1, 1, false, 0)).await.unwrap();
    tx.add_integrasjon(&integrasjon(2, 1, false, 0)).await.unwrap();
    tx.update_integrasjon(&changed).await.unwrap();
    commit(tx).await;
    assert_eq!(
        read(&registry).await.list_integrasjoner(system_id(1)).await.unwrap(),
        [changed, integrasjon(2, 1, false, 0)]
    );

    let mut tx = begin(&registry).await;
    tx.remove_integrasjon(integrasjon_id(1)).await.unwrap();
    commit(tx).await;
    assert_eq!(
        read(&registry).await.list_integrasjoner(system_id(1)).await.unwrap(),
        [integrasjon(2, 1, false, 0)]
    );
}

/// The newest is the one valid from the latest time.
pub async fn integrasjoner_are_listed_primary_first_then_newest_first(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    for (n, primer, gyldig_fra) in [(1, false, 10), (2, true, 5), (3, false, 30), (4, false, 20)] {
        tx.add_integrasjon(&integrasjon(n, 1, primer, gyldig_fra)).await.unwrap();
    }
    tx.add_integrasjon(&integrasjon(5, 2, true, 40)).await.unwrap();
    let found = tx.list_integrasjoner(system_id(1)).await.unwrap();
    assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), [2, 3, 4, 1].map(integrasjon_id));
}

/// An id is used once, whatever System it is for.
pub async fn second_integrasjon_with_an_id_is_a_conflict(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_integrasjon(&integrasjon(1, 1, false, 0)).await.unwrap();
    assert_conflict(tx.add_integrasjon(&integrasjon(1, 2, false, 0)).await, "integrasjon");
}

/// Each System has one; that of another System is no hindrance.
pub async fn second_primary_integrasjon_of_a_system_is_a_conflict(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_integrasjon(&integrasjon(1, 1, true, 0)).await.unwrap();
    tx.add_integrasjon(&integrasjon(2, 2, true, 0)).await.unwrap();
    tx.add_integrasjon(&integrasjon(3, 1, false, 0)).await.unwrap();
    assert_conflict(tx.add_integrasjon(&integrasjon(4, 1, true, 0)).await, "integrasjon");
    assert_conflict(tx.update_integrasjon(&integrasjon(3, 1, true, 0)).await, "integrasjon");
}

/// The old one steps down first.
pub async fn primary_integrasjon_can_be_another_one(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_integrasjon(&integrasjon(1, 1, true, 0)).await.unwrap();
    tx.add_integrasjon(&integrasjon(2, 1, false, 0)).await.unwrap();
    tx.update_integrasjon(&integrasjon(1, 1, false, 0)).await.unwrap();
    tx.update_integrasjon(&integrasjon(2, 1, true, 0)).await.unwrap();
    commit(tx).await;
    let found = read(&registry).await.list_integrasjoner(system_id(1)).await.unwrap();
    assert_eq!(found, [integrasjon(2, 1, true, 0), integrasjon(1, 1, false, 0)]);
}

/// The order of the parter is the caller's.
pub async fn konto_is_read_back_with_its_parter_in_order(registry: Reg) {
    seed(&registry).await;
    let full = Konto {
        beskrivelse: "Større beskrivelse".to_owned(),
        parter: vec![part("v2", "klient"), part("v1", "klient"), part("v1", "arkiv")],
        send_meldinger_deaktivert: true,
        opprettet: at(3),
        sist_endret: at(4),
        ..konto(9, 2, "Økonomi")
    };
    let mut tx = begin(&registry).await;
    tx.add_konto(&full).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.konto(konto_id(9)).await.unwrap(), Some(full));
    assert_eq!(tx.konto(konto_id(1)).await.unwrap(), Some(konto(1, 1, "Saker")));
}

/// Every field and every Part changes, and no other Konto does.
pub async fn konto_is_replaced_with_its_parter(registry: Reg) {
    seed(&registry).await;
    let changed = Konto {
        id: konto_id(1),
        system_id: system_id(2),
        navn: "Nytt navn".to_owned(),
        beskrivelse: "Ny beskrivelse".to_owned(),
        protokoll_navn: "no.ks.fiks.plan".to_owned(),
        parter: vec![part("v2", "b"), part("v2", "a")],
        send_meldinger_deaktivert: true,
        opprettet: at(1),
        sist_endret: at(2),
    };
    let mut tx = begin(&registry).await;
    tx.update_konto(&changed).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.konto(konto_id(1)).await.unwrap(), Some(changed));
    assert_eq!(tx.konto(konto_id(2)).await.unwrap(), Some(konto(2, 1, "Byggesak")));
}

/// An id is used once; the parter of the first stay as they are.
pub async fn second_konto_with_an_id_is_a_conflict(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    let second = Konto { parter: vec![part("v9", "annen")], ..konto(1, 2, "En annen") };
    assert_conflict(tx.add_konto(&second).await, "konto");
    assert_eq!(tx.konto(konto_id(1)).await.unwrap(), Some(konto(1, 1, "Saker")));
}

/// A Konto has a System.
pub async fn konto_of_an_unknown_system_is_refused(registry: Reg) {
    seed(&registry).await;
    assert!(begin(&registry).await.add_konto(&konto(9, 9, "Hjemløs")).await.is_err());
    assert_eq!(read(&registry).await.konto(konto_id(9)).await.unwrap(), None);
}

/// Those of other systemer are not among them; each has its own parter.
pub async fn kontoer_are_listed_by_name_for_their_system(registry: Reg) {
    seed(&registry).await;
    let plan = Konto { parter: vec![part("v2", "x"), part("v2", "y")], ..konto(8, 1, "plan") };
    let mut tx = begin(&registry).await;
    tx.add_konto(&plan).await.unwrap();
    commit(tx).await;
    let found = read(&registry).await.list_kontoer(system_id(1)).await.unwrap();
    assert_eq!(found, [konto(2, 1, "Byggesak"), plan, konto(1, 1, "Saker")]);
}

/// By name of System and Konto; the nøkkel in use alone; of one organisasjon, or one System of it; no more than the limit.
pub async fn kontostatus_is_listed_with_systemer_and_nokler(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_nokkel(&nokkel(1, "gammel", 0)).await.unwrap();
    tx.add_nokkel(&OffentligNokkel { gyldig_til: at(5), ..nokkel(1, "ny", 1) }).await.unwrap();
    tx.add_nokkel(&nokkel(2, "fjernet", 0)).await.unwrap();
    tx.remove_nokkel(konto_id(2)).await.unwrap();
    tx.add_system(&system(8, 1, "Åpent")).await.unwrap();
    tx.add_konto(&Konto { send_meldinger_deaktivert: true, ..konto(8, 8, "Anna") }).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let fakta = |n: u128, nokkel, stopped| KontoFakta {
        konto_id: konto_id(n),
        system_id: system_id(if n == 8 { 8 } else { 1 }),
        nokkel,
        send_meldinger_deaktivert: stopped,
    };
    let all = [fakta(2, None, false), fakta(1, Some((at(-1000), at(5))), false), fakta(8, None, true)];
    assert_eq!(tx.list_kontostatus(org_id(1), None, 10).await.unwrap(), all);
    assert_eq!(tx.list_kontostatus(org_id(1), None, 2).await.unwrap(), all[..2]);
    assert_eq!(tx.list_kontostatus(org_id(1), Some(system_id(8)), 10).await.unwrap(), all[2..]);
    assert_eq!(tx.list_kontostatus(org_id(1), Some(system_id(99)), 10).await.unwrap(), []);
    assert_eq!(tx.list_kontostatus(org_id(99), None, 10).await.unwrap(), []);
}

/// With System and owner, whoever asks; also for very many.
pub async fn kontonavn_tells_of_those_that_exist(registry: Reg) {
    seed(&registry).await;
    let mut tx = read(&registry).await;
    let mut asked: Vec<KontoId> = (500..3000).map(konto_id).collect();
    asked.extend([konto_id(3), konto_id(1)]);
    let mut found = tx.list_kontonavn(&asked).await.unwrap();
    found.sort_by_key(|navn| navn.konto_id != konto_id(1));
    assert_eq!(found.len(), 2);
    for (navn, id) in found.into_iter().zip([konto_id(1), konto_id(3)]) {
        let konto = tx.konto(id).await.unwrap().expect("it was seeded");
        let system = tx.system(konto.system_id).await.unwrap().expect("it was seeded");
        let eier = tx.organisasjon(system.fiks_org_id).await.unwrap().expect("it was seeded");
        let expected = Kontonavn {
            konto_id: id,
            navn: konto.navn,
            system_id: system.id,
            system_navn: system.info.navn,
            fiks_org_id: eier.id,
            organisasjon_navn: eier.navn,
        };
        assert_eq!(navn, expected);
    }
    assert_eq!(tx.list_kontonavn(&[]).await.unwrap(), []);
}

/// Of all systemer.
pub async fn every_konto_id_is_listed(registry: Reg) {
    seed(&registry).await;
    let mut ids = read(&registry).await.list_konto_ids().await.unwrap();
    ids.sort();
    let mut expected = [konto_id(1), konto_id(2), konto_id(3)];
    expected.sort();
    assert_eq!(ids, expected);
}

/// Nøkler, tilganger and forespørsler; nothing of other kontoer.
pub async fn removed_konto_takes_all_that_hangs_on_it(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    for konto in [1, 2] {
        tx.add_nokkel(&nokkel(konto, "nøkkel", 0)).await.unwrap();
        tx.add_tilgang(&tilgang(konto, 2, 0)).await.unwrap();
        tx.add_foresporsel(&foresporsel(konto, 2, 0)).await.unwrap();
    }
    commit(tx).await;
    let mut tx = begin(&registry).await;
    tx.remove_konto(konto_id(1)).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.konto(konto_id(1)).await.unwrap(), None);
    assert_eq!(tx.nokkel(konto_id(1)).await.unwrap(), None);
    assert_eq!(tx.nokkel(konto_id(2)).await.unwrap(), Some(nokkel(2, "nøkkel", 0)));
    assert_eq!(tx.list_tilganger_for_system(system_id(2)).await.unwrap(), [tilgang(2, 2, 0)]);
    assert_eq!(tx.list_foresporsler_for_system(system_id(2)).await.unwrap(), [foresporsel(2, 2, 0)]);
}

/// Last means added last, not the one with the latest time.
pub async fn last_nokkel_is_the_current_one_and_history_is_kept(registry: Reg) {
    seed(&registry).await;
    let [first, second, third] = [nokkel(1, "a", 10), nokkel(1, "b", 30), nokkel(1, "c", 20)];
    let mut tx = begin(&registry).await;
    for nokkel in [&first, &second, &third, &nokkel(2, "d", 40)] {
        tx.add_nokkel(nokkel).await.unwrap();
    }
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.nokkel(konto_id(1)).await.unwrap(), Some(third.clone()));
    assert_eq!(tx.list_nokler(konto_id(1)).await.unwrap(), [third, second, first]);
}

/// The one before it does not come back; a new one becomes the current one.
pub async fn removed_nokkel_stays_in_the_history(registry: Reg) {
    seed(&registry).await;
    let [first, second, third] = [nokkel(1, "a", 10), nokkel(1, "b", 20), nokkel(1, "c", 30)];
    let mut tx = begin(&registry).await;
    tx.add_nokkel(&first).await.unwrap();
    tx.add_nokkel(&second).await.unwrap();
    tx.remove_nokkel(konto_id(1)).await.unwrap();
    assert_eq!(tx.nokkel(konto_id(1)).await.unwrap(), None);
    assert_eq!(tx.list_nokler(konto_id(1)).await.unwrap(), [second.clone(), first.clone()]);
    tx.add_nokkel(&third).await.unwrap();
    assert_eq!(tx.nokkel(konto_id(1)).await.unwrap(), Some(third.clone()));
    assert_eq!(tx.list_nokler(konto_id(1)).await.unwrap(), [third, second, first]);
}

/// Clients upload their certificate at each start.
pub async fn same_nokkel_can_be_uploaded_again(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_nokkel(&nokkel(1, "a", 10)).await.unwrap();
    tx.add_nokkel(&nokkel(1, "a", 10)).await.unwrap();
    assert_eq!(tx.list_nokler(konto_id(1)).await.unwrap().len(), 2);
}

/// Neither half of the pair alone leads to it.
pub async fn tilgang_is_one_for_each_konto_and_system(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_tilgang(&tilgang(1, 2, 5)).await.unwrap();
    assert_conflict(tx.add_tilgang(&tilgang(1, 2, 6)).await, "tilgang");
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.tilgang(konto_id(1), system_id(2)).await.unwrap(), Some(tilgang(1, 2, 5)));
    assert_eq!(tx.tilgang(konto_id(2), system_id(2)).await.unwrap(), None);
    assert_eq!(tx.tilgang(konto_id(1), system_id(1)).await.unwrap(), None);
}

/// By when they were given.
pub async fn tilganger_are_listed_oldest_first_in_both_directions(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_system(&system(3, 1, "Et tredje")).await.unwrap();
    for (konto, system, gitt) in [(1, 2, 30), (1, 3, 10), (2, 2, 20), (3, 3, 5)] {
        tx.add_tilgang(&tilgang(konto, system, gitt)).await.unwrap();
    }
    let til_konto = tx.list_tilganger_til_konto(konto_id(1)).await.unwrap();
    assert_eq!(til_konto, [tilgang(1, 3, 10), tilgang(1, 2, 30)]);
    let for_system = tx.list_tilganger_for_system(system_id(2)).await.unwrap();
    assert_eq!(for_system, [tilgang(2, 2, 20), tilgang(1, 2, 30)]);
}

/// And it is gone afterwards, it alone.
pub async fn removing_tilgang_tells_whether_it_was_there(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_tilgang(&tilgang(1, 2, 0)).await.unwrap();
    tx.add_tilgang(&tilgang(2, 2, 0)).await.unwrap();
    assert!(tx.remove_tilgang(konto_id(1), system_id(2)).await.unwrap());
    assert!(!tx.remove_tilgang(konto_id(1), system_id(2)).await.unwrap());
    assert_eq!(tx.list_tilganger_for_system(system_id(2)).await.unwrap(), [tilgang(2, 2, 0)]);
}

/// Neither half of the pair alone leads to it.
pub async fn foresporsel_is_one_for_each_konto_and_system(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_foresporsel(&foresporsel(1, 2, 5)).await.unwrap();
    assert_conflict(tx.add_foresporsel(&foresporsel(1, 2, 6)).await, "foresporsel");
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.foresporsel(konto_id(1), system_id(2)).await.unwrap(), Some(foresporsel(1, 2, 5)));
    assert_eq!(tx.foresporsel(konto_id(2), system_id(2)).await.unwrap(), None);
    assert_eq!(tx.foresporsel(konto_id(1), system_id(1)).await.unwrap(), None);
}

/// By when they were sent.
pub async fn foresporsler_are_listed_oldest_first_in_both_directions(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_system(&system(3, 1, "Et tredje")).await.unwrap();
    for (konto, system, sendt) in [(1, 2, 30), (1, 3, 10), (2, 2, 20), (3, 3, 5)] {
        tx.add_foresporsel(&foresporsel(konto, system, sendt)).await.unwrap();
    }
    let til_konto = tx.list_foresporsler_til_konto(konto_id(1)).await.unwrap();
    assert_eq!(til_konto, [foresporsel(1, 3, 10), foresporsel(1, 2, 30)]);
    let for_system = tx.list_foresporsler_for_system(system_id(2)).await.unwrap();
    assert_eq!(for_system, [foresporsel(2, 2, 20), foresporsel(1, 2, 30)]);
}

/// And it is gone afterwards, it alone.
pub async fn removing_foresporsel_tells_whether_it_was_there(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_foresporsel(&foresporsel(1, 2, 0)).await.unwrap();
    tx.add_foresporsel(&foresporsel(2, 2, 0)).await.unwrap();
    assert!(tx.remove_foresporsel(konto_id(1), system_id(2)).await.unwrap());
    assert!(!tx.remove_foresporsel(konto_id(1), system_id(2)).await.unwrap());
    assert_eq!(tx.list_foresporsler_for_system(system_id(2)).await.unwrap(), [foresporsel(2, 2, 0)]);
}

/// Name and version together are its key.
pub async fn protokoll_is_read_back_as_written_and_replaced(registry: Reg) {
    let changed =
        Protokoll { beskrivelse: "Endret".to_owned(), parter: vec![], ..protokoll("no.ks.a", "v1") };
    let mut tx = begin(&registry).await;
    tx.put_protokoll(&protokoll("no.ks.a", "v1")).await.unwrap();
    tx.put_protokoll(&protokoll("no.ks.a", "v2")).await.unwrap();
    tx.put_protokoll(&protokoll("no.ks.b", "v1")).await.unwrap();
    assert_eq!(tx.protokoll("no.ks.a", "v1").await.unwrap(), Some(protokoll("no.ks.a", "v1")));
    tx.put_protokoll(&changed).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.protokoll("no.ks.a", "v1").await.unwrap(), Some(changed));
    assert_eq!(tx.protokoll("no.ks.a", "v2").await.unwrap(), Some(protokoll("no.ks.a", "v2")));
    assert_eq!(tx.list_protokoller().await.unwrap().len(), 3);
}

/// `v10` comes after `v2`.
pub async fn versjoner_are_listed_as_people_count(registry: Reg) {
    let mut tx = begin(&registry).await;
    for (navn, versjon) in [("no.ks.b", "v1"), ("no.ks.a", "v10"), ("no.ks.a", "v2"), ("no.ks.a", "v1")] {
        tx.put_protokoll(&protokoll(navn, versjon)).await.unwrap();
    }
    let versjoner = tx.list_versjoner("no.ks.a").await.unwrap();
    assert_eq!(versjoner.iter().map(|one| one.versjon.as_str()).collect::<Vec<_>>(), ["v1", "v2", "v10"]);
    let all = tx.list_protokoller().await.unwrap();
    let all: Vec<_> = all.iter().map(|one| (one.navn.as_str(), one.versjon.as_str())).collect();
    assert_eq!(all, [("no.ks.a", "v1"), ("no.ks.a", "v2"), ("no.ks.a", "v10"), ("no.ks.b", "v1")]);
}

/// There is only one.
pub async fn katalog_fingerprint_is_the_last_one_set(registry: Reg) {
    let mut tx = begin(&registry).await;
    tx.set_katalog_fingerprint("aa").await.unwrap();
    assert_eq!(tx.katalog_fingerprint().await.unwrap().as_deref(), Some("aa"));
    tx.set_katalog_fingerprint("bb").await.unwrap();
    commit(tx).await;
    assert_eq!(read(&registry).await.katalog_fingerprint().await.unwrap().as_deref(), Some("bb"));
}

/// Sizes above 4 GiB too; once removed it is gone.
pub async fn dokument_is_read_back_as_written(registry: Reg) {
    let mut tx = begin(&registry).await;
    tx.add_dokument(&dokument(1, 10)).await.unwrap();
    // As those are that were stored before there was a checksum.
    let old = Dokument { sha256: None, melding: None, eiere: None, ..dokument(2, 20) };
    tx.add_dokument(&old).await.unwrap();
    commit(tx).await;
    assert_eq!(read(&registry).await.dokument(dokument(1, 0).id).await.unwrap(), Some(dokument(1, 10)));
    let mut tx = begin(&registry).await;
    tx.remove_dokument(dokument(1, 0).id).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.dokument(dokument(1, 0).id).await.unwrap(), None);
    assert_eq!(tx.dokument(old.id).await.unwrap(), Some(old));
}

/// By who owned the kontoer then, for each side, also where these are gone; removed documents do not count.
pub async fn dokumentbytes_are_summed_by_organisasjon(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_dokument(&dokument(1, 10)).await.unwrap();
    let eiere = |avsender, mottaker| Some(Eiere { avsender: org_id(avsender), mottaker: org_id(mottaker) });
    let other = Dokument { mottaker: konto_id(3), size_bytes: 7, eiere: eiere(1, 2), ..dokument(2, 10) };
    tx.add_dokument(&other).await.unwrap();
    let gone = Dokument { avsender: konto_id(9), size_bytes: 1, eiere: eiere(9, 1), ..dokument(3, 10) };
    tx.add_dokument(&gone).await.unwrap();
    let of_nobody = Dokument { eiere: None, ..dokument(4, 10) };
    tx.add_dokument(&of_nobody).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let large = dokument(1, 0).size_bytes;
    let expected = Dokumentbytes { sendt: large + 7, mottatt: large + 1 };
    assert_eq!(tx.dokumentbytes(org_id(1)).await.unwrap(), expected);
    let expected = Dokumentbytes { sendt: 0, mottatt: 7 };
    assert_eq!(tx.dokumentbytes(org_id(2)).await.unwrap(), expected);
    let mut all = tx.list_dokumentbytes().await.unwrap();
    all.sort_by_key(|(org, _)| *org);
    let first = Dokumentbytes { sendt: large + 7, mottatt: large + 1 };
    let third = Dokumentbytes { sendt: 1, mottatt: 0 };
    let mut wanted = vec![(org_id(1), first), (org_id(2), expected), (org_id(9), third)];
    wanted.sort_by_key(|(org, _)| *org);
    assert_eq!(all, wanted);
    drop(tx);
    let mut tx = begin(&registry).await;
    tx.remove_konto(konto_id(1)).await.unwrap();
    commit(tx).await;
    assert_eq!(read(&registry).await.dokumentbytes(org_id(1)).await.unwrap(), first);
    let mut tx = begin(&registry).await;
    tx.remove_dokument(dokument(2, 0).id).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.dokumentbytes(org_id(2)).await.unwrap(), Dokumentbytes::default());
}

/// What lives for as long as can be said, and what began before all calendars, can be read, listed and extended.
pub async fn times_at_both_ends_of_the_calendar_are_read_back(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    let long = Dokument { opprettet: Timestamp::MIN, utloper: Timestamp::MAX, ..dokument(1, 0) };
    tx.add_dokument(&long).await.unwrap();
    tx.add_dokument(&dokument(2, 0)).await.unwrap();
    tx.extend_dokument(dokument(2, 0).id, Timestamp::MAX).await.unwrap();
    let nokkel = OffentligNokkel {
        gyldig_fra: Timestamp::MIN,
        gyldig_til: Timestamp::MAX,
        ..nokkel(1, "for alltid", 0)
    };
    tx.add_nokkel(&nokkel).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    // What is finer than a second may be lost at the very end.
    let last = Timestamp::MAX.as_second();
    for n in [1, 2] {
        let found = tx.dokument(dokument(n, 0).id).await.unwrap().unwrap();
        assert_eq!(found.utloper.as_second(), last, "{n}");
    }
    assert_eq!(tx.dokument(long.id).await.unwrap().unwrap().opprettet, Timestamp::MIN);
    assert_eq!(tx.list_expired_dokumenter(at(1_000_000), 10).await.unwrap(), []);
    assert_eq!(tx.list_expired_dokumenter(Timestamp::MAX, 10).await.unwrap().len(), 2);
    let found = tx.nokkel(konto_id(1)).await.unwrap().unwrap();
    assert_eq!((found.gyldig_fra, found.gyldig_til.as_second()), (Timestamp::MIN, last));
    assert_eq!(tx.list_kontostatus(org_id(1), None, 10).await.unwrap().len(), 2);
}

/// An id is used once.
pub async fn second_dokument_with_an_id_is_a_conflict(registry: Reg) {
    let mut tx = begin(&registry).await;
    tx.add_dokument(&dokument(1, 10)).await.unwrap();
    assert_conflict(tx.add_dokument(&dokument(1, 20)).await, "dokument");
}

/// Time is over at the very moment; no more than the limit.
pub async fn expired_dokumenter_are_listed_first_expired_first(registry: Reg) {
    let mut tx = begin(&registry).await;
    for (n, utloper) in [(1, 30), (2, 10), (3, 20), (4, 31)] {
        tx.add_dokument(&dokument(n, utloper)).await.unwrap();
    }
    let found = tx.list_expired_dokumenter(at(30), 10).await.unwrap();
    assert_eq!(found, [dokument(2, 10), dokument(3, 20), dokument(1, 30)]);
    assert_eq!(tx.list_expired_dokumenter(at(30), 2).await.unwrap(), [dokument(2, 10), dokument(3, 20)]);
    assert_eq!(tx.list_expired_dokumenter(at(9), 10).await.unwrap(), []);
}

/// Longer only, and that one alone.
pub async fn dokument_is_extended_and_never_shortened(registry: Reg) {
    let mut tx = begin(&registry).await;
    for n in [1, 2] {
        tx.add_dokument(&dokument(n, 10)).await.unwrap();
    }
    for (utloper, expected) in [(9, 10), (30, 30), (20, 30)] {
        tx.extend_dokument(dokument(1, 0).id, at(utloper)).await.unwrap();
        assert_eq!(tx.dokument(dokument(1, 0).id).await.unwrap(), Some(dokument(1, expected)));
    }
    tx.extend_dokument(dokument(3, 0).id, at(50)).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.dokument(dokument(2, 0).id).await.unwrap(), Some(dokument(2, 10)));
    assert_eq!(tx.dokument(dokument(3, 0).id).await.unwrap(), None);
}

/// The payload still lies in the object store and must be found when its time is over.
pub async fn dokument_outlives_its_kontoer(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_dokument(&dokument(1, 10)).await.unwrap();
    tx.remove_konto(konto_id(1)).await.unwrap();
    tx.remove_konto(konto_id(2)).await.unwrap();
    commit(tx).await;
    assert_eq!(read(&registry).await.list_expired_dokumenter(at(10), 10).await.unwrap(), [dokument(1, 10)]);
}

/// In the unit of work that removes the Konto, or not at all; nobody has to read anything anew because of it.
pub async fn queue_that_goes_is_noted_once_and_until_it_is_gone(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.remove_konto(konto_id(1)).await.unwrap();
    tx.add_fjernet_ko(konto_id(1), at(1)).await.unwrap();
    drop(tx);
    assert_eq!(read(&registry).await.list_fjernede_koer().await.unwrap(), []);
    let before = registry.generation();
    let mut tx = begin(&registry).await;
    tx.add_fjernet_ko(konto_id(1), at(1)).await.unwrap();
    tx.add_fjernet_ko(konto_id(1), at(2)).await.unwrap();
    commit(tx).await;
    assert_eq!(read(&registry).await.list_fjernede_koer().await.unwrap(), [konto_id(1)]);
    let mut tx = begin(&registry).await;
    tx.remove_fjernet_ko(konto_id(1)).await.unwrap();
    tx.remove_fjernet_ko(konto_id(2)).await.unwrap();
    commit(tx).await;
    assert_eq!(read(&registry).await.list_fjernede_koer().await.unwrap(), []);
    assert_eq!(registry.generation(), before);
}

/// As they were put last, by id.
pub async fn queues_set_aside_are_those_put_last(registry: Reg) {
    let aside = |n, meldinger| SattTilSide { konto: konto_id(n), meldinger, uleverte: 1 };
    for put in [vec![aside(1, 2), aside(2, 1_002)], vec![aside(3, 4)], Vec::new()] {
        let mut tx = begin(&registry).await;
        tx.put_set_aside(&put).await.unwrap();
        commit(tx).await;
        assert_eq!(read(&registry).await.list_set_aside().await.unwrap(), put);
    }
}

/// Newest means written last, also among lines of the same time; no more than the limit.
pub async fn audit_lines_are_listed_newest_first_for_their_owner(registry: Reg) {
    seed(&registry).await;
    let full = AuditLine {
        hvem: "person:x".to_owned(),
        system_id: Some(system_id(1)),
        konto_id: Some(konto_id(1)),
        detaljer: Some("fra «a» til «b»".to_owned()),
        ..audit_line(4, Some(1), 10)
    };
    let mut tx = begin(&registry).await;
    tx.add_audit_line(&audit_line(1, Some(1), 10)).await.unwrap();
    tx.add_audit_line(&audit_line(2, Some(2), 20)).await.unwrap();
    tx.add_audit_line(&audit_line(3, None, 30)).await.unwrap();
    commit(tx).await;
    let mut tx = begin(&registry).await;
    tx.add_audit_line(&full).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let lines = tx.list_audit_lines(org_id(1), 10).await.unwrap();
    assert_eq!(lines, [full.clone(), audit_line(1, Some(1), 10)]);
    assert_eq!(tx.list_audit_lines(org_id(1), 1).await.unwrap(), [full]);
}

/// A removed System has a history.
pub async fn audit_lines_outlive_what_they_tell_of(registry: Reg) {
    seed(&registry).await;
    let line = AuditLine {
        system_id: Some(system_id(1)),
        konto_id: Some(konto_id(1)),
        ..audit_line(1, Some(1), 10)
    };
    let mut tx = begin(&registry).await;
    tx.add_audit_line(&line).await.unwrap();
    tx.remove_system(system_id(1)).await.unwrap();
    commit(tx).await;
    assert_eq!(read(&registry).await.list_audit_lines(org_id(1), 10).await.unwrap(), [line]);
}

/// In the navn and in the beskrivelse, in the middle of a word too.
pub async fn search_for_systemer_ignores_case_of_norwegian_letters(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_system(&system(3, 1, "BLÅBÆRSYLTETØY")).await.unwrap();
    let noe_annet = system(4, 1, "Noe annet");
    let info = SystemInfo { beskrivelse: "Ligger i Bærum".to_owned(), ..noe_annet.info };
    tx.add_system(&System { info, ..noe_annet }).await.unwrap();
    commit(tx).await;
    assert_eq!(search_systemer(&registry, 1, "blåbær", &[]).await, ["BLÅBÆRSYLTETØY"]);
    // What no text can hold is found nowhere, and is no fault of the database.
    for nowhere in ["bl\0bær", &"å".repeat(60_000)] {
        assert!(search_systemer(&registry, 1, nowhere, &[]).await.is_empty());
    }
    assert_eq!(search_systemer(&registry, 1, "Syltetøy", &[]).await, ["BLÅBÆRSYLTETØY"]);
    assert_eq!(search_systemer(&registry, 1, "BÆR", &[]).await, ["BLÅBÆRSYLTETØY", "Noe annet"]);
    assert_eq!(search_systemer(&registry, 1, "bar", &[]).await, [""; 0]);
}

/// A System stands once however many of its kontoer match.
pub async fn search_for_systemer_looks_in_their_kontoer(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    let described = Konto { beskrivelse: "Også ØKONOMI".to_owned(), ..konto(8, 1, "En til") };
    tx.add_konto(&described).await.unwrap();
    tx.add_konto(&konto(9, 1, "Økonomi")).await.unwrap();
    commit(tx).await;
    assert_eq!(search_systemer(&registry, 2, "økonomi", &[]).await, ["Mitt fagsystem"]);
    assert_eq!(search_systemer(&registry, 2, "arkivet", &[]).await, ["Mitt arkiv"]);
}

/// However it is written; half of one is not enough.
pub async fn search_for_systemer_finds_an_id(registry: Reg) {
    seed(&registry).await;
    let id = system_id(2).to_string();
    assert_eq!(search_systemer(&registry, 1, &id, &[]).await, ["Mitt arkiv"]);
    assert_eq!(search_systemer(&registry, 1, &id.to_uppercase(), &[]).await, ["Mitt arkiv"]);
    assert_eq!(search_systemer(&registry, 1, &id[..18], &[]).await, [""; 0]);
    assert_eq!(search_systemer(&registry, 1, &system_id(9).to_string(), &[]).await, [""; 0]);
}

/// Whatever it matches by, its id too.
pub async fn search_for_systemer_shows_own_and_offentlige_only(registry: Reg) {
    seed(&registry).await;
    let mut hidden = system(2, 2, "Mitt arkiv");
    hidden.info.offentlig = false;
    let mut tx = begin(&registry).await;
    tx.update_system(&hidden).await.unwrap();
    commit(tx).await;
    assert_eq!(search_systemer(&registry, 1, "", &[]).await, ["Mitt fagsystem"]);
    assert_eq!(search_systemer(&registry, 1, "mitt", &[]).await, ["Mitt fagsystem"]);
    assert_eq!(search_systemer(&registry, 1, "arkivet", &[]).await, [""; 0]);
    assert_eq!(search_systemer(&registry, 1, &system_id(2).to_string(), &[]).await, [""; 0]);
    assert_eq!(search_systemer(&registry, 1, "", &[org_id(2)]).await, [""; 0]);
    assert_eq!(search_systemer(&registry, 2, "", &[]).await, ["Mitt arkiv", "Mitt fagsystem"]);
}

/// Several may be named.
pub async fn search_for_systemer_can_be_kept_to_owners(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_organisasjon(&organisasjon(3, "Tredje kommune")).await.unwrap();
    tx.add_system(&system(3, 3, "Mitt tredje")).await.unwrap();
    commit(tx).await;
    assert_eq!(search_systemer(&registry, 1, "mitt", &[org_id(2)]).await, ["Mitt arkiv"]);
    assert_eq!(
        search_systemer(&registry, 1, "", &[org_id(2), org_id(3)]).await,
        ["Mitt arkiv", "Mitt tredje"]
    );
    assert_eq!(search_systemer(&registry, 1, "", &[org_id(9)]).await, [""; 0]);
}

/// The first ones by name are those within the limit.
pub async fn search_for_systemer_is_by_name_and_limited(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    for (n, navn) in (10..).zip(["Åtte", "sju", "Ørn", "alfa"]) {
        tx.add_system(&system(n, 1, navn)).await.unwrap();
    }
    commit(tx).await;
    let mut tx = read(&registry).await;
    let all = tx.search_systemer(org_id(1), None, "", &[], None, 100).await.unwrap();
    assert_eq!(system_navn(&all), ["alfa", "Mitt arkiv", "Mitt fagsystem", "sju", "Ørn", "Åtte"]);
    let some = tx.search_systemer(org_id(1), None, "", &[], None, 2).await.unwrap();
    assert_eq!(system_navn(&some), ["alfa", "Mitt arkiv"]);
    assert_eq!(tx.search_systemer(org_id(1), None, "", &[], None, 0).await.unwrap(), []);
}

/// `%`, `_`, `*`, `!` and `\` stand for themselves; quotes do no harm.
pub async fn search_takes_wildcards_and_escapes_literally(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_system(&system(3, 1, "50% ferdig")).await.unwrap();
    tx.add_system(&system(4, 1, "a\\b's")).await.unwrap();
    tx.add_system(&system(5, 1, "snake_case!")).await.unwrap();
    tx.add_konto(&konto(9, 3, "100% klar")).await.unwrap();
    commit(tx).await;
    assert_eq!(search_systemer(&registry, 1, "%", &[]).await, ["50% ferdig"]);
    assert_eq!(search_systemer(&registry, 1, "0% f", &[]).await, ["50% ferdig"]);
    assert_eq!(search_systemer(&registry, 1, "_", &[]).await, ["snake_case!"]);
    assert_eq!(search_systemer(&registry, 1, "mitt_", &[]).await, [""; 0]);
    assert_eq!(search_systemer(&registry, 1, "m%t", &[]).await, [""; 0]);
    assert_eq!(search_systemer(&registry, 1, "!", &[]).await, ["snake_case!"]);
    assert_eq!(search_systemer(&registry, 1, "\\", &[]).await, ["a\\b's"]);
    assert_eq!(search_systemer(&registry, 1, "b's", &[]).await, ["a\\b's"]);
    assert_eq!(search_systemer(&registry, 1, "*", &[]).await, [""; 0]);
    assert_eq!(search_kontoer(&registry, 1, None, "0% k").await, ["100% klar"]);
    assert_eq!(search_kontoer(&registry, 1, None, "s_ker").await, [""; 0]);
}

/// The old name is found no longer.
pub async fn search_follows_changed_names(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.update_system(&system(1, 1, "Ålesund")).await.unwrap();
    tx.update_konto(&konto(1, 1, "Øyer")).await.unwrap();
    commit(tx).await;
    assert_eq!(search_systemer(&registry, 1, "ålesund", &[]).await, ["Ålesund"]);
    assert_eq!(search_systemer(&registry, 1, "fagsystem", &[]).await, [""; 0]);
    assert_eq!(search_systemer(&registry, 1, "", &[]).await, ["Mitt arkiv", "Ålesund"]);
    assert_eq!(search_kontoer(&registry, 1, None, "øyer").await, ["Øyer"]);
    assert_eq!(search_kontoer(&registry, 1, None, "saker").await, [""; 0]);
}

/// All kontoer of a System that matches, and those that match by themselves.
pub async fn search_for_kontoer_looks_in_their_system(registry: Reg) {
    seed(&registry).await;
    assert_eq!(search_kontoer(&registry, 1, None, "FAGSYSTEM").await, ["Byggesak", "Saker"]);
    assert_eq!(search_kontoer(&registry, 1, None, "et system").await, ["Arkivet", "Byggesak", "Saker"]);
    assert_eq!(search_kontoer(&registry, 1, None, "sak").await, ["Byggesak", "Saker"]);
    assert_eq!(search_kontoer(&registry, 1, None, "en KONTO").await, ["Arkivet", "Byggesak", "Saker"]);
    assert_eq!(search_kontoer(&registry, 1, None, "finnes ikke").await, [""; 0]);
}

/// Its own, not that of its System.
pub async fn search_for_kontoer_finds_an_id(registry: Reg) {
    seed(&registry).await;
    assert_eq!(search_kontoer(&registry, 1, None, &konto_id(3).to_string()).await, ["Arkivet"]);
    assert_eq!(
        search_kontoer(&registry, 1, None, &konto_id(3).to_string().to_uppercase()).await,
        ["Arkivet"]
    );
    assert_eq!(search_kontoer(&registry, 1, None, &system_id(1).to_string()).await, [""; 0]);
}

/// It is the System that is offentlig and has an owner.
pub async fn search_for_kontoer_shows_own_and_offentlige_only(registry: Reg) {
    seed(&registry).await;
    let mut hidden = system(2, 2, "Mitt arkiv");
    hidden.info.offentlig = false;
    let mut tx = begin(&registry).await;
    tx.update_system(&hidden).await.unwrap();
    commit(tx).await;
    assert_eq!(search_kontoer(&registry, 1, None, "").await, ["Byggesak", "Saker"]);
    assert_eq!(search_kontoer(&registry, 1, None, &konto_id(3).to_string()).await, [""; 0]);
    assert_eq!(search_kontoer(&registry, 2, None, "").await, ["Arkivet", "Byggesak", "Saker"]);
    let of_2 =
        read(&registry).await.search_kontoer(org_id(2), None, "", &[org_id(2)], None, 10).await.unwrap();
    assert_eq!(konto_navn(&of_2), ["Arkivet"]);
}

/// The System that asks does not look for its own kontoer.
pub async fn search_for_kontoer_leaves_out_the_excepted_system(registry: Reg) {
    seed(&registry).await;
    assert_eq!(search_kontoer(&registry, 1, Some(system_id(1)), "").await, ["Arkivet"]);
    assert_eq!(search_kontoer(&registry, 1, Some(system_id(2)), "").await, ["Byggesak", "Saker"]);
    assert_eq!(search_kontoer(&registry, 1, Some(system_id(1)), &konto_id(1).to_string()).await, [""; 0]);
}

/// The first ones by name are those within the limit; each has its parter.
pub async fn search_for_kontoer_is_by_name_and_limited(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_konto(&konto(8, 2, "Åpen")).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let all = tx.search_kontoer(org_id(1), None, "", &[], None, 100).await.unwrap();
    assert_eq!(konto_navn(&all), ["Arkivet", "Byggesak", "Saker", "Åpen"]);
    assert_eq!(all[3], konto(8, 2, "Åpen"));
    let some = tx.search_kontoer(org_id(1), None, "", &[], None, 2).await.unwrap();
    assert_eq!(konto_navn(&some), ["Arkivet", "Byggesak"]);
}

/// Many that sort first, of another Protokoll or of one owner, do not take the place of those that are looked for.
pub async fn search_asks_for_parter_and_lets_no_owner_hide_the_others(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    for n in 100..120 {
        tx.add_system(&system(n, 2, &format!("Aaa {n}"))).await.unwrap();
        let other = Konto {
            protokoll_navn: "no.ks.fiks.politisk".to_owned(),
            parter: vec![part("v1", "utvalg"), part("v2", "klient.full")],
            ..konto(n, n, &format!("Aaa {n}"))
        };
        tx.add_konto(&other).await.unwrap();
    }
    commit(tx).await;
    let mut tx = read(&registry).await;
    let found = tx.search_systemer(org_id(2), None, "", &[], None, 2).await.unwrap();
    assert_eq!(system_navn(&found), ["Aaa 100", "Mitt fagsystem"], "one of each owner");
    let found = tx.search_kontoer(org_id(2), None, "", &[], None, 2).await.unwrap();
    assert_eq!(konto_navn(&found), ["Aaa 100", "Byggesak"], "one of each owner");
    let krav = |protokoll: &str, versjon: &str, navn: Option<&str>| Partkrav {
        protokoll_navn: protokoll.to_owned(),
        versjon: versjon.to_owned(),
        navn: navn.map(str::to_owned),
    };
    for (krav, systemer, kontoer) in [
        (vec![krav("no.ks.fiks.arkiv", "v1", None)], 2, 3),
        (vec![krav("no.ks.fiks.arkiv", "v1", Some("klient.full"))], 2, 3),
        (vec![krav("no.ks.fiks.arkiv", "v1", Some("utvalg"))], 0, 0),
        (vec![krav("no.ks.fiks.arkiv", "v2", Some("klient.full"))], 0, 0),
        (vec![krav("no.ks.fiks.politisk", "v2", Some("klient.full"))], 20, 20),
        // A database may take no more than some hundred conditions.
        (
            (0..2_000)
                .map(|n| krav("no.ks.fiks.arkiv", "v1", Some(&format!("part{n}"))))
                .chain([krav("no.ks.fiks.arkiv", "v1", Some("klient.full"))])
                .collect(),
            2,
            3,
        ),
        (
            vec![
                krav("no.ks.fiks.arkiv", "v1", Some("utvalg")),
                krav("no.ks.fiks.arkiv", "v1", None),
                krav("no.ks.fiks.arkiv", "v1", Some("utvalg")),
            ],
            2,
            3,
        ),
        (
            vec![krav("no.ks.fiks.politisk", "v1", Some("utvalg")), krav("no.ks.fiks.arkiv", "v1", None)],
            22,
            23,
        ),
        (vec![], 0, 0),
    ] {
        let found = tx.search_systemer(org_id(2), None, "", &[], Some(&krav), 100).await.unwrap();
        assert_eq!(found.len(), systemer, "{krav:?}");
        let found = tx.search_kontoer(org_id(2), None, "", &[], Some(&krav), 100).await.unwrap();
        assert_eq!(found.len(), kontoer, "{krav:?}");
    }
    let arkiv = [krav("no.ks.fiks.arkiv", "v1", None)];
    let found = tx.search_kontoer(org_id(2), None, "", &[], Some(&arkiv), 2).await.unwrap();
    assert_eq!(konto_navn(&found), ["Arkivet", "Byggesak"], "those of another Protokoll take no place");
    let found = tx.search_systemer(org_id(2), Some(system_id(1)), "", &[], Some(&arkiv), 2).await.unwrap();
    assert_eq!(system_navn(&found), ["Mitt arkiv"], "without the one that asks");
}

/// What is finer is cut off, so that a second reading is equal to the first.
pub async fn times_are_kept_to_the_millisecond(registry: Reg) {
    let fine = Timestamp::new(1_790_000_000, 123_456_789).expect("the time is in range");
    let kept = Timestamp::new(1_790_000_000, 123_000_000).expect("the time is in range");
    let mut tx = begin(&registry).await;
    tx.add_organisasjon(&Organisasjon { tatt_i_bruk: Some(fine), ..organisasjon(1, "Storevik") })
        .await
        .unwrap();
    commit(tx).await;
    let found = read(&registry).await.organisasjon(org_id(1)).await.unwrap().unwrap();
    assert_eq!(found.tatt_i_bruk, Some(kept));
}

/// Whatever was done in it.
pub async fn work_dropped_without_commit_leaves_no_trace(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_tilgang(&tilgang(1, 2, 0)).await.unwrap();
    tx.update_system(&system(1, 1, "Endret")).await.unwrap();
    tx.remove_konto(konto_id(3)).await.unwrap();
    tx.put_protokoll(&protokoll("no.ks.a", "v1")).await.unwrap();
    tx.add_audit_line(&audit_line(1, Some(1), 0)).await.unwrap();
    tx.add_dokument(&dokument(1, 0)).await.unwrap();
    drop(tx);
    // The next one that writes has its turn and sees nothing of it.
    let mut tx = begin(&registry).await;
    assert_eq!(tx.tilgang(konto_id(1), system_id(2)).await.unwrap(), None);
    assert_eq!(tx.system(system_id(1)).await.unwrap(), Some(system(1, 1, "Mitt fagsystem")));
    assert_eq!(tx.konto(konto_id(3)).await.unwrap(), Some(konto(3, 2, "Arkivet")));
    assert_eq!(tx.list_protokoller().await.unwrap(), []);
    assert_eq!(tx.list_audit_lines(org_id(1), 10).await.unwrap(), []);
    assert_eq!(tx.dokument(dokument(1, 0).id).await.unwrap(), None);
}

/// The unit of work itself sees them at once.
pub async fn work_is_seen_by_others_only_after_commit(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.update_system(&system(1, 1, "Endret")).await.unwrap();
    assert_eq!(tx.system(system_id(1)).await.unwrap().unwrap().info.navn, "Endret");
    assert_eq!(
        read(&registry).await.system(system_id(1)).await.unwrap().unwrap().info.navn,
        "Mitt fagsystem"
    );
    commit(tx).await;
    assert_eq!(read(&registry).await.system(system_id(1)).await.unwrap().unwrap().info.navn, "Endret");
}

/// A conflict on adding is an answer, not the end: what was done before it and after it is kept.
pub async fn work_goes_on_after_a_conflict(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_tilgang(&tilgang(1, 2, 0)).await.unwrap();
    assert_conflict(tx.add_tilgang(&tilgang(1, 2, 0)).await, "tilgang");
    tx.add_tilgang(&tilgang(2, 2, 0)).await.unwrap();
    commit(tx).await;
    assert_eq!(read(&registry).await.list_tilganger_for_system(system_id(2)).await.unwrap().len(), 2);
}

/// What is committed while it reads does not show.
pub async fn reader_sees_one_moment_and_waits_for_no_writer(registry: Reg) {
    seed(&registry).await;
    let mut writer = begin(&registry).await;
    writer.update_system(&system(1, 1, "Endret")).await.unwrap();
    let mut reader = read(&registry).await;
    assert_eq!(reader.system(system_id(1)).await.unwrap(), Some(system(1, 1, "Mitt fagsystem")));
    writer.remove_konto(konto_id(3)).await.unwrap();
    commit(writer).await;
    assert_eq!(reader.system(system_id(1)).await.unwrap(), Some(system(1, 1, "Mitt fagsystem")));
    assert_eq!(reader.konto(konto_id(3)).await.unwrap(), Some(konto(3, 2, "Arkivet")));
    commit(reader).await;
    assert_eq!(read(&registry).await.konto(konto_id(3)).await.unwrap(), None);
}

/// It has not waited for its turn.
pub async fn reader_cannot_write(registry: Reg) {
    seed(&registry).await;
    let mut reader = read(&registry).await;
    assert!(matches!(reader.add_tilgang(&tilgang(1, 2, 0)).await, Err(RegistryError::Backend(_))));
    drop(reader);
    assert_eq!(read(&registry).await.tilgang(konto_id(1), system_id(2)).await.unwrap(), None);
}

/// Each time, whatever was changed.
pub async fn generation_grows_by_the_time_a_commit_returns(registry: Reg) {
    let mut last = registry.generation();
    seed(&registry).await;
    for round in 0..3 {
        let now = registry.generation();
        assert!(now > last, "{now} comes after {last}");
        last = now;
        let mut tx = begin(&registry).await;
        match round {
            0 => tx.add_tilgang(&tilgang(1, 2, 0)).await.unwrap(),
            1 => assert!(tx.remove_tilgang(konto_id(1), system_id(2)).await.unwrap()),
            _ => tx.set_katalog_fingerprint("aa").await.unwrap(),
        }
        commit(tx).await;
    }
    assert!(registry.generation() > last);
}

/// So facts are kept through them.
pub async fn generation_stays_on_rollback_and_reading(registry: Reg) {
    seed(&registry).await;
    let before = registry.generation();
    let mut tx = begin(&registry).await;
    tx.add_tilgang(&tilgang(1, 2, 0)).await.unwrap();
    drop(tx);
    let mut tx = begin(&registry).await;
    assert!(tx.system(system_id(1)).await.unwrap().is_some());
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert!(tx.system(system_id(1)).await.unwrap().is_some());
    commit(tx).await;
    assert_eq!(registry.generation(), before);
}

/// Every large melding comes with a document, which nobody keeps as a fact.
pub async fn generation_stays_for_documents_and_audit_lines(registry: Reg) {
    seed(&registry).await;
    let before = registry.generation();
    let mut tx = begin(&registry).await;
    tx.add_dokument(&dokument(1, 0)).await.unwrap();
    tx.add_audit_line(&audit_line(1, Some(1), 0)).await.unwrap();
    commit(tx).await;
    let mut tx = begin(&registry).await;
    tx.remove_dokument(dokument(1, 0).id).await.unwrap();
    commit(tx).await;
    assert_eq!(registry.generation(), before);
}

/// A caller may give up a commit at any point, such as when its connection is closed. The work is then committed or not;
/// if it is, the generation tells.
pub async fn generation_grows_when_the_committer_gives_up(registry: Reg) {
    seed(&registry).await;
    for polls in 1.. {
        let before = registry.generation();
        let mut tx = begin(&registry).await;
        tx.add_tilgang(&tilgang(1, 2, 0)).await.unwrap();
        let done = give_up_after(polls, tx.commit()).await;
        // Begins only once the other is over, one way or the other.
        let mut tx = begin(&registry).await;
        if tx.remove_tilgang(konto_id(1), system_id(2)).await.unwrap() {
            wait_until("the generation grows", || registry.generation() > before).await;
        }
        commit(tx).await;
        if let Some(result) = done {
            result.unwrap();
            return;
        }
    }
}

/// Drops `future` when it asks to go on for one time more than `polls`.
async fn give_up_after<T>(polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(), "waited in vain until {what}");
}

/// Each reads a number and writes the next one. One that is told of a conflict tries again, as a use case would.
pub async fn concurrent_writers_lose_no_update(registry: Reg) {
    const WRITERS: i64 = 8;
    const ROUNDS: i64 = 5;
    async fn add_one(registry: &Reg) -> Result<(), RegistryError> {
        let mut tx = registry.begin().await?;
        let mut found = tx.system(system_id(1)).await?.expect("it was seeded");
        // Lets the others come in between.
        tokio::task::yield_now().await;
        found.sist_endret = at(found.sist_endret.as_millisecond() - at(0).as_millisecond() + 1);
        tx.update_system(&found).await?;
        tx.commit().await
    }
    seed(&registry).await;
    let writers = (0..WRITERS).map(|_| {
        let registry = registry.clone();
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                loop {
                    match add_one(&registry).await {
                        Ok(()) => break,
                        Err(RegistryError::Conflict { .. }) => {}
                        Err(error) => unreachable!("a writer failed: {error:?}"),
                    }
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no writer fails");
    }
    let found = read(&registry).await.system(system_id(1)).await.unwrap().unwrap();
    assert_eq!(found.sist_endret, at(WRITERS * ROUNDS));
}

/// Two that both saw that it was not there.
pub async fn concurrent_adding_of_one_tilgang_succeeds_once(registry: Reg) {
    async fn grant(registry: Reg) -> Result<(), RegistryError> {
        let mut tx = registry.begin().await?;
        if tx.tilgang(konto_id(1), system_id(2)).await?.is_some() {
            return Err(RegistryError::Conflict { what: "tilgang" });
        }
        tokio::task::yield_now().await;
        tx.add_tilgang(&tilgang(1, 2, 0)).await?;
        tx.commit().await
    }
    seed(&registry).await;
    let all: Vec<_> = (0..6).map(|_| tokio::spawn(grant(registry.clone()))).collect();
    let mut granted = 0;
    for one in all {
        match one.await.expect("no task fails") {
            Ok(()) => granted += 1,
            Err(RegistryError::Conflict { .. }) => {}
            Err(error) => unreachable!("a writer failed: {error:?}"),
        }
    }
    assert_eq!(granted, 1);
    assert_eq!(read(&registry).await.list_tilganger_til_konto(konto_id(1)).await.unwrap().len(), 1);
}

pub(super) fn person_id(n: u128) -> PersonId {
    PersonId::from_uuid(uuid(50_000 + n))
}

pub(super) fn person(n: u128, navn: &str) -> Person {
    Person {
        id: person_id(n),
        lookup: std::array::from_fn(|i| {
            u8::try_from((i * 7 + usize::try_from(n).unwrap_or(0)) % 256).unwrap_or(0)
        }),
        navn: navn.to_owned(),
        drift: false,
        sprak: None,
        opprettet: at(0),
        sist_innlogget: None,
    }
}

fn rolle(person: u128, owner: u128, rolle: Rolle) -> Rolletildeling {
    Rolletildeling { person_id: person_id(person), fiks_org_id: org_id(owner), rolle, gitt: at(3) }
}

fn sesjon_id(n: u128) -> SesjonId {
    SesjonId::from_uuid(uuid(60_000 + n))
}

fn sesjon(n: u8, person: u128, begun: i64, used: i64) -> Sesjon {
    Sesjon {
        id: sesjon_id(n.into()),
        token_hash: [n; 32],
        person_id: person_id(person),
        issuer: "https://idporten.no".to_owned(),
        sid: Some(format!("sid-{n}")),
        acr: Some("idporten-loa-substantial".to_owned()),
        id_token: Some(vec![0, n, 255]),
        logget_inn: at(begun),
        sist_brukt: at(used),
    }
}

/// The organisasjoner of [`seed`], person 1 «Kari», person 2 «Åse» and a session of each.
async fn seed_people(registry: &Reg) {
    seed(registry).await;
    let mut tx = begin(registry).await;
    tx.add_person(&person(1, "Kari")).await.unwrap();
    tx.add_person(&person(2, "Åse")).await.unwrap();
    tx.add_sesjon(&sesjon(1, 1, 0, 0)).await.unwrap();
    tx.add_sesjon(&sesjon(2, 2, 0, 0)).await.unwrap();
    commit(tx).await;
}

/// Both keys lead to the same person, as he was written last.
pub async fn person_is_found_by_id_and_by_lookup_and_replaced_whole(registry: Reg) {
    let mut tx = begin(&registry).await;
    assert_eq!(tx.person(person_id(1)).await.unwrap(), None);
    tx.update_person(&person(1, "Kari")).await.unwrap();
    assert_eq!(tx.person_by_lookup(&person(1, "").lookup).await.unwrap(), None);
    tx.add_person(&person(1, "Kari")).await.unwrap();
    assert_eq!(tx.person(person_id(1)).await.unwrap(), Some(person(1, "Kari")));
    let changed = Person {
        lookup: [255; 32],
        drift: true,
        sprak: Some("nn".to_owned()),
        opprettet: at(1),
        sist_innlogget: Some(at(2)),
        ..person(1, "")
    };
    tx.update_person(&changed).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.person(person_id(1)).await.unwrap(), Some(changed.clone()));
    assert_eq!(tx.person_by_lookup(&[255; 32]).await.unwrap(), Some(changed));
    assert_eq!(tx.person_by_lookup(&person(1, "").lookup).await.unwrap(), None);
}

/// Whoever logs in for the first time twice at once is one person.
pub async fn second_person_with_an_id_or_lookup_is_a_conflict(registry: Reg) {
    let mut tx = begin(&registry).await;
    tx.add_person(&person(1, "Kari")).await.unwrap();
    assert_conflict(tx.add_person(&Person { lookup: [9; 32], ..person(1, "Kari") }).await, "person");
    assert_conflict(tx.add_person(&Person { id: person_id(2), ..person(1, "Kari") }).await, "person");
    commit(tx).await;
    assert_eq!(read(&registry).await.person(person_id(2)).await.unwrap(), None);
}

/// One for each person and organisasjon; the last one given counts.
pub async fn rolle_is_one_for_each_person_and_organisasjon(registry: Reg) {
    seed_people(&registry).await;
    let mut tx = begin(&registry).await;
    assert_eq!(tx.rolle(person_id(1), org_id(1)).await.unwrap(), None);
    assert_eq!(tx.count_administratorer(org_id(1)).await.unwrap(), 0);
    for given in [
        rolle(1, 1, Rolle::Lesetilgang),
        rolle(1, 1, Rolle::Administrator),
        rolle(2, 1, Rolle::Protokolladministrator),
        rolle(2, 2, Rolle::Administrator),
    ] {
        tx.put_rolle(&given).await.unwrap();
        assert_eq!(tx.rolle(given.person_id, given.fiks_org_id).await.unwrap(), Some(given));
    }
    assert_eq!(tx.count_administratorer(org_id(1)).await.unwrap(), 1);
    assert!(tx.remove_rolle(person_id(1), org_id(1)).await.unwrap());
    assert!(!tx.remove_rolle(person_id(1), org_id(1)).await.unwrap());
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.rolle(person_id(1), org_id(1)).await.unwrap(), None);
    assert_eq!(tx.count_administratorer(org_id(1)).await.unwrap(), 0);
    assert_eq!(tx.count_administratorer(org_id(2)).await.unwrap(), 1);
}

/// With the organisasjoner whole, in Norwegian order, and nobody else's.
pub async fn roller_of_a_person_are_listed_by_norwegian_name(registry: Reg) {
    let mut tx = begin(&registry).await;
    tx.add_person(&person(1, "Kari")).await.unwrap();
    tx.add_person(&person(2, "Åse")).await.unwrap();
    for (n, navn) in [(1, "Åmot"), (2, "Ærøy"), (3, "Bergvik"), (4, "Zinken")] {
        tx.add_organisasjon(&organisasjon(n, navn)).await.unwrap();
    }
    assert_eq!(tx.list_roller(person_id(1)).await.unwrap(), []);
    tx.put_rolle(&rolle(1, 1, Rolle::Administrator)).await.unwrap();
    tx.put_rolle(&rolle(1, 2, Rolle::Lesetilgang)).await.unwrap();
    tx.put_rolle(&rolle(1, 3, Rolle::Protokolladministrator)).await.unwrap();
    tx.put_rolle(&rolle(2, 4, Rolle::Administrator)).await.unwrap();
    commit(tx).await;
    let expected = [
        (organisasjon(3, "Bergvik"), Rolle::Protokolladministrator),
        (organisasjon(2, "Ærøy"), Rolle::Lesetilgang),
        (organisasjon(1, "Åmot"), Rolle::Administrator),
    ];
    assert_eq!(read(&registry).await.list_roller(person_id(1)).await.unwrap(), expected);
}

/// In pieces, with the rolle in this organisasjon and not in another.
pub async fn people_of_an_organisasjon_are_listed_by_norwegian_name_in_pages(registry: Reg) {
    seed(&registry).await;
    let mut tx = begin(&registry).await;
    for (n, navn) in [(1, "Åse"), (2, "kari"), (3, "Ola"), (4, "Anne")] {
        tx.add_person(&person(n, navn)).await.unwrap();
    }
    for given in [
        rolle(1, 1, Rolle::Lesetilgang),
        rolle(2, 1, Rolle::Administrator),
        rolle(2, 2, Rolle::Lesetilgang),
        rolle(3, 1, Rolle::Protokolladministrator),
        rolle(4, 2, Rolle::Administrator),
    ] {
        tx.put_rolle(&given).await.unwrap();
    }
    commit(tx).await;
    let mut tx = read(&registry).await;
    let first = tx.list_personer(org_id(1), Page { number: 1, size: 2 }).await.unwrap();
    assert_eq!(first.total, 3);
    assert_eq!(first.rows[0], (person(2, "kari"), rolle(2, 1, Rolle::Administrator)));
    assert_eq!(first.rows[1], (person(3, "Ola"), rolle(3, 1, Rolle::Protokolladministrator)));
    let last = tx.list_personer(org_id(1), Page { number: 2, size: 2 }).await.unwrap();
    assert_eq!((last.rows, last.total), (vec![(person(1, "Åse"), rolle(1, 1, Rolle::Lesetilgang))], 3));
    let behind = tx.list_personer(org_id(1), Page { number: 3, size: 2 }).await.unwrap();
    assert_eq!((behind.rows, behind.total), (vec![], 3));
    assert_eq!(tx.list_personer(org_id(9), Page::default()).await.unwrap().total, 0);
}

/// By its token and by its id; replaced whole, and touched in one place.
pub async fn sesjon_is_read_back_as_written_and_replaced(registry: Reg) {
    seed_people(&registry).await;
    let mut tx = begin(&registry).await;
    assert_eq!(tx.sesjon(sesjon_id(9)).await.unwrap(), None);
    assert_eq!(tx.sesjon_by_token(&[9; 32]).await.unwrap(), None);
    tx.update_sesjon(&sesjon(9, 1, 0, 0)).await.unwrap();
    tx.touch_sesjon(sesjon_id(9), at(0)).await.unwrap();
    assert_eq!(tx.sesjon_by_token(&[1; 32]).await.unwrap(), Some(sesjon(1, 1, 0, 0)));
    let changed = Sesjon {
        token_hash: [7; 32],
        issuer: "https://test.idporten.no".to_owned(),
        sid: None,
        acr: None,
        id_token: None,
        ..sesjon(1, 1, 5, 6)
    };
    tx.update_sesjon(&changed).await.unwrap();
    tx.touch_sesjon(sesjon_id(2), at(8)).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.sesjon_by_token(&[1; 32]).await.unwrap(), None);
    assert_eq!(tx.sesjon_by_token(&[7; 32]).await.unwrap(), Some(changed));
    assert_eq!(tx.sesjon(sesjon_id(2)).await.unwrap(), Some(sesjon(2, 2, 0, 8)));
}

/// Nobody gets into another's session by luck.
pub async fn second_sesjon_with_an_id_or_token_is_a_conflict(registry: Reg) {
    seed_people(&registry).await;
    let mut tx = begin(&registry).await;
    let same_id = Sesjon { token_hash: [9; 32], ..sesjon(1, 1, 0, 0) };
    assert_conflict(tx.add_sesjon(&same_id).await, "sesjon");
    let same_token = Sesjon { id: sesjon_id(9), ..sesjon(1, 1, 0, 0) };
    assert_conflict(tx.add_sesjon(&same_token).await, "sesjon");
}

/// Those of one login at one provider; all nodes and browsers of it.
pub async fn sesjoner_are_removed_by_their_login_at_the_provider(registry: Reg) {
    seed_people(&registry).await;
    let mut tx = begin(&registry).await;
    let elsewhere = Sesjon {
        issuer: "https://another.example".to_owned(),
        sid: Some("sid-1".to_owned()),
        ..sesjon(3, 1, 0, 0)
    };
    let twin = Sesjon { sid: Some("sid-1".to_owned()), ..sesjon(4, 1, 0, 0) };
    tx.add_sesjon(&elsewhere).await.unwrap();
    tx.add_sesjon(&twin).await.unwrap();
    assert_eq!(tx.remove_sesjoner_by_sid("https://idporten.no", "sid-1").await.unwrap(), 2);
    assert_eq!(tx.remove_sesjoner_by_sid("https://idporten.no", "sid-1").await.unwrap(), 0);
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.sesjon(sesjon_id(1)).await.unwrap(), None);
    assert_eq!(tx.sesjon(sesjon_id(4)).await.unwrap(), None);
    assert!(tx.sesjon(sesjon_id(2)).await.unwrap().is_some());
    assert_eq!(tx.sesjon(sesjon_id(3)).await.unwrap(), Some(elsewhere));
}

/// By when they began, whatever their use; those of others stay.
pub async fn oldest_sesjoner_of_a_person_are_removed_and_no_others(registry: Reg) {
    seed_people(&registry).await;
    let mut tx = begin(&registry).await;
    for (n, begun, used) in [(11, 300, 300), (12, 100, 400), (13, 200, 200)] {
        tx.add_sesjon(&sesjon(n, 1, begun, used)).await.unwrap();
    }
    assert_eq!(tx.remove_oldest_sesjoner(person_id(1), 4).await.unwrap(), 0);
    assert_eq!(tx.remove_oldest_sesjoner(person_id(1), 2).await.unwrap(), 2);
    commit(tx).await;
    let mut tx = read(&registry).await;
    for (n, is_there) in [(1, false), (2, true), (11, true), (12, false), (13, true)] {
        assert_eq!(tx.sesjon(sesjon_id(n)).await.unwrap().is_some(), is_there, "{n}");
    }
}

/// By either of the two times, to the moment.
pub async fn sesjoner_whose_time_is_over_are_removed(registry: Reg) {
    seed_people(&registry).await;
    let mut tx = begin(&registry).await;
    for (n, begun, used) in [(11, 100, 100), (12, 101, 200), (13, 99, 201), (14, 101, 101)] {
        tx.add_sesjon(&sesjon(n, 1, begun, used)).await.unwrap();
    }
    tx.remove_sesjon(sesjon_id(1)).await.unwrap();
    tx.remove_sesjon(sesjon_id(2)).await.unwrap();
    assert_eq!(tx.remove_expired_sesjoner(at(101), at(100)).await.unwrap(), 3);
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.sesjon(sesjon_id(12)).await.unwrap(), Some(sesjon(12, 1, 101, 200)));
    for gone in [11, 13, 14] {
        assert_eq!(tx.sesjon(sesjon_id(gone)).await.unwrap(), None);
    }
}

/// Whatever text it is, under whatever key, within its session.
pub async fn value_of_a_sesjon_is_kept_replaced_and_removed(registry: Reg) {
    seed_people(&registry).await;
    let mut tx = begin(&registry).await;
    assert_eq!(tx.sesjon_value(sesjon_id(1), "utkast").await.unwrap(), None);
    for value in ["", "null\0byte og æøå", "{\"navn\":\"Nytt\"}"] {
        tx.put_sesjon_value(sesjon_id(1), "utkast", value, at(0), 10).await.unwrap();
        assert_eq!(tx.sesjon_value(sesjon_id(1), "utkast").await.unwrap().as_deref(), Some(value));
    }
    tx.put_sesjon_value(sesjon_id(1), "melding", "x", at(0), 10).await.unwrap();
    assert_eq!(tx.sesjon_value(sesjon_id(2), "utkast").await.unwrap(), None);
    tx.remove_sesjon_value(sesjon_id(1), "utkast").await.unwrap();
    tx.remove_sesjon_value(sesjon_id(1), "utkast").await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.sesjon_value(sesjon_id(1), "utkast").await.unwrap(), None);
    assert_eq!(tx.sesjon_value(sesjon_id(1), "melding").await.unwrap().as_deref(), Some("x"));
}

/// The one just set stays in any case, the others by when they were last set.
pub async fn values_set_longest_ago_are_dropped_beyond_the_limit(registry: Reg) {
    seed_people(&registry).await;
    let mut tx = begin(&registry).await;
    for (key, satt) in [("a", 1), ("b", 2), ("c", 3), ("a", 4)] {
        tx.put_sesjon_value(sesjon_id(1), key, "x", at(satt), 10).await.unwrap();
    }
    tx.put_sesjon_value(sesjon_id(2), "b", "x", at(0), 10).await.unwrap();
    // A clock that went back makes it the oldest of all.
    tx.put_sesjon_value(sesjon_id(1), "d", "x", at(0), 2).await.unwrap();
    commit(tx).await;
    let mut tx = read(&registry).await;
    let mut kept = Vec::new();
    for key in ["a", "b", "c", "d"] {
        if tx.sesjon_value(sesjon_id(1), key).await.unwrap().is_some() {
            kept.push(key);
        }
    }
    assert_eq!(kept, ["a", "c", "d"]);
    assert!(tx.sesjon_value(sesjon_id(2), "b").await.unwrap().is_some());
}

/// And is another one in another session.
pub async fn one_time_key_is_spent_once(registry: Reg) {
    seed_people(&registry).await;
    let mut tx = begin(&registry).await;
    tx.add_engangsnokkel(sesjon_id(1), "k1").await.unwrap();
    assert_conflict(tx.add_engangsnokkel(sesjon_id(1), "k1").await, "engangsnokkel");
    tx.add_engangsnokkel(sesjon_id(1), "k2").await.unwrap();
    tx.add_engangsnokkel(sesjon_id(2), "k1").await.unwrap();
    commit(tx).await;
    let mut tx = begin(&registry).await;
    assert_conflict(tx.add_engangsnokkel(sesjon_id(1), "k1").await, "engangsnokkel");
}

/// Its values and spent keys do not come back in one with the same id.
pub async fn removed_sesjon_takes_all_that_it_keeps(registry: Reg) {
    seed_people(&registry).await;
    let mut tx = begin(&registry).await;
    tx.put_sesjon_value(sesjon_id(1), "utkast", "x", at(0), 10).await.unwrap();
    tx.add_engangsnokkel(sesjon_id(1), "k1").await.unwrap();
    tx.remove_sesjon(sesjon_id(1)).await.unwrap();
    tx.add_sesjon(&sesjon(1, 1, 0, 0)).await.unwrap();
    assert_eq!(tx.sesjon_value(sesjon_id(1), "utkast").await.unwrap(), None);
    tx.add_engangsnokkel(sesjon_id(1), "k1").await.unwrap();
    commit(tx).await;
}

/// The newest is the one that counts; of another organisasjon none does.
pub async fn newest_signature_of_an_avtale_is_found(registry: Reg) {
    let signatur = |n: u128, owner: u128, tidspunkt: i64| AvtaleSignatur {
        id: uuid(70_000 + n),
        fiks_org_id: org_id(owner),
        dokument: AvtaleDokument {
            versjon: format!("1.{n}"),
            sha256: "ab".repeat(32),
            navn: "Avtale om bruk".to_owned(),
        },
        signert_av: person_id(1),
        signert_navn: "Kari".to_owned(),
        acr: (n == 1).then(|| "idporten-loa-high".to_owned()),
        tidspunkt: at(tidspunkt),
    };
    seed_people(&registry).await;
    let mut tx = begin(&registry).await;
    assert_eq!(tx.avtale_signatur(org_id(1)).await.unwrap(), None);
    tx.add_avtale_signatur(&signatur(1, 1, 20)).await.unwrap();
    tx.add_avtale_signatur(&signatur(2, 1, 10)).await.unwrap();
    tx.add_avtale_signatur(&signatur(3, 2, 30)).await.unwrap();
    assert_conflict(tx.add_avtale_signatur(&signatur(1, 1, 40)).await, "avtale_signatur");
    commit(tx).await;
    let mut tx = read(&registry).await;
    assert_eq!(tx.avtale_signatur(org_id(1)).await.unwrap(), Some(signatur(1, 1, 20)));
    assert_eq!(tx.avtale_signatur(org_id(2)).await.unwrap(), Some(signatur(3, 2, 30)));
}

/// People click all day, and facts for sending are kept through it.
pub async fn generation_stays_for_people_and_their_sesjoner(registry: Reg) {
    seed(&registry).await;
    let before = registry.generation();
    let mut tx = begin(&registry).await;
    tx.add_person(&person(1, "Kari")).await.unwrap();
    tx.update_person(&person(1, "Kari N")).await.unwrap();
    tx.put_rolle(&rolle(1, 1, Rolle::Administrator)).await.unwrap();
    tx.add_sesjon(&sesjon(1, 1, 0, 0)).await.unwrap();
    tx.put_sesjon_value(sesjon_id(1), "utkast", "x", at(0), 0).await.unwrap();
    tx.add_engangsnokkel(sesjon_id(1), "k1").await.unwrap();
    commit(tx).await;
    let mut tx = begin(&registry).await;
    tx.touch_sesjon(sesjon_id(1), at(1)).await.unwrap();
    tx.remove_sesjon_value(sesjon_id(1), "utkast").await.unwrap();
    tx.remove_sesjon(sesjon_id(1)).await.unwrap();
    assert!(tx.remove_rolle(person_id(1), org_id(1)).await.unwrap());
    commit(tx).await;
    assert_eq!(registry.generation(), before);
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_run_by_the_macro() {
        let source = include_str!("registry.rs");
        let (list, _) = source.split_once("(@cases $factory:path;").unwrap();
        let cases: Vec<_> = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn ")?.split_once('('))
            .map(|(name, _)| name)
            .collect();
        assert!(cases.len() > 60);
        for case in cases {
            assert!(list.contains(&format!("            {case},\n")), "{case} is not run");
        }
    }
}
