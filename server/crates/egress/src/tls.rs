//! TLS by the machine's certificate authorities.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::EgressError;

/// Reads the machine's authorities when they are first needed: most servers that call nobody never do.
#[derive(Default)]
pub(crate) struct Tls {
    connector: OnceLock<Option<TlsConnector>>,
}

impl Tls {
    pub(crate) async fn wrap(&self, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, EgressError> {
        let connector = self.connector.get_or_init(connector).as_ref();
        let connector =
            connector.ok_or_else(|| EgressError::Tls("this machine has no certificate authorities".to_owned()))?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| EgressError::Tls(format!("{host} has no certificates")))?;
        // What the other side said is wrong with the protocol or its certificate comes as invalid data; all else is the connection.
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData => EgressError::Tls(format!("{host} cannot be trusted: {error}")),
            _ => EgressError::Connect(format!("the connection to {host} broke: {error}")),
        };
        connector.connect(name, stream).await.map_err(refused)
    }
}

fn connector() -> Option<TlsConnector> {
    let mut authorities = RootCertStore::empty();
    let (added, _) = authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return None;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider speaks what it is built for")
        .with_root_certificates(authorities)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(TlsConnector::from(Arc::new(config)))
}
