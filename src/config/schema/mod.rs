//! The JSON Schema of `gateway.yaml`, for editors: what `sealpost schema` prints and `gateway.schema.json` holds.
//!
//! It is written by hand beside the reader because its descriptions are what an editor shows while someone types.
//! The tests hold the two together: every key the reader asks for is here, and no other.

mod jose;
mod journal;
mod kit;
mod provider;
mod reference;
mod route;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

pub use reference::language_reference;

use kit::{boolean, count, duration, list, object, one_of, size, text};

/// The schema, in the dialect 2020-12.
#[must_use]
pub fn schema() -> Value {
    let mut schema = object(
        "Configuration of the webhook gateway Sealpost. Secrets are referred to and never written here; `${…}` is not expanded.",
        &["listen", "routes"],
        vec![
            ("listen", list("Where deliveries are taken. A change needs a restart.", 1, listen())),
            ("admin", admin()),
            ("limits", limits()),
            ("dedupe", dedupe()),
            ("journal", journal::journal()),
            (
                "trusted_proxies",
                list(
                    "Whose `X-Forwarded-For` is believed; the rightmost hop that is not listed counts as the client. Default: nobody.",
                    0,
                    text("A network such as `10.0.0.0/8`, or one address."),
                ),
            ),
            ("tracing", tracing()),
            ("providers", providers()),
            (
                "routes",
                list(
                    "What is taken and where it goes. A route for the request's host comes before one for every host, an exact path before a prefix, a longer prefix before a shorter one.",
                    0,
                    route::route(),
                ),
            ),
        ],
    );
    if let Some(root) = schema.as_object_mut() {
        root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("title".into(), json!("gateway.yaml"));
    }
    schema
}

/// A time as of RFC 3339, or a date.
const MOMENT: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2}))?$";

/// A secret: a reference, or a mapping with one.
fn secret(description: &str, with_name: bool) -> Value {
    let mut keys = vec![
        ("env", text("The name of an environment variable.")),
        (
            "file",
            text(
                "The path of a file; it is read again when it changes, and one newline at its end is dropped.",
            ),
        ),
        ("insecure", text("The secret itself. For trials only: whoever reads this file has it.")),
    ];
    if with_name {
        keys.push((
            "name",
            kit::name("What metrics, logs and the `sealpost-secret` header call it. Default: its index."),
        ));
        let moment = |description| kit::pattern(description, MOMENT);
        keys.push((
            "not_before",
            moment(
                "From when on it counts: a time with its offset (`2026-03-31T12:00:00Z`), or a date, which means the beginning of that day in UTC.",
            ),
        ));
        keys.push((
            "not_after",
            moment(
                "Until when it counts: a time with its offset, or a date, which means the end of that day in UTC. It is warned of a week ahead.",
            ),
        ));
    }
    let mut mapping = object("A secret with more to say of it.", &[], keys);
    if let Some(mapping) = mapping.as_object_mut() {
        let one = |key: &str| json!({ "required": [key] });
        mapping.insert("oneOf".into(), json!([one("env"), one("file"), one("insecure")]));
    }
    json!({
        "description": description,
        "oneOf": [
            {
                "type": "string",
                "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.*[^/])$",
                "description": "`env:NAME` or `file:PATH`, relative to this file's folder."
            },
            mapping
        ]
    })
}

fn listen() -> Value {
    let tls = object(
        "TLS with HTTP/1.1 and HTTP/2.",
        &["certificate", "key"],
        vec![
            (
                "certificate",
                text("The certificate and its chain, a PEM file; it is read again when it changes."),
            ),
            ("key", text("The private key, a PEM file; it is read again when it changes.")),
        ],
    );
    object(
        "An address.",
        &["address"],
        vec![
            ("address", kit::address("Address and port, such as `0.0.0.0:8080` or `[::1]:8080`.")),
            ("h2c", boolean("Whether HTTP/2 without TLS is spoken too.", false)),
            ("tls", tls),
        ],
    )
}

