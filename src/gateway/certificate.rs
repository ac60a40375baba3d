//! A listener's certificate, swapped in place when its files change.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::TlsFiles;

/// Serves one certificate to every client, whichever name it asks for.
#[derive(Debug)]
pub(crate) struct Certificate {
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// Starts with `key`.
    pub(crate) fn new(key: CertifiedKey) -> Self {
        Self { current: ArcSwap::from_pointee(key) }
    }

    /// Serves `key` from the next handshake on.
    pub(crate) fn swap(&self, key: CertifiedKey) {
        self.current.store(Arc::new(key));
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// Reads a certificate chain and its key, and checks that they belong together.
///
/// # Errors
/// One sentence that names the file.
pub(crate) fn load(files: &TlsFiles, folder: &Path) -> Result<CertifiedKey, String> {
    let (certificate, key) = (folder.join(&files.certificate), folder.join(&files.key));
    let chain: Vec<_> = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect)
        .map_err(|error| format!("cannot read the certificate {}: {error}", certificate.display()))?;
    if chain.is_empty() {
        return Err(format!("{} holds no certificate", certificate.display()));
    }
    let secret = PrivateKeyDer::from_pem_file(&key)
        .map_err(|error| format!("cannot read the key {}: {error}", key.display()))?;
    CertifiedKey::from_der(chain, secret, &rustls::crypto::ring::default_provider())
        .map_err(|error| format!("{} and {} cannot be used: {error}", certificate.display(), key.display()))
}
