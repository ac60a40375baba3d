//! Certificates towards an upstream over TLS: whose are believed there, and the gateway's own.

use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pingora::protocols::tls::CaType;
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::routes::Trust;

/// What a route's upstream is believed by, and what is shown to it.
#[derive(Clone, Default)]
pub(super) struct Identity {
    pub(super) authorities: Option<Arc<CaType>>,
    pub(super) client: Option<Arc<CertKey>>,
    /// Of everything above: connections that were made with other certificates are others.
    fingerprint: u64,
}

impl Identity {
    /// That of a route.
    ///
    /// # Errors
    /// One sentence, if certificate and key do not belong together or cannot be used.
    pub(super) fn of(trust: &Trust) -> Result<Self, String> {
        let mut hasher = std::hash::DefaultHasher::new();
        let authorities = match &trust.authorities {
            None => None,
            Some(pem) => {
                pem.expose().hash(&mut hasher);
                let all =
                    certificates(pem.expose())?.into_iter().map(wrapped).collect::<Result<Vec<_>, _>>()?;
                Some(Arc::from(all))
            }
        };
        let client = match &trust.client {
            None => None,
            Some(client) => {
                client.chain.expose().hash(&mut hasher);
                client.key.expose().hash(&mut hasher);
                let chain = certificates(client.chain.expose())?;
                let key = PrivateKeyDer::from_pem_slice(client.key.expose())
                    .map_err(|error| format!("the client's key cannot be read: {error}"))?;
                let der = key.secret_der().to_vec();
                // Pingora would only find out at the first connection.
                rustls::sign::CertifiedKey::from_der(
                    chain.clone(),
                    key,
                    &rustls::crypto::ring::default_provider(),
                )
                .map_err(|error| {
                    format!("the client's certificate and key cannot be used together: {error}")
                })?;
                for certificate in &chain {
                    wrapped(certificate.clone())?;
                }
                let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
                Some(Arc::new(CertKey::new(chain, der)))
            }
        };
        Ok(Self { authorities, client, fingerprint: hasher.finish() })
    }

    pub(super) fn hash(&self, hasher: &mut impl Hasher) {
        if self.authorities.is_some() || self.client.is_some() {
            self.fingerprint.hash(hasher);
        }
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({:016x})", self.fingerprint)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.map_err(|error| format!("a certificate cannot be read: {error}"))
}

/// Pingora's parser panics at what it cannot read, which need not be what others cannot.
fn wrapped(certificate: CertificateDer<'static>) -> Result<WrappedX509, String> {
    catch_unwind(AssertUnwindSafe(|| WrappedX509::new(certificate.to_vec(), parse_x509)))
        .map_err(|_| "a certificate is written in a way that cannot be read".to_owned())
}
