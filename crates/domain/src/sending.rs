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
    #[error(
        "the parts of konto {avsender} and konto {mottaker} do not support each other for {meldingstype}"
    )]
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
        .filter(|protokoll| {
            protokoll.navn == avsender.protokoll_navn && protokoll.status == Protokollstatus::Aktiv
        })
        .filter(|protokoll| {
            plays(avsender, protokoll).next().is_some() && plays(mottaker, protokoll).next().is_some()
        })
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
    konto
        .parter
        .iter()
        .filter(|part| part.versjon == protokoll.versjon)
        .filter_map(|part| protokoll.part(&part.navn))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use wire::id::{KontoId, MeldingId, SystemId};

    use super::*;
    use crate::katalog;
    use crate::konto::PartRef;
    use crate::protokoll::Meldingstype;

    const SPOR: &str = "test.spor";
    const SVAR: &str = "test.svar";
    const VARSEL: &str = "test.varsel";
    const HILSEN: &str = "test.hilsen";
    const GAMMEL: &str = "test.gammel";

    fn meldingstype(navn: &str, payload_kriterie: PayloadKriterie) -> Meldingstype {
        Meldingstype { navn: navn.to_owned(), payload_kriterie, er_feilmelding: false }
    }

    fn part(navn: &str, sends: &[&str], receives: &[&str], supports: &[&str]) -> Part {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Part {
            navn: navn.to_owned(),
            beskrivelse: navn.to_owned(),
            avsender_meldingstyper: owned(sends),
            mottaker_meldingstyper: owned(receives),
            stottede_parter: owned(supports),
        }
    }

    fn protokoll(versjon: &str, meldingstyper: Vec<Meldingstype>, parter: Vec<Part>) -> Protokoll {
        Protokoll {
            navn: "test".to_owned(),
            versjon: versjon.to_owned(),
            beskrivelse: "For tests".to_owned(),
            status: Protokollstatus::Aktiv,
            meldingstyper,
            parter,
        }
    }

    /// `klient` asks `tjener` and gets an answer. `lytter` hears what only `tjener` may be told, and supports only `klient`.
    fn v1() -> Protokoll {
        protokoll(
            "v1",
            vec![
                meldingstype(SPOR, PayloadKriterie::Required),
                meldingstype(SVAR, PayloadKriterie::Never),
                meldingstype(HILSEN, PayloadKriterie::Optional),
                meldingstype(VARSEL, PayloadKriterie::Optional),
            ],
            vec![
                part("klient", &[SPOR, HILSEN], &[SVAR, HILSEN], &["tjener", "lytter"]),
                part("tjener", &[SVAR, HILSEN, VARSEL], &[SPOR, HILSEN], &["klient"]),
                part("lytter", &[HILSEN], &[HILSEN, VARSEL], &["klient"]),
            ],
        )
    }

    /// As `v1`, but the question has no payload there, and there is one meldingstype more.
    fn v2() -> Protokoll {
        protokoll(
            "v2",
            vec![meldingstype(SPOR, PayloadKriterie::Never), meldingstype(GAMMEL, PayloadKriterie::Optional)],
            vec![
                part("klient", &[SPOR], &[GAMMEL], &["tjener"]),
                part("tjener", &[GAMMEL], &[SPOR], &["klient"]),
            ],
        )
    }

    fn konto(number: u128, protokoll_navn: &str, parter: &[(&str, &str)]) -> Konto {
        Konto {
            id: KontoId::from_uuid(uuid(number)),
            system_id: SystemId::from_uuid(uuid(number + 1000)),
            navn: format!("Konto {number}"),
            beskrivelse: "For tests".to_owned(),
            protokoll_navn: protokoll_navn.to_owned(),
            parter: parter
                .iter()
                .map(|(versjon, navn)| PartRef { versjon: (*versjon).to_owned(), navn: (*navn).to_owned() })
                .collect(),
            send_meldinger_deaktivert: false,
            opprettet: Timestamp::UNIX_EPOCH,
            sist_endret: Timestamp::UNIX_EPOCH,
        }
    }

    /// What a test says about a sending; the rest is as it should be.
    struct Case {
        avsender: Konto,
        mottaker: Konto,
        protokoller: Vec<Protokoll>,
        meldingstype: &'static str,
        har_payload: bool,
        har_tilgang: bool,
        svar: Svar,
        rules: SendRules,
    }

    impl Case {
        /// A question from klient to tjener in v1, all in order.
        fn good() -> Self {
            Self {
                avsender: konto(1, "test", &[("v1", "klient")]),
                mottaker: konto(2, "test", &[("v1", "tjener")]),
                protokoller: vec![v1(), v2()],
                meldingstype: SPOR,
                har_payload: true,
                har_tilgang: true,
                svar: Svar::Ingen,
                rules: SendRules::default(),
            }
        }

        /// The answer from tjener to klient, who has given no tilgang.
        fn answer() -> Self {
            Self {
                avsender: konto(2, "test", &[("v1", "tjener")]),
                mottaker: konto(1, "test", &[("v1", "klient")]),
                meldingstype: SVAR,
                har_payload: false,
                har_tilgang: false,
                ..Self::good()
            }
        }

        fn judge(&self) -> Result<(), SendRefusal> {
            judge(
                &Sending {
                    avsender: &self.avsender,
                    mottaker: &self.mottaker,
                    protokoller: &self.protokoller,
                    meldingstype: self.meldingstype,
                    har_payload: self.har_payload,
                    har_tilgang: self.har_tilgang,
                    svar: self.svar,
                },
                self.rules,
            )
        }
    }

    #[test]
    fn a_question_with_tilgang_is_allowed() {
        assert_eq!(Case::good().judge(), Ok(()));
    }

    #[test]
    fn a_konto_set_to_receive_only_may_not_send_even_a_svar() {
        let mut case = Case::answer();
        case.svar = Svar::PaMottatt(MeldingId::from_uuid(uuid(9)));
        case.avsender.send_meldinger_deaktivert = true;
        assert_eq!(case.judge(), Err(SendRefusal::AvsenderDeaktivert { konto: case.avsender.id }));
    }

    #[test]
    fn a_mottaker_set_to_receive_only_still_receives() {
        let mut case = Case::good();
        case.mottaker.send_meldinger_deaktivert = true;
        assert_eq!(case.judge(), Ok(()));
    }

    #[test]
    fn kontoer_of_different_protokoller_may_not_talk() {
        let mut case = Case::good();
        case.mottaker.protokoll_navn = "annen".to_owned();
        assert_eq!(
            case.judge(),
            Err(SendRefusal::UlikProtokoll {
                avsender: case.avsender.id,
                avsender_protokoll: "test".to_owned(),
                mottaker: case.mottaker.id,
                mottaker_protokoll: "annen".to_owned(),
            })
        );
    }

    #[test]
    fn kontoer_without_a_common_version_may_not_talk() {
        let mut case = Case::good();
        case.mottaker.parter[0].versjon = "v2".to_owned();
        let refusal = SendRefusal::IngenFellesVersjon {
            avsender: case.avsender.id,
            mottaker: case.mottaker.id,
            protokoll: "test".to_owned(),
        };
        assert_eq!(case.judge(), Err(refusal));
    }

    #[test]
    fn a_deactivated_version_does_not_count() {
        let mut case = Case::good();
        case.protokoller[0].status = Protokollstatus::Deaktivert;
        assert!(matches!(case.judge(), Err(SendRefusal::IngenFellesVersjon { .. })), "{:?}", case.judge());
    }

    #[test]
    fn a_version_of_another_protokoll_does_not_count() {
        let mut case = Case::good();
        case.protokoller[0].navn = "annen".to_owned();
        assert!(matches!(case.judge(), Err(SendRefusal::IngenFellesVersjon { .. })), "{:?}", case.judge());
    }

    #[test]
    fn a_meldingstype_outside_the_common_versions_is_unknown() {
        // v2 has it, but only the sender plays a part there.
        let mut case = Case::good();
        case.avsender.parter.push(PartRef { versjon: "v2".to_owned(), navn: "tjener".to_owned() });
        case.meldingstype = GAMMEL;
        let refusal =
            SendRefusal::UkjentMeldingstype { meldingstype: GAMMEL.to_owned(), protokoll: "test".to_owned() };
        assert_eq!(case.judge(), Err(refusal));
    }

    #[test]
    fn a_meldingstype_that_no_part_of_the_sender_sends_is_refused() {
        let case = Case { meldingstype: SVAR, har_payload: false, ..Case::good() };
        assert_eq!(
            case.judge(),
            Err(SendRefusal::KanIkkeSende { konto: case.avsender.id, meldingstype: SVAR.to_owned() })
        );
    }

    #[test]
    fn a_meldingstype_that_no_part_of_the_receiver_receives_is_refused() {
        let case = Case { mottaker: konto(3, "test", &[("v1", "lytter")]), ..Case::good() };
        assert_eq!(
            case.judge(),
            Err(SendRefusal::KanIkkeMotta { konto: case.mottaker.id, meldingstype: SPOR.to_owned() })
        );
    }

    #[test]
    fn parter_that_do_not_support_each_other_may_not_talk() {
        let case = Case {
            avsender: konto(2, "test", &[("v1", "tjener")]),
            mottaker: konto(3, "test", &[("v1", "lytter")]),
            meldingstype: VARSEL,
            ..Case::good()
        };
        let refusal = SendRefusal::ParterStotterIkkeHverandre {
            avsender: case.avsender.id,
            mottaker: case.mottaker.id,
            meldingstype: VARSEL.to_owned(),
        };
        assert_eq!(case.judge(), Err(refusal.clone()));

        let mut half = Case { protokoller: vec![v1()], ..case };
        half.protokoller[0].parter[1].stottede_parter.push("lytter".to_owned());
        assert_eq!(half.judge(), Err(refusal.clone()), "only the sender supports the receiver");
        half.protokoller = vec![v1()];
        half.protokoller[0].parter[2].stottede_parter.push("tjener".to_owned());
        assert_eq!(half.judge(), Err(refusal), "only the receiver supports the sender");
        half.protokoller[0].parter[1].stottede_parter.push("lytter".to_owned());
        assert_eq!(half.judge(), Ok(()), "both");
    }

    #[test]
    fn missing_payload_is_refused() {
        let case = Case { har_payload: false, ..Case::good() };
        assert_eq!(case.judge(), Err(SendRefusal::PayloadMangler { meldingstype: SPOR.to_owned() }));
    }

    #[test]
    fn payload_where_there_should_be_none_is_refused() {
        let case = Case { har_payload: true, har_tilgang: true, ..Case::answer() };
        assert_eq!(case.judge(), Err(SendRefusal::PayloadIkkeTillatt { meldingstype: SVAR.to_owned() }));
    }

    #[test]
    fn optional_payload_may_be_there_or_not() {
        for har_payload in [false, true] {
            assert_eq!(Case { meldingstype: HILSEN, har_payload, ..Case::good() }.judge(), Ok(()));
        }
    }

    #[test]
    fn send_to_konto_without_tilgang_is_refused() {
        let case = Case { har_tilgang: false, ..Case::good() };
        assert_eq!(
            case.judge(),
            Err(SendRefusal::ManglerTilgang { system: case.avsender.system_id, konto: case.mottaker.id })
        );
    }

    #[test]
    fn kontoer_of_one_system_need_no_tilgang() {
        let mut case = Case { har_tilgang: false, ..Case::good() };
        case.mottaker.system_id = case.avsender.system_id;
        assert_eq!(case.judge(), Ok(()));
    }

    #[test]
    fn a_svar_to_a_received_melding_needs_no_tilgang_unless_the_installation_says_so() {
        let mut case = Case { svar: Svar::PaMottatt(MeldingId::from_uuid(uuid(9))), ..Case::answer() };
        assert_eq!(case.judge(), Ok(()));
        case.rules.svar_krever_tilgang = true;
        assert!(matches!(case.judge(), Err(SendRefusal::ManglerTilgang { .. })), "{:?}", case.judge());
        case.har_tilgang = true;
        assert_eq!(case.judge(), Ok(()));
    }

    #[test]
    fn a_claimed_svar_to_some_other_melding_gives_no_right() {
        let case = Case { svar: Svar::PaAnnen(MeldingId::from_uuid(uuid(9))), ..Case::answer() };
        assert!(matches!(case.judge(), Err(SendRefusal::ManglerTilgang { .. })), "{:?}", case.judge());
        let with_tilgang = Case { har_tilgang: true, ..case };
        assert_eq!(with_tilgang.judge(), Ok(()), "it is refused for the missing tilgang alone");
    }

    #[test]
    fn a_svar_must_keep_all_other_rules() {
        let case = Case {
            svar: Svar::PaMottatt(MeldingId::from_uuid(uuid(9))),
            meldingstype: SPOR,
            ..Case::answer()
        };
        assert!(matches!(case.judge(), Err(SendRefusal::KanIkkeSende { .. })), "{:?}", case.judge());
    }

    #[test]
    fn one_of_several_parter_is_enough() {
        let mut case = Case::good();
        case.avsender.parter.insert(0, PartRef { versjon: "v1".to_owned(), navn: "lytter".to_owned() });
        case.mottaker.parter.insert(0, PartRef { versjon: "v1".to_owned(), navn: "lytter".to_owned() });
        assert_eq!(case.judge(), Ok(()));
    }

    #[test]
    fn part_of_one_version_does_not_send_what_it_sends_in_another() {
        // The sender plays klient in v2 only, and SPOR has no payload there.
        let mut case = Case::good();
        case.avsender.parter = vec![
            PartRef { versjon: "v1".to_owned(), navn: "lytter".to_owned() },
            PartRef { versjon: "v2".to_owned(), navn: "klient".to_owned() },
        ];
        assert!(matches!(case.judge(), Err(SendRefusal::KanIkkeSende { .. })), "{:?}", case.judge());
        case.mottaker.parter.push(PartRef { versjon: "v2".to_owned(), navn: "tjener".to_owned() });
        assert_eq!(case.judge(), Err(SendRefusal::PayloadIkkeTillatt { meldingstype: SPOR.to_owned() }));
        case.har_payload = false;
        assert_eq!(case.judge(), Ok(()));
    }

    #[test]
    fn an_unknown_part_plays_no_role() {
        let mut case = Case::good();
        case.avsender.parter[0].navn = "ukjent".to_owned();
        assert!(matches!(case.judge(), Err(SendRefusal::IngenFellesVersjon { .. })), "{:?}", case.judge());
    }

    fn uuid(number: u128) -> wire::id::Uuid {
        wire::id::Uuid::from_u128(number)
    }

    /// Any Protokoll of the standard catalogue as if it were in use, any two of its parter and any of its meldingstyper.
    fn of_the_catalogue() -> impl Strategy<Value = (Protokoll, usize, usize, usize)> {
        let mut all = katalog::standard();
        for protokoll in &mut all {
            protokoll.status = Protokollstatus::Aktiv;
        }
        proptest::sample::select(all).prop_flat_map(|protokoll| {
            let (parter, meldingstyper) = (protokoll.parter.len(), protokoll.meldingstyper.len());
            (Just(protokoll), 0..parter, 0..parter, 0..meldingstyper)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// The catalogue alone says what passes between kontoer with tilgang, payload and all.
        #[test]
        fn the_catalogue_is_followed_to_the_letter(
            (protokoll, from, to, which) in of_the_catalogue(),
            har_payload: bool,
            har_tilgang: bool,
        ) {
            let (from, to, which) = (&protokoll.parter[from], &protokoll.parter[to], &protokoll.meldingstyper[which]);
            let avsender = konto(1, &protokoll.navn, &[(&protokoll.versjon, &from.navn)]);
            let mottaker = konto(2, &protokoll.navn, &[(&protokoll.versjon, &to.navn)]);
            let sending = Sending {
                avsender: &avsender,
                mottaker: &mottaker,
                protokoller: std::slice::from_ref(&protokoll),
                meldingstype: &which.navn,
                har_payload,
                har_tilgang,
                svar: Svar::Ingen,
            };
            let verdict = judge(&sending, SendRules::default());
            let parter_allow = from.avsender_meldingstyper.contains(&which.navn)
                && to.mottaker_meldingstyper.contains(&which.navn)
                && to.stottede_parter.contains(&from.navn);
            let payload_fits = match which.payload_kriterie {
                PayloadKriterie::Required => har_payload,
                PayloadKriterie::Never => !har_payload,
                PayloadKriterie::Optional => true,
            };
            prop_assert_eq!(verdict.is_ok(), parter_allow && payload_fits && har_tilgang, "{:?}", verdict);
            if parter_allow && !payload_fits {
                let about_payload =
                    matches!(verdict, Err(SendRefusal::PayloadMangler { .. } | SendRefusal::PayloadIkkeTillatt { .. }));
                prop_assert!(about_payload, "payload is judged before tilgang: {:?}", verdict);
            }
            if parter_allow && payload_fits && !har_tilgang {
                prop_assert_eq!(verdict, Err(SendRefusal::ManglerTilgang { system: avsender.system_id, konto: mottaker.id }));
            }
        }
    }

    /// Random pairs rarely hit what is allowed, so here each allowed triple of the catalogue is walked through once.
    #[test]
    fn whatever_the_catalogue_allows_passes_with_the_right_payload_and_only_then() {
        let mut allowed = 0;
        for mut protokoll in katalog::standard() {
            protokoll.status = Protokollstatus::Aktiv;
            for from in &protokoll.parter {
                for name in &from.avsender_meldingstyper {
                    let kriterie = protokoll.meldingstype(name).unwrap().payload_kriterie;
                    for to in from.stottede_parter.iter().map(|navn| protokoll.part(navn).unwrap()) {
                        if !to.mottaker_meldingstyper.contains(name) {
                            continue;
                        }
                        allowed += 1;
                        let avsender = konto(1, &protokoll.navn, &[(&protokoll.versjon, &from.navn)]);
                        let mottaker = konto(2, &protokoll.navn, &[(&protokoll.versjon, &to.navn)]);
                        for har_payload in [false, true] {
                            let sending = Sending {
                                avsender: &avsender,
                                mottaker: &mottaker,
                                protokoller: std::slice::from_ref(&protokoll),
                                meldingstype: name,
                                har_payload,
                                har_tilgang: true,
                                svar: Svar::Ingen,
                            };
                            let expected = match (kriterie, har_payload) {
                                (PayloadKriterie::Required, false) => {
                                    Err(SendRefusal::PayloadMangler { meldingstype: name.clone() })
                                }
                                (PayloadKriterie::Never, true) => {
                                    Err(SendRefusal::PayloadIkkeTillatt { meldingstype: name.clone() })
                                }
                                _ => Ok(()),
                            };
                            assert_eq!(
                                judge(&sending, SendRules::default()),
                                expected,
                                "{} to {}",
                                from.navn,
                                to.navn
                            );
                        }
                    }
                }
            }
        }
        assert!(allowed >= 207, "every meldingstype passes between two parter at least: {allowed}");
    }
}
