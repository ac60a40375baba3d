//! The manual of routing: which route takes a request, and what the upstream is asked for.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{EventFilter, Found, Keep, MethodUse, Mode, Route, RouteTable, Trust};
use crate::verify::Scheme;

fn route(name: &str, host: &str, path: &str, upstream: &str) -> Route {
    Route {
        name: name.into(),
        host: (!host.is_empty()).then(|| host.parse().unwrap()),
        path: path.parse().unwrap(),
        methods: vec!["POST".into()],
        challenge_methods: Vec::new(),
        provider: None,
        keys: Scheme { alternatives: Vec::new() }.prepare(&[]).unwrap(),
        secret_names: Vec::new(),
        secret_lifetimes: Vec::new(),
        upstream: upstream.parse().unwrap(),
        trust: Trust::default(),
        tolerance: None,
        dedupe: None,
        events: EventFilter::all(),
        timeout: Duration::from_secs(8),
        body: 1 << 20,
        mode: Mode::Enforce,
        public_url: None,
        key_source: None,
        key_token: None,
        verify_tokens: Vec::new(),
        secrets: Vec::new(),
        journal: Keep::default(),
    }
}

/// A table of routes given as host and path; each is named after what it matches.
fn table(matches: &[(&str, &str)]) -> RouteTable {
    let routes = matches
        .iter()
        .map(|(host, path)| Arc::new(route(&format!("{host}{path}"), host, path, "http://127.0.0.1:3000")));
    RouteTable::new(routes.collect()).unwrap()
}

fn found(table: &RouteTable, host: Option<&str>, path: &str) -> String {
    match table.find(host, path, "POST") {
        Found::Route(route) => route.name.clone(),
        Found::MethodNotAllowed { allow, .. } => format!("405 {allow}"),
        Found::None => "404".into(),
    }
}

#[test]
fn the_most_specific_route_takes_a_request() {
    let table = table(&[
        ("", "/hooks"),
        ("", "/hooks/*"),
        ("", "/hooks/a/*"),
        ("", "/hooks/a/b"),
        ("h.example", "/hooks/*"),
        ("h.example", "/only"),
    ]);
    for (host, path, name) in [
        (None, "/hooks", "/hooks"),
        (None, "/hooks/", "/hooks/*"),
        (None, "/hooks/x", "/hooks/*"),
        (None, "/hooks/x/y/z", "/hooks/*"),
        (None, "/hooks/a", "/hooks/*"),
        (None, "/hooks/a/", "/hooks/a/*"),
        (None, "/hooks/a/b", "/hooks/a/b"),
        (None, "/hooks/a/b/c", "/hooks/a/*"),
        (None, "/hooksmith/a", "404"),
        (None, "/Hooks", "404"),
        (None, "/", "404"),
        (None, "/only", "404"),
        (Some("other.example"), "/only", "404"),
        (Some("other.example"), "/hooks", "/hooks"),
        // A route for the host comes first, even where one for every host has the longer prefix or the exact path.
        (Some("h.example"), "/hooks/a/b", "h.example/hooks/*"),
        (Some("h.example"), "/only", "h.example/only"),
        // What no route of the host takes, one for every host may.
        (Some("h.example"), "/hooks", "/hooks"),
        (Some("H.Example.:8443"), "/only", "h.example/only"),
    ] {
        assert_eq!(found(&table, host, path), name, "{host:?} {path}");
    }
}

#[test]
fn a_prefix_of_the_whole_tree_takes_what_nothing_else_does() {
    let table = table(&[("", "/*"), ("", "/a/*")]);
    for (path, name) in [("/", "/*"), ("/x", "/*"), ("/a", "/*"), ("/a/x", "/a/*"), ("/é/x", "/*")] {
        assert_eq!(found(&table, None, path), name, "{path}");
    }
}

#[test]
fn an_escaped_path_of_another_route_is_nobodys() {
    let table = table(&[("", "/*"), ("", "/admin"), ("", "/a/*"), ("", "/x:y"), ("h.example", "/only")]);
    for (host, path, name) in [
        (None, "/%61dmin", "404"),
        (None, "/a%64min", "404"),
        (None, "/%61/x", "404"),
        (None, "/x%3Ay", "404"),
        (Some("h.example"), "/%6Fnly", "404"),
        // The same route either way.
        (None, "/%62/x", "/*"),
        (None, "/a/%61%20%C3%A9", "/a/*"),
        (None, "/100%", "/*"),
        (Some("other.example"), "/%6Fnly", "/*"),
    ] {
        assert_eq!(found(&table, host, path), name, "{host:?} {path}");
    }
}

