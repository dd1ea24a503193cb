//! Sends HTTP requests to hosts outside, for those whom others let say where.
//!
//! # Rules that hold here
//! - A request goes only to a host that its caller's list names, on the port that it names.
//! - A name is resolved once, and the connection is made to an address that was looked at: what a name server says later
//!   changes nothing.
//! - Addresses that are not of the public internet (private, loopback, link-local, metadata services …) are refused, unless the
//!   operator named the host as an inner one. Inner hosts alone may be spoken to without TLS.
//! - Redirects are answers like any other: nothing is followed, so nothing leaves the list.
//! - Time, the size of an answer and the number of requests under way are bounded. Proxies of the environment are not used.

mod address;
mod body;
mod client;
mod error;
mod hosts;
mod request;
mod tls;

pub use client::Egress;
pub use error::EgressError;
pub use hosts::{HostPattern, Hosts};
pub use request::{Request, Response};
