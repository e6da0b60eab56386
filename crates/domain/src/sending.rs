//! May this Konto send this Meldingstype, with or without payload, to that Konto?
//!
//! Source: Fiks Protokoll documentation, "tilgangsstyring" and "konseptuell modell". A Konto may send to another when both
//! play parts of the same Protokoll and version that support each other, the sender's part may send the meldingstype and
//! the receiver's may receive it, payload is there exactly when the meldingstype wants it, and the sender's System has
//! tilgang to the receiver. Kontoer of the same System need no tilgang: the owner could only give it to himself.

use wire::id::{KontoId, MeldingId, SystemId};

use crate::konto::Konto;
use crate::protokoll::{Part, PayloadKriterie, Protokoll, Protokollstatus};

/// All that the judgement rests on.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// Who sends.
    pub avsender: &'a Konto,
    /// Who shall receive.
    pub mottaker: &'a Konto,
    /// Every version of the Protokoll of `avsender`.
    pub protokoller: &'a [Protokoll],
    /// The meldingstype.
    pub meldingstype: &'a str,
    /// A payload of at least one byte comes along.
    pub har_payload: bool,
    /// `mottaker` has given tilgang to the System of `avsender`.
    pub har_tilgang: bool,
    /// What the melding claims to answer.
    pub svar: Svar,
}

/// Whether a melding is an answer, and whether that gives it a right of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Svar {
    /// It answers nothing.
    Ingen,
    /// It answers a melding that `mottaker` sent to `avsender` and that was delivered.
    PaMottatt(MeldingId),
    /// It names a melding that is unknown or was not between these two.
    PaAnnen(MeldingId),
}

/// Why it may not be sent. The first rule broken, from the ground up, so that the text helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendRefusal {
    /// The sender is set to receive only.
    #[error("konto {konto} may only receive")]
    AvsenderDeaktivert {
        /// The sender.
        konto: KontoId,
    },
    /// They do not speak the same Protokoll.
    #[error("konto {avsender} speaks {avsender_protokoll} and konto {mottaker} speaks {mottaker_protokoll}")]
    UlikProtokoll {
        /// The sender.
        avsender: KontoId,
        /// Its Protokoll.
        avsender_protokoll: String,
        /// The receiver.
        mottaker: KontoId,
        /// Its Protokoll.
        mottaker_protokoll: String,
    },
    /// They play parts of the same Protokoll, but in no common version that is in use.
    #[error("konto {avsender} and konto {mottaker} have no version of {protokoll} in common")]
    IngenFellesVersjon {
        /// The sender.
        avsender: KontoId,
        /// The receiver.
        mottaker: KontoId,
        /// Their Protokoll.
        protokoll: String,
    },
    /// No version that they share knows the meldingstype.
    #[error("{meldingstype} is no meldingstype of {protokoll}")]
    UkjentMeldingstype {
        /// The meldingstype.
        meldingstype: String,
        /// Their Protokoll.
        protokoll: String,
    },
    /// None of the sender's parts may send it.
    #[error("no part of konto {konto} may send {meldingstype}")]
    KanIkkeSende {
        /// The sender.
        konto: KontoId,
        /// The meldingstype.
        meldingstype: String,
    },
    /// None of the receiver's parts may receive it.
    #[error("no part of konto {konto} may receive {meldingstype}")]
    KanIkkeMotta {
        /// The receiver.
        konto: KontoId,
        /// The meldingstype.
        meldingstype: String,
    },
    /// The parts that could do it do not support each other.
    #[error("the parts of konto {avsender} and konto {mottaker} do not support each other for {meldingstype}")]
    ParterStotterIkkeHverandre {
        /// The sender.
        avsender: KontoId,
        /// The receiver.
        mottaker: KontoId,
        /// The meldingstype.
        meldingstype: String,
    },
    /// The meldingstype wants payload and there is none.
    #[error("{meldingstype} must have payload")]
    PayloadMangler {
        /// The meldingstype.
        meldingstype: String,
    },
    /// The meldingstype has no payload and there is one.
    #[error("{meldingstype} must not have payload")]
    PayloadIkkeTillatt {
        /// The meldingstype.
        meldingstype: String,
    },
    /// The receiver has not given the sender's System tilgang.
    #[error("system {system} has no tilgang to konto {konto}")]
    ManglerTilgang {
        /// The sender's System.
        system: SystemId,
        /// The receiver.
        konto: KontoId,
    },
}

