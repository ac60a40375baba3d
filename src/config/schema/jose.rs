//! The schema of tokens, detached signatures and HTTP message signatures in the provider language.

use serde_json::{Value, json};

use super::kit::{boolean, duration_or_zero, list, object, one_of, pattern, text};
use crate::verify::{Encoding, JwtAlgorithm, Sha};

/// What the sender's JWT must be.
pub(super) fn jwt() -> Value {
    let digest = |description: &str, more: Vec<(&'static str, Value)>| {
        let mut keys = vec![
            ("claim", text("Its name.")),
            ("algorithm", one_of("The digest.", Sha::WORDS, "sha256")),
            ("encoding", one_of("How it is written.", Encoding::WORDS, "hex")),
        ];
        keys.extend(more);
        object(description, &["claim"], keys)
    };
    let oid = |description: &str| pattern(description, "^[0-2](\\.[0-9]+)+$");
    let x5c = object(
        "The token brings the certificates of its key; the secret is the root certificate to which they lead.",
        &[],
        vec![
            (
                "length",
                json!({
                    "type": "integer", "minimum": 2, "maximum": 5, "default": 3,
                    "description": "How many there are, from the signing key's to the root's."
                }),
            ),
            ("leaf_oid", oid("The extension by which the signing key's certificate is known.")),
            ("intermediate_oid", oid("The extension by which the certificate above it is known.")),
        ],
    );
    object(
        "What the sender's token must be.",
        &["algorithms"],
        vec![
            ("algorithms", algorithms()),
            ("issuer", text("The required `iss`.")),
            ("audience", text("A required `aud`.")),
            (
                "body_hash",
                digest(
                    "The claim that binds the body.",
                    vec![(
                        "absent_if_empty",
                        boolean("Whether the claim is left out for an empty body, and only then.", false),
                    )],
                ),
            ),
            ("body_text", text("The claim that holds the body's own text.")),
            ("url_hash", digest("The claim that binds the whole URL.", Vec::new())),
            ("url", text("The claim that holds the whole URL.")),
            ("query_hash", text("The claim that holds Atlassian's query hash, `qsh`.")),
            ("required", list("Claims that must be there, whatever they say.", 0, text("A claim."))),
            (
                "leeway",
                duration_or_zero(
                    "How far `exp` and `nbf` may be overstepped. Default: as the send time's window, or 1m.",
                ),
            ),
            (
                "alone",
                boolean("Whether the JSON in which the token stands must hold nothing beside it.", false),
            ),
            ("x5c", x5c),
        ],
    )
}

/// What the sender's detached JWS must be.
pub(super) fn jws() -> Value {
    object(
        "What the sender's detached JWS must be; its payload is `signed`.",
        &["algorithms"],
        vec![
            ("algorithms", algorithms()),
            (
                "b64",
                json!({
                    "description": "Whether the payload is signed in base64url, as it is, or as the header says.",
                    "enum": [true, false, "header"], "default": true
                }),
            ),
            (
                "header",
                json!({
                    "type": "object", "description": "Members that its header must have, and their values.",
                    "additionalProperties": { "type": "string" }
                }),
            ),
        ],
    )
}

/// What the sender's HTTP message signature must be.
pub(super) fn http_message() -> Value {
    object(
        "What the sender's HTTP message signature (RFC 9421) must be.",
        &[],
        vec![
            ("label", text("The label under which it signs. Default: any.")),
            (
                "required",
                list(
                    "Components that must be covered besides `content-digest`.",
                    0,
                    text("A header's name in lower case, or `@method` and the like."),
                ),
            ),
            ("tag", text("The required `tag`.")),
            (
                "most",
                json!({
                    "type": "integer", "minimum": 1, "default": 4,
                    "description": "How many signatures there may be."
                }),
            ),
            (
                "keys",
                json!({
                    "enum": ["any", "public"], "default": "any",
                    "description": "`public`: no key is a shared secret, whatever it looks like. `any`: what is not \
                                    written as a public key is the secret of a HMAC; a raw Ed25519 key would be one."
                }),
            ),
        ],
    )
}

/// A signature inside base64 of JSON.
pub(super) fn wrapped() -> Value {
    object(
        "The text is base64 of JSON in which the signature stands.",
        &["json"],
        vec![
            ("json", pattern("Where the signature stands in it.", "^/")),
            ("key_id", pattern("Where the id of its key stands in it.", "^/")),
        ],
    )
}

fn algorithms() -> Value {
    list("The algorithms it uses; others are refused.", 1, json!({ "enum": JwtAlgorithm::WORDS }))
}
