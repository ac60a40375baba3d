//! The schema of the provider language: how a sender signs, what its events are called, how it retries.

use serde_json::{Value, json};

use super::jose::{http_message, jws, jwt, wrapped};
use super::kit::{
    boolean, duration, duration_or_zero, list, locator, object, one_of, one_or_many, pattern, text, word,
};
use super::route::on_store_error;
use crate::catalog::CHALLENGE_METHODS;
use crate::verify::{
    Algorithm, Alphabet, BodyForm, Encoding, KeyEncoding, LONGEST_QUESTION, Sha, TimeUnit, meanings,
};

/// One entry of `providers`.
pub(super) fn provider() -> Value {
    let mut form = form();
    let mut with_conditions = form.clone();
    with_conditions.insert(0, ("when", conditions()));
    let alternative =
        object("One complete form of the signature.", &["signature", "algorithm"], with_conditions);
    let mut keys = vec![
        (
            "name",
            pattern(
                "Its name. Under `providers` the key is the name and this may be left out.",
                "^[a-z0-9-]{1,64}$",
            ),
        ),
        ("title", text("Its name for people.")),
        ("docs", text("Where the sender describes its webhooks.")),
        (
            "confidence",
            one_of("How sure the entry is.", &["verified", "documented", "second-hand", "own"], "own"),
        ),
        ("source", text("Where the scheme was read.")),
        ("notes", list("Traps worth telling whoever sets up a route.", 0, text("One trap."))),
        (
            "methods",
            list(
                "Methods of its deliveries. Default: POST.",
                1,
                json!({ "enum": ["GET", "POST", "PUT", "PATCH", "DELETE"] }),
            ),
        ),
        (
            "alternatives",
            list(
                "Several complete forms, of which the first whose `when` holds is used; instead of `signature` and the keys beside it.",
                1,
                alternative,
            ),
        ),
    ];
    keys.append(&mut form);
    keys.push(("keys", fetched_keys()));
    keys.extend([
        (
            "document",
            object(
                "Where the JSON stands that `json:` leads into, if the body is a form.",
                &["form"],
                vec![("form", text("The field of the form, URL-encoded or multipart."))],
            ),
        ),
        (
            "settings",
            json!({
                "type": "object",
                "description": "Values that each route gives under `settings` and that are no secrets, each with what it is; `{setting:NAME}` in a template.",
                "additionalProperties": { "oneOf": [{ "type": "string" }, setting()] }
            }),
        ),
        ("event", event()),
        ("retry", retry()),
        (
            "upstream",
            object(
                "Advice for routes.",
                &[],
                vec![(
                    "timeout",
                    duration(
                        "For the upstream's whole answer. Default: a little less than the sender waits.",
                        None,
                    ),
                )],
            ),
        ),
        (
            "dedupe",
            or_off(object(
                "Advice for routes; `off` for a sender whose events cannot be told apart.",
                &[],
                vec![
                    (
                        "ttl",
                        duration(
                            "How long an accepted event is remembered. Default: follows from `retry`.",
                            None,
                        ),
                    ),
                    ("on_store_error", on_store_error()),
                ],
            )),
        ),
        ("refusal", object("How refusals are answered.", &[], vec![("status", status(400, 401))])),
        ("reply", reply()),
        ("challenges", list("Handshakes that are answered here.", 0, challenge())),
        (
            "redact",
            one_or_many("What should not be shown of its events.", locator("A place in the delivery.")),
        ),
        ("vectors", json!({ "description": "Test vectors, for `sealpost providers check`." })),
    ]);
    let mut provider = object("One sender.", &[], keys);
    if let Some(provider) = provider.as_object_mut() {
        provider.insert(
            "oneOf".into(),
            json!([{ "required": ["signature", "algorithm"] }, { "required": ["alternatives"] }]),
        );
    }
    provider
}

fn setting() -> Value {
    object(
        "A value that each route gives.",
        &["meaning"],
        vec![
            ("meaning", text("What it is.")),
            ("shown_at", pattern("Where a delivery says it too, for `sealpost explain`.", "^json:/")),
        ],
    )
}

fn or_off(object: Value) -> Value {
    json!({ "oneOf": [{ "const": "off" }, object] })
}

