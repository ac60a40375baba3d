//! Where an upstream is, in Pingora's terms: addresses, TLS name, and the key its kept connections are found by.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;

use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::{ALPN, Peer as PingoraPeer, PeerOptions};

use super::identity::Identity;
use super::{CONNECT_TIMEOUT, UpstreamError};
use crate::routes::{Upstream, UpstreamAddress};
use pingora::utils::tls::CertKey;

/// An upstream, shared by all requests of a route.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    place: Place,
    tls: bool,
    /// The name the certificate must bear. Never empty with TLS: Pingora checks nothing without a name.
    name: String,
    key: u64,
    options: PeerOptions,
    identity: Identity,
}

#[derive(Debug)]
enum Place {
    Network { host: String, port: u16 },
    Unix(SocketAddr),
    Unusable(String),
}

impl Peer {
    /// The peer of a configured upstream; a relative socket path is taken from `folder`.
    pub(super) fn new(upstream: &Upstream, identity: Identity, folder: &Path) -> Self {
        let mut hasher = DefaultHasher::new();
        let (place, tls, name) = match &upstream.address {
            UpstreamAddress::Tcp { tls, host, port } => {
                (tls, host, port).hash(&mut hasher);
                (Place::Network { host: host.clone(), port: *port }, *tls, host.clone())
            }
            UpstreamAddress::Unix(path) => {
                let path = folder.join(path);
                path.hash(&mut hasher);
                let place = match std::os::unix::net::SocketAddr::from_pathname(&path) {
                    Ok(address) => Place::Unix(SocketAddr::Unix(address)),
                    Err(error) => Place::Unusable(format!("{}: {error}", path.display())),
                };
                (place, false, String::new())
            }
        };
        let mut options = PeerOptions::new();
        options.total_connection_timeout = Some(CONNECT_TIMEOUT);
        options.alpn = if tls { ALPN::H2H1 } else { ALPN::H1 };
        options.max_h2_streams = 100;
        // Pingora's default receive windows of 8 MiB are for downloads, not for webhook answers.
        options.h2_stream_window_size = Some(256 * 1024);
        options.h2_connection_window_size = Some(1024 * 1024);
        // What was proven to one peer says nothing of another: other certificates are other connections.
        identity.hash(&mut hasher);
        // The last bit tells kept connections from spare ones, see `At::fresh`.
        let key = hasher.finish() << 1;
        Self { shared: Arc::new(Shared { place, tls, name, key, options, identity }) }
    }

    /// Whether it is reached over TLS.
    pub(super) fn tls(&self) -> bool {
        self.shared.tls
    }

    /// The key its kept connections are found by.
    pub(super) fn key(&self) -> u64 {
        self.shared.key
    }

    /// Its addresses now. A name is resolved for every new connection, so that a moved service is followed.
    ///
    /// # Errors
    /// When the name cannot be resolved.
    pub(super) async fn addresses(&self) -> Result<Vec<At>, UpstreamError> {
        let at = |address| At { peer: self.clone(), address, spare: false };
        match &self.shared.place {
            Place::Unix(address) => Ok(vec![at(address.clone())]),
            Place::Unusable(why) => Err(UpstreamError::Unreachable(why.clone())),
            Place::Network { host, port } => {
                let found: Vec<_> = tokio::net::lookup_host((host.as_str(), *port))
                    .await
                    .map_err(|error| UpstreamError::Unreachable(format!("cannot resolve {host}: {error}")))?
                    .map(|address| at(SocketAddr::Inet(address)))
                    .collect();
                if found.is_empty() {
                    return Err(UpstreamError::Unreachable(format!("{host} has no address")));
                }
                Ok(found)
            }
        }
    }
}

/// One address of a peer, as Pingora's connectors want it.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct At {
    peer: Peer,
    address: SocketAddr,
    spare: bool,
}

impl At {
    /// The same place under another pool key, where no kept connection lies: connects anew for certain.
    pub(super) fn fresh(mut self) -> Self {
        self.spare = true;
        self
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)
    }
}

impl PingoraPeer for At {
    fn address(&self) -> &SocketAddr {
        &self.address
    }

    fn tls(&self) -> bool {
        self.peer.shared.tls
    }

    fn sni(&self) -> &str {
        &self.peer.shared.name
    }

    fn reuse_hash(&self) -> u64 {
        self.peer.shared.key ^ u64::from(self.spare)
    }

    fn get_ca(&self) -> Option<&Arc<CaType>> {
        self.peer.shared.identity.authorities.as_ref()
    }

    fn get_client_cert_key(&self) -> Option<&Arc<CertKey>> {
        self.peer.shared.identity.client.as_ref()
    }

    fn get_peer_options(&self) -> Option<&PeerOptions> {
        Some(&self.peer.shared.options)
    }

    /// The pool holds the stream itself under this key, so asking the kernel whom it leads to says nothing new.
    fn matches_fd<V: AsRawFd>(&self, _fd: V) -> bool {
        true
    }
}
