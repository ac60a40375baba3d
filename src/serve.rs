//! The process: load, bind, serve, reload, and leave in order.

mod ending;
mod handover;
mod sources;
mod status;
mod stores;
mod successor;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use self::handover::{Door, House};
use self::sources::Sources;
use self::status::RunningStatus;
use self::successor::Successor;
use crate::admin;
use crate::clock;
use crate::config::Config;
use crate::environment::{self, Told};
use crate::gateway::{Bound, Certificate, Gateway, Listening, Live, Sockets};
use crate::journal::{Bounds, Journal, JournalOptions};
use crate::metrics::Metrics;
use crate::reload::{ConfigSource, LoadError, Reloader, Watcher, certificates, load, log_warnings};

/// How often the process looks after what no request looks after.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

/// How often it is warned of secrets that are about to end.
const DAY: Duration = Duration::from_secs(24 * 3600);

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
    /// The unix socket at which processes take over from each other.
    pub handover: Option<PathBuf>,
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
    if successor::step()? {
        return Ok(());
    }
    let runtime = runtime(options.threads)?;
    let result = runtime.block_on(async {
        let mut successor = Successor::new();
        let server = Server::start(options).await?;
        let signals = || -> std::io::Result<_> {
            Ok((
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::hangup())?,
                signal(SignalKind::user_defined2())?,
            ))
        };
        let (mut term, mut int, mut hup, mut usr2) =
            signals().map_err(|error| RunError::Start(format!("cannot listen for signals: {error}")))?;
        let reloader = Arc::clone(&server.reloader);
        let reload = tokio::spawn(async move {
            while hup.recv().await.is_some() {
                let reloader = Arc::clone(&reloader);
                let _ = tokio::task::spawn_blocking(move || reloader.reload("SIGHUP")).await;
            }
        });
        let can_hand_over = options.handover.is_some();
        let upgrade = tokio::spawn(async move {
            while usr2.recv().await.is_some() {
                successor.start(can_hand_over);
            }
        });
        environment::tell_manager(Told::Ready);
        let ended = async move || {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        };
        server.serve_until(ended, options.grace).await;
        reload.abort();
        upgrade.abort();
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
            match Server::start(&options).await {
                Ok(server) => {
                    let _ = started.send(Ok((server.addresses.clone(), server.admin)));
                    let mut stopped = Some(stopped);
                    let ended = async move || {
                        if let Some(stopped) = stopped.take() {
                            drop(stopped.await);
                        }
                    };
                    server.serve_until(ended, options.grace).await;
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
    let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut builder = match threads.unwrap_or_else(processors) {
        // Nobody to share the work with: no queues between threads, and no wake-ups across them.
        0 | 1 => Builder::new_current_thread(),
        threads => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
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
    let mut since = clock::monotonic();
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        gateway.pool.sweep().await;
        if since.elapsed() >= DAY {
            since = clock::monotonic();
            say_what_the_time_says(&gateway);
        }
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

/// Warns of secrets that ended or are about to; at every load it is said with the other warnings.
fn say_what_the_time_says(gateway: &Gateway) {
    for warning in gateway.live().config.warnings_at(clock::now()) {
        tracing::warn!(target: "sealpost::config", "{}: {}", warning.path, warning.message);
    }
}

/// Waits a little for the last spans to be sent.
async fn flush_traces(gateway: &Gateway) {
    if let Some(tracer) = gateway.live().tracer.clone() {
        let _ = tokio::task::spawn_blocking(move || tracer.flush(CLOSE)).await;
    }
}

fn open_journal(config: &Config, options: &RunOptions) -> Result<Journal, RunError> {
    let Some(journal) = &config.journal else { return Ok(Journal::off()) };
    let bounds = Bounds { bytes: journal.size, entries: journal.entries, age: journal.age };
    let folder = journal.path.as_ref().map(|path| options.config.folder().join(path));
    Journal::start(&JournalOptions { bounds, folder }, clock::now()).map_err(RunError::Start)
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
    /// What can be handed over to the next process.
    house: Option<Arc<House>>,
}

impl Server {
    /// Loads, binds and starts serving; takes over from the process that serves, if one does and it may.
    async fn start(options: &RunOptions) -> Result<Self, RunError> {
        let config = load(&options.config).map_err(RunError::Load)?;
        log_warnings(&config);
        let certificates: Vec<_> = certificates(&config.listen, &options.config)
            .map_err(RunError::Load)?
            .into_iter()
            .map(|key| key.map(|key| Arc::new(Certificate::new(key))))
            .collect();

        let metrics = Metrics::new();
        metrics.reloaded(true);
        metrics.config_info(&config.hash);
        let mut sources = Sources::find(options).await?;
        sources.are_of_this_gateway(&config)?;
        let bound: Vec<Bound> =
            config.listen.iter().map(|listen| sources.bind(listen.address)).collect::<Result<_, _>>()?;
        let admin_bound = config.admin.as_ref().map(|admin| sources.bind(admin.address)).transpose()?;
        let shared = sources.share(&config, bound.iter().chain(&admin_bound))?;
        let addresses: Vec<_> = bound.iter().map(|bound| bound.address).collect();
        let admin = admin_bound.as_ref().map(|bound| bound.address);

        let journal = open_journal(&config, options)?;
        let name = stores::name(&config, options);
        let stores = stores::open(&config, options, &name, sources.inherited.as_mut())?;
        let live = Live::new(config.clone(), &options.config.folder(), &metrics, clock::now())
            .map_err(|why| RunError::Load(LoadError::Certificate(why)))?;
        let gateway = Arc::new(Gateway::new(live, stores, metrics, journal));

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
        // The path first: who asks at it after the older process was relieved has to reach this one.
        let door = options.handover.as_deref().map(Door::open).transpose().map_err(RunError::Start)?;
        let from = sources.relieve().map_err(RunError::Start)?;
        tokio::spawn(keep_house(Arc::clone(&gateway)));
        let house = door.zip(options.handover.clone()).map(|(door, path)| {
            let house = Arc::new(House::new(Arc::clone(&gateway), path, name, shared));
            tokio::spawn(handover::serve(door, Arc::clone(&house)));
            house
        });

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
        if let Some((pid, version)) = from {
            tracing::info!(target: "sealpost::handover", pid, version, "took over from the older process");
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
            house,
        })
    }

    /// Serves until `ended`; then readiness fails, the listeners close, and what is in flight finishes. Or until
    /// another process has taken over; then only what came before that is finished.
    async fn serve_until(mut self, mut ended: impl AsyncFnMut(), grace: Duration) {
        let house = self.house.take();
        let relieved = async {
            match &house {
                Some(house) => house.relieved().await,
                None => std::future::pending().await,
            }
        };
        let relieved = tokio::select! {
            pid = relieved => Some(pid),
            () = ended() => None,
        };
        if let Some(house) = &house {
            house.shut();
        }
        match relieved {
            Some(pid) => self.finish_relieved(pid, ended(), grace).await,
            None => self.leave(grace).await,
        }
        let _ = self.admin_shutdown.send(true);
        let _ = tokio::time::timeout(Duration::from_millis(100), self.admin_service.closed()).await;
        flush_traces(&self.gateway).await;
        // Nothing is lost if the disk is too slow for this: what was answered is written.
        let close = tokio::task::spawn_blocking(move || {
            self.gateway.stores.main.close();
            self.gateway.journal.close();
        });
        let _ = tokio::time::timeout(CLOSE, close).await;
        tracing::info!(target: "sealpost", "ended");
    }
}