/// The keys that say how it signs.
fn form() -> Vec<(&'static str, Value)> {
    let key = object(
        "How the stored secret becomes the key.",
        &[],
        vec![
            ("encoding", one_of("How it is written.", KeyEncoding::WORDS, "utf8")),
            ("strip_prefix", text("Taken off the front if it is there, such as `whsec_`.")),
            ("normalize", one_of("Unicode normalization before anything else.", &["none", "nfkd"], "none")),
            ("digest", word("A digest of the decoded key, which is the key then.", Sha::WORDS)),
            ("suffix", text("Put behind the decoded key.")),
        ],
    );
    let url = object(
        "How `{url}` is written.",
        &[],
        vec![
            ("unescape", text("Characters whose percent-escapes the sender decodes before it signs.")),
            (
                "ports",
                one_of(
                    "`any`: also tried with the default port written out and without any.",
                    &["as_received", "any"],
                    "as_received",
                ),
            ),
        ],
    );
    let digest = object(
        "A digest of the body that stands in the signed part of the delivery.",
        &["at"],
        vec![
            ("at", pattern("Where it stands.", "^(header|query|form|json):.+$")),
            ("prefix", text("Text before it.")),
            ("algorithm", one_of("The digest.", Sha::WORDS, "sha256")),
            ("encoding", one_of("How it is written.", Encoding::WORDS, "hex")),
        ],
    );
    vec![
        ("signature", signature()),
        (
            "algorithm",
            word(
                "What makes the signature. `token` and `basic` compare what is sent with the secret.",
                Algorithm::WORDS,
            ),
        ),
        ("jwt", jwt()),
        ("jws", jws()),
        ("http_message", http_message()),
        (
            "key",
            one_or_many("How the stored secret becomes the key. A list: each that it fits is tried.", key),
        ),
        ("signed", one_or_many("The signed bytes. A list: any of them may fit.", text(&template()))),
        (
            "sort_parts",
            boolean("Whether the template's values are put in order before they are joined.", false),
        ),
        ("prehash", word("A digest of the signed bytes that is signed in their place.", Sha::WORDS)),
        (
            "each",
            pattern(
                "Where the elements stand of which each carries and proves its own signature.",
                "^json:/.*$",
            ),
        ),
        ("unsigned_body", boolean("Say `true` where the sender really does not sign the body.", false)),
        (
            "body",
            one_of(
                "Whether the wire's bytes are signed or those after decompression.",
                BodyForm::WORDS,
                "wire",
            ),
        ),
        ("body_digest", digest),
        ("url", url),
        ("timestamp", timestamp()),
    ]
}

/// What is said of a template, with every placeholder and filter there is.
fn template() -> String {
    let braced = |(word, _): &meanings::Meaning| format!("`{{{word}}}`");
    let placeholders: Vec<String> = meanings::PLACEHOLDERS.iter().map(braced).collect();
    format!(
        "A template such as `{{timestamp}}.{{body}}`, made of {}; filters `{{body|sha256_hex}}`: {}; `{{[…]}}` falls \
         away as a whole when a value in it is not there.",
        placeholders.join(", "),
        meanings::enumerated(meanings::FILTERS, "and"),
    )
}

fn signature() -> Value {
    let separator = |description: &str| pattern(description, "^[ -/:-@\\[-`{-~]$");
    let pairs = object(
        "`t=…,v1=…`: named items.",
        &["signature"],
        vec![
            ("signature", text("The name of the items that are signatures.")),
            ("timestamp", text("The name of the item that is the send time.")),
            (
                "separator",
                pattern(
                    "Between the items; several characters each separate. Default: a comma.",
                    "^[ -/:-@\\[-`{-~]+$",
                ),
            ),
            ("mark", separator("Between an item's name and its value. Default: `=`.")),
        ],
    );
    let mut signature = object(
        "Where the signature stands and how it is written.",
        &[],
        vec![
            (
                "header",
                one_or_many(
                    "The header; a list of which any may be there; or `X-Signature-*` for numbered ones.",
                    text("A header's name."),
                ),
            ),
            ("query", text("The parameter of the query.")),
            ("form", text("The field of the form.")),
            ("json", pattern("The place in the JSON body.", "^/")),
            (
                "body",
                json!({ "const": true, "description": "The whole body is the signature: a JWT and nothing else." }),
            ),
            ("wrapped", wrapped()),
            ("prefix", text("Text that must stand before each signature, such as `sha256=`.")),
            (
                "encoding",
                word(
                    "How a signature is written. Default: hex; `text` for tokens, Basic and JWT.",
                    Encoding::WORDS,
                ),
            ),
            ("pairs", pairs),
            ("list", separator("Several signatures, separated by this character.")),
            ("positional", separator("First the send time, then signatures, separated by this character.")),
            (
                "versioned",
                one_or_many(
                    "Each signature says its version, `v1,…`; these are accepted.",
                    text("A version."),
                ),
            ),
        ],
    );
    if let Some(signature) = signature.as_object_mut() {
        let one = |key: &str| json!({ "required": [key] });
        signature.insert(
            "oneOf".into(),
            json!([one("header"), one("query"), one("form"), one("json"), one("body")]),
        );
    }
    signature
}

