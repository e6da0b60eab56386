//! Limits and times of the endpoint.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::places::Proxies;

/// Counts a log-in from an address that was refused, and says whether there are not too many of them.
pub type RefusedLogIns = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// Limits and times of the endpoint. The defaults are those that the official clients are known to work with.
#[derive(Clone)]
pub struct Config {
    /// Told to clients as `cluster_name`; a host name says where a developer ended up.
    pub hostname: String,
    /// Largest frame in bytes that a client may send, header and end octet included. Each connection may keep so much of the memory
    /// by leaving it unfinished. The log-in frame carries an access token, so never less than 8192. Default 16 KiB.
    pub input_frame_max: u32,
    /// Largest frame in bytes offered to clients, header and end octet included, in which they get what they fetch; never less
    /// than 8192, which several clients insist on. Default 131072.
    pub frame_max: u32,
    /// Highest channel number offered to clients. Default 2047, which is what clients ask for.
    pub channel_max: u16,
    /// Consumers that one connection may have at a time. Default 2048.
    pub consumers_max: usize,
    /// Heartbeat interval offered to clients, whole seconds. Default 60 s.
    pub heartbeat: Duration,
    /// Connections that may be open at a time. Default 20 000.
    pub connections_max: usize,
    /// Connections that may be open without being logged in, those whose TLS handshake is not done included. One more is
    /// let in and the oldest of the address that has most goes. Default 2048.
    pub unauthenticated_max: usize,
    /// The same of one address (of IPv6: of one /64); one more takes the place of its oldest. Default 1024.
    pub unauthenticated_per_address: usize,
    /// The proxies, for which [`Config::unauthenticated_per_address`] does not hold. Default none.
    pub proxies: Proxies,
    /// Time for the TLS handshake. Default 10 s.
    pub tls_timeout: Duration,
    /// Time for each step of the AMQP handshake but the log-in. Default 10 s.
    pub handshake_timeout: Duration,
    /// Time from the opening of the connection until the client has come up with its log-in, for which it fetches an access
    /// token elsewhere; TLS and all other steps are within it. Default 30 s.
    pub login_timeout: Duration,
    /// A client that has bytes waiting and takes none of them for so long is taken for gone, also when it still sends.
    /// Default 5 min.
    pub write_timeout: Duration,
    /// Counts a log-in that was refused; with the address that it came from, unless that is one of [`Config::proxies`]. Says
    /// whether there are not too many of them. Shared with other ways to log in. Default counts nothing.
    pub refused_log_ins: RefusedLogIns,
    /// A client that has taken next to nothing of what waits for it for so long is closed where others wait for the memory that
    /// this takes. Default 5 s.
    pub give_way_after: Duration,
    /// How long a connection whose log-in was refused is kept silent before it is closed, if the client cannot be told, or
    /// where too many were refused that came from its address. Default 3 s.
    pub refusal_delay: Duration,
    /// How long to wait for the client's answer after telling it that the connection is closed. Default 3 s.
    pub close_grace: Duration,
    /// Deliveries are held back while this many bytes wait to be written to the client. Default 256 KiB.
    pub write_buffer_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            input_frame_max: 16 * 1024,
            frame_max: 131_072,
            channel_max: 2047,
            consumers_max: 2048,
            heartbeat: Duration::from_mins(1),
            connections_max: 20_000,
            unauthenticated_max: 2048,
            unauthenticated_per_address: 1024,
            proxies: Arc::new(|_| false),
            tls_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            login_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_mins(5),
            give_way_after: Duration::from_secs(5),
            refused_log_ins: Arc::new(|_| true),
            refusal_delay: Duration::from_secs(3),
            close_grace: Duration::from_secs(3),
            write_buffer_max: 256 * 1024,
        }
    }
}

impl Config {
    /// The heartbeat as it stands in `connection.tune`.
    pub(crate) fn heartbeat_seconds(&self) -> u16 {
        u16::try_from(self.heartbeat.as_secs()).unwrap_or(u16::MAX)
    }
}
