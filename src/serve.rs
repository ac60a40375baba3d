//! The process: load, bind, serve, reload, and leave in order.

mod status;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use self::status::RunningStatus;
use crate::admin;
use crate::clock;
use crate::config::{Config, StoreKind};
use crate::dedupe::{
    Backend, DiskOptions, DiskStore, MemoryLimits, MemoryStore, RedisOptions, RedisStore, Stores,
};
use crate::gateway::{Bound, Certificate, Gateway, Listening, Live, Phase, Sockets, bind};
use crate::metrics::Metrics;
use crate::reload::{ConfigSource, LoadError, Reloader, Watcher, certificates, load};

/// How long readiness fails before the listeners close, so that whoever balances the load sees it first.
const LEAVE: Duration = Duration::from_millis(500);

/// How often the process looks after what no request looks after.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

/// How long the store may take to close.
const CLOSE: Duration = Duration::from_secs(2);

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Where the configuration comes from.
    pub config: ConfigSource,
    /// How long requests in flight may take to finish after the signal to end.
    pub grace: Duration,
    /// Worker threads; `None` for one per core.
    pub threads: Option<usize>,
}

/// Why the gateway did not start.
#[derive(Debug)]
pub enum RunError {
    /// The configuration cannot be used.
    Load(LoadError),
    /// An address or the system said no.
    Start(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Start(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for RunError {}

/// Serves until `SIGTERM` or `SIGINT`, then leaves in order.
///
/// # Errors
/// [`RunError`] when it cannot start.
pub fn run(options: &RunOptions) -> Result<(), RunError> {
    let runtime = runtime(options.threads)?;
    let result = runtime.block_on(async {
        let server = Server::start(options)?;
        let signals = || -> std::io::Result<_> {
            Ok((
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::hangup())?,
            ))
        };
        let (mut term, mut int, mut hup) =
            signals().map_err(|error| RunError::Start(format!("cannot listen for signals: {error}")))?;
        let reloader = Arc::clone(&server.reloader);
        let reload = tokio::spawn(async move {
            while hup.recv().await.is_some() {
                let reloader = Arc::clone(&reloader);
                let _ = tokio::task::spawn_blocking(move || reloader.reload("SIGHUP")).await;
            }
        });
        let ended = async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        };
        server.serve_until(ended, options.grace).await;
        reload.abort();
        Ok(())
    });
    // Connections that are still idle are cut; requests had their grace.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// A gateway on threads of this process. Dropping it ends it.
pub struct Running {
    addresses: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Where deliveries are taken, in the configuration's order, with the real ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the admin address is.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Leaves in order and waits for it.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts a gateway inside this process, for the demonstration.
///
/// # Errors
/// [`RunError`] when it cannot start.
pub fn spawn(options: RunOptions) -> Result<Running, RunError> {
    let (stop, stopped) = oneshot::channel::<()>();
    let (started, start) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = match runtime(options.threads) {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(error))),
        };
        runtime.block_on(async {
            match Server::start(&options) {
                Ok(server) => {
                    let _ = started.send(Ok((server.addresses.clone(), server.admin)));
                    server.serve_until(async { drop(stopped.await) }, options.grace).await;
                }
                Err(error) => drop(started.send(Err(error))),
            }
        });
        runtime.shutdown_timeout(Duration::from_millis(100));
    });
    match start.recv() {
        Ok(Ok((addresses, admin))) => {
            Ok(Running { addresses, admin, stop: Some(stop), thread: Some(thread) })
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Err(RunError::Start("the gateway's thread ended before it started".into())),
    }
}

fn runtime(threads: Option<usize>) -> Result<Runtime, RunError> {
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads.max(1));
    }
    builder
        .enable_all()
        .thread_name("sealpost")
        // Only name lookups and file reads block; a small pool keeps an idle process small.
        .max_blocking_threads(8)
        .build()
        .map_err(|error| RunError::Start(format!("cannot start the runtime: {error}")))
}

/// Once in a while: closes idle connections to upstreams that are over, and says that remembered events had to go
/// before their time (their senders' retries would pass).
async fn keep_house(gateway: Arc<Gateway>) {
    let mut said = 0;
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        gateway.pool.sweep().await;
        let evictions = gateway.stores.evictions();
        if evictions > said {
            tracing::warn!(
                target: "sealpost::dedupe",
                evicted = evictions - said,
                "the store is full, the oldest accepted events were forgotten: raise dedupe.entries"
            );
            said = evictions;
        }
    }
}

/// Opens what the configuration says, and says what is in the way.
fn open_stores(config: &Config, options: &RunOptions) -> Result<Stores, RunError> {
    let dedupe = &config.dedupe;
    let limits = MemoryLimits { entries: dedupe.entries, answers_bytes: dedupe.answers };
    let main = match (dedupe.store, &dedupe.path, &dedupe.url) {
        (StoreKind::Disk, Some(path), _) => {
            let folder = options.config.folder().join(path);
            let options = DiskOptions { folder, limits, fsync: true };
            Backend::Disk(DiskStore::open(&options, clock::now()).map_err(RunError::Start)?)
        }
        (StoreKind::Redis, _, Some(url)) => {
            let (prefix, timeout) = (dedupe.prefix.clone(), dedupe.timeout);
            let options = RedisOptions { url: url.clone(), prefix, timeout };
            Backend::Redis(RedisStore::open(options).map_err(RunError::Start)?)
        }
        _ => Backend::Memory(MemoryStore::new(limits)),
    };
    Ok(Stores::new(main, limits))
}

