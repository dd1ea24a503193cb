//! Lists of hosts: whom a caller may send to.

use std::fmt;
use std::str::FromStr;

/// A host by name or address, all names below one (`*.example.org`, which is not `example.org` itself), and a port. Without a port
/// it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    host: String,
    below: bool,
    port: Option<u16>,
}

/// The hosts that requests may go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// Any host of the public internet, on any port.
    Public,
    /// These alone.
    Named(Vec<HostPattern>),
}

impl Hosts {
    pub(crate) fn admit(&self, host: &str, port: u16, own_port: u16) -> bool {
        match self {
            Self::Public => true,
            Self::Named(patterns) => patterns.iter().any(|pattern| pattern.admits(host, port, own_port)),
        }
    }
}

impl HostPattern {
    /// Whether it means this host on this port. `host` is as an address holds it: lower case, in ASCII.
    pub(crate) fn admits(&self, host: &str, port: u16, own_port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_named = if self.below {
            host.strip_suffix(&self.host).and_then(|rest| rest.strip_suffix('.')).is_some_and(|rest| !rest.is_empty())
        } else {
            host == self.host
        };
        is_named && port == self.port.unwrap_or(own_port)
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || {
            format!("{text:?} is not a host such as api.example.org, *.example.org, api.example.org:8443 or [::1]:8080")
        };
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        // An address in brackets has colons of its own.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse::<u16>().map_err(|_| refused())?)),
            _ => (rest, None),
        };
        let is_sound = !host.is_empty()
            && !host.ends_with('.')
            && !host.contains(['/', '@', '*', '?', '#', '%', '\\'])
            && !host.contains(char::is_whitespace)
            && port != Some(0);
        if !is_sound {
            return Err(refused());
        }
        // As it will stand in an address that is asked for.
        let host = url::Host::parse(host).map_err(|_| refused())?;
        if below && !matches!(host, url::Host::Domain(_)) {
            return Err(refused());
        }
        Ok(Self { host: host.to_string(), below, port })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(pattern: &str, host: &str, port: u16) -> bool {
        pattern.parse::<HostPattern>().unwrap().admits(host, port, 443)
    }

    #[test]
    fn a_name_is_itself_alone() {
        assert!(admits("api.example.org", "api.example.org", 443));
        assert!(admits("API.Example.org", "api.example.org.", 443), "case and the root's dot mean nothing");
        for other in ["example.org", "x.api.example.org", "api.example.org.evil.test", "evilapi.example.org"] {
            assert!(!admits("api.example.org", other, 443), "{other}");
        }
    }

    #[test]
    fn a_star_is_what_is_below() {
        assert!(admits("*.example.org", "a.b.example.org", 443));
        for other in ["example.org", ".example.org", "evilexample.org", "example.org.evil.test"] {
            assert!(!admits("*.example.org", other, 443), "{other}");
        }
    }

    #[test]
    fn a_port_is_the_schemes_own_unless_it_is_named() {
        assert!(!admits("api.example.org", "api.example.org", 8443));
        assert!(admits("api.example.org:8443", "api.example.org", 8443));
        assert!(!admits("api.example.org:8443", "api.example.org", 443));
        assert!(admits("[::1]:8080", "[::1]", 8080) && admits("127.0.0.1:1", "127.0.0.1", 1));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "https://a.test",
            "a.test/x",
            "u@a.test",
            "a.test:0",
            "a.test:x",
            "a b",
            "*.10.0.0.1",
            "a.*.test",
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }
}
