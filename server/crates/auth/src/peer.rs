//! Where a request comes from: what guessing is counted by, and what people recognise their sessions by.

use std::net::{IpAddr, Ipv6Addr};

use cardine_engine::identity::Origin;
use uuid::Uuid;

/// Characters kept of what a client calls itself.
const USER_AGENT_MAX: usize = 255;

/// The one at the other end.
#[derive(Debug, Clone)]
pub struct Peer {
    network: String,
    user_agent: Option<String>,
    request: Option<Uuid>,
}

impl Peer {
    /// At this address; `user_agent` is the header of that name.
    pub fn new(address: IpAddr, user_agent: Option<&str>) -> Self {
        let printable = |text: &str| text.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect();
        Self { network: network_of(address), user_agent: user_agent.map(printable), request: None }
    }

    /// The same, in the request of this id.
    pub fn in_request(self, id: Uuid) -> Self {
        Self { request: Some(id), ..self }
    }

    /// The part of its address that one customer of a provider has: an IPv6 customer has 2^64 addresses to choose from.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// What its sessions are recognised by.
    pub fn origin(&self) -> Origin {
        Origin { user_agent: self.user_agent.clone(), network: Some(self.network.clone()), request: self.request }
    }
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self::new(address, None)
    }
}

fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_one_customer_may_choose_from_are_one_network() {
        let network = |text: &str| Peer::from(text.parse::<IpAddr>().unwrap()).network;
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2::9"), network("2001:db8:1:2:ffff::"));
        assert_ne!(network("2001:db8:1:2::9"), network("2001:db8:1:3::9"));
    }

    #[test]
    fn what_a_client_calls_itself_is_bounded_and_printable() {
        let agent = format!("Agent\u{7}\r\n{}", "x".repeat(1_000));
        let kept = Peer::new(IpAddr::from([127, 0, 0, 1]), Some(&agent)).user_agent.unwrap();
        assert!(kept.starts_with("Agentx") && kept.len() == USER_AGENT_MAX);
    }
}