fn admin() -> Value {
    object(
        "Health, readiness, metrics and the API; leave it out to have none. A change needs a restart.",
        &["address"],
        vec![
            ("address", kit::address("Address and port. Beyond loopback a token is needed.")),
            ("token", secret("What has to be presented as `Authorization: Bearer …`.", false)),
        ],
    )
}

fn limits() -> Value {
    object(
        "What one gateway may hold at once; past a limit the answer is a clear refusal.",
        &[],
        vec![
            ("body", size("One body; a route may say otherwise. Larger ones are answered 413.", "5MiB")),
            ("buffered", size("All bodies held at once. Past it: 503.", "256MiB")),
            ("connections", count("Connections open at once.", 10_000)),
            ("header_timeout", duration("For a whole request head.", Some("10s"))),
            ("body_timeout", duration("For a whole body.", Some("30s"))),
            ("headers", size("One request head.", "64KiB")),
        ],
    )
}

fn dedupe() -> Value {
    object(
        "How accepted events are remembered, so that a retry of one never reaches the upstream again.",
        &[],
        vec![
            (
                "store",
                one_of(
                    "Where. `memory` ends with the process; `disk` survives it; `redis` is shared by several gateways. A change of anything here needs a restart.",
                    &["memory", "disk", "redis"],
                    "memory",
                ),
            ),
            (
                "path",
                text(
                    "The disk store's own folder, relative to this file's folder. It is made if only its last part is missing.",
                ),
            ),
            (
                "url",
                text(
                    "The Redis store's address: `env:NAME`, `file:PATH`, or without a password the URL itself. `redis://`, `rediss://` (TLS), `unix://`, `redis-sentinel://`, `redis-cluster://`.",
                ),
            ),
            (
                "prefix",
                kit::pattern_with_default(
                    "What the names of the Redis store's keys begin with.",
                    "^[!-z|~]{1,64}$",
                    "sealpost:",
                ),
            ),
            (
                "timeout",
                duration("How long one question to the Redis store may take, 5s at most.", Some("100ms")),
            ),
            (
                "entries",
                count(
                    "Remembered events at most; past it the oldest accepted ones go, never one in flight.",
                    1_000_000,
                ),
            ),
            (
                "answers",
                kit::size_or_zero(
                    "All stored first answers together; past it the oldest go, their events stay remembered.",
                    "64MiB",
                ),
            ),
        ],
    )
}

fn tracing() -> Value {
    object(
        "Traces of requests (W3C Trace Context, OpenTelemetry). Without it none of it runs.",
        &[],
        vec![
            (
                "otlp",
                kit::pattern(
                    "The collector's address for OTLP over HTTP, such as `http://127.0.0.1:4318`; `/v1/traces` is put behind it. Without it no span is sent.",
                    "^https?://[^@?#\\s]+$",
                ),
            ),
            (
                "sample",
                json!({
                    "type": "number",
                    "minimum": 0,
                    "maximum": 1,
                    "description": "The part of all requests that is recorded. Only a trusted proxy may say otherwise in its `traceparent`.",
                    "default": 1
                }),
            ),
            (
                "service_name",
                kit::pattern_with_default(
                    "The name under which spans are reported.",
                    "^.{1,255}$",
                    "sealpost",
                ),
            ),
            (
                "incoming",
                one_of(
                    "What becomes of the trace that a request came with: it goes on (`continue`), or a new one links to it (`link`).",
                    &["continue", "link"],
                    "continue",
                ),
            ),
        ],
    )
}

fn providers() -> Value {
    json!({
        "type": "object",
        "description": "Senders of your own, by name, in the language of the catalogue's files. `sealpost providers check` runs their test vectors.",
        "propertyNames": { "pattern": "^[a-z0-9-]{1,64}$", "not": { "const": "none" } },
        "additionalProperties": provider::provider()
    })
}
