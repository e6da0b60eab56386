//! The audit log: what can stand in it, and who is told to have done it.

use std::fmt;
use std::str::FromStr;

use domain::id::{FiksOrgId, IntegrasjonId, KontoId, PersonId, SystemId};
use domain::konto::Konto;
use domain::person::Person;
use domain::system::System;

use crate::error::Error;
use crate::ports::{AuditLine, Tx};
use crate::rom::always_goes;
use crate::{App, Caller};

macro_rules! hva {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// What was done. The texts are how it is stored, and what a filter takes; they never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Hva {
            $($(#[$doc])* $variant,)+
        }

        impl Hva {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// How it is stored.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl FromStr for Hva {
            type Err = UnknownHva;

            fn from_str(text: &str) -> Result<Self, UnknownHva> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(UnknownHva),
                }
            }
        }
    };
}

hva! {
    /// An organisasjon was registered.
    RegistrerteOrganisasjon = "registrerte organisasjon",
    /// An organisasjon took Fiks Protokoll into use.
    TokIBruk = "tok Fiks Protokoll i bruk",
    /// A System was made.
    OpprettetSystem = "opprettet system",
    /// Texts or visibility of a System were changed.
    EndretSysteminfo = "endret systeminfo",
    /// Whether integrasjoner may configure a System was changed.
    EndretApiKonfigurasjon = "endret konfigurasjon med API",
    /// A System was removed.
    SlettetSystem = "slettet system",
    /// An integrasjon got a new password.
    GenererteNyttPassord = "genererte nytt passord",
    /// An integrasjon got another orgnummer.
    EndretOrgnummer = "endret organisasjonsnummer",
    /// A System got one more integrasjon.
    LaTilIntegrasjon = "la til integrasjon",
    /// A Konto was made.
    OpprettetKonto = "opprettet konto",
    /// Texts of a Konto were changed.
    EndretKontoinfo = "endret kontoinfo",
    /// The parter of a Konto were changed.
    EndretParter = "endret parter",
    /// A Konto was kept from sending.
    StoppetSending = "stoppet sending",
    /// A Konto may send again.
    StartetSending = "startet sending",
    /// A Konto was removed.
    SlettetKonto = "slettet konto",
    /// A Konto got a public key.
    ByttetNokkel = "byttet offentlig nøkkel",
    /// The public key of a Konto was taken out of use.
    FjernetNokkel = "fjernet offentlig nøkkel",
    /// The owner of a Konto let a System send to it.
    GaTilgang = "ga tilgang",
    /// The same, as the owner of the System sees it.
    FikkTilgang = "fikk tilgang",
    /// The owner of a Konto took a tilgang away.
    FjernetTilgang = "fjernet tilgang",
    /// The same, as the owner of the System sees it.
    MistetTilgang = "mistet tilgang",
    /// The owner of a System gave up a tilgang.
    GaFraSegTilgang = "ga fra seg tilgang",
    /// The same, as the owner of the Konto sees it.
    TilgangGittFraSeg = "tilgang ble gitt fra seg",
    /// A System asked, and was let in at once.
    FikkTilgangAutomatisk = "fikk tilgang automatisk",
    /// The same, as the owner of the Konto sees it.
    GaTilgangAutomatisk = "ga tilgang automatisk",
    /// A System asked for tilgang.
    BaOmTilgang = "ba om tilgang",
    /// The same, as the owner of the Konto sees it.
    MottokForesporsel = "mottok forespørsel",
    /// A System withdrew its forespørsel.
    TrakkForesporsel = "trakk forespørsel",
    /// The same, as the owner of the Konto sees it.
    ForesporselTrukket = "forespørsel ble trukket",
    /// The owner of a Konto rejected a forespørsel.
    AvvisteForesporsel = "avviste forespørsel",
    /// The same, as the owner of the System sees it.
    ForesporselAvvist = "forespørsel ble avvist",
    /// A dead letter of a Konto went back to its queue.
    LaTilbakePaKo = "la tilbake på kø",
    /// A queue without Konto was emptied.
    TomteKo = "tømte kø uten konto",
    /// The avtale of an organisasjon was signed.
    SignerteAvtale = "signerte avtale",
    /// A person logged in.
    LoggetInn = "logget inn",
    /// A person was given a rolle.
    GaRolle = "ga rolle",
    /// A person was given another rolle.
    EndretRolle = "endret rolle",
    /// A person's rolle was taken away.
    FjernetRolle = "fjernet rolle",
    /// A person was let see how the installation is doing.
    GaInnsynIDrift = "ga innsyn i drift",
    /// A person may no longer see how the installation is doing.
    FjernetInnsynIDrift = "fjernet innsyn i drift",
}

