//! The manual of `gateway.yaml`: what is read, what is refused and how, what is warned about.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Config, Reference, Source, StoreKind, load};
use crate::routes::{Found, Mode, OnStoreError};
use crate::secret::{Secret, first_moment, shown};
use crate::verify::Locator;

/// Variables and files of a pretended machine, by their reference's text.
struct Machine(HashMap<String, String>);

impl Source for Machine {
    fn read(&self, reference: &Reference) -> Result<Secret, String> {
        let text = self.0.get(&reference.to_string());
        text.map(|text| Secret::new(text.clone().into_bytes()))
            .ok_or_else(|| format!("{reference} is not there"))
    }
}

fn machine() -> Machine {
    let entries = [
        ("env:A", "a-secret-of-more-than-16-bytes"),
        ("env:B", "b-secret-of-more-than-16-bytes"),
        ("env:SHORT", "short"),
        ("env:EMPTY", ""),
        ("env:WHSEC", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("file:/run/secrets/b", "b-secret-of-more-than-16-bytes"),
        ("env:REDIS_URL", "rediss://:hunter2@cache:7000/2"),
        ("file:cert.pem", "certificate"),
        ("file:key.pem", "key"),
    ];
    Machine(entries.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
}

fn loaded(text: &str) -> Config {
    load(text, &machine()).unwrap_or_else(|problems| panic!("{}", problems.render("f")))
}

/// Every problem of a file, one a line.
fn refused(text: &str) -> String {
    load(text, &machine()).expect_err("this file should be refused").render("f")
}

fn warnings(text: &str) -> Vec<String> {
    loaded(text).warnings.iter().map(|warning| warning.render("f")).collect()
}

/// A file with one route, to which `more` adds keys.
fn one_route(more: &str) -> String {
    let route = "{ name: r, match: { path: /r }, provider: bella-baxter, secrets: [env:A], upstream: \"http://127.0.0.1:3000\"";
    format!("listen: [{{ address: 127.0.0.1:8080 }}]\nroutes:\n  - {route}{more} }}\n")
}

/// The same without provider and secrets.
fn bare_route(keys: &str) -> String {
    format!(
        "listen: [{{ address: 127.0.0.1:8080 }}]\nroutes:\n  - {{ name: r, match: {{ path: /r }}, upstream: \"http://127.0.0.1:3000\", {keys} }}\n"
    )
}

const WHOLE: &str = r#"
listen:
  - address: 0.0.0.0:8080
    h2c: true
  - address: "[::1]:8443"
    tls: { certificate: cert.pem, key: key.pem }
admin: { address: 127.0.0.1:9090 }
limits: { body: 1MiB, buffered: 64MiB, connections: 5, header_timeout: 1s, body_timeout: 2s, headers: 8KiB }
dedupe: { store: memory, entries: 1000, answers: 1MiB }
trusted_proxies: [10.0.0.0/8, "2001:db8::1"]
providers:
  my-sender:
    signature: { header: X-Mine }
    algorithm: hmac-sha256
    signed: "{body}"
routes:
  - name: bella
    match: { path: /webhooks/bella, host: Hooks.Example.com, methods: [POST, PUT] }
    provider: bella-baxter
    secrets:
      - env:A
      - { file: /run/secrets/b, name: old }
    upstream: https://app.example.com/in
    tolerance: { past: 10m, future: 30s }
    dedupe: { key: [json:/id, "header:x-shop|body"], ttl: 96h, on_store_error: pass }
    events: ["SecretUpdated", "secret.*"]
    timeout: 5s
    body: 25MiB
    mode: shadow
    public_url: https://hooks.example.com/
  - name: mine
    match: { path: "/mine/*" }
    provider: my-sender
    secrets: [env: B]
    upstream: unix:/run/app.sock
  - name: open
    match: { path: /open }
    provider: none
    upstream: http://127.0.0.1:3000
"#;

#[test]
fn every_key_of_the_file_arrives() {
    let whole = WHOLE.replace("[env: B]", "[{ env: B }]");
    let config = loaded(&whole);
    assert_eq!(config.listen.len(), 2);
    assert!(config.listen[0].h2c && config.listen[0].tls.is_none());
    assert_eq!(config.listen[1].address.to_string(), "[::1]:8443");
    assert_eq!(config.listen[1].tls.as_ref().unwrap().key.to_str(), Some("key.pem"));
    assert_eq!(config.admin.as_ref().unwrap().address.port(), 9090);
    assert_eq!((config.limits.body, config.limits.buffered), (1 << 20, 64 << 20));
    assert_eq!((config.limits.connections, config.limits.headers), (5, 8 << 10));
    assert_eq!(config.limits.header_timeout, Duration::from_secs(1));
    assert_eq!(config.limits.body_timeout, Duration::from_secs(2));
    assert_eq!((config.dedupe.store, config.dedupe.entries), (StoreKind::Memory, 1000));
    assert_eq!(config.dedupe.answers, 1 << 20);
    let proxies: Vec<String> = config.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "2001:db8::1/128"]);

    let bella = config.routes.named("bella").unwrap();
    assert_eq!(bella.host.as_ref().unwrap().as_str(), "hooks.example.com");
    assert_eq!(bella.path.to_string(), "/webhooks/bella");
    assert_eq!(bella.methods, ["POST", "PUT"]);
    assert_eq!(bella.provider.as_ref().unwrap().name, "bella-baxter");
    assert_eq!(
        (bella.keys.len(), bella.secret_names.as_slice()),
        (2, ["0".to_owned(), "old".to_owned()].as_slice())
    );
    assert_eq!(bella.upstream.to_string(), "https://app.example.com/in");
    assert_eq!(bella.tolerance.unwrap().past, Duration::from_secs(600));
    assert_eq!(bella.tolerance.unwrap().future, Duration::from_secs(30));
    let dedupe = bella.dedupe.as_ref().unwrap();
    let key: Vec<String> = dedupe.key.iter().map(ToString::to_string).collect();
    assert_eq!(key, ["json:/id", "header:x-shop|body"]);
    assert_eq!((dedupe.ttl, dedupe.on_store_error), (Duration::from_secs(96 * 3600), OnStoreError::Pass));
    assert!(bella.events.wants(Some("secret.deleted")) && !bella.events.wants(Some("Other")));
    assert_eq!((bella.timeout, bella.body, bella.mode), (Duration::from_secs(5), 25 << 20, Mode::Shadow));
    assert_eq!(bella.public_url.as_deref(), Some("https://hooks.example.com"));

    let mine = config.routes.named("mine").unwrap();
    assert_eq!(mine.provider.as_ref().unwrap().name, "my-sender");
    assert_eq!(mine.upstream_target("/mine/a?b"), "/mine/a?b");
    let open = config.routes.named("open").unwrap();
    assert!(
        open.provider.is_none() && open.keys.is_empty() && open.dedupe.is_none() && open.tolerance.is_none()
    );

    let references: Vec<String> = config.references.iter().map(ToString::to_string).collect();
    assert_eq!(references, ["file:cert.pem", "file:key.pem", "env:A", "file:/run/secrets/b", "env:B"]);
}

