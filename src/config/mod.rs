//! `gateway.yaml`: from its text to a configuration in which everything is decided, or to every problem at once.
//!
//! [`load`] is a pure function. The secrets come from the [`Source`] it is given, so reading files and variables,
//! and watching them, stays the caller's business; what to watch is in [`Config::references`].

mod dedupe;
mod expiry;
mod journal;
mod keys;
mod limits;
mod listen;
mod load;
mod policy;
mod provider;
mod redis_url;
mod reference;
mod route;
mod schema;
mod secrets;
mod tracing;
mod upstream;
mod warnings;

#[cfg(test)]
mod tests;

use core::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

pub use load::load;
pub use redis_url::{HostPort, RedisServers, RedisUrl};
pub use reference::{Reference, Source};
pub use schema::{language_reference, schema};

use crate::routes::RouteTable;
use crate::secret::Secret;
use crate::yaml::Problem;

/// A whole configuration. Every default is filled in, every reference is resolved, every secret is a prepared key.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where deliveries are taken, in the order of the file; never empty.
    pub listen: Vec<Listen>,
    /// Where health, readiness, metrics and the API are; `None` to have none.
    pub admin: Option<AdminConfig>,
    /// What one gateway may hold at once.
    pub limits: Limits,
    /// How events are remembered.
    pub dedupe: DedupeConfig,
    /// How decisions are taken down; `None` for not at all.
    pub journal: Option<JournalConfig>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How requests are traced; `None` for not at all.
    pub tracing: Option<TracingConfig>,
    /// The routes.
    pub routes: RouteTable,
    /// What is allowed but deserves a look, by place.
    pub warnings: Vec<Problem>,
    /// The secrets that count for a time only, by route.
    pub(crate) expiries: Vec<expiry::RouteExpiry>,
    /// Sixteen hex digits that change when the file or anything it refers to changes.
    pub hash: String,
    /// Every variable and file it depends on, each once: when one of them changes, this configuration is stale.
    pub references: Vec<Reference>,
}

/// An address on which deliveries are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Whether HTTP/2 without TLS is spoken too.
    pub h2c: bool,
    /// The certificate, for TLS.
    pub tls: Option<TlsFiles>,
}

/// A certificate chain and its key, PEM files; relative paths are relative to the configuration's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The admin address.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Address and port.
    pub address: SocketAddr,
    /// The bearer token; always there unless the address is a loopback one.
    pub token: Option<Secret>,
}

/// What one gateway may hold at once. None of them is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one body, where a route says nothing else.
    pub body: u64,
    /// Bytes of all bodies held at once.
    pub buffered: u64,
    /// Connections open at once.
    pub connections: usize,
    /// For a whole request head.
    pub header_timeout: Duration,
    /// For a whole body.
    pub body_timeout: Duration,
    /// Bytes of one request head.
    pub headers: usize,
}

/// How requests are traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracingConfig {
    /// Where spans are posted to; `None` to send none.
    pub otlp: Option<String>,
    /// Of all 64-bit numbers those below this one stand for the requests that are recorded; the largest for all of them.
    pub sample: u64,
    /// The name under which spans are reported.
    pub service_name: String,
    /// What becomes of the trace that a request came with.
    pub incoming: Incoming,
}

/// What becomes of the trace that a request came with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Incoming {
    /// It goes on.
    #[default]
    Continue,
    /// The request's own trace links to it.
    Link,
}

/// How decisions are taken down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// Bytes of all entries and kept requests together.
    pub size: u64,
    /// Entries at most.
    pub entries: usize,
    /// How old they become.
    pub age: Duration,
    /// The folder of the journal's file; `None` keeps it in memory.
    pub path: Option<PathBuf>,
}

/// How events are remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DedupeConfig {
    /// Where.
    pub store: StoreKind,
    /// Events at most.
    pub entries: usize,
    /// Bytes of all stored answers together.
    pub answers: u64,
    /// The disk store's folder.
    pub path: Option<PathBuf>,
    /// The Redis store's address.
    pub url: Option<RedisUrl>,
    /// What the names of the Redis store's keys begin with.
    pub prefix: String,
    /// How long one question to the Redis store may take.
    pub timeout: Duration,
}

/// Where events are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreKind {
    /// In this process.
    #[default]
    Memory,
    /// In a folder.
    Disk,
    /// In Redis or Valkey.
    Redis,
}

impl StoreKind {
    /// How it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Redis => "redis",
        }
    }
}