struct Server {
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
    _watcher: Watcher,
    /// Ends the listeners for deliveries.
    shutdown: watch::Sender<bool>,
    deliveries: Listening,
    /// Ends the admin listener, which answers until the very end.
    admin_shutdown: watch::Sender<bool>,
    admin_service: Listening,
    addresses: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl Server {
    /// Loads, binds and starts serving. Called on the runtime.
    fn start(options: &RunOptions) -> Result<Self, RunError> {
        let config = load(&options.config).map_err(RunError::Load)?;
        for warning in &config.warnings {
            tracing::warn!(target: "sealpost::config", "{}: {}", warning.path, warning.message);
        }
        let certificates: Vec<_> = certificates(&config.listen, &options.config)
            .map_err(RunError::Load)?
            .into_iter()
            .map(|key| key.map(|key| Arc::new(Certificate::new(key))))
            .collect();

        let metrics = Metrics::new();
        metrics.reloaded(true);
        metrics.config_info(&config.hash);
        let stores = open_stores(&config, options)?;
        let live = Live::new(config.clone(), &options.config.folder(), &metrics, clock::now());
        let gateway = Arc::new(Gateway::new(live, stores, metrics));

        let bound: Vec<Bound> = config
            .listen
            .iter()
            .map(|listen| bind(listen.address))
            .collect::<Result<_, _>>()
            .map_err(RunError::Start)?;
        let admin_bound =
            config.admin.as_ref().map(|admin| bind(admin.address)).transpose().map_err(RunError::Start)?;
        let addresses: Vec<_> = bound.iter().map(|bound| bound.address).collect();
        let admin = admin_bound.as_ref().map(|bound| bound.address);

        let mut sockets = Sockets::new();
        for ((bound, listen), certificate) in bound.into_iter().zip(&config.listen).zip(&certificates) {
            sockets.deliveries(bound, listen, certificate.clone(), &gateway).map_err(RunError::Start)?;
        }
        let reloader = Arc::new(Reloader::new(
            Arc::clone(&gateway),
            options.config.clone(),
            config.clone(),
            certificates,
        ));
        let mut admin_sockets = Sockets::new();
        if let (Some(bound), Some(admin)) = (admin_bound, &config.admin) {
            let status = RunningStatus::new(Arc::clone(&gateway), Arc::clone(&reloader));
            let app = admin::app(Arc::new(status), Arc::new(gateway.metrics.clone()), admin.token.clone());
            admin_sockets.add("admin", bound, app);
        }
        let watcher = Watcher::start(Arc::clone(&reloader))
            .map_err(|error| RunError::Start(format!("cannot watch the configuration: {error}")))?;

        // What changed between loading and watching would otherwise go unnoticed.
        if load(&options.config).is_ok_and(|now| now.hash != config.hash) {
            let _ = reloader.reload("files changed");
        }
        tokio::spawn(keep_house(Arc::clone(&gateway)));

        let (shutdown, shutdown_watch) = watch::channel(false);
        let (admin_shutdown, admin_watch) = watch::channel(false);
        let deliveries = sockets.start(&shutdown_watch);
        let admin_service = admin_sockets.start(&admin_watch);
        for address in &addresses {
            tracing::info!(target: "sealpost", kind = "gateway", %address, "listening");
        }
        if let Some(address) = admin {
            tracing::info!(target: "sealpost", kind = "admin", %address, "listening");
        }
        tracing::info!(target: "sealpost", hash = config.hash, routes = config.routes.len(), "serving");
        Ok(Self {
            gateway,
            reloader,
            _watcher: watcher,
            shutdown,
            deliveries,
            admin_shutdown,
            admin_service,
            addresses,
            admin,
        })
    }

    /// Serves until `ended`; then readiness fails, the listeners close, and what is in flight finishes.
    async fn serve_until(self, ended: impl Future<Output = ()>, grace: Duration) {
        ended.await;
        tracing::info!(target: "sealpost", in_flight = self.gateway.in_flight(), "leaving: readiness fails, requests in flight finish");
        self.gateway.enter(Phase::Leaving);
        let leave = async {
            tokio::time::sleep(LEAVE.min(grace / 4)).await;
            self.gateway.enter(Phase::Draining);
            let _ = self.shutdown.send(true);
            self.deliveries.closed().await;
            self.gateway.idle().await;
        };
        if tokio::time::timeout(grace, leave).await.is_err() {
            tracing::warn!(target: "sealpost", in_flight = self.gateway.in_flight(), "the grace period is over, requests in flight are cut");
        }
        let _ = self.admin_shutdown.send(true);
        let _ = tokio::time::timeout(Duration::from_millis(100), self.admin_service.closed()).await;
        // Nothing is lost if the disk is too slow for this: what was answered is written.
        let close = tokio::task::spawn_blocking(move || self.gateway.stores.main.close());
        let _ = tokio::time::timeout(CLOSE, close).await;
        tracing::info!(target: "sealpost", "ended");
    }
}
