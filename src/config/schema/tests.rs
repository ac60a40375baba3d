//! Reader and schema say the same: no key is in one alone, and neither accepts what the other knows to be wrong.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonschema::Validator;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::schema;
use crate::config::{Reference, Source, load};
use crate::secret::Secret;
use crate::yaml;

/// A machine on which every variable is set and every file is there.
struct Everything;

impl Source for Everything {
    fn read(&self, reference: &Reference) -> Result<Secret, String> {
        match reference {
            Reference::Insecure(secret) => Ok(secret.clone()),
            // Each its own, and in base64, so that it suits the senders that decode it.
            _ => Ok(Secret::new(STANDARD.encode(Sha256::digest(reference.to_string())).into_bytes())),
        }
    }
}

/// Building it takes longer than all checks with it.
static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| jsonschema::draft202012::new(&schema()).unwrap());

fn accepted_by_schema(text: &str) -> Result<(), String> {
    let json = yaml::parse(text).unwrap().to_json();
    VALIDATOR.validate(&json).map_err(|error| format!("{}: {error}", error.instance_path))
}

/// A file in which `at` marks the one place that a test fills in.
const ROUTE: &str = "listen: [{ address: 127.0.0.1:8080 }]\nroutes: [{ name: r, match: { path: /r }, provider: bella-baxter, secrets: [env:A], upstream: \"http://127.0.0.1:1\" @ }]";
const PROVIDER: &str = "listen: [{ address: 127.0.0.1:8080 }]\nroutes: []\nproviders: { mine: { signature: { header: X-A }, algorithm: hmac-sha256, signed: \"{body}\" @ } }";
const BARE_PROVIDER: &str = "listen: [{ address: 127.0.0.1:8080 }]\nroutes: []\nproviders: { mine: { @ } }";
const TOP: &str = "listen: [{ address: 127.0.0.1:8080 }]\nroutes: []\n@";

