//! The schema of one route.

use serde_json::{Value, json};

use super::kit::{duration, duration_or_zero, list, locator, name, object, one_of, pattern, text};
use crate::catalog;

/// One item of `routes`.
pub(super) fn route() -> Value {
    let mut route = object(
        "One route: what it matches, who sends it, and where it goes.",
        &["name", "match", "provider", "upstream"],
        vec![
            ("name", name("Its name in logs, metrics and `sealpost-route`. Each is used once.")),
            ("match", matched()),
            ("provider", provider()),
            (
                "secrets",
                list(
                    "Any of them may match, so a rotation is two lines, the newest first. As the sender shows them: the provider knows what is decoded. Empty only while a sender's first contact is still to bring it.",
                    0,
                    super::secret(
                        "One secret; for a sender with public keys, its public key (PEM, hex or base64).",
                        true,
                    ),
                ),
            ),
            (
                "key_url",
                text(
                    "Where the sender's public keys are fetched, instead of where the provider says: a key set (JWKS), an URL with `{key_id}`, or another origin for keys that deliveries name. https, or http on a loopback address.",
                ),
            ),
            (
                "key_token",
                super::secret(
                    "The bearer token with which the sender's keys are fetched, where it wants one.",
                    false,
                ),
            ),
            (
                "upstream",
                upstream(
                    "Where verified requests go: `http://HOST:PORT`, `https://HOST`, `unix:/path/to.sock`. With a path (`http://HOST/in`, `unix:/path/to.sock:/in`) it replaces the matched path, and `/*` appends the rest.",
                    "^(https?://[^@?#]+|unix:[^:?#]+(:/[^?#]*)?)$",
                ),
            ),
            (
                "settings",
                json!({
                    "type": "object",
                    "description": "Values that the provider asks for and that are no secrets, such as a webhook's id; `sealpost providers NAME` names them.",
                    "additionalProperties": { "type": ["string", "number"] }
                }),
            ),
            ("tolerance", tolerance()),
            ("dedupe", dedupe()),
            ("journal", super::journal::of_route()),
            (
                "events",
                list(
                    "Event types that are forwarded, whole and case-sensitive, `*` for any run of characters; others are answered 200. Default: all.",
                    1,
                    text("An event type, such as `invoice.paid` or `invoice.*`."),
                ),
            ),
            (
                "timeout",
                duration(
                    "For the upstream's whole answer. Default: a little less than the sender waits.",
                    None,
                ),
            ),
            ("body", super::kit::size("The largest body. Default: `limits.body`.", "5MiB")),
            (
                "mode",
                one_of(
                    "`shadow` forwards everything, forged or not, and counts and logs what would have been refused.",
                    &["enforce", "shadow"],
                    "enforce",
                ),
            ),
            (
                "public_url",
                pattern(
                    "Scheme and host the sender was given, such as `https://hooks.example.com`, for senders that sign their URL. Default: taken from the request, which a proxy in front may have changed.",
                    "^https?://[^/@?#]+/?$",
                ),
            ),
            (
                "verify_token",
                super::secret(
                    "What the sender's handshake has to present, such as `hub.verify_token` of Meta's webhooks.",
                    false,
                ),
            ),
        ],
    );
    if let Some(route) = route.as_object_mut() {
        let none = json!({ "properties": { "provider": { "const": "none" } }, "required": ["provider"] });
        route.insert("if".into(), none);
        let nothing = json!({ "secrets": false, "key_url": false, "key_token": false });
        route.insert("then".into(), json!({ "properties": nothing }));
        // An own provider may say itself where its keys are.
        let without_keys = |name: &&str| catalog::find(name).is_some_and(|provider| provider.keys.is_none());
        let names: Vec<&str> = catalog::names().filter(without_keys).collect();
        let needs = json!([{ "required": ["secrets"] }, { "required": ["key_url"] }]);
        route.insert(
            "else".into(),
            json!({
                "if": { "properties": { "provider": { "enum": names } } },
                "then": { "anyOf": needs }
            }),
        );
    }
    route
}

