//! The address of the one at the other end, past the proxies that the configuration trusts and no others.

use std::net::IpAddr;

use poem::web::RemoteAddr;
use poem::{Addr, Request};

use super::border::RequestId;
use super::error::ApiError;
use crate::config::TrustedProxies;
use cardine_auth::Peer;

/// Proxies of one request that are looked through.
const PROXIES_MAX: usize = 32;

/// Who sends the request.
pub fn peer(request: &Request, trusted: &TrustedProxies) -> Result<Peer, ApiError> {
    let peer = Peer::new(peer_address(request, trusted)?, request.header("user-agent"));
    Ok(match request.extensions().get() {
        Some(RequestId(id)) => peer.in_request(*id),
        None => peer,
    })
}

/// The address of who sends the request. What `X-Forwarded-For` claims is believed as far as trusted proxies have written it:
/// each appends the address that it was called from.
pub fn peer_address(request: &Request, trusted: &TrustedProxies) -> Result<IpAddr, ApiError> {
    let RemoteAddr(Addr::SocketAddr(address)) = request.remote_addr() else {
        tracing::error!("a connection without an address");
        return Err(ApiError::internal());
    };
    let lists: Vec<&str> =
        request.headers().get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    let claimed = lists.iter().rev().flat_map(|list| list.rsplit(',')).take(PROXIES_MAX);
    Ok(behind_proxies(address.ip(), claimed, trusted))
}

fn behind_proxies<'a>(peer: IpAddr, claimed: impl Iterator<Item = &'a str>, trusted: &TrustedProxies) -> IpAddr {
    let mut address = peer;
    for claim in claimed {
        if !trusted.contains(address) {
            break;
        }
        let Ok(claim) = claim.trim().parse() else { break };
        address = claim;
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(peer: &str, claimed: &[&str], trusted: &[&str]) -> String {
        let trusted =
            TrustedProxies::parse(&trusted.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap();
        behind_proxies(peer.parse().unwrap(), claimed.iter().rev().copied(), &trusted).to_string()
    }

    #[test]
    fn a_claim_is_believed_of_trusted_proxies_alone() {
        let claimed = ["198.51.100.9", "192.0.2.7", "10.0.0.2"];
        assert_eq!(address("10.0.0.1", &claimed, &[]), "10.0.0.1", "nobody is trusted by default");
        assert_eq!(address("10.0.0.1", &claimed, &["10.0.0.1"]), "10.0.0.2");
        assert_eq!(
            address("10.0.0.1", &claimed, &["10.0.0.0/8"]),
            "192.0.2.7",
            "what stands before is the client's word"
        );
        assert_eq!(address("203.0.113.5", &claimed, &["10.0.0.0/8"]), "203.0.113.5");
        assert_eq!(address("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(address("10.0.0.1", &["192.0.2.7", "nonsense"], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(address("::1", &["2001:db8::7"], &["::1"]), "2001:db8::7");
    }
}