#[test]
fn an_empty_table_finds_nothing() {
    assert_eq!(found(&RouteTable::default(), Some("a"), "/"), "404");
}

#[test]
fn two_routes_with_one_match_make_no_table() {
    let routes = [("a", "/x"), ("a", "/x/*"), ("", "/x"), ("A.", "/x")];
    let routes = routes.iter().map(|(host, path)| Arc::new(route("r", host, path, "http://h"))).collect();
    assert_eq!(RouteTable::new(routes).unwrap_err(), (0, 3));
}

#[test]
fn the_route_that_matches_decides_alone_about_the_method() {
    let mut hook = route("hook", "", "/hook", "http://h");
    hook.challenge_methods = vec!["GET".into(), "POST".into()];
    assert_eq!(hook.accepts_method("POST"), MethodUse::Delivery);
    assert_eq!(hook.accepts_method("GET"), MethodUse::ChallengeOnly);
    assert_eq!(hook.accepts_method("PUT"), MethodUse::No);
    assert_eq!(hook.accepts_method("post"), MethodUse::No, "methods are case-sensitive");
    let mut rest = route("rest", "", "/*", "http://h");
    rest.methods = vec!["PUT".into()];
    let table = RouteTable::new(vec![Arc::new(hook), Arc::new(rest)]).unwrap();
    let Found::MethodNotAllowed { allow, route } = table.find(None, "/hook", "PUT") else { panic!() };
    assert_eq!((allow.as_str(), route.name.as_str()), ("POST, GET", "hook"));
    assert!(matches!(table.find(None, "/hook", "GET"), Found::Route(_)));
    assert!(matches!(table.find(None, "/other", "PUT"), Found::Route(_)));
}

#[test]
fn the_upstreams_path_replaces_the_matched_one() {
    for (path, upstream, target, expected) in [
        ("/hooks/a", "http://h", "/hooks/a?x=1", "/hooks/a?x=1"),
        ("/hooks/a", "http://h/in", "/hooks/a?x=1", "/in?x=1"),
        ("/hooks/a", "http://h/", "/hooks/a", "/"),
        ("/hooks/*", "http://h", "/hooks/a/b?x", "/hooks/a/b?x"),
        ("/hooks/*", "http://h/in", "/hooks/a/b?x=/c", "/in/a/b?x=/c"),
        ("/hooks/*", "http://h/in/", "/hooks/a", "/in/a"),
        ("/hooks/*", "http://h/", "/hooks/a", "/a"),
        ("/hooks/*", "http://h/in", "/hooks/", "/in/"),
        ("/*", "http://h/in", "/a?", "/in/a?"),
        ("/hooks/*", "unix:/run/a.sock:/in", "/hooks/a", "/in/a"),
    ] {
        assert_eq!(
            route("r", "", path, upstream).upstream_target(target),
            expected,
            "{path} {upstream} {target}"
        );
    }
}

/// Routing by its definition, one route after the other.
fn by_definition<'t>(table: &'t RouteTable, path: &str) -> Option<&'t str> {
    let matching = table.iter().filter(|route| route.path.matches(path));
    matching
        .max_by_key(|route| {
            let text = route.path.to_string();
            (!text.ends_with("/*"), text.len())
        })
        .map(|route| route.name.as_str())
}

proptest! {
    #[test]
    fn look_ups_find_what_the_definition_says(
        patterns in proptest::collection::btree_set("(/[ab]{1,2}){1,3}(/\\*)?|/\\*", 0..8),
        path in "(/[ab]{0,2}){1,5}",
    ) {
        let matches: Vec<(&str, &str)> = patterns.iter().map(|pattern| ("", pattern.as_str())).collect();
        let table = table(&matches);
        let expected = by_definition(&table, &path).unwrap_or("404");
        prop_assert_eq!(found(&table, None, &path), expected);
    }
}

/// Prints what a look-up costs; a hostile path of very many segments must not cost more than its first bytes.
#[test]
#[allow(clippy::disallowed_methods)]
fn a_path_of_many_segments_is_not_walked() {
    let table = table(&[("", "/hooks/*")]);
    let path = "/a".repeat(30_000);
    let start = std::time::Instant::now();
    for _ in 0..1_000 {
        assert_eq!(found(&table, None, &path), "404");
    }
    println!("1,000 look-ups of 30,000 segments: {:?}", start.elapsed());
}