/// The text is none of [`Hva`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownHva;

impl fmt::Display for UnknownHva {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no kind of hendelse")
    }
}

impl std::error::Error for UnknownHva {}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hvem {
    /// A person of the organisasjon.
    Person {
        /// Their id.
        id: PersonId,
        /// Their name, as long as they are known.
        navn: Option<String>,
    },
    /// A machine.
    Integrasjon {
        /// Its id.
        id: IntegrasjonId,
        /// The name of its System, as long as there is one.
        system_navn: Option<String>,
    },
    /// Somebody of another organisasjon; its people and machines are not named to others.
    Organisasjon {
        /// Its id.
        id: FiksOrgId,
        /// Its name, as long as there is one.
        navn: Option<String>,
    },
    /// Whoever runs the installation.
    Drift,
    /// The installation itself, or somebody that a later version knows.
    System,
}

impl Hvem {
    /// Reads how a line names somebody; `navn` is the name that the id has.
    pub(crate) fn read(text: &str, navn: Option<String>) -> Self {
        fn id<T: FromStr>(text: &str, kind: &str) -> Option<T> {
            text.strip_prefix(kind)?.strip_prefix(':')?.parse().ok()
        }
        if let Some(id) = id(text, "integrasjon") {
            Self::Integrasjon { id, system_navn: navn }
        } else if let Some(id) = id(text, "person") {
            Self::Person { id, navn }
        } else if let Some(id) = id(text, "organisasjon") {
            Self::Organisasjon { id, navn }
        } else if text == "drift" {
            Self::Drift
        } else {
            Self::System
        }
    }
}

/// What a detail of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Felt {
    /// Name of the System at that time.
    System,
    /// Name of the Konto at that time.
    Konto,
    /// Name of the System at the other end.
    Motpart,
    /// Name of the organisasjon at the other end.
    MotpartOrganisasjon,
    /// Id of the integrasjon.
    Integrasjon,
    /// Id of the person whose rights they are. Names of people stand in one place, from where they can be removed.
    Person,
    /// The rolle.
    Rolle,
    /// Id of the melding.
    Melding,
    /// Name, version and SHA-256 of the avtale.
    Avtale,
    /// What it was before.
    Fra,
    /// What it was changed to.
    Til,
    /// Anything else.
    Tekst,
}

impl Felt {
    const ALL: [Self; 12] = [
        Self::System,
        Self::Konto,
        Self::Motpart,
        Self::MotpartOrganisasjon,
        Self::Integrasjon,
        Self::Person,
        Self::Rolle,
        Self::Melding,
        Self::Avtale,
        Self::Fra,
        Self::Til,
        Self::Tekst,
    ];

    /// How it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Konto => "konto",
            Self::Motpart => "motpart",
            Self::MotpartOrganisasjon => "motpartOrganisasjon",
            Self::Integrasjon => "integrasjon",
            Self::Person => "person",
            Self::Rolle => "rolle",
            Self::Melding => "melding",
            Self::Avtale => "avtale",
            Self::Fra => "fra",
            Self::Til => "til",
            Self::Tekst => "tekst",
        }
    }
}

/// What a reader of a line needs that may be gone or changed by then: names, old and new values; never a secret.
///
/// Stored one a line, `felt: verdi`, so that it can be read without a program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detaljer(Vec<(Felt, String)>);