#[test]
fn what_is_left_out_comes_from_the_provider() {
    let config = loaded(&one_route(""));
    let route = config.routes.named("r").unwrap();
    let provider = route.provider.as_ref().unwrap();
    assert_eq!(route.methods, provider.methods);
    assert_eq!(route.tolerance, provider.tolerance);
    assert_eq!(route.timeout, provider.upstream_timeout);
    let dedupe = route.dedupe.as_ref().unwrap();
    assert_eq!((&dedupe.key, dedupe.ttl), (&provider.event.key, provider.dedupe_ttl));
    assert_eq!(route.body, 5 << 20);
    assert_eq!(route.mode, Mode::Enforce);
    assert!(dedupe.ttl >= Duration::from_secs(24 * 3600));
    assert_eq!(config.limits, super::Limits::default());
    assert_eq!(config.dedupe, super::DedupeConfig::default());
    assert!(config.admin.is_none() && config.trusted_proxies.is_empty() && config.warnings.is_empty());
}

#[test]
fn a_sender_that_never_retries_is_not_turned_away_when_the_store_is() {
    let config = loaded(&bare_route("provider: github, secrets: [env:A]"));
    let dedupe = config.routes.named("r").unwrap().dedupe.clone().unwrap();
    assert_eq!(dedupe.on_store_error, OnStoreError::Memory);
}

#[test]
fn off_turns_a_check_off() {
    let config = loaded(&one_route(", tolerance: off, dedupe: off"));
    let route = config.routes.named("r").unwrap();
    assert_eq!((route.tolerance, &route.dedupe), (None, &None));
    let half = loaded(&one_route(", tolerance: { past: 1h }"));
    let tolerance = half.routes.named("r").unwrap().tolerance.unwrap();
    assert_eq!(tolerance.past, Duration::from_secs(3600));
}

