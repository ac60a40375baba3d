//! What a route matches: a path, exact or a prefix, and a host.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;

use super::target::path_problem;

/// A route's path. Compared byte for byte with the path as received; nothing is decoded or normalised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// This path and no other.
    Exact(String),
    /// Written `/hooks/*`, kept as `/hooks`: every path that begins with `/hooks/`, but not `/hooks` itself.
    Prefix(String),
}

impl PathPattern {
    /// Whether `path` (without query) matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(_) => self.rest(path).is_some(),
        }
    }

    /// What `path` has after the prefix, with its slash; `None` for an exact pattern and for other paths.
    #[must_use]
    pub fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        match self {
            Self::Exact(_) => None,
            Self::Prefix(prefix) => path.strip_prefix(prefix.as_str()).filter(|rest| rest.starts_with('/')),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Prefix(prefix) => write!(f, "{prefix}/*"),
        }
    }
}

impl FromStr for PathPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err("a path begins with `/`, such as `/webhooks/github` or `/webhooks/*`".into());
        }
        let prefix = text.strip_suffix("/*");
        let path = prefix.unwrap_or(text);
        if path.contains('*') {
            return Err("`*` may stand only at the end, after a slash: `/webhooks/*`".into());
        }
        if path.contains('?') {
            return Err("a path has no query; routes are found by path and host alone".into());
        }
        if path.contains('%') {
            return Err("`%` cannot stand in a path here: paths are compared as they are received".into());
        }
        // An empty prefix is the whole tree, `/*`; a slash before `/*` would be an empty segment.
        if let Some(problem) = path_problem(if path.is_empty() { "/" } else { text }) {
            return Err(format!("{problem}, which no request may have"));
        }
        Ok(match prefix {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(text.to_owned()),
        })
    }
}

/// A host name or address as routes compare it: lower case, without port and without the dot at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(String);

impl Host {
    /// The host as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Brings a `Host` header's value into the compared form; allocates only for upper case.
    #[must_use]
    pub fn normalised(header: &str) -> Cow<'_, str> {
        // A colon inside brackets belongs to an IPv6 address, one after them to the port.
        let port =
            header.rfind(':').filter(|colon| !header.get(*colon..).is_some_and(|end| end.contains(']')));
        let name = port.and_then(|colon| header.get(..colon)).unwrap_or(header);
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        }
    }
}

impl Borrow<str> for Host {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("://") || text.contains('/') {
            return Err("a host has no scheme and no path; write for example `hooks.example.com`".into());
        }
        if text.contains('*') {
            return Err("a host has no `*`; leave `host` out to match every host".into());
        }
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<core::net::Ipv6Addr>().ok());
            // Senders write an IPv6 address in many ways; the shortest is the usual one.
            return address
                .map(|address| Self(format!("[{address}]")))
                .ok_or_else(|| "not an IPv6 address in brackets, without port".into());
        }
        if text.contains(':') {
            return Err("a host has no port here: every port the gateway listens on counts".into());
        }
        if !text.is_ascii() {
            return Err(
                "write an international name in its ASCII form (`xn--…`), as it stands in `Host`".into()
            );
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err("not a host name; write for example `hooks.example.com`".into());
        }
        Ok(Self(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_slash_and_an_exact_path_is_exact() {
        let matches = |pattern: &str, path: &str| pattern.parse::<PathPattern>().unwrap().matches(path);
        assert!(matches("/hooks/*", "/hooks/a"));
        assert!(matches("/hooks/*", "/hooks/a/b"));
        assert!(matches("/hooks/*", "/hooks/"));
        assert!(!matches("/hooks/*", "/hooks"));
        assert!(!matches("/hooks/*", "/hooksmith/a"));
        assert!(matches("/*", "/"));
        assert!(matches("/*", "/a/b"));
        assert!(matches("/a", "/a"));
        assert!(!matches("/a", "/a/"));
        assert!(!matches("/a", "/A"));
        assert!(matches("/a/", "/a/"));
    }

    #[test]
    fn patterns_that_no_request_could_match_are_refused() {
        for text in [
            "", "a", "*", "/a*", "/a/*/b", "/a/**", "/a//b", "//", "/a//*", "/a/../b", "/./a", "/a%20b",
            "/a;b", "/a?b", "/a#b", "/a\\b", "/a b", "/é",
        ] {
            assert!(text.parse::<PathPattern>().is_err(), "{text:?}");
        }
        for text in ["/", "/*", "/a", "/a/", "/a/*", "/.well-known/a.b"] {
            assert_eq!(text.parse::<PathPattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_host_is_compared_without_port_case_and_final_dot() {
        for (header, host) in [
            ("hooks.example.com", "hooks.example.com"),
            ("Hooks.Example.COM:8443", "hooks.example.com"),
            ("hooks.example.com.", "hooks.example.com"),
            ("hooks.example.com.:80", "hooks.example.com"),
            ("127.0.0.1:8080", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[::1]:8080", "[::1]"),
            ("[2001:DB8::1]:1", "[2001:db8::1]"),
            ("", ""),
        ] {
            assert_eq!(Host::normalised(header), host, "{header}");
        }
    }

    #[test]
    fn hosts_in_the_file_are_names_or_addresses_alone() {
        for (text, host) in [
            ("Hooks.Example.com", "hooks.example.com"),
            ("localhost", "localhost"),
            ("a.b.", "a.b"),
            ("[2001:0DB8::0:1]", "[2001:db8::1]"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(text.parse::<Host>().map(|host| host.to_string()), Ok(host.to_owned()));
        }
        for text in
            ["", ".", "a..b", "a:80", "http://a", "a/b", "*.a", "-a", "a b", "é.fr", "[::1", "::1", "[x]"]
        {
            assert!(text.parse::<Host>().is_err(), "{text:?}");
        }
    }
}
