//! Who is known by name: the catalogue, and what a configuration adds to it.
//!
//! A configuration is read leniently here: `explain` on a laptop has not every secret of production.

use std::path::Path;
use std::sync::Arc;

use crate::catalog::{self, Provider, SettingError};
use crate::config::{Reference, Source};
use crate::environment::Environment;
use crate::secret::{self, Lifetime, NamedSecret, Secret};
use crate::time::Tolerance;
use crate::yaml::{self, Node, Problems, Value};

use super::output::{Failure, Paint};
use super::problems;

/// The catalogue and a configuration's additions.
#[derive(Default)]
pub(super) struct Known {
    own: Vec<Arc<Provider>>,
    pub(super) routes: Vec<KnownRoute>,
}

/// What a route of a configuration says about its sender.
pub(super) struct KnownRoute {
    pub(super) name: String,
    pub(super) provider: String,
    pub(super) secrets: Vec<NamedSecret>,
    /// Why some of its secrets cannot be read here.
    pub(super) unreadable: Vec<String>,
    /// `None` where the provider's own counts; `Some(None)` for `off`.
    pub(super) tolerance: Option<Option<Tolerance>>,
    pub(super) public_url: Option<String>,
    pub(super) settings: Vec<(String, String)>,
}

impl Known {
    /// The catalogue, and what `config` adds to it.
    pub(super) fn read(config: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = config else { return Ok(Self::default()) };
        let file = path.display().to_string();
        let text = read_text(path)?;
        let invalid = |found: Problems| {
            Failure::Failed(
                problems::render(&file, &text, &found.sorted(), Paint::stderr()).trim_end().to_owned(),
            )
        };
        let root = yaml::parse(&text).map_err(|problem| invalid(problem.into()))?;
        let mut found = Problems::new();
        let own = own_providers(&root, &mut found);
        if !found.is_empty() {
            return Err(invalid(found));
        }
        let environment = Environment::new(path.parent().unwrap_or(Path::new("")));
        let routes = list(&root, "routes").iter().filter_map(|node| route(node, &environment)).collect();
        Ok(Self { own, routes })
    }

    /// The sender of this name.
    pub(super) fn provider(&self, name: &str) -> Result<Arc<Provider>, Failure> {
        if let Some(own) = self.own.iter().find(|provider| provider.name == name) {
            return Ok(Arc::clone(own));
        }
        catalog::find(name).ok_or_else(|| {
            let meant =
                catalog::closest(name).map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
            Failure::Usage(format!("no sender is called `{name}`{meant} (`sealpost providers` lists them)"))
        })
    }

    /// All senders, the configuration's own first.
    pub(super) fn all(&self) -> Vec<Arc<Provider>> {
        self.own.iter().cloned().chain(catalog::names().filter_map(catalog::find)).collect()
    }

    /// The route of this name.
    pub(super) fn route(&self, name: &str) -> Result<&KnownRoute, Failure> {
        self.routes.iter().find(|route| route.name == name).ok_or_else(|| {
            let meant = yaml::closest(name, self.routes.iter().map(|route| route.name.as_str()));
            let meant = meant.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
            Failure::Usage(format!("no route is called `{name}`{meant}"))
        })
    }
}

/// Reads a text file, with one sentence if that fails.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    let cannot =
        |why: &dyn std::fmt::Display| Failure::Failed(format!("cannot read {}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| cannot(&error))?;
    String::from_utf8(bytes).map_err(|_| cannot(&"it is not UTF-8 text"))
}

/// The sender with the settings that the command line or a route gives.
pub(super) fn with_settings(provider: &Provider, settings: &[(String, String)]) -> Result<Provider, Failure> {
    provider.with_settings(settings).map_err(|errors| {
        let missing = errors.iter().find_map(|error| match error {
            SettingError::Missing { name, meaning } => {
                Some(format!("`{}` needs --set {name}=… ({meaning})", provider.name))
            }
            SettingError::Unknown { .. } => None,
        });
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        Failure::Usage(missing.unwrap_or(first))
    })
}

/// Reads one secret named on the command line; its name is its reference.
pub(super) fn secret(reference: &Reference) -> Result<NamedSecret, Failure> {
    let secret = Environment::new(Path::new("")).read(reference).map_err(Failure::Failed)?;
    Ok(NamedSecret::new(reference.to_string(), secret))
}

fn own_providers(root: &Node, problems: &mut Problems) -> Vec<Arc<Provider>> {
    let Some(Value::Map(entries)) = root.get("providers").map(|node| &node.value) else { return Vec::new() };
    let read = |entry: &yaml::Entry| {
        Provider::read_named(&entry.key, &entry.value, &format!("providers.{}", entry.key), problems)
            .map(Arc::new)
    };
    entries.iter().filter_map(read).collect()
}

fn route(node: &Node, environment: &Environment) -> Option<KnownRoute> {
    let mut secrets = Vec::new();
    let mut unreadable = Vec::new();
    for (index, item) in list(node, "secrets").iter().enumerate() {
        let Some(reference) = reference(item) else { continue };
        let name = item.get("name").and_then(Node::as_text).map_or_else(|| index.to_string(), str::to_owned);
        match environment.read(&reference) {
            Ok(secret) => secrets.push(NamedSecret { name, secret, lifetime: lifetime(item) }),
            Err(why) => unreadable.push(why),
        }
    }
    Some(KnownRoute {
        name: node.get("name")?.as_text()?.to_owned(),
        provider: node.get("provider")?.as_text()?.to_owned(),
        secrets,
        unreadable,
        tolerance: node.get("tolerance").and_then(tolerance),
        public_url: node.get("public_url").and_then(Node::as_text).map(str::to_owned),
        settings: node.get("settings").map(settings).unwrap_or_default(),
    })
}

/// When a secret counts; an end that cannot be read is none.
fn lifetime(node: &Node) -> Lifetime {
    let text = |key| node.get(key).and_then(Node::as_text);
    Lifetime {
        from: text("not_before").and_then(|text| secret::first_moment(text).ok()),
        until: text("not_after").and_then(|text| secret::end(text).ok()),
    }
}

fn settings(node: &Node) -> Vec<(String, String)> {
    let Value::Map(entries) = &node.value else { return Vec::new() };
    let pair = |entry: &yaml::Entry| Some((entry.key.clone(), entry.value.as_text()?.to_owned()));
    entries.iter().filter_map(pair).collect()
}

fn tolerance(node: &Node) -> Option<Option<Tolerance>> {
    if node.is_word("off") {
        return Some(None);
    }
    let part = |key| node.get(key).and_then(Node::as_text).and_then(|text| yaml::duration(text).ok());
    let past = part("past").or_else(|| node.as_text().and_then(|text| yaml::duration(text).ok()))?;
    Some(Some(Tolerance { past, future: part("future").unwrap_or(past) }))
}

/// The reference that a node of the file holds, in either of its forms.
pub(super) fn reference(node: &Node) -> Option<Reference> {
    if let Some(text) = node.as_text() {
        return text.parse().ok();
    }
    let text = |key| node.get(key).and_then(Node::as_text);
    let insecure = || text("insecure").map(|text| Reference::Insecure(Secret::new(text.as_bytes().to_vec())));
    let env = text("env").map(|name| Reference::Env(name.to_owned()));
    env.or_else(|| text("file").map(|path| Reference::File(path.into()))).or_else(insecure)
}

fn list<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    match node.get(key).map(|node| &node.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}
