//! Certificates of our own, and TLS on either side with them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::DEADLINE;
use super::client::Wire;
use super::upstream::Peer;

/// A self-signed certificate for `localhost`, `hooks.example.com` and 127.0.0.1.
pub(crate) struct Certificate {
    /// The certificate in PEM.
    pub(crate) pem: String,
    /// Its private key in PEM.
    pub(crate) key_pem: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl Certificate {
    /// A new one with this common name, which tells it from others.
    pub(crate) fn new(name: &str) -> Self {
        let names = ["localhost".into(), "hooks.example.com".into(), "127.0.0.1".into()];
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().clone(),
            key_der: key.serialize_der(),
        }
    }

    /// A server's settings with this certificate, offering these protocols.
    pub(crate) fn server(&self, protocols: &[&str]) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.key_der.clone()).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// A server's settings with this certificate, for clients that show `client`'s and for nobody else.
    pub(crate) fn server_for(&self, client: &Self) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(client.der.clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
        let key = PrivateKeyDer::try_from(self.key_der.clone()).unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.der.clone()], key)
            .unwrap();
        Arc::new(config)
    }

    /// A client's settings that trust this certificate alone, offering these protocols.
    pub(crate) fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// A TLS connection to `address` that trusts this certificate alone, or the reason why there is none.
    pub(crate) fn connect(&self, address: SocketAddr) -> Result<Tls<ClientConnection>, String> {
        let name = ServerName::try_from("hooks.example.com").unwrap();
        let connection = ClientConnection::new(self.client(&["http/1.1"]), name).unwrap();
        let stream = TcpStream::connect_timeout(&address, DEADLINE).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| error.to_string())?;
        }
        Ok(Tls(stream))
    }

    /// The server's side of a connection; `None` when the handshake fails.
    pub(crate) fn accept(config: &Arc<ServerConfig>, stream: TcpStream) -> Option<Box<dyn Peer>> {
        let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).ok()?;
        }
        Some(Box::new(Tls(stream)))
    }
}

/// A connection inside TLS.
pub(crate) struct Tls<C: Session>(StreamOwned<C, TcpStream>);

/// What client and server sessions have in common here.
pub(crate) trait Session: Send + Sized {
    fn close_notify(&mut self);
    fn read(stream: &mut StreamOwned<Self, TcpStream>, buffer: &mut [u8]) -> std::io::Result<usize>;
    fn write(stream: &mut StreamOwned<Self, TcpStream>, buffer: &[u8]) -> std::io::Result<usize>;
    fn flush(stream: &mut StreamOwned<Self, TcpStream>) -> std::io::Result<()>;
}

macro_rules! session {
    ($session:ty) => {
        impl Session for $session {
            fn close_notify(&mut self) {
                self.send_close_notify();
            }
            fn read(stream: &mut StreamOwned<Self, TcpStream>, buffer: &mut [u8]) -> std::io::Result<usize> {
                Read::read(stream, buffer)
            }
            fn write(stream: &mut StreamOwned<Self, TcpStream>, buffer: &[u8]) -> std::io::Result<usize> {
                Write::write(stream, buffer)
            }
            fn flush(stream: &mut StreamOwned<Self, TcpStream>) -> std::io::Result<()> {
                Write::flush(stream)
            }
        }
    };
}

session!(ClientConnection);
session!(ServerConnection);

impl<C: Session> Read for Tls<C> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        C::read(&mut self.0, buffer)
    }
}

impl<C: Session> Write for Tls<C> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        C::write(&mut self.0, buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        C::flush(&mut self.0)
    }
}

impl<C: Session> Wire for Tls<C> {
    fn set_timeout(&mut self, timeout: Duration) {
        self.0.sock.set_read_timeout(Some(timeout)).unwrap();
    }

    fn finish(&mut self) {
        self.0.conn.close_notify();
        let _ = C::flush(&mut self.0);
    }
}

impl<C: Session> Peer for Tls<C> {
    fn end(&mut self) {
        Wire::finish(self);
        let _ = self.0.sock.shutdown(std::net::Shutdown::Both);
    }

    fn reset(self: Box<Self>) {
        let _ = socket2::SockRef::from(&self.0.sock).set_linger(Some(Duration::ZERO));
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
