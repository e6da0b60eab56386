use std::time::Duration;

use domain::sending::SendRules;

use crate::grense::Grenser;
use crate::person::Identifikator;

/// How this installation is set up, as far as the use cases care.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A payload of more bytes than this goes to Dokumentlager. Default 5 MiB; the documentation says "5 MB".
    pub inline_payload_max_bytes: usize,
    /// A payload of more bytes than this is refused. Default 5 GiB.
    pub payload_max_bytes: u64,
    /// The sender's own headers may take this many bytes in all, names and values. Default 64 KiB, so that they fit one
    /// AMQP frame.
    pub headers_max_bytes: usize,
    /// How strict sending is.
    pub send_rules: SendRules,
    /// A person takes Fiks Protokoll into use only after the avtale was signed. Default true.
    pub avtale_kreves: bool,
    /// What people are known by. Default a fødselsnummer, as with ID-porten.
    pub identifikator: Identifikator,
    /// Lines of the audit log are removed when they are older. Default five years.
    pub hendelser_beholdes: Duration,
    /// How much of each thing a caller may have.
    pub grenser: Grenser,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inline_payload_max_bytes: 5 * 1024 * 1024,
            payload_max_bytes: 5 * 1024 * 1024 * 1024,
            headers_max_bytes: 64 * 1024,
            send_rules: SendRules::default(),
            avtale_kreves: true,
            identifikator: Identifikator::default(),
            hendelser_beholdes: Duration::from_hours(24 * (5 * 365 + 1)),
            grenser: Grenser::default(),
        }
    }
}