fn timestamp() -> Value {
    let window = object(
        "How old and how far ahead it may be.",
        &[],
        vec![
            ("past", duration_or_zero("The greatest age.")),
            ("future", duration_or_zero("The greatest lead.")),
        ],
    );
    object(
        "The signed send time. Without a place it stands in the signature's own text.",
        &[],
        vec![
            ("header", text("The header it stands in.")),
            ("query", text("The parameter of the query it stands in.")),
            ("form", text("The field of the form it stands in.")),
            ("json", pattern("Its place in the signed JSON body.", "^/")),
            ("claim", text("The claim of the JWT, usually `iat`.")),
            (
                "parameter",
                text(
                    "The parameter of the HTTP message signature, usually `created`, or the member of the detached JWS's header.",
                ),
            ),
            ("unit", one_of("How it is written.", TimeUnit::WORDS, "seconds")),
            (
                "tolerance",
                json!({
                    "description": "The accepted window. Default: 5m on both sides.",
                    "oneOf": [{ "const": "off" }, duration_or_zero("The same on both sides."), window]
                }),
            ),
        ],
    )
}

fn fetched_keys() -> Value {
    let named = object(
        "Keys or certificates at URLs that deliveries name.",
        &["from", "hosts"],
        vec![
            ("from", locator("Where a delivery names its key's URL.")),
            (
                "hosts",
                list(
                    "The only hosts it may be on, over https.",
                    1,
                    pattern(
                        "A host in lower case. Within a label `*` stands for letters, digits and dashes, `@` for letters and dashes, `#` for digits; the last two labels have no wildcard.",
                        "^[a-z0-9*@#-]+(\\.[a-z0-9*@#-]+)*\\.[a-z0-9-]+$",
                    ),
                ),
            ),
            ("prefix", text("What the path begins with.")),
            ("suffix", text("What the path ends with.")),
        ],
    );
    let mut keys = object(
        "Where the sender publishes the public keys of its signatures, to be fetched when they are needed. A route with `secrets` uses those instead.",
        &[],
        vec![
            ("jwks", text("One document with all keys, usually a key set; may hold `{setting:NAME}`.")),
            ("key", text("One document for each key, at an URL with `{key_id}`; may hold `{setting:NAME}`.")),
            ("certificate", named),
            ("key_id", locator("Where a delivery names its key. Default: the `kid` of its token.")),
            ("json", pattern("Where the key stands in a JSON answer that is no key itself.", "^/")),
            ("auth", one_of("Whether the route's `key_token` is needed.", &["none", "bearer"], "none")),
        ],
    );
    if let Some(keys) = keys.as_object_mut() {
        let one = |key: &str| json!({ "required": [key] });
        keys.insert("oneOf".into(), json!([one("jwks"), one("key"), one("certificate")]));
    }
    keys
}

fn conditions() -> Value {
    let scalar =
        |description: &str| json!({ "type": ["string", "number", "boolean"], "description": description });
    one_or_many(
        "What must all hold for this form to be the one.",
        object(
            "A fact of the request's head.",
            &[],
            vec![
                ("header", text("The header that is looked at.")),
                ("query", text("The parameter of the query that is looked at.")),
                ("json", pattern("The place in the JSON body that is looked at.", "^/")),
                ("equals", scalar("It is this, in either letter case.")),
                ("starts_with", scalar("It starts with this, in either letter case.")),
                (
                    "length",
                    json!({ "type": "integer", "minimum": 0, "description": "It has this many bytes." }),
                ),
                ("present", json!({ "type": "boolean", "description": "It is there." })),
                ("absent", json!({ "type": "boolean", "description": "It is not there." })),
            ],
        ),
    )
}

