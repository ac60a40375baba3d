//! Finding a request's route by hash lookups: ten thousand routes cost a request no more than ten.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::pattern::{Host, PathPattern};
use super::{MethodUse, Route};

/// All routes, immutable.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
    by_host: Table<Host, Paths>,
    any_host: Paths,
}

/// Only the configuration puts anything in, so a stranger cannot make keys collide; and without random keys the same
/// configuration takes the same way each time.
type Table<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// What the table says of a request.
#[derive(Debug)]
pub enum Found<'t> {
    /// This route takes it.
    Route(&'t Arc<Route>),
    /// This route is the one for its host and path, but not with this method.
    MethodNotAllowed {
        /// The value of the answer's `Allow` header.
        allow: String,
        /// The route.
        route: &'t Arc<Route>,
    },
    /// No route.
    None,
}

/// Routes of one host by path; the numbers are indices into `routes`.
#[derive(Clone, Debug, Default)]
struct Paths {
    exact: Table<String, usize>,
    prefix: Table<String, usize>,
    /// The longest prefix's length: a longer path need not be walked from its end, however many slashes it has.
    longest: usize,
}

impl RouteTable {
    /// A table of these routes.
    ///
    /// # Errors
    /// The indices of two routes with the same host and path, the later one second.
    pub fn new(routes: Vec<Arc<Route>>) -> Result<Self, (usize, usize)> {
        let mut table = Self::default();
        for (index, route) in routes.iter().enumerate() {
            let paths = match &route.host {
                Some(host) => table.by_host.entry(host.clone()).or_default(),
                None => &mut table.any_host,
            };
            let before = match &route.path {
                PathPattern::Exact(path) => paths.exact.insert(path.clone(), index),
                PathPattern::Prefix(prefix) => {
                    paths.longest = paths.longest.max(prefix.len());
                    paths.prefix.insert(prefix.clone(), index)
                }
            };
            if let Some(before) = before {
                return Err((before, index));
            }
        }
        table.routes = routes;
        Ok(table)
    }

    /// The route for a request.
    ///
    /// A route for the request's host counts before one for every host, an exact path before a prefix, a longer
    /// prefix before a shorter one. The most specific route decides alone: if it does not take the method, no
    /// other route is asked. A path that names another route once its escapes are undone finds none. `host` is the `Host` header (or `:authority`), `path` the target without its query.
    #[must_use]
    pub fn find(&self, host: Option<&str>, path: &str, method: &str) -> Found<'_> {
        let Some(route) = self.by_path(host, path) else { return Found::None };
        match route.accepts_method(method) {
            MethodUse::Delivery | MethodUse::ChallengeOnly => Found::Route(route),
            MethodUse::No => Found::MethodNotAllowed { allow: route.allow(), route },
        }
    }

    /// All routes in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Route>> {
        self.routes.iter()
    }

    /// The route of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.name == name)
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is no route.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// A path whose escapes stand for another route's path belongs to neither: the upstream may undo them (RFC 3986, section
    /// 6.2.2.2), and then what one sender signed would arrive where another one's deliveries do.
    fn by_path(&self, host: Option<&str>, path: &str) -> Option<&Arc<Route>> {
        let index = self.index(host, path)?;
        let has_two_readings = path.contains('%')
            && self.index(host, &percent_decode_str(path).decode_utf8_lossy()) != Some(index);
        if has_two_readings { None } else { self.routes.get(index) }
    }

    fn index(&self, host: Option<&str>, path: &str) -> Option<usize> {
        let of_host = host
            .filter(|_| !self.by_host.is_empty())
            .and_then(|host| self.by_host.get(&*Host::normalised(host)))
            .and_then(|paths| paths.find(path));
        of_host.or_else(|| self.any_host.find(path))
    }
}

impl<'t> IntoIterator for &'t RouteTable {
    type Item = &'t Arc<Route>;
    type IntoIter = std::slice::Iter<'t, Arc<Route>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Paths {
    fn find(&self, path: &str) -> Option<usize> {
        if let Some(index) = self.exact.get(path) {
            return Some(*index);
        }
        if self.prefix.is_empty() {
            return None;
        }
        // The prefix is followed by a slash, so that slash may stand one byte beyond the longest prefix.
        let mut end = path.len().min(self.longest + 1);
        while !path.is_char_boundary(end) {
            end -= 1;
        }
        let mut walked = path.get(..end)?;
        while let Some(slash) = walked.rfind('/') {
            walked = walked.get(..slash)?;
            if let Some(index) = self.prefix.get(walked) {
                return Some(*index);
            }
        }
        None
    }
}
