//! Which addresses are proxies of ours.

use std::net::IpAddr;

use anyhow::{Context as _, ensure};

/// Networks of the operator's own proxies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Vec<(IpAddr, u32)>);

impl Proxies {
    /// Reads addresses and networks, blanks between: `10.0.0.7 10.1.0.0/16`.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let networks = text.split([' ', ',']).filter(|one| !one.is_empty()).map(network);
        Ok(Self(networks.collect::<anyhow::Result<_>>()?))
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, prefix)| match (address, network) {
            (IpAddr::V4(address), IpAddr::V4(network)) => {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                (address.to_bits() ^ network.to_bits()) & mask == 0
            }
            (IpAddr::V6(address), IpAddr::V6(network)) => {
                let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
                (address.to_bits() ^ network.to_bits()) & mask == 0
            }
            _ => false,
        })
    }
}

fn network(text: &str) -> anyhow::Result<(IpAddr, u32)> {
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().with_context(|| format!("{text:?} is no IP address or network"))?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        Some(prefix) => prefix.parse().with_context(|| format!("{text:?} has no number after the slash"))?,
        None => bits,
    };
    ensure!(prefix <= bits, "{text:?} has more than {bits} bits after the slash");
    Ok((address, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn proxies_are_known_by_address_and_network() {
        let proxies = Proxies::parse("10.0.0.7, 10.1.0.0/16  fd00::/8").unwrap();
        for known in ["10.0.0.7", "10.1.255.1", "fd12::1", "::ffff:10.0.0.7"] {
            assert!(proxies.contains(ip(known)), "{known}");
        }
        for other in ["10.0.0.8", "10.2.0.1", "fe80::1", "::1"] {
            assert!(!proxies.contains(ip(other)), "{other}");
        }
        assert!(Proxies::parse("0.0.0.0/0").unwrap().contains(ip("192.0.2.1")));
        assert!(!Proxies::parse("").unwrap().contains(ip("127.0.0.1")));
        for wrong in ["proxy.example", "10.0.0.0/33", "10.0.0.0/x", "/8"] {
            assert!(Proxies::parse(wrong).is_err(), "{wrong}");
        }
    }
}
