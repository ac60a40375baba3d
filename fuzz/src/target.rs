//! Any request target: one that a route takes names no other route's path, however an upstream reads it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sealpost::routes::{EventFilter, Found, Keep, Mode, Route, RouteTable, Trust, path_problem};
use sealpost::verify::Scheme;

use crate::naive;
use crate::senders::SENDERS;
use crate::{fields, input};

static TABLE: LazyLock<RouteTable> = LazyLock::new(|| {
    let routes = [
        ("", "/*", "http://127.0.0.1:3000"),
        ("", "/hooks", "http://127.0.0.1:3000"),
        ("", "/hooks/*", "http://127.0.0.1:3000/base"),
        ("", "/hooks/a/*", "http://127.0.0.1:3000/base/a/"),
        ("", "/hooks/a/b", "http://127.0.0.1:3000/other"),
        ("", "/a:b", "http://127.0.0.1:3000"),
        ("h.example", "/hooks/*", "http://127.0.0.1:3000/"),
        ("h.example", "/~only", "http://127.0.0.1:3000"),
    ];
    let routes = routes.map(|(host, path, upstream)| {
        Arc::new(Route {
            name: format!("{host}{path}"),
            host: (!host.is_empty()).then(|| host.parse().expect("a host")),
            path: path.parse().expect("a path"),
            methods: vec!["POST".into()],
            challenge_methods: Vec::new(),
            provider: None,
            keys: Scheme { alternatives: Vec::new() }.prepare(&[]).expect("no keys"),
            key_source: None,
            key_token: None,
            secret_names: Vec::new(),
            secret_lifetimes: Vec::new(),
            upstream: upstream.parse().expect("an upstream"),
            trust: Trust::default(),
            tolerance: None,
            dedupe: None,
            events: EventFilter::all(),
            timeout: Duration::from_secs(8),
            body: 1 << 20,
            mode: Mode::Enforce,
            public_url: None,
            verify_tokens: Vec::new(),
            secrets: Vec::new(),
            journal: Keep::default(),
        })
    });
    RouteTable::new(routes.to_vec()).expect("no two alike")
});

fn find<'t>(host: Option<&str>, path: &str) -> Option<&'t Arc<Route>> {
    match TABLE.find(host, path, "POST") {
        Found::Route(route) => Some(route),
        Found::MethodNotAllowed { .. } | Found::None => None,
    }
}

/// RFC 3986 section 5.2.4, with the segments on a stack.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            ".." => drop(kept.pop()),
            "." => {}
            _ => kept.push(segment),
        }
        if last && matches!(segment, "." | "..") {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// RFC 3986 section 6.2.2: escapes of unreserved characters undone, the others in upper case, dots resolved.
fn normalised(path: &str) -> String {
    let mut text = String::new();
    let mut rest = path;
    while let Some((before, escape)) = rest.split_once('%') {
        text.push_str(before);
        match escape.get(..2).map(|digits| (digits, u8::from_str_radix(digits, 16))) {
            Some((_, Ok(byte))) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                text.push(char::from(byte));
                rest = &escape[2..];
            }
            Some((digits, Ok(_))) => {
                text.push('%');
                text.push_str(&digits.to_uppercase());
                rest = &escape[2..];
            }
            _ => {
                text.push('%');
                rest = escape;
            }
        }
    }
    text.push_str(rest);
    without_dots(&text)
}

/// The input is a host and a target.
pub fn run(data: &[u8]) {
    let [host, target] = fields(data);
    let (Ok(host), Ok(target)) = (std::str::from_utf8(host), std::str::from_utf8(target)) else { return };
    let host = (!host.is_empty()).then_some(host);
    let path = target.split('?').next().unwrap_or_default();
    let decoded = naive::percent_decode(path.as_bytes());
    let decoded = String::from_utf8_lossy(&decoded);
    let syntax = |text: &str| {
        let segments: Vec<&str> = text.split('/').skip(1).collect();
        let inner = segments.len().saturating_sub(1);
        segments.iter().any(|segment| matches!(*segment, "." | ".."))
            || segments[..inner].iter().any(|segment| segment.is_empty())
            || text.contains(['\\', '\0', ';', '#']) && text == path
    };
    if path_problem(target).is_some() {
        // Refused for its path, it stays refused with any query, and behind a prefix.
        if path_problem(path).is_some() {
            assert!(path_problem(&format!("{path}?a=b")).is_some(), "{target:?} passes with a query");
            if path.starts_with('/') {
                assert!(
                    path_problem(&format!("/hooks{path}")).is_some(),
                    "{target:?} passes behind a prefix"
                );
            }
        }
        return;
    }
    assert!(path.starts_with('/') && !syntax(path) && !syntax(&decoded), "{target:?} should be refused");
    assert!(target.bytes().all(|byte| byte > b' ' && byte < 0x7f && byte != b'#'), "{target:?}");
    assert_eq!(
        decoded.matches('/').count(),
        path.matches('/').count(),
        "{target:?} has other segments decoded"
    );
    assert_eq!(without_dots(path), path);
    let Some(route) = find(host, path) else { return };
    for reading in [normalised(path), decoded.into_owned()] {
        let other = find(host, &reading);
        assert!(
            other.is_some_and(|other| other.name == route.name),
            "{target:?} goes to {} and is {reading:?}, which is {:?}'s",
            route.name,
            other.map(|other| &other.name)
        );
    }
    let upstream = route.upstream_target(target);
    assert_eq!(path_problem(&upstream), None, "{target:?} becomes {upstream:?}");
    if let Some(base) = &route.upstream.base_path {
        let below = normalised(upstream.split('?').next().unwrap_or_default());
        assert!(below.starts_with(base.trim_end_matches('/')), "{target:?} leaves {base}: {upstream:?}");
    }
    let query = |target: &str| target.split_once('?').map(|(_, query)| query.to_owned());
    assert_eq!(query(&upstream), query(target), "the query is the sender's");
}

/// Each route's path, its ways of being written, and the vectors' targets.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let written = [
        "/",
        "/hooks",
        "/hooks/",
        "/hooks/x?y=z",
        "/hooks/a/b",
        "/hooks/a/c?d=%2f",
        "/a:b",
        "/~only",
        "/hooks/%20x",
        "/%68ooks/x",
        "/a%3Ab",
        "/hooks/%61/b",
        "/%C3%A9",
        "/hooks/../a",
        "/hooks/./a",
        "/hooks//a",
        "/hooks/%2e%2e/a",
        "/hooks/a%2fb",
        "/hooks/%252e",
        "/hooks\\a",
        "/hooks;a",
        "/a#b",
    ];
    let hosts = ["", "h.example", "H.EXAMPLE.:443"];
    let all =
        hosts.iter().flat_map(|host| written.iter().map(|path| input(&[host.as_bytes(), path.as_bytes()])));
    let vectors = SENDERS.iter().flat_map(|sender| &sender.vectors);
    all.chain(vectors.step_by(20).map(|vector| input(&[b"", vector.target.as_bytes()]))).collect()
}
