//! Certificates of the tests, made anew on each run by an authority of their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, Issuer, KeyPair};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A server's certificate, with the authority that vouches for it.
#[derive(Debug)]
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
    folder: TempDir,
}

impl Certificate {
    /// For a server of this name or address.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn of(name: &str) -> Certificate {
        let authority_key = KeyPair::generate().expect("a key can be made");
        let mut authority = CertificateParams::new(Vec::new()).expect("no name is faulty");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let signed = authority.self_signed(&authority_key).expect("it can be signed");
        let folder = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(authority_in(folder.path()), signed.pem()).expect("the folder can be written");

        let key = KeyPair::generate().expect("a key can be made");
        let own = CertificateParams::new(vec![name.to_owned()]).expect("a name or an address");
        let own = own.signed_by(&key, &Issuer::new(authority, authority_key)).expect("it can be signed");
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Certificate { chain: vec![own.der().clone()], key, folder }
    }

    /// The file with the authority's certificate, which `SSL_CERT_FILE` may name.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        authority_in(self.folder.path())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::from(self.key.clone_key());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)
            .expect("the key is the certificate's");
        TlsAcceptor::from(Arc::new(config))
    }
}

fn authority_in(folder: &Path) -> PathBuf {
    folder.join("authority.pem")
}
