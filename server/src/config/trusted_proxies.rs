//! The proxies whose word is believed on where a request comes from: addresses and networks, none by default.

use std::net::IpAddr;

/// Addresses and networks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies(Vec<(IpAddr, u32)>);

impl TrustedProxies {
    /// Reads `--trusted-proxy`, given any number of times; every fault at once.
    pub fn parse(texts: &[String]) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut networks = Vec::new();
        for text in texts {
            match parse_network(text) {
                Some(network) => networks.push(network),
                None => faults.push(format!(
                    "trusted-proxy: {text:?} is not an address such as 10.0.0.1 or a network such as 10.0.0.0/8"
                )),
            }
        }
        if faults.is_empty() { Ok(Self(networks)) } else { Err(faults) }
    }

    /// Whether a proxy of this address is believed.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, bits)| first_bits(*network, *bits) == first_bits(address, *bits))
    }
}

fn parse_network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(width), |bits| bits.parse().ok())?;
    // A network of no bits would be everybody, whose word is nobody's.
    (1..=width).contains(&bits).then_some((address, bits))
}

/// The address with all but its first bits taken away, and its kind.
fn first_bits(address: IpAddr, bits: u32) -> (bool, u128) {
    match address {
        IpAddr::V4(address) => (true, u128::from(u32::from(address)) >> 32_u32.saturating_sub(bits)),
        IpAddr::V6(address) => (false, u128::from(address) >> 128_u32.saturating_sub(bits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<TrustedProxies, Vec<String>> {
        TrustedProxies::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn exactly_the_listed_are_trusted() {
        let trusted = parse(&["10.1.0.0/16", "192.0.2.1", "2001:db8::/32"]).unwrap();
        for address in ["10.1.0.1", "10.1.255.255", "192.0.2.1", "::ffff:192.0.2.1", "2001:db8:9::1"] {
            assert!(trusted.contains(address.parse().unwrap()), "{address}");
        }
        for address in ["10.2.0.1", "192.0.2.2", "2001:db9::1", "::1", "127.0.0.1"] {
            assert!(!trusted.contains(address.parse().unwrap()), "{address}");
        }
        assert!(!TrustedProxies::default().contains("127.0.0.1".parse().unwrap()), "nobody by default");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "proxy.example.org", "10.0.0.0/33", "10.0.0.0/0", "10.0.0.0/", "::/129", "10.0.0.1/x"] {
            assert_eq!(parse(&[text]).unwrap_err().len(), 1, "{text}");
        }
    }
}
