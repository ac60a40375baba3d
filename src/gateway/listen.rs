//! Listening sockets, bound before anything starts so that a taken port is a sentence and not a panic.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use parking_lot::Mutex;
use pingora::apps::ServerApp;
use pingora::listeners::tls::{Acceptor, TlsSettings};
use pingora::listeners::{L4BufferSettings, ListenerConfig, Listeners};
use pingora::server::{Fds, ListenFds, ShutdownWatch};
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::task::JoinHandle;

use super::certificate::Certificate;
use super::exchange::Exchange;
use super::front::Front;
use super::state::Gateway;
use crate::config::Listen;

/// Reads go straight into the body's buffer; writes are gathered so that a short answer is one write.
const WRITE_BUFFER: usize = 1024;

/// A bound address.
pub(crate) struct Bound {
    listener: TcpListener,
    /// The address as the system gave it, with the real port.
    pub(crate) address: SocketAddr,
}

/// Binds an address.
///
/// # Errors
/// One sentence with the address and the reason.
pub(crate) fn bind(address: SocketAddr) -> Result<Bound, String> {
    let cannot = |error| format!("cannot listen on {address}: {error}");
    adopt(TcpListener::bind(address).map_err(cannot)?, address)
}

/// Takes a socket that is bound to `address` already.
///
/// # Errors
/// One sentence with the address and the reason.
pub(crate) fn adopt(listener: TcpListener, address: SocketAddr) -> Result<Bound, String> {
    let cannot = |error| format!("cannot listen on {address}: {error}");
    // Pingora takes the socket as it is; a blocking one would hold a worker thread in `accept`.
    listener.set_nonblocking(true).map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    Ok(Bound { listener, address })
}

impl Bound {
    /// A further handle of the socket, for the process that may take over.
    ///
    /// # Errors
    /// When the system has no room for another file descriptor.
    pub(crate) fn share(&self) -> std::io::Result<TcpListener> {
        self.listener.try_clone()
    }
}

/// Starts services on bound sockets; Pingora looks the sockets up by address.
pub(crate) struct Sockets {
    fds: Fds,
    services: Vec<Start>,
}

/// Starts one service.
type Start = Box<dyn FnOnce(ListenFds, ShutdownWatch) -> JoinHandle<()> + Send>;

/// Services that accept connections until the shutdown signal.
pub(crate) struct Listening(Vec<JoinHandle<()>>);

impl Listening {
    /// Resolves when no service accepts any more.
    pub(crate) async fn closed(&mut self) {
        while let Some(service) = self.0.last_mut() {
            let _ = service.await;
            self.0.pop();
        }
    }
}

impl Sockets {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { fds: Fds::new(), services: Vec::new() }
    }

    /// Deliveries are taken on this socket.
    pub(crate) fn deliveries(
        &mut self,
        bound: Bound,
        listen: &Listen,
        certificate: Option<Arc<Certificate>>,
        gateway: &Arc<Gateway>,
    ) -> Result<(), String> {
        let tls = certificate.map(acceptor).transpose()?;
        let header_limit = gateway.live().config.limits.headers;
        let exchange = Exchange::new(Arc::clone(gateway), tls.is_some(), listen.h2c, header_limit);
        let front = Front::new(Arc::clone(gateway), exchange, listen.h2c, tls);
        self.add("deliveries", bound, front);
        Ok(())
    }

    /// Another app on this socket.
    pub(crate) fn add<A: ServerApp + Send + Sync + 'static>(
        &mut self,
        name: &'static str,
        bound: Bound,
        app: A,
    ) {
        let address = bound.address.to_string();
        self.fds.add(address.clone(), bound.listener.into_raw_fd());
        let config = ListenerConfig::tcp(address).l4_buffer(L4BufferSettings::new(0, WRITE_BUFFER));
        let mut listeners = Listeners::new();
        listeners.add_listener(config);
        let mut service = Service::with_listeners(name.into(), listeners, app);
        self.services.push(Box::new(move |fds, shutdown| {
            tokio::spawn(async move { service.start_service(Some(fds), shutdown, 1).await })
        }));
    }

    /// Accepts connections until `shutdown` turns true.
    pub(crate) fn start(self, shutdown: &ShutdownWatch) -> Listening {
        let fds: ListenFds = Arc::new(Mutex::new(self.fds));
        Listening(self.services.into_iter().map(|start| start(Arc::clone(&fds), shutdown.clone())).collect())
    }
}

/// TLS with HTTP/2 and HTTP/1.1 by ALPN, and the certificate as it is at each handshake.
fn acceptor(certificate: Arc<Certificate>) -> Result<Acceptor, String> {
    // The paths are not read: the resolver has the certificate.
    let mut settings = TlsSettings::intermediate("", "").map_err(|error| error.to_string())?;
    settings.set_cert_resolver(certificate);
    settings.enable_h2();
    Ok(settings.build())
}