fn upstream(description: &str, url: &str) -> Value {
    let file = |description: &str| text(description);
    let secret = || super::secret("`whsec_` and base64 of 24 to 64 random bytes.", false);
    let sign = object(
        "Signs what was verified with Standard Webhooks headers (`webhook-id`, `webhook-timestamp`, `webhook-signature`), which replace the sender's own.",
        &["secret"],
        vec![(
            "secret",
            json!({
                "description": "The secret that the app verifies with, or two while it is rotated.",
                "oneOf": [secret(), { "type": "array", "minItems": 1, "maxItems": 2, "items": secret() }]
            }),
        )],
    );
    let mut mapping = object(
        "The URL, and how the gateway and the upstream trust each other.",
        &["url"],
        vec![
            ("url", pattern("Where verified requests go.", url)),
            ("sign", sign),
            (
                "ca",
                file(
                    "Certificates that may issue the upstream's own, a PEM file, instead of the system's. Over https only.",
                ),
            ),
            (
                "client_certificate",
                file(
                    "The certificate, with its chain, that is shown to the upstream, a PEM file. Over https only.",
                ),
            ),
            ("client_key", file("Its private key, a PEM file.")),
        ],
    );
    if let Some(mapping) = mapping.as_object_mut() {
        let pair = json!({ "client_certificate": ["client_key"], "client_key": ["client_certificate"] });
        mapping.insert("dependentRequired".into(), pair);
    }
    json!({ "description": description, "oneOf": [pattern("The URL alone.", url), mapping] })
}

fn matched() -> Value {
    let methods = ["POST", "PUT", "PATCH", "GET", "DELETE", "HEAD", "OPTIONS"];
    object(
        "Which requests it is for.",
        &["path"],
        vec![
            (
                "path",
                pattern(
                    "An exact path, or a prefix that ends in `/*`. Compared byte for byte.",
                    "^(?!.*//)/[^*?#%;\\\\\\s]*\\*?$",
                ),
            ),
            ("host", pattern("The host, without port. Default: every host.", "^[A-Za-z0-9._:\\[\\]-]+$")),
            (
                "methods",
                list(
                    "Methods of deliveries. Default: the provider's, usually POST. A handshake's method needs not be listed.",
                    1,
                    json!({ "enum": methods }),
                ),
            ),
        ],
    )
}

fn provider() -> Value {
    let names: Vec<&str> = catalog::names().chain(["none"]).collect();
    json!({
        "description": "Who sends: a name of the catalogue, one of `providers`, or `none` in full, which lets everything through unverified.",
        "anyOf": [{ "enum": names }, { "type": "string", "minLength": 1 }]
    })
}

fn tolerance() -> Value {
    let window = object(
        "How old and how far ahead a signed send time may be.",
        &[],
        vec![
            ("past", duration_or_zero("The greatest age.")),
            ("future", duration_or_zero("The greatest lead of the sender's clock.")),
        ],
    );
    json!({
        "description": "The window for the sender's signed send time, never for a time in the event itself. Default: the provider's.",
        "oneOf": [{ "const": "off" }, duration_or_zero("The same on both sides."), window]
    })
}

fn dedupe() -> Value {
    let dedupe = object(
        "How repeated events are recognised.",
        &[],
        vec![
            (
                "key",
                list(
                    "The parts that together identify an event. Default: the id if the sender signs it, otherwise what is signed.",
                    1,
                    locator(
                        "`header:NAME`, `query:NAME`, `form:NAME`, `json:/pointer`, `body`, `signed`, or several joined by `|` (the first that is there).",
                    ),
                ),
            ),
            (
                "ttl",
                duration(
                    "How long an accepted event is remembered. Default: longer than the sender retries, at least 24h.",
                    None,
                ),
            ),
            ("on_store_error", on_store_error()),
        ],
    );
    json!({ "oneOf": [{ "const": "off" }, dedupe], "description": "How repeated events are recognised, or `off`." })
}

/// Also a key of a provider.
pub(super) fn on_store_error() -> Value {
    super::kit::word(
        "When the store cannot be asked: `refuse` with a status on which the sender retries, go on from `memory` alone, or `pass` unchecked. Default: `refuse`, for senders that never retry `memory`.",
        catalog::OnStoreError::WORDS,
    )
}
