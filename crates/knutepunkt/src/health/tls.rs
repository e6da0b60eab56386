//! Watches the certificates that the listeners were started with.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use app::ports::{Del, Deltilstand, Funn, HealthCheck, Helse};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate that ends sooner than this should have been renewed already.
const SERTIFIKAT_VARSEL: Duration = Duration::from_hours(14 * 24);

/// The chain of certificates that is served.
pub(crate) struct TlsCheck {
    chain: Vec<Sertifikat>,
    /// What was logged of it last.
    logged: Mutex<Deltilstand>,
}

/// One certificate of the chain.
struct Sertifikat {
    /// Whose it is, as the log names it.
    subject: String,
    fra: Timestamp,
    til: Timestamp,
    /// The server's own, or that of its issuer: clients have no way around these. Around one further up they may have, since they
    /// may trust another above it.
    is_needed: bool,
}

impl Sertifikat {
    /// How it stands, and which end of its time says so.
    fn judge(&self, now: Timestamp) -> (Deltilstand, Funn) {
        if now < self.fra {
            return (self.no_good(), Funn::GyldigFra(self.fra));
        }
        let left = self.til.duration_since(now);
        let tilstand = if !left.is_positive() {
            self.no_good()
        } else if SignedDuration::try_from(SERTIFIKAT_VARSEL).is_ok_and(|warn| left < warn) {
            Deltilstand::Redusert
        } else {
            Deltilstand::IOrden
        };
        (tilstand, Funn::GyldigTil(self.til))
    }

    fn no_good(&self) -> Deltilstand {
        if self.is_needed { Deltilstand::Nede } else { Deltilstand::Redusert }
    }
}

impl TlsCheck {
    /// Reads the certificates of a PEM file, the server's own first.
    pub(crate) fn from_file(path: &Path) -> anyhow::Result<Self> {
        let chain = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("cannot read the certificates in {}", path.display()))?;
        let chain = chain
            .iter()
            .map(|der| X509Certificate::from_der(der).map(|(_, certificate)| certificate))
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("a certificate in {} cannot be understood", path.display()))?;
        let own = chain.first().with_context(|| format!("there is no certificate in {}", path.display()))?;
        let issuer = own.issuer().as_raw();
        let chain = chain.iter().enumerate().map(|(place, certificate)| Sertifikat {
            subject: certificate.subject().to_string(),
            fra: app::konto::sertifikat_tidspunkt(certificate.validity().not_before.timestamp()),
            til: app::konto::sertifikat_tidspunkt(certificate.validity().not_after.timestamp()),
            is_needed: place == 0 || certificate.subject().as_raw() == issuer,
        });
        Ok(Self { chain: chain.collect(), logged: Mutex::new(Deltilstand::IOrden) })
    }

    /// The certificate that stands worst; of those that stand alike, the one that ends first.
    fn worst(&self, now: Timestamp) -> Option<(&Sertifikat, Deltilstand, Funn)> {
        let rank = |tilstand| match tilstand {
            Deltilstand::Nede => 0,
            Deltilstand::Redusert => 1,
            Deltilstand::IOrden | Deltilstand::Ukjent => 2,
        };
        let judged = self.chain.iter().map(|one| (one, one.judge(now)));
        judged
            .min_by_key(|(one, (tilstand, _))| (rank(*tilstand), one.til))
            .map(|(one, (tilstand, funn))| (one, tilstand, funn))
    }

    /// One line when it begins to be short of time, and one when it is over.
    fn log(&self, one: &Sertifikat, tilstand: Deltilstand, now: Timestamp) {
        let before =
            std::mem::replace(&mut *self.logged.lock().unwrap_or_else(PoisonError::into_inner), tilstand);
        if tilstand == before {
            return;
        }
        let (subject, valid_from, valid_until) = (one.subject.as_str(), one.fra, one.til);
        let early = now < one.fra;
        match tilstand {
            Deltilstand::Nede if early => tracing::error!(
                subject, %valid_from, %valid_until,
                "a TLS certificate is not valid yet, so clients stay away: see that the clock is right, or put the former one \
                 back, and start the server again"
            ),
            Deltilstand::Nede => tracing::error!(
                subject, %valid_from, %valid_until,
                "a TLS certificate has expired, so clients stay away: renew it, and start the server again"
            ),
            Deltilstand::Redusert => tracing::warn!(
                subject, %valid_from, %valid_until,
                "a TLS certificate of the chain expires soon, or is not valid: renew it, and start the server again"
            ),
            Deltilstand::IOrden | Deltilstand::Ukjent => {}
        }
    }
}

#[async_trait]
impl HealthCheck for TlsCheck {
    fn del(&self) -> Del {
        Del::TlsSertifikat
    }

    async fn check(&self, now: Timestamp) -> Helse {
        let Some((one, tilstand, funn)) = self.worst(now) else { return Helse::IKKE_SATT_OPP };
        self.log(one, tilstand, now);
        Helse { tilstand, funn }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + day * 86_400).unwrap()
    }

    fn params(name: &str, (from, to): (i64, i64)) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let date = |at: i64| {
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(day(at).as_second().unsigned_abs())
        };
        (params.not_before, params.not_after) = (date(from), date(to));
        params
    }

    /// A chain of three with the first and the last day of each, as a server is given it.
    fn chain(own: (i64, i64), issuer: (i64, i64), above: (i64, i64)) -> TlsCheck {
        let keys = [(); 3].map(|()| KeyPair::generate().unwrap());
        let authority = |name, days| {
            let mut params = params(name, days);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let top = authority("above", above);
        let top_pem = top.self_signed(&keys[2]).unwrap().pem();
        let middle = authority("issuer", issuer);
        let middle_pem = middle.signed_by(&keys[1], &Issuer::new(top, &keys[2])).unwrap().pem();
        let own_pem = params("own", own).signed_by(&keys[0], &Issuer::new(middle, &keys[1])).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tls.pem");
        std::fs::write(&file, own_pem + &middle_pem + &top_pem).unwrap();
        TlsCheck::from_file(&file).unwrap()
    }

    #[tokio::test]
    async fn each_certificate_that_is_served_is_watched_at_both_ends_of_its_time() {
        use Deltilstand::{IOrden, Nede, Redusert};
        let good = (-100, 100);
        for (case, own, issuer, above, expected, funn) in [
            ("all good", good, good, good, IOrden, Funn::GyldigTil(day(100))),
            ("own soon over", (-100, 13), good, good, Redusert, Funn::GyldigTil(day(13))),
            ("own not soon over", (-100, 15), good, good, IOrden, Funn::GyldigTil(day(15))),
            ("own over at this moment", (-100, 0), good, good, Nede, Funn::GyldigTil(day(0))),
            ("own not valid yet", (2, 100), good, good, Nede, Funn::GyldigFra(day(2))),
            ("issuer over", good, (-100, -10), good, Nede, Funn::GyldigTil(day(-10))),
            ("issuer not valid yet", good, (1, 100), good, Nede, Funn::GyldigFra(day(1))),
            ("issuer soon over", good, (-100, 3), good, Redusert, Funn::GyldigTil(day(3))),
            (
                "above over: clients may know another",
                good,
                good,
                (-100, -1),
                Redusert,
                Funn::GyldigTil(day(-1)),
            ),
            ("own worse than above", (-100, -1), good, (-100, -9), Nede, Funn::GyldigTil(day(-1))),
        ] {
            let found = chain(own, issuer, above).check(day(0)).await;
            assert_eq!(found, Helse { tilstand: expected, funn }, "{case}");
        }
    }
}