/// How strict the installation is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SendRules {
    /// A svar needs tilgang like any other melding.
    pub svar_krever_tilgang: bool,
}

/// Judges `sending`.
///
/// # Errors
/// The first rule broken.
pub fn judge(sending: &Sending<'_>, rules: SendRules) -> Result<(), SendRefusal> {
    let Sending { avsender, mottaker, meldingstype, .. } = *sending;
    if avsender.send_meldinger_deaktivert {
        return Err(SendRefusal::AvsenderDeaktivert { konto: avsender.id });
    }
    if avsender.protokoll_navn != mottaker.protokoll_navn {
        return Err(SendRefusal::UlikProtokoll {
            avsender: avsender.id,
            avsender_protokoll: avsender.protokoll_navn.clone(),
            mottaker: mottaker.id,
            mottaker_protokoll: mottaker.protokoll_navn.clone(),
        });
    }
    let kriterie = common_ground(sending)?;
    match (kriterie, sending.har_payload) {
        (PayloadKriterie::Required, false) => {
            return Err(SendRefusal::PayloadMangler { meldingstype: meldingstype.to_owned() });
        }
        (PayloadKriterie::Never, true) => {
            return Err(SendRefusal::PayloadIkkeTillatt { meldingstype: meldingstype.to_owned() });
        }
        _ => {}
    }
    let svar_counts = matches!(sending.svar, Svar::PaMottatt(_)) && !rules.svar_krever_tilgang;
    if sending.har_tilgang || svar_counts || avsender.system_id == mottaker.system_id {
        Ok(())
    } else {
        Err(SendRefusal::ManglerTilgang { system: avsender.system_id, konto: mottaker.id })
    }
}

/// Finds a version and a pair of parts that allow the meldingstype, and tells whether it has payload there.
fn common_ground(sending: &Sending<'_>) -> Result<PayloadKriterie, SendRefusal> {
    let Sending { avsender, mottaker, meldingstype, .. } = *sending;
    let common: Vec<&Protokoll> = sending
        .protokoller
        .iter()
        .filter(|protokoll| protokoll.navn == avsender.protokoll_navn && protokoll.status == Protokollstatus::Aktiv)
        .filter(|protokoll| plays(avsender, protokoll).next().is_some() && plays(mottaker, protokoll).next().is_some())
        .collect();
    if common.is_empty() {
        return Err(SendRefusal::IngenFellesVersjon {
            avsender: avsender.id,
            mottaker: mottaker.id,
            protokoll: avsender.protokoll_navn.clone(),
        });
    }
    if common.iter().all(|protokoll| protokoll.meldingstype(meldingstype).is_none()) {
        return Err(SendRefusal::UkjentMeldingstype {
            meldingstype: meldingstype.to_owned(),
            protokoll: avsender.protokoll_navn.clone(),
        });
    }
    let sends = |part: &&Part| part.avsender_meldingstyper.iter().any(|name| name == meldingstype);
    let receives = |part: &&Part| part.mottaker_meldingstyper.iter().any(|name| name == meldingstype);
    if !common.iter().any(|protokoll| plays(avsender, protokoll).any(|part| sends(&part))) {
        return Err(SendRefusal::KanIkkeSende { konto: avsender.id, meldingstype: meldingstype.to_owned() });
    }
    if !common.iter().any(|protokoll| plays(mottaker, protokoll).any(|part| receives(&part))) {
        return Err(SendRefusal::KanIkkeMotta { konto: mottaker.id, meldingstype: meldingstype.to_owned() });
    }
    common
        .iter()
        .filter(|protokoll| {
            plays(avsender, protokoll).filter(sends).any(|from| {
                plays(mottaker, protokoll).filter(receives).any(|to| {
                    to.stottede_parter.contains(&from.navn) && from.stottede_parter.contains(&to.navn)
                })
            })
        })
        .find_map(|protokoll| protokoll.meldingstype(meldingstype))
        .map(|found| found.payload_kriterie)
        .ok_or_else(|| SendRefusal::ParterStotterIkkeHverandre {
            avsender: avsender.id,
            mottaker: mottaker.id,
            meldingstype: meldingstype.to_owned(),
        })
}

/// The parts of `protokoll` that `konto` plays.
fn plays<'a>(konto: &'a Konto, protokoll: &'a Protokoll) -> impl Iterator<Item = &'a Part> {
    konto.parter.iter().filter(|part| part.versjon == protokoll.versjon).filter_map(|part| protokoll.part(&part.navn))
}