impl Detaljer {
    /// The value of a detail.
    pub fn get(&self, felt: Felt) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == felt).map(|(_, verdi)| verdi.as_str())
    }

    /// All details in their order.
    pub fn iter(&self) -> impl Iterator<Item = (Felt, &str)> {
        self.0.iter().map(|(felt, verdi)| (*felt, verdi.as_str()))
    }

    fn add(&mut self, felt: Felt, verdi: &str) {
        // A line break would make two of it.
        self.0.push((felt, verdi.replace(['\n', '\r'], " ")));
    }

    fn write(&self) -> Option<String> {
        let lines: Vec<_> = self.iter().map(|(felt, verdi)| format!("{}: {verdi}", felt.as_str())).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    pub(crate) fn read(text: &str) -> Self {
        let of_line = |line: &str| {
            let known = Felt::ALL.into_iter().find_map(|felt| {
                let verdi = line.strip_prefix(felt.as_str())?.strip_prefix(": ")?;
                Some((felt, verdi.to_owned()))
            });
            known.unwrap_or_else(|| (Felt::Tekst, line.to_owned()))
        };
        Self(text.lines().map(of_line).collect())
    }
}

/// What an audit line tells, besides who and when.
pub(crate) struct Change {
    hva: Hva,
    fiks_org_id: Option<FiksOrgId>,
    system_id: Option<SystemId>,
    konto_id: Option<KontoId>,
    detaljer: Detaljer,
}

impl Change {
    pub(crate) fn new(hva: Hva) -> Self {
        Self { hva, fiks_org_id: None, system_id: None, konto_id: None, detaljer: Detaljer::default() }
    }

    /// In the log of this organisasjon.
    pub(crate) fn organisasjon(mut self, id: FiksOrgId) -> Self {
        self.fiks_org_id = Some(id);
        self
    }

    /// About this System, in the log of its owner.
    pub(crate) fn system(mut self, system: &System) -> Self {
        self.fiks_org_id = Some(system.fiks_org_id);
        self.system_id = Some(system.id);
        self.with(Felt::System, &system.info.navn)
    }

    /// About this Konto.
    pub(crate) fn konto(mut self, konto: &Konto) -> Self {
        self.konto_id = Some(konto.id);
        self.with(Felt::Konto, &konto.navn)
    }

    /// About a Konto that the registry does not know.
    pub(crate) fn konto_id(mut self, konto: KontoId) -> Self {
        self.konto_id = Some(konto);
        self
    }

    /// About the rights of this person.
    pub(crate) fn person(self, person: &Person) -> Self {
        self.with(Felt::Person, &person.id.to_string())
    }

    pub(crate) fn with(mut self, felt: Felt, verdi: &str) -> Self {
        self.detaljer.add(felt, verdi);
        self
    }

    /// From `fra` to `til`; nothing if they are the same.
    pub(crate) fn fra_til(self, fra: &str, til: &str) -> Self {
        if fra == til { self } else { self.with(Felt::Fra, fra).with(Felt::Til, til) }
    }
}

/// A change in who may send to whom. Both owners are told, each in their own words.
pub(crate) struct TilgangChange<'a> {
    /// The Konto that may be sent to.
    pub(crate) konto: &'a Konto,
    /// Its System.
    pub(crate) eiersystem: &'a System,
    /// The System that may send.
    pub(crate) avsender: &'a System,
    /// What the owner of the Konto reads.
    pub(crate) for_eier: Hva,
    /// What the owner of the other System reads.
    pub(crate) for_avsender: Hva,
    /// On behalf of whom it was done.
    pub(crate) av: FiksOrgId,
}

impl App {
    /// Writes a line of the audit log as part of `tx`.
    pub(crate) async fn audit(&self, tx: &mut dyn Tx, caller: &Caller, change: Change) -> Result<(), Error> {
        self.ask_to_change(caller, change.fiks_org_id, (change.hva, 1))?;
        self.write_line(tx, caller.audit_name(), change).await
    }