#[test]
fn all_problems_of_a_file_come_at_once_with_their_places() {
    let text = "\
listen:
  - address: 8080
admin: { address: 0.0.0.0:9090 }
limit: { body: 5MB }
routes:
  - name: a
    match: { path: webhooks }
    provider: githb
    secrets: [env:A]
    upstrem: http://127.0.0.1:3000
  - name: a
    match: { path: /b }
    provider: github
    secrets:
      - env:NOT_SET
      - hunter2
    upstream: http://127.0.0.1:3000
    timeout: 10
";
    assert_eq!(
        refused(text),
        "\
f:2:14 listen[0].address: not an address and port; write for example `127.0.0.1:8080` or `[::1]:8080`
f:3:19 admin.address: anyone who reaches this address could read it; add `token: env:NAME`, or use a loopback address
f:4:1 limit: unknown key `limit`; did you mean `limits`?
f:6:5 routes[0]: `upstream` is missing; write for example `upstream: http://127.0.0.1:3000`
f:7:20 routes[0].match.path: a path begins with `/`, such as `/webhooks/github` or `/webhooks/*`
f:8:15 routes[0].provider: unknown provider `githb`; did you mean `github`?
f:10:5 routes[0].upstrem: unknown key `upstrem`; did you mean `upstream`?
f:11:11 routes[1].name: the route at 6:11 has the same name
f:15:9 routes[1].secrets[0]: env:NOT_SET is not there
f:16:9 routes[1].secrets[1]: a secret is not written here but referred to: write `env:NAME` or `file:PATH` (for a trial alone: `insecure: \"the secret\"`)
f:18:14 routes[1].timeout: `10` is not a duration; write a whole number and a unit, such as `250ms`, `10s`, `5m`, `24h` or `7d`
"
    );
}

#[test]
fn each_mistake_has_its_own_sentence() {
    for (keys, said) in [
        ("provider: github", "`secrets` is missing"),
        ("provider: github, secrets: []", "the list is empty"),
        ("provider: github, secrets: env:A", "expected a list"),
        ("secrets: [env:A]", "`provider` is missing"),
        ("provider: ~", "nothing is written here"),
        ("provider: none, secrets: [env:A]", "verifies nothing"),
        ("provider: None", "did you mean `none`?"),
        ("provider: none, tolerance: { past: 5m }", "no signed send time"),
        ("provider: none, dedupe: { ttl: 1h }", "name what identifies one"),
        ("provider: none, dedupe: { key: [signed] }", "nothing is signed"),
        ("provider: none, events: [a]", "not known where"),
        ("provider: github, secrets: [env:EMPTY]", "empty"),
        ("provider: github, secrets: [{ insecure: \"\" }]", "empty"),
        ("provider: github, secrets: [{ env: A, file: b }]", "exactly one of"),
        ("provider: github, secrets: [{ name: x }]", "exactly one of"),
        ("provider: github, secrets: [{ env: A, nam: x }]", "did you mean `name`?"),
        ("provider: github, secrets: [{ env: A, name: \"a b\" }]", "a name has"),
        ("provider: github, secrets: [{ env: A, name: \"1\" }, env:B]", "is called `1` already"),
        ("provider: github, secrets: [[env:A]]", "found a list"),
        ("provider: github, secrets: [\"${A}\"]", "not expanded"),
        ("provider: github, secrets: [env:A], tolerance: { past: 5m }", "no signed send time"),
        ("provider: github, secrets: [env:A], dedupe: on", "or `off`"),
        ("provider: github, secrets: [env:A], dedupe: { key: [] }", "at least one"),
        ("provider: github, secrets: [env:A], dedupe: { key: [/id] }", "expected header:NAME"),
        ("provider: github, secrets: [env:A], dedupe: { ttl: 0s }", "zero"),
        ("provider: github, secrets: [env:A], dedupe: { ttl: 1000d }", "at most"),
        ("provider: github, secrets: [env:A], dedupe: { on_store_error: pas }", "did you mean `pass`?"),
        ("provider: github, secrets: [env:A], events: []", "forward nothing"),
        ("provider: github, secrets: [env:A], events: [a, a]", "already"),
        ("provider: github, secrets: [env:A], timeout: 0s", "zero"),
        ("provider: github, secrets: [env:A], timeout: 2d", "at most 24h"),
        ("provider: github, secrets: [env:A], body: 0B", "zero"),
        ("provider: github, secrets: [env:A], mode: on", "write one of `enforce`, `shadow`"),
        ("provider: github, secrets: [env:A], public_url: hooks.example.com", "scheme and host"),
        ("provider: github, secrets: [env:A], public_url: \"https://a/b\"", "without a path"),
        ("provider: github, secrets: [env:A], verify_token: abc", "referred to"),
    ] {
        let problems = refused(&bare_route(keys));
        assert!(problems.contains(said), "{keys}: {problems}");
        assert!(problems.starts_with("f:3:"), "{keys}: {problems}");
    }
}

