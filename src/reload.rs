//! Loading the configuration, and loading it anew when something it depends on changes.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock;
use crate::config::{self, Config, Listen, Reference};
use crate::environment::Environment;
use crate::gateway::{Certificate, Gateway, Live, load_certificate};
use crate::time::UnixTime;
use crate::yaml::Problems;

mod watch;

pub use watch::Watcher;

/// Where a configuration comes from.
#[derive(Clone, Debug)]
pub enum ConfigSource {
    /// A file, watched.
    File(PathBuf),
    /// Text made from the command line's options; relative paths are taken from `folder`.
    Text {
        /// The YAML.
        yaml: String,
        /// The folder.
        folder: PathBuf,
    },
}

impl ConfigSource {
    /// The folder that relative paths are taken from.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        match self {
            Self::File(path) => match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
                _ => PathBuf::from("."),
            },
            Self::Text { folder, .. } => folder.clone(),
        }
    }

    /// The name used in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text { .. } => "command line".into(),
        }
    }
}

/// Why a configuration was not loaded.
#[derive(Debug)]
pub enum LoadError {
    /// Its file cannot be read.
    Unreadable(String),
    /// It has problems.
    Problems {
        /// The file's name.
        name: String,
        /// Its text, for showing the places.
        text: String,
        /// All of them.
        problems: Problems,
    },
    /// A certificate cannot be used.
    Certificate(String),
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(why) | Self::Certificate(why) => f.write_str(why),
            Self::Problems { name, problems, .. } => f.write_str(problems.render(name).trim_end()),
        }
    }
}

impl std::error::Error for LoadError {}

/// Reads and resolves the configuration.
///
/// # Errors
/// [`LoadError`], with every problem of the file at once.
pub fn load(source: &ConfigSource) -> Result<Config, LoadError> {
    let text = match source {
        ConfigSource::File(path) => std::fs::read_to_string(path)
            .map_err(|error| LoadError::Unreadable(format!("cannot read {}: {error}", path.display())))?,
        ConfigSource::Text { yaml, .. } => yaml.clone(),
    };
    config::load(&text, &Environment::new(&source.folder())).map_err(|problems| LoadError::Problems {
        name: source.name(),
        text,
        problems,
    })
}

/// The certificates of all listeners, in their order; `None` where there is no TLS.
///
/// # Errors
/// The first file that cannot be used.
pub(crate) fn certificates(
    listen: &[Listen],
    source: &ConfigSource,
) -> Result<Vec<Option<rustls::sign::CertifiedKey>>, LoadError> {
    let folder = source.folder();
    listen
        .iter()
        .map(|listen| listen.tls.as_ref().map(|files| load_certificate(files, &folder)).transpose())
        .collect::<Result<_, _>>()
        .map_err(LoadError::Certificate)
}

/// What the last attempt to load came to, for `/api/config`.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Why the newest configuration is not in force.
    pub error: Option<String>,
    /// When that was found.
    pub failed_at: Option<UnixTime>,
    /// What changed but needs a restart to take effect.
    pub needs_restart: Vec<String>,
}

/// Puts changed configurations in force.
pub struct Reloader {
    gateway: Arc<Gateway>,
    source: ConfigSource,
    /// What was bound and opened at the start, which no reload changes.
    fixed: Config,
    certificates: Vec<Option<Arc<Certificate>>>,
    outcome: Mutex<Outcome>,
    /// One load at a time.
    loading: Mutex<()>,
}