    /// Writes a line for each side as part of `tx`. People and machines of one organisasjon are not named to another.
    pub(crate) async fn audit_tilgang(
        &self,
        tx: &mut dyn Tx,
        caller: &Caller,
        change: TilgangChange<'_>,
    ) -> Result<(), Error> {
        let TilgangChange { konto, eiersystem, avsender, for_eier, for_avsender, av } = change;
        self.ask_to_change(caller, Some(av), (for_eier, 2))?;
        for (hva, own, other) in [(for_eier, eiersystem, avsender), (for_avsender, avsender, eiersystem)] {
            let mut line = Change::new(hva).system(own).konto(konto).with(Felt::Motpart, &other.info.navn);
            if let Some(organisasjon) = tx.organisasjon(other.fiks_org_id).await? {
                line = line.with(Felt::MotpartOrganisasjon, &organisasjon.navn);
            }
            let hvem = match caller {
                Caller::Operator => caller.audit_name(),
                _ if own.fiks_org_id == av => caller.audit_name(),
                _ => format!("organisasjon:{av}"),
            };
            self.write_line(tx, hvem, line).await?;
        }
        Ok(())
    }

    /// Refuses a change that would fill the disk, or one too many of an organisasjon. The operator may always.
    fn ask_to_change(
        &self,
        caller: &Caller,
        organisasjon: Option<FiksOrgId>,
        (hva, lines): (Hva, u32),
    ) -> Result<(), Error> {
        if matches!(caller, Caller::Operator) {
            return Ok(());
        }
        if !always_goes(hva) {
            self.ask_room()?;
        }
        match organisasjon {
            Some(organisasjon) => {
                let grenser = &self.inner.settings.grenser;
                self.inner.endringer.count(grenser, caller, organisasjon, (hva, lines), self.now())
            }
            None => Ok(()),
        }
    }

    async fn write_line(&self, tx: &mut dyn Tx, hvem: String, change: Change) -> Result<(), Error> {
        let line = AuditLine {
            id: self.inner.ids.uuid(),
            tidspunkt: self.now(),
            hvem,
            hva: change.hva.as_str().to_owned(),
            fiks_org_id: change.fiks_org_id,
            system_id: change.system_id,
            konto_id: change.konto_id,
            detaljer: change.detaljer.write(),
        };
        Ok(tx.add_audit_line(&line).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read_back_and_no_text_stands_twice() {
        for &hva in Hva::ALL {
            assert_eq!(hva.as_str().parse(), Ok(hva));
        }
        assert_eq!("noe annet".parse::<Hva>(), Err(UnknownHva));
    }

    #[test]
    fn details_are_read_back_and_free_text_is_kept() {
        let change = Change::new(Hva::EndretOrgnummer)
            .with(Felt::System, "Mitt:\nsystem")
            .fra_til("1", "2")
            .fra_til("3", "3");
        let text = change.detaljer.write().unwrap();
        assert_eq!(text, "system: Mitt: system\nfra: 1\ntil: 2");
        let read = Detaljer::read(&text);
        assert_eq!(read, change.detaljer);
        assert_eq!((read.get(Felt::Til), read.get(Felt::Konto)), (Some("2"), None));
        let free = Detaljer::read("integrasjon 7\nnoe: annet");
        assert_eq!(
            free.iter().collect::<Vec<_>>(),
            [(Felt::Tekst, "integrasjon 7"), (Felt::Tekst, "noe: annet")]
        );
        assert_eq!(Detaljer::default().write(), None);
    }

    #[test]
    fn whoever_did_it_is_told_by_kind() {
        let id = domain::id::Uuid::from_u128(7);
        let navn = || Some("N".to_owned());
        assert_eq!(
            Hvem::read(&format!("person:{id}"), navn()),
            Hvem::Person { id: PersonId::from_uuid(id), navn: navn() }
        );
        assert_eq!(
            Hvem::read(&format!("integrasjon:{id}"), None),
            Hvem::Integrasjon { id: IntegrasjonId::from_uuid(id), system_navn: None }
        );
        assert_eq!(
            Hvem::read(&format!("organisasjon:{id}"), navn()),
            Hvem::Organisasjon { id: FiksOrgId::from_uuid(id), navn: navn() }
        );
        assert_eq!(Hvem::read("drift", None), Hvem::Drift);
        assert_eq!(Hvem::read("person:x", None), Hvem::System);
    }
}
