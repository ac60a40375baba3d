//! From an address to connections: one server, a master that sentinels name, or a cluster.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisError, RedisResult, TlsMode, Value,
};

use crate::config::{HostPort, RedisServers, RedisUrl};
use crate::secret::Secret;

/// Connections to a server, each of which takes any number of questions at once. One would do; the second is another
/// core's.
const CONNECTIONS: usize = 2;
/// Questions that wait to be sent on one connection; the time limit of each is running.
const PIPELINE: usize = 4096;

/// For one connection with its handshake. Longer than any question may take: it keeps no request waiting.
const CONNECT: Duration = Duration::from_secs(2);

/// Where to connect to.
pub(super) enum Server {
    One(Box<Client>),
    Sentinels(Box<SentinelClient>),
    Cluster(Box<ClusterClient>),
}

/// A connection; clones of it share it.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Asks, without a time limit of its own.
    pub(super) async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

impl Server {
    pub(super) fn new(url: &RedisUrl) -> RedisResult<Self> {
        let login = login(url)?;
        match &url.servers {
            RedisServers::One(node) => Self::one(address(node, url.tls), login),
            RedisServers::Socket(path) => Self::one(ConnectionAddr::Unix(path.clone()), login),
            RedisServers::Sentinels { nodes, master } => sentinels(url, nodes, master),
            RedisServers::Cluster(nodes) => cluster(url, nodes),
        }
    }

    fn one(address: ConnectionAddr, login: RedisConnectionInfo) -> RedisResult<Self> {
        let info = address.into_connection_info()?.set_redis_settings(login).set_tcp_settings(tcp());
        Ok(Self::One(Box::new(Client::open(info)?)))
    }

    /// New connections. A cluster's is one that holds one to each node.
    pub(super) async fn connect(&mut self) -> RedisResult<Vec<Connection>> {
        let connect = async {
            let client = match self {
                Self::Cluster(client) => {
                    return Ok(vec![Connection::Cluster(client.get_async_connection().await?)]);
                }
                Self::One(client) => Client::clone(client),
                Self::Sentinels(client) => client.async_get_client().await?,
            };
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT))
                .set_response_timeout(None)
                .set_pipeline_buffer_size(PIPELINE);
            let mut connections = Vec::new();
            for _ in 0..CONNECTIONS {
                let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                connections.push(Connection::One(connection));
            }
            Ok(connections)
        };
        match tokio::time::timeout(CONNECT, connect).await {
            Ok(connected) => connected,
            Err(_) => Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))),
        }
    }
}

fn sentinels(url: &RedisUrl, nodes: &[HostPort], master: &str) -> RedisResult<Server> {
    let nodes = nodes.iter().map(|node| address(node, url.tls));
    let mut builder = SentinelClientBuilder::new(nodes, master, SentinelServerType::Master)?
        .set_client_to_redis_db(i64::from(url.database))
        .set_client_to_redis_tcp_settings(tcp())
        .set_client_to_sentinel_tcp_settings(tcp());
    if url.tls {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure);
    }
    if let Some(user) = &url.user {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = &url.password {
        builder = builder.set_client_to_redis_password(text(password)?);
    }
    if let Some(user) = &url.sentinel_user {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = &url.sentinel_password {
        builder = builder.set_client_to_sentinel_password(text(password)?);
    }
    Ok(Server::Sentinels(Box::new(builder.build()?)))
}

fn cluster(url: &RedisUrl, nodes: &[HostPort]) -> RedisResult<Server> {
    let mut builder = ClusterClient::builder(nodes.iter().map(|node| address(node, url.tls)))
        .connection_timeout(CONNECT)
        .response_timeout(CONNECT)
        // A redirection is a retry; whoever asks has a time limit far below these.
        .retries(3)
        .min_retry_wait(5)
        .max_retry_wait(50)
        .tcp_settings(tcp());
    if url.tls {
        builder = builder.tls(TlsMode::Secure);
    }
    if let Some(user) = &url.user {
        builder = builder.username(user);
    }
    if let Some(password) = &url.password {
        builder = builder.password(text(password)?);
    }
    Ok(Server::Cluster(Box::new(builder.build()?)))
}

fn login(url: &RedisUrl) -> RedisResult<RedisConnectionInfo> {
    let mut login = RedisConnectionInfo::default().set_db(i64::from(url.database));
    if let Some(user) = &url.user {
        login = login.set_username(user);
    }
    if let Some(password) = &url.password {
        login = login.set_password(text(password)?);
    }
    Ok(login)
}

fn address((host, port): &HostPort, tls: bool) -> ConnectionAddr {
    if tls {
        ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host.clone(), *port)
    }
}

/// A question is small and waits for nobody: without this it waits for the last one to be acknowledged.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn text(password: &Secret) -> RedisResult<&str> {
    let no_text = |_| RedisError::from((redis::ErrorKind::InvalidClientConfig, "the password is no text"));
    std::str::from_utf8(password.expose()).map_err(no_text)
}