impl Reloader {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        source: ConfigSource,
        fixed: Config,
        certificates: Vec<Option<Arc<Certificate>>>,
    ) -> Self {
        Self { gateway, source, fixed, certificates, outcome: Mutex::default(), loading: Mutex::new(()) }
    }

    /// What the last attempt came to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome.lock().clone()
    }

    /// Loads everything anew and swaps it at once; on any problem the configuration in force stays.
    ///
    /// # Errors
    /// The problem, which is also logged, counted and shown on `/api/config`.
    pub fn reload(&self, cause: &'static str) -> Result<String, String> {
        let _one = self.loading.lock();
        match self.load() {
            Ok((live, certificates, needs_restart)) => {
                let hash = live.config.hash.clone();
                for (certificate, new) in self.certificates.iter().zip(certificates) {
                    if let (Some(certificate), Some(new)) = (certificate, new) {
                        certificate.swap(new);
                    }
                }
                log_warnings(&live.config);
                for what in &needs_restart {
                    tracing::warn!(target: "sealpost::config", "{what} changed: this needs a restart");
                }
                self.gateway.swap(live);
                self.gateway.metrics.reloaded(true);
                self.gateway.metrics.config_info(&hash);
                *self.outcome.lock() = Outcome { needs_restart, ..Outcome::default() };
                tracing::info!(target: "sealpost::config", hash, cause, "configuration loaded");
                Ok(hash)
            }
            Err(error) => {
                let error = error.to_string();
                let mut outcome = self.outcome.lock();
                // The watcher tries again and again while the file is wrong; it is said once.
                if outcome.error.as_ref() != Some(&error) {
                    self.gateway.metrics.reloaded(false);
                    tracing::error!(target: "sealpost::config", cause, "configuration not loaded, the old one serves on: {error}");
                    outcome.error = Some(error.clone());
                    outcome.failed_at = Some(clock::now());
                }
                Err(error)
            }
        }
    }

    #[allow(clippy::type_complexity)]
    fn load(&self) -> Result<(Live, Vec<Option<rustls::sign::CertifiedKey>>, Vec<String>), LoadError> {
        let config = load(&self.source)?;
        // Certificates belong to the sockets that are open; others come with the restart that opens theirs.
        let certificates = certificates(&self.fixed.listen, &self.source)?;
        let needs_restart = needs_restart(&self.fixed, &config);
        let live = Live::new(config, &self.source.folder(), &self.gateway.metrics, clock::now())
            .map_err(LoadError::Certificate)?;
        Ok((live, certificates, needs_restart))
    }

    /// Every file whose change makes the configuration in force stale.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let folder = self.source.folder();
        let live = self.gateway.live();
        let secrets = live.config.references.iter().filter_map(|reference| match reference {
            Reference::File(path) => Some(folder.join(path)),
            Reference::Env(_) | Reference::Insecure(_) => None,
        });
        let tls = self.fixed.listen.iter().filter_map(|listen| listen.tls.as_ref());
        let tls = tls.flat_map(|files| [folder.join(&files.certificate), folder.join(&files.key)]);
        let own = match &self.source {
            ConfigSource::File(path) => Some(path.clone()),
            ConfigSource::Text { .. } => None,
        };
        own.into_iter().chain(secrets).chain(tls).collect()
    }
}

/// Says what is allowed but deserves a look, that of the time included.
pub(crate) fn log_warnings(config: &Config) {
    for warning in config.warnings.iter().chain(&config.warnings_at(clock::now())) {
        tracing::warn!(target: "sealpost::config", "{}: {}", warning.path, warning.message);
    }
}

/// What a reload cannot change: sockets are bound and the store is opened once.
fn needs_restart(fixed: &Config, new: &Config) -> Vec<String> {
    let mut needs = Vec::new();
    if fixed.listen != new.listen {
        needs.push("listen".to_owned());
    }
    let admin = |config: &Config| {
        let admin = config.admin.as_ref()?;
        Some((admin.address, admin.token.as_ref().map(|token| token.expose().to_vec())))
    };
    if admin(fixed) != admin(new) {
        needs.push("admin".to_owned());
    }
    if fixed.dedupe != new.dedupe {
        needs.push("dedupe".to_owned());
    }
    if fixed.journal != new.journal {
        needs.push("journal".to_owned());
    }
    needs
}
