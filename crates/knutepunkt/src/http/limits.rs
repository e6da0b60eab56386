//! The limits of the HTTP listeners, from the configuration.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::address::Proxies;
use crate::config::Config;
use crate::grenser::Grenser;

/// The limits of the HTTP listeners. `default.toml` says what each is for.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Connections at one time.
    pub(super) connections: usize,
    /// Of those, from one address and not logged in.
    pub(super) strangers: usize,
    pub(super) proxies: Proxies,
    pub(super) handshake: Duration,
    pub(super) head: Duration,
    pub(super) idle: Duration,
    /// For the whole of a body that is no payload.
    pub(super) form: Duration,
    pub(super) least_speed: u64,
    pub(super) stall: Duration,
    /// Requests a second of one integrasjon, of all of one organisasjon, and failed log-ins of one address; 0 for no limit.
    pub(super) per_integrasjon: u32,
    pub(super) per_organisasjon: u32,
    pub(super) per_address: u32,
    /// Requests of one organisasjon, or one person, at a time.
    pub(super) at_a_time: usize,
    /// Requests at a time that wait for the login provider, and of those from one address.
    pub(super) waiting: usize,
    pub(super) waiting_per_address: usize,
}

/// Requests that wait for the login provider at a time, at most: each is a connection there, too.
const MOST_WAITING: usize = 64;

impl Limits {
    /// The limits that the configuration asks for, within what there is room for.
    ///
    /// # Errors
    /// Which key is wrong.
    pub(crate) fn new(config: &Config, grenser: Grenser) -> anyhow::Result<Self> {
        let (keys, per) = (&config.http, &config.grenser);
        for (name, seconds) in [
            ("handtrykk_sekunder", keys.handtrykk_sekunder),
            ("hode_sekunder", keys.hode_sekunder),
            ("ledig_sekunder", keys.ledig_sekunder),
            ("skjema_sekunder", keys.skjema_sekunder),
            ("stillstand_sekunder", keys.stillstand_sekunder),
        ] {
            ensure!((1..=86_400).contains(&seconds), "http.{name} must be between 1 and 86400 seconds");
        }
        ensure!(keys.tilkoblinger_maks >= 1, "http.tilkoblinger_maks must be at least 1");
        let connections = keys.tilkoblinger_maks.min(grenser.http_tilkoblinger);
        let or_half = |wanted: usize| if wanted == 0 { connections.div_ceil(2) } else { wanted };
        Ok(Self {
            connections,
            strangers: or_half(keys.fremmede_per_adresse),
            proxies: Proxies::parse(&keys.betrodde_proxyer).context("http.betrodde_proxyer is wrong")?,
            handshake: Duration::from_secs(keys.handtrykk_sekunder),
            head: Duration::from_secs(keys.hode_sekunder),
            idle: Duration::from_secs(keys.ledig_sekunder),
            form: Duration::from_secs(keys.skjema_sekunder),
            least_speed: keys.minst_bytes_per_sekund,
            stall: Duration::from_secs(keys.stillstand_sekunder),
            per_integrasjon: per.kall_per_integrasjon,
            per_organisasjon: per.kall_per_organisasjon,
            per_address: per.kall_per_adresse,
            at_a_time: or_half(per.samtidige_kall_per_organisasjon),
            waiting: (connections / 8).clamp(1, MOST_WAITING),
            waiting_per_address: (connections / 32).clamp(1, MOST_WAITING / 4),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Small limits for tests of other files.
    pub(crate) fn limits() -> Limits {
        Limits {
            connections: 16,
            strangers: 16,
            proxies: Proxies::default(),
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            form: Duration::from_mins(1),
            least_speed: 500,
            stall: Duration::from_mins(1),
            per_integrasjon: 0,
            per_organisasjon: 0,
            per_address: 10,
            at_a_time: 8,
            waiting: 4,
            waiting_per_address: 2,
        }
    }

    fn grenser(http_tilkoblinger: usize) -> Grenser {
        Grenser { filer: 1_024, queue_log_files: 128, http_tilkoblinger, amqp_tilkoblinger: 384 }
    }

    #[test]
    fn what_is_not_set_follows_from_what_there_is_room_for() {
        let limits = Limits::new(&Config::defaults(), grenser(192)).unwrap();
        assert_eq!((limits.connections, limits.strangers, limits.at_a_time), (192, 96, 96));
        assert_eq!(Limits::new(&Config::defaults(), grenser(50_000)).unwrap().connections, 10_000);
    }

    #[test]
    fn wrong_keys_are_named() {
        let mut keys = Config::defaults();
        keys.http.hode_sekunder = 0;
        assert!(Limits::new(&keys, grenser(192)).unwrap_err().to_string().contains("http.hode_sekunder"));
        let mut keys = Config::defaults();
        "proxy".clone_into(&mut keys.http.betrodde_proxyer);
        assert!(
            format!("{:#}", Limits::new(&keys, grenser(192)).unwrap_err()).contains("http.betrodde_proxyer")
        );
    }
}
