//! What the konfigurasjon API shows of a System, a Konto and a Protokoll.

use app::konto::{KontoDetaljer, parter};
use app::ports::QueueStatus;
use app::system::{EksternKonto, KontoMedTall, SystemDetaljer};
use app::tilgang::SystemMedEier;
use domain::konto::PartRef;
use domain::organisasjon::Organisasjon;
use domain::protokoll::{Part, Protokoll};
use domain::system::{Integrasjon, System};
use jiff::Timestamp;
use wire::konfigurasjon::{
    EksternProtokollKontoResponse, EksternProtokollSystemResponse, FiksOrgResponse, IntegrasjonOrganisasjon,
    IntegrasjonResponse, KontoMetrikk, PartRequest, PartResponse, PartSummaryResponse,
    ProtokollKontoResponse, ProtokollKontoSummaryResponse, ProtokollSystemResponse,
    ProtokollSystemSummaryWithOrgNameResponse,
};

use crate::fiks_io_katalog::nokkel::offentlig_nokkel;

/// The parts that a request names.
pub(super) fn wanted_parter(parts: Vec<PartRequest>) -> Vec<PartRef> {
    parts
        .into_iter()
        .map(|part| PartRef { versjon: part.stottet_protokoll_versjon, navn: part.part_navn })
        .collect()
}

pub(super) fn part(protokoll: &Protokoll, part: &Part) -> PartResponse {
    PartResponse {
        navn: part.navn.clone(),
        beskrivelse: part.beskrivelse.clone(),
        protokollnavn: protokoll.navn.clone(),
        protokollversjon: protokoll.versjon.clone(),
        avsender_meldingstyper: part.avsender_meldingstyper.clone(),
        mottaker_meldingstyper: part.mottaker_meldingstyper.clone(),
        stottede_parter: part.stottede_parter.clone(),
    }
}

pub(super) fn konto_parter(konto: &KontoDetaljer) -> Vec<PartResponse> {
    konto.parter().map(|(protokoll, played)| part(protokoll, played)).collect()
}

pub(super) fn konto(konto: KontoDetaljer, now: Timestamp) -> ProtokollKontoResponse {
    ProtokollKontoResponse {
        parts: konto_parter(&konto),
        id: konto.konto.id,
        navn: konto.konto.navn,
        stottet_protokoll_navn: konto.konto.protokoll_navn,
        beskrivelse: konto.konto.beskrivelse,
        offentlig_nokkel: konto.nokkel.map(|nokkel| offentlig_nokkel(nokkel, now)),
        opprettet: Some(konto.konto.opprettet),
        sist_endret: Some(konto.konto.sist_endret),
        send_meldinger_deaktivert: Some(konto.konto.send_meldinger_deaktivert),
    }
}

pub(super) fn konto_summary(KontoMedTall { konto, tall }: KontoMedTall) -> ProtokollKontoSummaryResponse {
    let parter = konto.parter.into_iter().map(|part| PartSummaryResponse {
        navn: part.navn,
        protokollnavn: konto.protokoll_navn.clone(),
        protokollversjon: part.versjon,
    });
    ProtokollKontoSummaryResponse {
        id: konto.id,
        navn: konto.navn,
        parter: parter.collect(),
        stottet_protokoll_navn: konto.protokoll_navn,
        beskrivelse: konto.beskrivelse,
        metrikk: tall.map(metrikk),
        send_meldinger_deaktivert: Some(konto.send_meldinger_deaktivert),
    }
}

fn metrikk(tall: QueueStatus) -> KontoMetrikk {
    KontoMetrikk {
        meldinger_pa_ko: i32::try_from(tall.ready).unwrap_or(i32::MAX),
        antall_konsumenter: i32::try_from(tall.consumers).unwrap_or(i32::MAX),
    }
}

pub(super) fn ekstern_konto(ekstern: EksternKonto) -> EksternProtokollKontoResponse {
    let parter = parter(&ekstern.konto, &ekstern.versjoner)
        .map(|(protokoll, played)| part(protokoll, played))
        .collect();
    EksternProtokollKontoResponse {
        id: ekstern.konto.id,
        navn: ekstern.konto.navn,
        stottet_protokoll_navn: ekstern.konto.protokoll_navn,
        beskrivelse: ekstern.konto.beskrivelse,
        parter,
        system: ekstern_system(SystemMedEier { system: ekstern.system, eier: ekstern.eier }),
    }
}

pub(super) fn ekstern_system(
    SystemMedEier { system, eier }: SystemMedEier,
) -> EksternProtokollSystemResponse {
    EksternProtokollSystemResponse {
        id: system.id,
        navn: system.info.navn,
        beskrivelse: system.info.beskrivelse,
        fiks_org: fiks_org(eier),
    }
}

pub(super) fn system_summary(
    SystemMedEier { system, eier }: SystemMedEier,
) -> ProtokollSystemSummaryWithOrgNameResponse {
    ProtokollSystemSummaryWithOrgNameResponse {
        id: system.id,
        navn: system.info.navn,
        beskrivelse: system.info.beskrivelse,
        fiks_org_navn: eier.navn,
    }
}

pub(super) fn fiks_org(organisasjon: Organisasjon) -> FiksOrgResponse {
    FiksOrgResponse {
        navn: organisasjon.navn,
        id: organisasjon.id,
        kommunenummer: organisasjon.kommunenummer,
    }
}

fn integrasjon(integrasjon: &Integrasjon, now: Timestamp) -> IntegrasjonResponse {
    IntegrasjonResponse {
        id: integrasjon.id,
        gyldig_fra: integrasjon.gyldig_fra,
        utlops_dato: integrasjon.utlops_dato,
        organisasjon: IntegrasjonOrganisasjon { organisasjonsnummer: integrasjon.orgnummer.into() },
        aktiv: integrasjon.aktiv(now),
        primer: integrasjon.primer,
    }
}

/// A System as the whole of it is shown. `None` if it has no integrasjon, which no System is without.
pub(super) fn system(detaljer: SystemDetaljer, now: Timestamp) -> Option<ProtokollSystemResponse> {
    let SystemDetaljer { system, eier, integrasjoner, kontoer, tilganger, foresporsler } = detaljer;
    let primer = integrasjoner.first()?;
    let System { id, info, konfigureres_av_integrasjon, opprettet, sist_endret, .. } = system;
    Some(ProtokollSystemResponse {
        id,
        integrasjon_id: primer.id,
        orgnummer: primer.orgnummer.into(),
        navn: info.navn,
        beskrivelse: info.beskrivelse,
        eposter: info.eposter,
        kontoer: kontoer.into_iter().map(konto_summary).collect(),
        tilgang_til_kontoer: tilganger.into_iter().map(ekstern_konto).collect(),
        forespurte_tilganger_til_kontoer: foresporsler.into_iter().map(ekstern_konto).collect(),
        offentlig: info.offentlig,
        automatisk_godkjenning: info.automatisk_godkjenning,
        konfigureres_av_integrasjon,
        integrasjoner: integrasjoner.iter().map(|found| integrasjon(found, now)).collect(),
        leverandor_navn: info.leverandor_navn,
        leverandor_kontaktpunkt: info.leverandor_kontaktpunkt,
        fiks_org: Some(fiks_org(eier)),
        opprettet: Some(opprettet),
        sist_endret: Some(sist_endret),
    })
}
