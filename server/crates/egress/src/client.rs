//! The one client of a server: looks at a request, connects to an address that was looked at, reads the answer.

use std::net::SocketAddr;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::{Method, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use url::{Host, Url};

use crate::address::is_public;
use crate::body::read_body;
use crate::error::EgressError;
use crate::hosts::{HostPattern, Hosts};
use crate::request::{Request, Response};
use crate::tls::Tls;

/// Requests under way at the same time; more wait for their turn.
const CONCURRENT_MAX: usize = 64;
const TIMEOUT_MAX: Duration = Duration::from_secs(120);
const URL_BYTES_MAX: usize = 8 << 10;
const HEADERS_MAX: usize = 64;
/// All headers of an answer together.
const ANSWER_HEAD_BYTES_MAX: usize = 64 << 10;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Headers that say how the connection is used; whoever could set them could smuggle a second request or name another host.
const OWN_HEADERS: [HeaderName; 9] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
];

/// Sends requests outside. Cheap to clone; one per server.
#[derive(Clone)]
pub struct Egress {
    shared: Arc<Shared>,
}

struct Shared {
    inner_hosts: Vec<HostPattern>,
    turns: Semaphore,
    tls: Tls,
}

/// A request that may be sent, and where.
struct Checked {
    host: Host,
    port: u16,
    is_secure: bool,
    /// Whether the operator named the host as an inner one.
    is_inner: bool,
    request: hyper::Request<Full<Bytes>>,
}

/// Ends the task that drives a connection when the request is done with, or given up.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Egress {
    /// A client that reaches the public internet by HTTPS, and `inner_hosts` wherever they are, also without TLS.
    pub fn new(inner_hosts: Vec<HostPattern>) -> Self {
        let turns = Semaphore::new(CONCURRENT_MAX);
        Self { shared: Arc::new(Shared { inner_hosts, turns, tls: Tls::default() }) }
    }

    /// Sends a request to a host that `hosts` names, and reads the whole answer. Redirects are answers.
    ///
    /// # Errors
    /// See [`EgressError`]. Dropping the future gives the request up.
    pub async fn send(&self, hosts: &Hosts, request: Request) -> Result<Response, EgressError> {
        let time = request.timeout.min(TIMEOUT_MAX);
        let bytes_max = request.response_bytes_max;
        let checked = self.check_request(hosts, request)?;
        let sent = async {
            let _turn = self.shared.turns.acquire().await.expect("it is never closed");
            self.send_checked(checked, bytes_max).await
        };
        timeout(time, sent).await.unwrap_or(Err(EgressError::Timeout(time)))
    }

    /// Whether a request to this address may be sent to a host that `hosts` names. Nothing is sent, and no name is resolved.
    ///
    /// # Errors
    /// [`EgressError::Invalid`] or [`EgressError::Denied`], as [`Self::send`] would answer.
    pub fn check(&self, hosts: &Hosts, url: &str) -> Result<(), EgressError> {
        self.check_request(hosts, Request::new("GET", url)).map(drop)
    }

    fn check_request(&self, hosts: &Hosts, request: Request) -> Result<Checked, EgressError> {
        let invalid = |message: String| EgressError::Invalid(message);
        if request.url.len() > URL_BYTES_MAX {
            return Err(invalid(format!("the address has more than {URL_BYTES_MAX} bytes")));
        }
        let mut url = Url::parse(&request.url).map_err(|error| invalid(format!("not an absolute address: {error}")))?;
        url.set_fragment(None);
        let is_secure = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(invalid(format!("{other}: only https is spoken"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("an address holds no user and no password; use a header".to_owned()));
        }
        let host =
            url.host().map(|host| host.to_owned()).ok_or_else(|| invalid("the address has no host".to_owned()))?;
        let own_port = if is_secure { 443 } else { 80 };
        let port = url.port().unwrap_or(own_port);
        let name = host.to_string();
        if !hosts.admit(&name, port, own_port) {
            return Err(EgressError::Denied(format!("{name}:{port} is not among the hosts that may be called")));
        }
        let is_inner = self.shared.inner_hosts.iter().any(|inner| inner.admits(&name, port, own_port));
        if !is_secure && !is_inner {
            return Err(EgressError::Denied(format!("{name} may be called by https only")));
        }
        let request = http_request(&url, request)?;
        Ok(Checked { host, port, is_secure, is_inner, request })
    }

    async fn send_checked(&self, checked: Checked, bytes_max: usize) -> Result<Response, EgressError> {
        let Checked { host, port, is_secure, is_inner, request } = checked;
        let stream = connect(&host, port, is_inner).await?;
        if is_secure {
            let stream = self.shared.tls.wrap(&host.to_string(), stream).await?;
            exchange(TokioIo::new(stream), request, bytes_max).await
        } else {
            exchange(TokioIo::new(stream), request, bytes_max).await
        }
    }
}