/// Every mapping of the file: how to write an unknown key into it, and where the schema describes it.
const MAPPINGS: &[(&str, &str, &str)] = &[
    (TOP, "%", ""),
    ("@", "listen: [{ % }]", "/properties/listen/items"),
    ("@", "listen: [{ tls: { % } }]", "/properties/listen/items/properties/tls"),
    (TOP, "admin: { % }", "/properties/admin"),
    (TOP, "admin: { token: { % } }", "/properties/admin/properties/token/oneOf/1"),
    (TOP, "limits: { % }", "/properties/limits"),
    (TOP, "dedupe: { % }", "/properties/dedupe"),
    (TOP, "tracing: { % }", "/properties/tracing"),
    (TOP, "journal: { % }", "/properties/journal/oneOf/1"),
    ("@", "routes: [{ % }]", "/properties/routes/items"),
    ("@", "routes: [{ match: { % } }]", "/properties/routes/items/properties/match"),
    ("@", "routes: [{ secrets: [{ % }] }]", "/properties/routes/items/properties/secrets/items/oneOf/1"),
    ("@", "routes: [{ upstream: { % } }]", "/properties/routes/items/properties/upstream/oneOf/1"),
    (
        "@",
        "routes: [{ upstream: { sign: { % } } }]",
        "/properties/routes/items/properties/upstream/oneOf/1/properties/sign",
    ),
    (
        "@",
        "routes: [{ upstream: { sign: { secret: { % } } } }]",
        "/properties/routes/items/properties/upstream/oneOf/1/properties/sign/properties/secret/oneOf/0/oneOf/1",
    ),
    (
        "@",
        "routes: [{ upstream: { sign: { secret: [{ % }] } } }]",
        "/properties/routes/items/properties/upstream/oneOf/1/properties/sign/properties/secret/oneOf/1/items/oneOf/1",
    ),
    (ROUTE, ", tolerance: { % }", "/properties/routes/items/properties/tolerance/oneOf/2"),
    (ROUTE, ", dedupe: { % }", "/properties/routes/items/properties/dedupe/oneOf/1"),
    (ROUTE, ", journal: { % }", "/properties/routes/items/properties/journal"),
    (ROUTE, ", key_token: { % }", "/properties/routes/items/properties/key_token/oneOf/1"),
    (ROUTE, ", verify_token: { % }", "/properties/routes/items/properties/verify_token/oneOf/1"),
    (PROVIDER, ", %", "/properties/providers/additionalProperties"),
    (BARE_PROVIDER, "signature: { % }", "/properties/providers/additionalProperties/properties/signature"),
    (
        BARE_PROVIDER,
        "signature: { pairs: { % } }",
        "/properties/providers/additionalProperties/properties/signature/properties/pairs",
    ),
    (PROVIDER, ", jwt: { % }", "/properties/providers/additionalProperties/properties/jwt"),
    (
        PROVIDER,
        ", jwt: { body_hash: { % } }",
        "/properties/providers/additionalProperties/properties/jwt/properties/body_hash",
    ),
    (
        PROVIDER,
        ", jwt: { url_hash: { % } }",
        "/properties/providers/additionalProperties/properties/jwt/properties/url_hash",
    ),
    (
        PROVIDER,
        ", jwt: { x5c: { % } }",
        "/properties/providers/additionalProperties/properties/jwt/properties/x5c",
    ),
    (PROVIDER, ", jws: { % }", "/properties/providers/additionalProperties/properties/jws"),
    (PROVIDER, ", http_message: { % }", "/properties/providers/additionalProperties/properties/http_message"),
    (
        BARE_PROVIDER,
        "signature: { wrapped: { % } }",
        "/properties/providers/additionalProperties/properties/signature/properties/wrapped",
    ),
    (PROVIDER, ", key: { % }", "/properties/providers/additionalProperties/properties/key/oneOf/0"),
    (PROVIDER, ", body_digest: { % }", "/properties/providers/additionalProperties/properties/body_digest"),
    (PROVIDER, ", url: { % }", "/properties/providers/additionalProperties/properties/url"),
    (PROVIDER, ", timestamp: { % }", "/properties/providers/additionalProperties/properties/timestamp"),
    (
        PROVIDER,
        ", timestamp: { tolerance: { % } }",
        "/properties/providers/additionalProperties/properties/timestamp/properties/tolerance/oneOf/2",
    ),
    (
        BARE_PROVIDER,
        "alternatives: [{ % }]",
        "/properties/providers/additionalProperties/properties/alternatives/items",
    ),
    (
        BARE_PROVIDER,
        "alternatives: [{ when: { % } }]",
        "/properties/providers/additionalProperties/properties/alternatives/items/properties/when/oneOf/0",
    ),
    (PROVIDER, ", keys: { % }", "/properties/providers/additionalProperties/properties/keys"),
    (
        PROVIDER,
        ", keys: { certificate: { % } }",
        "/properties/providers/additionalProperties/properties/keys/properties/certificate",
    ),
    (PROVIDER, ", event: { % }", "/properties/providers/additionalProperties/properties/event"),
    (PROVIDER, ", retry: { % }", "/properties/providers/additionalProperties/properties/retry"),
    (PROVIDER, ", upstream: { % }", "/properties/providers/additionalProperties/properties/upstream"),
    (PROVIDER, ", dedupe: { % }", "/properties/providers/additionalProperties/properties/dedupe/oneOf/1"),
    (
        PROVIDER,
        ", settings: { x: { % } }",
        "/properties/providers/additionalProperties/properties/settings/additionalProperties/oneOf/1",
    ),
    (PROVIDER, ", document: { % }", "/properties/providers/additionalProperties/properties/document"),
    (PROVIDER, ", refusal: { % }", "/properties/providers/additionalProperties/properties/refusal"),
    (PROVIDER, ", reply: { % }", "/properties/providers/additionalProperties/properties/reply"),
    (
        PROVIDER,
        ", challenges: [{ % }]",
        "/properties/providers/additionalProperties/properties/challenges/items",
    ),
    (
        PROVIDER,
        ", challenges: [{ ask: { % } }]",
        "/properties/providers/additionalProperties/properties/challenges/items/properties/ask",
    ),
    (
        PROVIDER,
        ", challenges: [{ refusal: { % } }]",
        "/properties/providers/additionalProperties/properties/challenges/items/properties/refusal",
    ),
    (
        PROVIDER,
        ", challenges: [{ answer: { % } }]",
        "/properties/providers/additionalProperties/properties/challenges/items/properties/answer",
    ),
    (
        PROVIDER,
        ", challenges: [{ when: { body: { % } } }]",
        "/properties/providers/additionalProperties/properties/challenges/items/properties/when/additionalProperties/oneOf/1",
    ),
];

/// A key that resembles none, so that the reader answers with the list of all it knows.
const UNKNOWN: &str = "zzzzzzzzzzzzzzzzzzzz";

