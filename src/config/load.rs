//! The whole file, top to bottom: every room reads its keys, and all problems come out together.

use std::collections::HashMap;
use std::sync::Arc;

use super::expiry::RouteExpiry;
use super::provider::Providers;
use super::secrets::Secrets;
use super::warnings::{self, Seen};
use super::{Config, Source, dedupe, journal, limits, listen, route, tracing};
use crate::routes::{Keep, Route, RouteTable};
use crate::yaml::{self, Cursor, Fields, Place, Problems};

/// What reading a route needs of the rest of the file.
pub(super) struct Shared<'s> {
    pub(super) secrets: Secrets<'s>,
    pub(super) warnings: Problems,
    pub(super) expiries: Vec<RouteExpiry>,
    pub(super) seen: Seen,
    /// The largest body where a route says nothing else.
    pub(super) body: u64,
    /// All bodies together.
    pub(super) buffered: u64,
    pub(super) providers: Providers,
    /// What the journal keeps where a route says nothing else.
    pub(super) keep: Keep,
}

/// Reads a configuration.
///
/// ```
/// use sealpost::config::{Reference, Source, load};
/// use sealpost::secret::Secret;
///
/// struct NothingIsSet;
///
/// impl Source for NothingIsSet {
///     fn read(&self, reference: &Reference) -> Result<Secret, String> {
///         Err(format!("{reference} is not set"))
///     }
/// }
///
/// let text = "
/// listen:
///   - address: 127.0.0.1:8080
/// routes:
///   - name: repositories
///     match: { path: /webhooks/github }
///     provider: github
///     secrets: [env:GITHUB_SECRET]
///     upstrem: http://127.0.0.1:3000
/// ";
/// let problems = load(text, &NothingIsSet).unwrap_err();
/// assert_eq!(
///     problems.render("gateway.yaml"),
///     "gateway.yaml:5:5 routes[0]: `upstream` is missing; write for example `upstream: http://127.0.0.1:3000`\n\
///      gateway.yaml:8:15 routes[0].secrets[0]: env:GITHUB_SECRET is not set\n\
///      gateway.yaml:9:5 routes[0].upstrem: unknown key `upstrem`; did you mean `upstream`?\n"
/// );
/// ```
///
/// # Errors
/// Everything that is wrong with the file or with what it refers to, in the order of the file.
pub fn load(text: &str, source: &dyn Source) -> Result<Config, Problems> {
    let mut problems = Problems::new();
    let Some(root) = yaml::read(text, &mut problems) else { return Err(problems.sorted()) };
    let mut shared = Shared {
        secrets: Secrets::new(source),
        warnings: Problems::new(),
        expiries: Vec::new(),
        seen: Seen::default(),
        body: 0,
        buffered: 0,
        providers: Providers::default(),
        keep: Keep::default(),
    };
    let config = root.fields("", &mut problems).map(|fields| file(fields, &mut shared));
    let Some(config) = config.flatten().filter(|_| problems.is_empty()) else {
        return Err(problems.sorted());
    };
    warnings::unexpanded(&root, &mut shared.warnings);
    let hash = shared.secrets.hash(text);
    Ok(Config {
        warnings: shared.warnings.sorted().into_vec(),
        expiries: shared.expiries,
        hash,
        references: shared.secrets.into_references(),
        ..config
    })
}

/// Reads every key of the file. `None` only if something was reported.
fn file(mut fields: Fields<'_, '_>, shared: &mut Shared<'_>) -> Option<Config> {
    let listen = listen::listen(&mut fields, shared);
    let admin = listen::admin(&mut fields, &listen, shared);
    let limits = limits::limits(&mut fields, shared);
    let dedupe = dedupe::dedupe(&mut fields, shared);
    let trusted_proxies = listen::trusted_proxies(&mut fields);
    let tracing = tracing::tracing(&mut fields);
    if let Some(cursor) = fields.optional("providers") {
        shared.providers.read(&cursor, &mut shared.warnings, fields.problems());
    }
    let (journal, keep) = journal::journal(&mut fields);
    shared.keep = keep;
    shared.body = limits.body;
    shared.buffered = limits.buffered;
    let routes = match fields.required("routes", "[{ name: …, match: { path: … }, … }]") {
        Some(cursor) => routes(&cursor, shared, fields.problems()),
        None => None,
    };
    fields.finish();
    Some(Config {
        listen,
        admin,
        limits,
        dedupe,
        journal,
        trusted_proxies,
        tracing,
        routes: routes?,
        warnings: Vec::new(),
        expiries: Vec::new(),
        hash: String::new(),
        references: Vec::new(),
    })
}

fn routes(cursor: &Cursor<'_>, shared: &mut Shared<'_>, problems: &mut Problems) -> Option<RouteTable> {
    let mut names: HashMap<String, Place> = HashMap::new();
    let mut matches: HashMap<String, Place> = HashMap::new();
    let mut routes: Vec<Arc<Route>> = Vec::new();
    let items = cursor.items(problems)?;
    if items.is_empty() {
        cursor.report(&mut shared.warnings, "there is no route, so every request is answered 404");
    }
    for item in &items {
        let read = route::read(item, shared, problems);
        let name = read.name.map(|(name, place)| (name.to_owned(), place));
        for (seen, found, key, what) in
            [(&mut names, name, "name", "name"), (&mut matches, read.matched, "match", "host and path")]
        {
            let Some((text, place)) = found else { continue };
            let Some(first) = seen.get(&text) else {
                seen.insert(text, place);
                continue;
            };
            let message = format!("the route at {first} has the same {what}");
            problems.report(format!("{}.{key}", item.path), place, message);
        }
        routes.extend(read.route.map(Arc::new));
    }
    if !problems.is_empty() {
        return None;
    }
    let table = RouteTable::new(routes);
    // The places above are better; this only holds should the two ever disagree.
    table.map_err(|_| cursor.report(problems, "two routes have the same host and path")).ok()
}