fn http_request(url: &Url, request: Request) -> Result<hyper::Request<Full<Bytes>>, EgressError> {
    let method = Method::from_str(&request.method).ok().filter(|method| *method != Method::CONNECT);
    let method = method.ok_or_else(|| EgressError::Invalid(format!("{:?} is no method", request.method)))?;
    let target = &url[url::Position::BeforePath..];
    let target =
        Uri::from_str(target).map_err(|_| EgressError::Invalid("not an address that can be sent".to_owned()))?;
    if request.headers.len() > HEADERS_MAX {
        return Err(EgressError::Invalid(format!("more than {HEADERS_MAX} headers")));
    }
    let mut built = hyper::Request::new(Full::new(Bytes::from(request.body)));
    *built.method_mut() = method;
    *built.uri_mut() = target;
    let headers = built.headers_mut();
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let authority = HeaderValue::from_str(authority).map_err(|_| EgressError::Invalid("not a host".to_owned()))?;
    headers.insert(header::HOST, authority);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("Cardine/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in request.headers {
        let refused = |what: &str| EgressError::Invalid(format!("the header {name:?} {what}"));
        let parsed = HeaderName::from_str(&name).map_err(|_| refused("has no valid name"))?;
        if OWN_HEADERS.contains(&parsed) || parsed.as_str().starts_with("proxy-") {
            return Err(refused("is set by the server"));
        }
        let value = HeaderValue::from_str(&value).map_err(|_| refused("has no valid value"))?;
        if parsed == header::USER_AGENT {
            headers.insert(parsed, value);
        } else {
            headers.append(parsed, value);
        }
    }
    Ok(built)
}

/// Resolves once, and connects to what was resolved and may be reached.
async fn connect(host: &Host, port: u16, is_inner: bool) -> Result<TcpStream, EgressError> {
    let resolved: Vec<SocketAddr> = match host {
        Host::Ipv4(address) => vec![SocketAddr::new((*address).into(), port)],
        Host::Ipv6(address) => vec![SocketAddr::new((*address).into(), port)],
        Host::Domain(name) => {
            let found = tokio::net::lookup_host((name.as_str(), port)).await;
            found.map_err(|_| EgressError::Connect(format!("there is no host {name}")))?.collect()
        }
    };
    let reachable: Vec<_> = resolved.into_iter().filter(|address| is_inner || is_public(address.ip())).collect();
    if reachable.is_empty() {
        return Err(EgressError::Denied(format!("{host} is not a host of the public internet")));
    }
    for address in reachable.iter().take(ADDRESSES_MAX) {
        if let Ok(stream) = TcpStream::connect(address).await {
            return Ok(stream);
        }
    }
    Err(EgressError::Connect(format!("{host}:{port} takes no connection")))
}

async fn exchange<S>(stream: S, request: hyper::Request<Full<Bytes>>, bytes_max: usize) -> Result<Response, EgressError>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let broke = |_| EgressError::Connect("the host does not answer in HTTP".to_owned());
    let handshake = http1::Builder::new().max_buf_size(ANSWER_HEAD_BYTES_MAX).handshake(stream).await;
    let (mut sender, connection) = handshake.map_err(broke)?;
    let _driver = Driver(tokio::spawn(connection).abort_handle());
    let answer = sender.send_request(request).await.map_err(broke)?;
    let (head, body) = answer.into_parts();
    let text =
        |(name, value): (&HeaderName, &HeaderValue)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()));
    let headers = head.headers.iter().filter_map(text).collect();
    Ok(Response { status: head.status.as_u16(), headers, body: read_body(body, bytes_max).await? })
}