#[test]
fn mistakes_outside_of_routes_have_their_sentences_too() {
    let routes = "routes: [{ name: r, match: { path: /r }, provider: github, secrets: [env:A], upstream: \"http://127.0.0.1:3000\" }]";
    let listen = "listen: [{ address: 127.0.0.1:8080 }]";
    for (text, said) in [
        (String::new(), "f:1:1: the file is empty"),
        ("- a\n".into(), "f:1:1: found a list, expected a mapping"),
        ("text\n".into(), "f:1:1: found a plain value, expected a mapping"),
        (routes.into(), "f:1:1: `listen` is missing"),
        (listen.into(), "f:1:1: `routes` is missing"),
        (format!("listen: []\n{routes}"), "f:1:9 listen: nothing is listened on"),
        (format!("listen: [{{ address: 127.0.0.1 }}]\n{routes}"), "the port is missing"),
        (format!("listen: [{{ address: \":8080\" }}]\n{routes}"), "write `0.0.0.0:8080` for all"),
        (format!("listen: [{{ address: localhost:8080 }}]\n{routes}"), "write `127.0.0.1:8080`"),
        (
            format!("listen: [{{ address: 127.0.0.1:1 }}, {{ address: 127.0.0.1:1 }}]\n{routes}"),
            "listened on twice",
        ),
        (
            format!(
                "listen: [{{ address: 127.0.0.1:1, h2c: true, tls: {{ certificate: cert.pem, key: key.pem }} }}]\n{routes}"
            ),
            "listen[0].h2c: h2c is HTTP/2 without TLS",
        ),
        (
            format!(
                "listen: [{{ address: 127.0.0.1:1, tls: {{ certificate: gone.pem, key: key.pem }} }}]\n{routes}"
            ),
            "listen[0].tls.certificate: file:gone.pem is not there",
        ),
        (format!("{listen}\nadmin: {{}}\n{routes}"), "admin: `address` is missing"),
        (format!("{listen}\nadmin: {{ address: 127.0.0.1:8080 }}\n{routes}"), "use another port"),
        (
            format!("{listen}\nadmin: {{ address: 127.0.0.1:9090, token: env:GONE }}\n{routes}"),
            "admin.token: env:GONE",
        ),
        (format!("{listen}\nlimits: {{ connections: 0 }}\n{routes}"), "limits.connections: zero"),
        (format!("{listen}\nlimits: {{ headers: 64 }}\n{routes}"), "limits.headers: `64` is not a size"),
        (format!("{listen}\nlimits: {{ header_timeout: 0ms }}\n{routes}"), "limits.header_timeout: zero"),
        (
            format!("{listen}\ndedupe: {{ store: redis, url: env:A }}\n{routes}"),
            "dedupe.url: not a URL; write for example `redis://127.0.0.1:6379`",
        ),
        (format!("{listen}\ndedupe: {{ store: redis, url: env:GONE }}\n{routes}"), "dedupe.url: env:GONE"),
        (format!("{listen}\ndedupe: {{ store: redis }}\n{routes}"), "dedupe: `url` is missing"),
        (
            format!("{listen}\ndedupe: {{ store: redis, url: localhost }}\n{routes}"),
            "or a URL without a password",
        ),
        (
            format!("{listen}\ndedupe: {{ store: redis, url: \"redis://:x@h\" }}\n{routes}"),
            "dedupe.url: a password is not written here",
        ),
        (
            format!("{listen}\ndedupe: {{ store: redis, url: \"redis://h\", prefix: \"a{{b\" }}\n{routes}"),
            "dedupe.prefix: 1 to 64 visible",
        ),
        (
            format!("{listen}\ndedupe: {{ store: redis, url: \"redis://h\", timeout: 1m }}\n{routes}"),
            "dedupe.timeout: at most 5s",
        ),
        (format!("{listen}\ndedupe: {{ store: disk }}\n{routes}"), "dedupe: `path` is missing"),
        (format!("{listen}\ndedupe: {{ store: disk, path: \"\" }}\n{routes}"), "dedupe.path:"),
        (format!("{listen}\ndedupe: {{ store: mem }}\n{routes}"), "write one of `memory`, `disk`, `redis`"),
        (format!("{listen}\ntrusted_proxies: [10.0.0.1/8]\n{routes}"), "write `10.0.0.0/8`"),
        (format!("{listen}\ntrusted_proxies: [proxy]\n{routes}"), "trusted_proxies[0]: not an address"),
        (
            format!(
                "{listen}\nproviders: {{ none: {{ signature: {{ header: X-A }}, algorithm: hmac-sha256, signed: \"{{body}}\" }} }}\n{routes}"
            ),
            "choose another name",
        ),
        (format!("{listen}\nproviders: {{ mine: x }}\n{routes}"), "providers.mine: found a plain value"),
        (format!("{listen}\nroutes: [x]\n"), "routes[0]: found a plain value"),
    ] {
        let problems = refused(&text);
        assert!(problems.contains(said), "{text}: {problems}");
    }
}