fn event() -> Value {
    let places = |description: &str| one_or_many(description, locator("A place in the delivery."));
    object(
        "Where its events carry their names.",
        &[],
        vec![
            ("id", places("The id; the first that is there counts.")),
            ("type", places("The type; the first that is there counts.")),
            (
                "key",
                places(
                    "The parts that together identify an event. Default: the id if it is signed, otherwise the body.",
                ),
            ),
            (
                "id_signed",
                json!({ "type": "boolean", "description": "Whether the id is signed. Default: found out from the template." }),
            ),
        ],
    )
}

fn retry() -> Value {
    object(
        "How it retries: gives how long events are remembered and how long the upstream may take.",
        &[],
        vec![
            (
                "delays",
                list(
                    "The pauses between attempts, each counted from the one before.",
                    0,
                    duration_or_zero("A pause."),
                ),
            ),
            ("span", duration_or_zero("How long it goes on, where only that is known.")),
            ("timeout", duration("How long it waits for an answer.", None)),
            (
                "on",
                list(
                    "What it retries on.",
                    0,
                    json!({ "type": ["string", "integer"], "description": "`5xx`, `timeout`, a status, or `failure`." }),
                ),
            ),
            ("never", boolean("It never tries again.", false)),
        ],
    )
}

fn reply() -> Value {
    object(
        "The answer it insists on where the gateway answers itself.",
        &[],
        vec![
            ("status", status(200, 200)),
            ("content_type", text("Needed with a body.")),
            ("body", text("The body.")),
        ],
    )
}

fn challenge() -> Value {
    let flag = |description: &str| json!({ "type": "boolean", "description": description });
    let presence = object(
        "Whether it is there.",
        &[],
        vec![("present", flag("It is there.")), ("absent", flag("It is not there."))],
    );
    let template = "A template: `{header:NAME}`, `{query:NAME}`, `{form:NAME}`, `{json:/pointer}`, `{json_text:/pointer}`, `{hmac_hex:LOCATOR}`, `{hmac_base64:LOCATOR}`, `{sha256_hex:LOCATOR+token+url}`, `{sha256_base64:…}`, `{token}`, `{url}`.";
    let ask = object(
        "What an unsigned question may be made of whose answer holds its MAC. Deliveries whose signed bytes are such a text are refused.",
        &["pattern", "longest"],
        vec![
            (
                "pattern",
                word(
                    "`hex`; `word`: letters, digits, `-`, `_`; `token`: these, `.` and `=`.",
                    Alphabet::WORDS,
                ),
            ),
            (
                "longest",
                json!({ "type": "integer", "minimum": 1, "maximum": LONGEST_QUESTION, "description": "In bytes." }),
            ),
        ],
    );
    let answer = object(
        "The answer.",
        &[],
        vec![
            ("status", status(200, 200)),
            ("content_type", text("Its content type.")),
            ("body", text(template)),
            (
                "headers",
                json!({ "type": "object", "description": "Further headers.", "additionalProperties": text(template) }),
            ),
        ],
    );
    object(
        "One handshake: how it is recognised, what it has to prove, how it is answered.",
        &["answer"],
        vec![
            ("method", one_of("Its method.", CHALLENGE_METHODS, "POST")),
            (
                "when",
                json!({
                    "type": "object",
                    "description": "Places of the request and what must stand there; all must hold. `body` is the whole body, absent when it is empty.",
                    "minProperties": 1,
                    "additionalProperties": { "oneOf": [{ "type": ["string", "number", "boolean"] }, presence] }
                }),
            ),
            ("token", locator("Where it carries the route's `verify_token`.")),
            (
                "refusal",
                object(
                    "How a wrong token is answered. Default: like any other request.",
                    &["status"],
                    vec![(
                        "status",
                        json!({ "type": "integer", "minimum": 400, "maximum": 599, "description": "An HTTP status." }),
                    )],
                ),
            ),
            ("ask", ask),
            (
                "public_token",
                boolean(
                    "The answer shows the route's `verify_token` to whoever asks, because it only proves whose endpoint this is.",
                    false,
                ),
            ),
            (
                "reveal",
                locator(
                    "Where a first contact brings the secret. It is written to the log and to the admin address, and a route may begin with `secrets: []`.",
                ),
            ),
            ("signed", boolean("Whether it is answered only after its signature was verified.", false)),
            ("answer", answer),
        ],
    )
}

fn status(least: u16, default: u16) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": 599, "default": default, "description": "An HTTP status." })
}
