//! Meldingstyper that the channel itself makes. They belong to no Protokoll and reach any Konto.
//!
//! Source: Fiks IO documentation, "fiksio".

/// To the sender when the TTL passed before the melding was taken. Headers only.
pub const TIDSAVBRUDD: &str = "no.ks.fiks.kvittering.tidsavbrudd";
/// To the sender when three deliveries went without ack.
pub const SERVERFEIL: &str = "no.ks.fiks.kvittering.serverfeil.v1";
/// What every kvittering of the channel starts with. None of them ever causes another.
pub const KVITTERING_PREFIX: &str = "no.ks.fiks.kvittering.";