#[test]
fn two_routes_with_one_match_are_refused_and_near_ones_are_not() {
    let two = |first: &str, second: &str| {
        let route = |name: &str, matched: &str| {
            format!(
                "  - {{ name: {name}, match: {{ {matched} }}, provider: none, upstream: \"http://127.0.0.1:1\" }}\n"
            )
        };
        format!("listen: [{{ address: 127.0.0.1:1 }}]\nroutes:\n{}{}", route("a", first), route("b", second))
    };
    let same = refused(&two("path: /x, host: A.example", "path: /x, host: a.example."));
    assert_eq!(same, "f:4:23 routes[1].match: the route at 3:23 has the same host and path\n");
    assert_eq!(loaded(&two("path: /x", "path: \"/x/*\"")).routes.len(), 2);
    assert_eq!(loaded(&two("path: /x", "path: /x, host: a.example")).routes.len(), 2);
}

#[test]
fn a_secret_is_never_part_of_a_message() {
    for keys in [
        "provider: github, secrets: [hunter2]",
        "provider: github, secrets: [env:hunter2-x]",
        "provider: github, secrets: [{ insecure: [hunter2] }]",
        "provider: github, secrets: hunter2",
        "provider: github, secrets: { hunter2: x }",
        "provider: github, secrets: [{ hunter2: x }]",
        "provider: github, secrets: [{ insecure: x, name: \"hunter2 \" }]",
    ] {
        let problems = refused(&bare_route(keys));
        assert!(!problems.contains("hunter2"), "{problems}");
    }
    let config = loaded(&bare_route("provider: github, secrets: [{ insecure: hunter2 }]"));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_secret_its_sender_could_not_have_made_is_refused_at_its_line() {
    for (provider, secret) in [
        ("standard-webhooks", "whsec_hunter2*"),
        ("standard-webhooks", "whsec_"),
        ("discord", "abcdef"),
        ("wise", "-----BEGIN PUBLIC KEY-----\\nhunter2\\n-----END PUBLIC KEY-----"),
    ] {
        let keys = format!("provider: {provider}, secrets: [env:A, {{ insecure: \"{secret}\" }}]");
        let problems = refused(&bare_route(&keys));
        let place = format!("routes[0].secrets[1]: not a secret of `{provider}`: ");
        assert!(problems.contains(&place) && !problems.contains("hunter2"), "{keys}: {problems}");
    }
    let keys = "provider: standard-webhooks, secrets: [env:WHSEC]";
    assert_eq!(loaded(&bare_route(keys)).routes.named("r").unwrap().keys.len(), 1);
}

#[test]
fn a_broken_provider_of_the_file_is_complained_about_once() {
    let text = "\
listen: [{ address: 127.0.0.1:8080 }]
providers: { mine: { signature: { header: X-Mine }, algorithm: hmac-sha25, signed: \"{body}\" } }
routes: [{ name: r, match: { path: /r }, provider: mine, secrets: [env:A], upstream: \"http://127.0.0.1:3000\" }]
";
    let problems = refused(text);
    assert_eq!(problems.lines().count(), 1, "{problems}");
    assert!(problems.starts_with("f:2:") && problems.contains("providers.mine"), "{problems}");
}

#[test]
fn what_deserves_a_look_is_warned_about_at_its_place() {
    for (keys, said) in [
        ("provider: none", "f:3:82 routes[0].provider: nothing is verified"),
        ("provider: github, secrets: [env:A], mode: shadow", "routes[0].mode: everything is forwarded"),
        (
            "provider: github, secrets: [env:A, env:A]",
            "routes[0].secrets[1]: the same secret stands in this list",
        ),
        ("provider: github, secrets: [env:SHORT]", "routes[0].secrets[0]: shorter than 16 bytes"),
        (
            "provider: github, secrets: [{ insecure: \"It's a Secret to Everybody\" }]",
            "routes[0].secrets[0]: the secret stands in the file",
        ),
        ("provider: bella-baxter, secrets: [env:A], dedupe: { ttl: 1s }", "routes[0].dedupe"),
        ("provider: bella-baxter, secrets: [env:A], tolerance: off", "routes[0].tolerance"),
        (
            "provider: github, secrets: [env:A], dedupe: { key: [header:x-github-delivery] }",
            "routes[0].dedupe.key[0]: header:x-github-delivery is not signed",
        ),
        (
            "provider: github, secrets: [env:A], timeout: 10s",
            "routes[0].timeout: a timeout of 10s is not below the sender's own of 10s",
        ),
        (
            "provider: github, secrets: [env:A], body: 512MiB",
            "routes[0].body: larger than `limits.buffered` (256MiB)",
        ),
        ("provider: github, secrets: [env:A], events: [Push, push]", "differ in letter case only"),
        ("provider: github, secrets: [env:A], verify_token: env:B", "no handshake"),
        ("provider: twilio, secrets: [env:A]", "signs its URL"),
    ] {
        let found = warnings(&bare_route(keys));
        assert!(found.len() == 1 && found[0].contains(said), "{keys}: {found:#?}");
    }
    let upstreams = |upstream: &str| warnings(&one_route("").replace("http://127.0.0.1:3000", upstream));
    assert!(
        upstreams("http://app:3000")[0]
            .contains("routes[0].upstream: deliveries travel unencrypted to `app`")
    );
    assert!(upstreams("http://127.0.0.1:3000/")[0].contains("leave the slash out"));
    assert!(upstreams("https://app").is_empty() && upstreams("unix:/run/a.sock").is_empty());
}

#[test]
fn one_secret_on_two_routes_is_warned_about_however_it_is_referred_to() {
    let text = "\
listen: [{ address: 127.0.0.1:8080 }]
routes:
  - { name: a, match: { path: /a }, provider: github, secrets: [env:B], upstream: \"http://127.0.0.1:1\" }
  - { name: b, match: { path: /b }, provider: github, secrets: [file:/run/secrets/b], upstream: \"http://127.0.0.1:1\" }
  - { name: c, match: { path: /c }, provider: github, secrets: [env:A], upstream: \"http://127.0.0.1:1\" }
";
    let found = warnings(text);
    assert!(
        found.len() == 1
            && found[0].starts_with("f:4:65 routes[1].secrets[0]: route `a` has the same secret"),
        "{found:?}"
    );
}

#[test]
fn variables_in_braces_are_taken_as_they_are_and_warned_about() {
    let found = warnings(&one_route(", events: [\"${EVENT}\"]"));
    assert!(
        found.len() == 1 && found[0].contains("routes[0].events[0]: `${…}` is not expanded"),
        "{found:?}"
    );
}

#[test]
fn the_hash_follows_the_file_and_everything_it_refers_to() {
    let text = one_route("");
    let hash = loaded(&text).hash;
    assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(hash, loaded(&text).hash);
    assert_ne!(hash, loaded(&format!("{text}# a comment\n")).hash);
    let mut other = machine();
    other.0.insert("env:A".into(), "another-secret-of-16-bytes".into());
    assert_ne!(hash, load(&text, &other).unwrap().hash);
}

#[test]
fn the_default_key_of_an_unsigned_id_is_what_is_signed() {
    let config = loaded(&bare_route("provider: github, secrets: [env:A]"));
    let dedupe = config.routes.named("r").unwrap().dedupe.clone().unwrap();
    assert!(matches!(dedupe.key.as_slice(), [Locator::Body | Locator::Signed]), "{dedupe:?}");
}

#[test]
fn a_wider_window_makes_events_remembered_for_longer() {
    let config = loaded(&one_route(", tolerance: { past: 20d, future: 1h }"));
    let route = config.routes.named("r").unwrap();
    assert_eq!(route.dedupe.as_ref().unwrap().ttl, Duration::from_secs(20 * 24 * 3600 + 3600));
}

#[test]
fn a_handshakes_token_is_the_routes_own_or_else_its_secret() {
    let tokens = |keys: &str| {
        let config = loaded(&bare_route(keys));
        let tokens = config.routes.named("r").unwrap().verify_tokens.clone();
        tokens
            .iter()
            .map(|token| String::from_utf8(token.secret.expose().to_vec()).unwrap())
            .collect::<Vec<_>>()
    };
    let (a, b) = ("a-secret-of-more-than-16-bytes", "b-secret-of-more-than-16-bytes");
    assert_eq!(tokens("provider: whatsapp-meta, secrets: [env:A], verify_token: env:B"), [b]);
    assert_eq!(tokens("provider: whatsapp-meta, secrets: [env:A]"), [a]);
    assert!(tokens("provider: github, secrets: [env:A]").is_empty());
    let config = loaded(&bare_route("provider: whatsapp-meta, secrets: [env:A]"));
    assert_eq!(config.routes.named("r").unwrap().allow(), "POST, GET");
}

#[test]
fn an_answer_is_never_made_of_a_secret_for_want_of_a_token() {
    let own = "providers: { own: { signature: { header: X-A }, algorithm: token, challenges: [{ method: GET, when: { \"query:c\": { present: true } }, \
               answer: { content_type: text/plain, body: \"{sha256_hex:query:c+token}\" } }] } }\n";
    let route = bare_route("provider: own, secrets: [env:A]");
    let config = loaded(&format!("{own}{route}"));
    assert!(config.routes.named("r").unwrap().verify_tokens.is_empty());
    let said = config.warnings.iter().any(|warning| warning.message.contains("handshake is not answered"));
    assert!(said, "{:?}", config.warnings);
    let config = loaded(&format!("{own}{}", route.replace("[env:A]", "[env:A], verify_token: env:B")));
    assert_eq!(config.routes.named("r").unwrap().verify_tokens.len(), 1);
}

/// Prints what ten thousand routes cost, each with a provider of its own; the bound is generous so that a busy
/// machine does not fail it, but a quadratic step would.
#[test]
#[allow(clippy::disallowed_methods)]
fn ten_thousand_routes_with_their_own_providers_load_in_linear_time() {
    let mut text = String::from("listen: [{ address: 127.0.0.1:8080 }]\nproviders:\n");
    for n in 0..10_000 {
        text.push_str(&format!(
            "  sender-{n}:\n    signature: {{ header: X-Signature-{n}, encoding: hex }}\n    algorithm: hmac-sha256\n    signed: \"{{body}}\"\n"
        ));
    }
    text.push_str("routes:\n");
    for n in 0..10_000 {
        text.push_str(&format!(
            "  - name: route-{n}\n    match: {{ path: /hooks/{n}/in, host: h{}.example.com }}\n    provider: sender-{n}\n    secrets: [{{ insecure: \"secret-number-{n:08}\" }}]\n    upstream: http://127.0.0.1:3000/app/{n}\n",
            n % 7
        ));
    }
    let start = Instant::now();
    let config = loaded(&text);
    println!("{} bytes, 10,000 routes: {:?}", text.len(), start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(60));
    let start = Instant::now();
    for n in 0..10_000 {
        let (host, path) = (format!("H{}.example.com:443", n % 7), format!("/hooks/{n}/in"));
        let Found::Route(route) = config.routes.find(Some(&host), &path, "POST") else { panic!("{path}") };
        assert_eq!(route.name, format!("route-{n}"));
    }
    println!("10,000 look-ups: {:?}", start.elapsed());
}

#[test]
fn a_secret_may_count_for_a_time_only() {
    let file = |secrets: &str| bare_route(&format!("provider: bella-baxter, secrets: [{secrets}]"));
    let config = loaded(&file(
        "{ env: A, name: new, not_before: 2026-03-01 }, { env: B, name: old, not_after: 2026-03-08 }",
    ));
    let route = config.routes.named("r").unwrap();
    let ends = route.secret_lifetimes.iter().map(|life| (life.from.map(shown), life.until.map(shown)));
    assert_eq!(
        ends.collect::<Vec<_>>(),
        [(Some("2026-03-01T00:00:00Z".into()), None), (None, Some("2026-03-09T00:00:00Z".into()))]
    );
    let said = |now: &str| -> Vec<String> {
        let now = first_moment(now).unwrap();
        config.warnings_at(now).iter().map(|warning| warning.render("f")).collect()
    };
    assert_eq!(
        said("2026-02-28"),
        [
            "f:3:106 routes[0].secrets[0]: the time of the secret `new` begins on 2026-03-01T00:00:00Z: it verifies nothing until then"
        ]
    );
    assert_eq!(said("2026-03-01T23:59:59Z"), [""; 0]);
    assert_eq!(
        said("2026-03-02"),
        [
            "f:3:153 routes[0].secrets[1]: the time of the secret `old` ends on 2026-03-09T00:00:00Z (7 days left)"
        ]
    );
    let ended = said("2026-03-09").concat();
    assert!(
        ended.contains("`old` ended on 2026-03-09T00:00:00Z") && !ended.contains("no secret of"),
        "{ended}"
    );
    assert!(config.warnings.is_empty(), "what a clock changes is said apart: {:?}", config.warnings);

    let only = loaded(&file("{ env: A, not_after: \"2026-03-08T12:00:00+01:00\" }"));
    let ended = only.warnings_at(first_moment("2026-03-08T11:00:00Z").unwrap());
    assert!(ended.iter().any(|warning| warning.message.contains("no secret of route `r`")), "{ended:?}");
}

#[test]
fn a_time_in_which_a_secret_never_counts_is_refused() {
    let file = |times: &str| bare_route(&format!("provider: bella-baxter, secrets: [{{ env: A, {times} }}]"));
    let never = "`not_after` is not later than `not_before`";
    for (times, expected) in [
        ("not_before: 2026-03-02, not_after: 2026-03-01", never),
        ("not_before: \"2026-03-01T00:00:00Z\", not_after: \"2026-03-01T00:00:00Z\"", never),
        ("not_after: 2026-02-30", "write a time with its offset"),
        ("not_after: \"2026-03-01T00:00:00\"", "write a time with its offset"),
        ("not_afer: 2026-03-01", "did you mean `not_after`?"),
    ] {
        let said = refused(&file(times));
        assert!(said.contains(expected), "{times}: {said}");
    }
    loaded(&file("not_before: 2026-03-01, not_after: 2026-03-01"));
}

#[test]
fn an_upstream_may_be_a_mapping_that_says_how_the_two_trust_each_other() {
    let file = |upstream: &str| {
        format!(
            "listen: [{{ address: 127.0.0.1:8080 }}]\nroutes:\n  - {{ name: r, match: {{ path: /r }}, provider: github, secrets: [env:A], upstream: {upstream} }}\n"
        )
    };
    let config = loaded(&file("{ url: \"http://127.0.0.1:3000\", sign: { secret: env:WHSEC } }"));
    let route = config.routes.named("r").unwrap();
    assert_eq!(route.upstream.to_string(), "http://127.0.0.1:3000");
    assert!(route.trust.signer.is_some() && !route.trust.event_id_is_signed, "GitHub signs no id");
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    loaded(&file("{ url: \"http://127.0.0.1:3000\", sign: { secret: [env:WHSEC, env:WHSEC] } }"));
    assert!(loaded(&file("\"http://127.0.0.1:3000\"")).routes.named("r").unwrap().trust.signer.is_none());

    let own = file("{ url: \"http://127.0.0.1:3000\", sign: { secret: env:WHSEC } }")
        .replace("provider: github, secrets: [env:A]", "provider: standard-webhooks, secrets: [env:WHSEC]");
    let config = loaded(&own);
    assert!(config.routes.named("r").unwrap().trust.event_id_is_signed);
    assert!(
        config.warnings.iter().any(|warning| warning.message.contains("which ours replace")),
        "{:?}",
        config.warnings
    );

    for (upstream, expected) in [
        ("{ sign: { secret: env:WHSEC } }", "`url` is missing"),
        ("{ url: \"http://127.0.0.1\", sign: { secret: env:A } }", "Standard Webhooks"),
        ("{ url: \"http://127.0.0.1\", sign: { secret: [] } }", "one secret, or two"),
        ("{ url: \"http://127.0.0.1\", sign: {} }", "`secret` is missing"),
        ("{ url: \"http://127.0.0.1\", ca: cert.pem }", "over https; this one is not"),
        ("{ url: \"https://app\", client_certificate: cert.pem }", "`client_key` is missing"),
        ("{ url: \"https://app\", ca: cert.pem }", "routes[0].upstream.ca: there is no certificate"),
        ("{ url: \"https://app\", ca: gone.pem }", "file:gone.pem is not there"),
    ] {
        let said = refused(&file(upstream));
        assert!(said.contains(expected), "{upstream}: {said}");
    }
    let none = file("{ url: \"http://127.0.0.1\", sign: { secret: env:WHSEC } }")
        .replace("provider: github, secrets: [env:A]", "provider: none");
    assert!(refused(&none).contains("never signed"));
}