#[test]
fn every_key_the_reader_knows_is_in_the_schema_and_the_other_way_round() {
    let schema = schema();
    for (file, mapping, pointer) in MAPPINGS {
        let text = file.replace('@', &mapping.replace('%', &format!("{UNKNOWN}: 1")));
        let problems = load(&text, &Everything).unwrap_err();
        let listed = problems.iter().find_map(|problem| problem.message.split_once("known here: "));
        let listed = listed.unwrap_or_else(|| panic!("{text}: {}", problems.render("f"))).1;
        let known: BTreeSet<&str> = listed.split(", ").map(|key| key.trim_matches('`')).collect();
        let described =
            schema.pointer(pointer).and_then(|object| object.get("properties")).and_then(Value::as_object);
        let described: BTreeSet<&str> =
            described.unwrap_or_else(|| panic!("no {pointer}")).keys().map(String::as_str).collect();
        assert_eq!(known, described, "{pointer}");
    }
}

#[test]
fn no_mapping_of_the_schema_escapes_the_comparison() {
    fn mappings(at: &Value, path: &str, found: &mut BTreeSet<String>) {
        if at.get("additionalProperties") == Some(&Value::Bool(false)) {
            found.insert(path.to_owned());
        }
        match at {
            Value::Object(keys) => {
                keys.iter().for_each(|(key, value)| mappings(value, &format!("{path}/{key}"), found))
            }
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(n, value)| mappings(value, &format!("{path}/{n}"), found));
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    mappings(&schema(), "", &mut found);
    for path in found {
        // What a form has, an item of `alternatives` has too; and what may be one may be an item of a list.
        let compared = path.replace("/oneOf/1/items", "/oneOf/0");
        let of_form = compared.replace("/alternatives/items/properties/", "/");
        let listed = MAPPINGS.iter().any(|(.., pointer)| *pointer == compared || *pointer == of_form);
        let inside_form = of_form != compared
            && MAPPINGS
                .iter()
                .any(|(.., p)| p.replace("/properties", "") == of_form.replace("/properties", ""));
        assert!(listed || inside_form, "{path} is compared with nothing");
    }
}

#[test]
fn what_the_schema_refuses_the_reader_refuses() {
    let listen = "listen: [{ address: 127.0.0.1:8080 }]\n";
    let with = |keys: &str| {
        format!(
            "{listen}routes: [{{ name: r, match: {{ path: /r }}, upstream: \"http://127.0.0.1:1\", {keys} }}]"
        )
    };
    for text in [
        "routes: []".to_owned(),
        listen.to_owned(),
        format!("{listen}routes: x"),
        "listen: []\nroutes: []".to_owned(),
        "listen: [{ address: 8080 }]\nroutes: []".to_owned(),
        "listen: [{ address: localhost:8080 }]\nroutes: []".to_owned(),
        "listen: [{ address: 127.0.0.1:8080, h2c: \"true\" }]\nroutes: []".to_owned(),
        "listen: [{ address: 127.0.0.1:8080, tls: { certificate: a } }]\nroutes: []".to_owned(),
        format!("{listen}routes: []\nadmin: {{}}"),
        format!("{listen}routes: []\nlimits: {{ body: 5MB }}"),
        format!("{listen}routes: []\nlimits: {{ body: 0MiB }}"),
        format!("{listen}routes: []\nlimits: {{ connections: 0 }}"),
        format!("{listen}routes: []\nlimits: {{ connections: 1.5 }}"),
        format!("{listen}routes: []\nlimits: {{ header_timeout: 10 }}"),
        format!("{listen}routes: []\ndedupe: {{ store: disc }}"),
        format!(
            "{listen}routes: []\nproviders: {{ none: {{ signature: {{ header: X-A }}, algorithm: hmac-sha256, signed: \"{{body}}\" }} }}"
        ),
        format!(
            "{listen}routes: []\nproviders: {{ mine: {{ signature: {{ header: X-A }}, algorithm: md4, signed: \"{{body}}\" }} }}"
        ),
        format!(
            "{listen}routes: []\nproviders: {{ mine: {{ signature: {{ header: X-A, query: a }}, algorithm: hmac-sha256, signed: \"{{body}}\" }} }}"
        ),
        with("provider: none, secrets: [env:A]"),
        with("provider: github"),
        with("secrets: [env:A]"),
        with("provider: ~"),
        with("provider: github, secrets: env:A"),
        with("provider: github, secrets: [abc]"),
        with("provider: github, secrets: [{ env: A, file: b }]"),
        with("provider: github, secrets: [{ name: a }]"),
        with("provider: github, secrets: [{ env: A, not_after: tomorrow }]"),
        with("provider: github, secrets: [{ env: A, not_after: \"2026-03-01T00:00:00\" }]"),
        with("provider: github, secrets: [env:A], tolerance: on"),
        with("provider: github, secrets: [env:A], dedupe: { key: json:/id }"),
        with("provider: github, secrets: [env:A], dedupe: { key: [/id] }"),
        with("provider: github, secrets: [env:A], dedupe: { on_store_error: wait }"),
        with("provider: github, secrets: [env:A], events: push"),
        with("provider: github, secrets: [env:A], events: []"),
        with("provider: github, secrets: [env:A], mode: off"),
        with("provider: github, secrets: [env:A], public_url: \"https://a/b\""),
        with("provider: none").replace("path: /r", "path: r"),
        with("provider: none").replace("path: /r", "path: /r*/a"),
        with("provider: none").replace("path: /r", "path: //r"),
        with("provider: none").replace("path: /r", "path: /r, methods: [post]"),
        with("provider: none").replace("name: r", "name: \"a b\""),
        with("provider: none").replace("http://127.0.0.1:1", "127.0.0.1:1"),
        with("provider: none").replace("http://127.0.0.1:1", "http://a?b"),
    ] {
        assert!(accepted_by_schema(&text).is_err(), "the schema accepts {text}");
        assert!(load(&text, &Everything).is_err(), "the reader accepts {text}");
    }
}

#[test]
fn what_the_reader_accepts_the_schema_accepts() {
    let listen = "listen: [{ address: 127.0.0.1:8080 }]\n";
    let with = |keys: &str| {
        format!(
            "{listen}routes: [{{ name: r, match: {{ path: /r }}, upstream: \"http://127.0.0.1:1\", {keys} }}]"
        )
    };
    for text in [
        with("provider: none"),
        with("provider: github, secrets: [env:A, { file: a/b, name: old }, { insecure: x }]"),
        with("provider: bella-baxter, secrets: [env:A], tolerance: off, dedupe: off"),
        with(
            "provider: github, secrets: [{ env: A, not_before: 2026-03-01, not_after: \"2026-03-31T12:00:00+02:00\" }]",
        ),
        with(
            "provider: bella-baxter, secrets: [env:A], tolerance: { past: 5m }, dedupe: { key: [json:/id, \"header:x|body\"] }",
        ),
        with("provider: bella-baxter, secrets: [env:A], tolerance: 5m"),
        with(
            "provider: github, secrets: [env:A], events: [a, \"b.*\"], timeout: 250ms, body: 1GiB, mode: shadow",
        ),
        with("provider: github, secrets: [env:A], public_url: \"https://a:8443/\", verify_token: file:x"),
        with("provider: none").replace("path: /r", "path: \"/*\", host: a.example, methods: [POST, PUT]"),
        with("provider: none").replace("http://127.0.0.1:1", "unix:/run/a.sock:/base"),
        with("provider: none").replace("http://127.0.0.1:1", "https://[::1]:1/a"),
    ] {
        load(&text, &Everything).unwrap_or_else(|problems| panic!("{text}: {}", problems.render("f")));
        accepted_by_schema(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn the_files_that_people_start_from_are_good() {
    for (name, text) in [
        ("gateway.yaml", include_str!("../../../gateway.yaml")),
        ("sidecar", include_str!("../../../examples/sidecar/gateway.yaml")),
        ("edge-tls", include_str!("../../../examples/edge-tls/gateway.yaml")),
        ("own-provider", include_str!("../../../examples/own-provider/gateway.yaml")),
    ] {
        load(text, &Everything).unwrap_or_else(|problems| panic!("{}", problems.render(name)));
        accepted_by_schema(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn every_file_of_the_catalogue_is_good_as_an_own_provider() {
    let schema = schema();
    let provider = schema.pointer("/properties/providers/additionalProperties").unwrap();
    let validator = jsonschema::draft202012::new(provider).unwrap();
    for name in crate::catalog::names() {
        let json = yaml::parse(crate::catalog::text(name).unwrap()).unwrap().to_json();
        validator
            .validate(&json)
            .unwrap_or_else(|error| panic!("{name} at {}: {error}", error.instance_path));
    }
}

#[test]
fn the_commented_lines_of_gateway_yaml_are_keys_with_their_defaults() {
    // Every `# key: value` line of the annotated file, switched on, is still a good file.
    let text = include_str!("../../../gateway.yaml");
    let switched_on: String = text
        .lines()
        .map(|line| {
            let stripped = line.trim_start();
            match stripped.strip_prefix("#: ") {
                Some(rest) => format!("{}{rest}\n", " ".repeat(line.len() - stripped.len())),
                None => format!("{line}\n"),
            }
        })
        .collect();
    assert_ne!(switched_on.lines().count(), 0);
    load(&switched_on, &Everything).unwrap_or_else(|problems| panic!("{}", problems.render("gateway.yaml")));
    accepted_by_schema(&switched_on).unwrap_or_else(|error| panic!("{error}"));
}
