//! Vectors: deliveries with a known outcome, as data beside each sender's file or inside an operator's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::secret::Secret;
use crate::time::UnixTime;
use crate::yaml::{Cursor, Fields, Node, Problems, Value};

/// The vectors of one sender.
#[derive(Clone, Debug, Default)]
pub struct Vectors {
    /// In the order of the file.
    pub list: Vec<Vector>,
}

/// One delivery with a known outcome.
#[derive(Clone, Debug)]
pub struct Vector {
    /// What it shows.
    pub name: String,
    /// Where its signature comes from.
    pub origin: Origin,
    /// Which document or SDK version made it.
    pub source: String,
    /// The route's secret.
    pub secret: Secret,
    /// Another valid key of the same kind; senders with public keys need one, for others it is made from `secret`.
    pub other_secret: Option<Secret>,
    /// The route's settings.
    pub settings: Vec<(String, String)>,
    /// The route's token for handshakes; the secret if there is none.
    pub verify_token: Option<Secret>,
    /// The method.
    pub method: String,
    /// Scheme, host and port as the sender saw them.
    pub origin_url: Option<String>,
    /// Path and query.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// When it arrives.
    pub now: UnixTime,
    /// What must become of it.
    pub expect: Expect,
    /// The event's id.
    pub id: Option<String>,
    /// The event's type.
    pub event_type: Option<String>,
}

/// Where a vector's signature comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The sender's documents or tests hold it.
    Published,
    /// The sender's SDK made or accepted it.
    Sdk,
    /// It was computed from the documents' words.
    Computed,
}

/// What must become of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It is verified.
    Accepted,
    /// It is refused for the reason of this word.
    Refused(String),
    /// It is a handshake with this answer.
    Challenge {
        /// The answer's status.
        status: u16,
        /// The answer's content type.
        content_type: Option<String>,
        /// Headers that the answer must have.
        headers: Vec<(HeaderName, HeaderValue)>,
        /// The answer's body.
        body: String,
    },
}

/// The reasons for which a vector may be refused, and its two other outcomes.
const OUTCOMES: &[&str] = &[
    "accepted",
    "challenge",
    "signature_missing",
    "signature_malformed",
    "signature_mismatch",
    "timestamp_missing",
    "timestamp_malformed",
    "timestamp_too_old",
    "timestamp_in_future",
];

impl Vectors {
    /// Reads a file of vectors, or the `vectors:` of a provider's own entry (whose other keys are left alone).
    /// Every mistake is reported with its place.
    pub fn read(node: &Node, path: &str, problems: &mut Problems) -> Self {
        let path = if path.is_empty() { "vectors".to_owned() } else { format!("{path}.vectors") };
        let Some(list) = node.get("vectors") else { return Self::default() };
        let items = list.at(path).items(problems).unwrap_or_default();
        Self { list: items.iter().filter_map(|item| vector(item, problems)).collect() }
    }
}

fn vector(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<Vector> {
    let mut fields = cursor.fields(problems)?;
    let name = fields.required_text("name", "a payment").map(str::to_owned);
    let origin = match fields.word("origin", &["published", "sdk", "computed"]) {
        Some("published") => Origin::Published,
        Some("sdk") => Origin::Sdk,
        _ => Origin::Computed,
    };
    let source = fields.text("source").unwrap_or_default().to_owned();
    let secret = fields.required_text("secret", "\"whsec_…\"").map(secret);
    let other_secret = fields.text("other_secret").map(self::secret);
    let verify_token = fields.text("verify_token").map(self::secret);
    let settings = settings(&mut fields);
    let method = fields.text("method").unwrap_or("POST").to_owned();
    let (origin_url, target) = url(fields.text("url").unwrap_or("https://hooks.example.com/webhook"));
    let headers = headers(&mut fields);
    let body = body(&mut fields);
    let now = fields.integer("now").and_then(|seconds| UnixTime::from_seconds(i64::try_from(seconds).ok()?));
    let outcome = fields.word("expect", OUTCOMES).unwrap_or("accepted");
    let answer = answer(&mut fields);
    let expect = match (outcome, answer) {
        ("accepted", None) => Expect::Accepted,
        ("challenge", Some(answer)) => answer,
        ("challenge", None) => {
            fields.report("a challenge needs its `answer: { status, content_type, body }`");
            Expect::Accepted
        }
        (word, None) => Expect::Refused(word.to_owned()),
        (_, Some(_)) => {
            fields.report_at("answer", "an answer belongs to `expect: challenge`");
            Expect::Accepted
        }
    };
    let id = fields.text("id").map(str::to_owned);
    let event_type = fields.text("type").map(str::to_owned);
    fields.finish();
    Some(Vector {
        name: name?,
        origin,
        source,
        secret: secret?,
        other_secret,
        settings,
        verify_token,
        method,
        origin_url,
        target,
        headers,
        body,
        now: now.unwrap_or(UnixTime::from_millis(0)),
        expect,
        id,
        event_type,
    })
}

fn settings(fields: &mut Fields<'_, '_>) -> Vec<(String, String)> {
    let Some(cursor) = fields.optional("settings") else { return Vec::new() };
    let problems = fields.problems();
    let mut settings = Vec::new();
    for entry in cursor.entries(problems).unwrap_or_default() {
        settings.extend(cursor.key(entry).text(problems).map(|text| (entry.key.clone(), text.to_owned())));
    }
    settings
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// `https://host/path?query` as `https://host` and `/path?query`.
fn url(text: &str) -> (Option<String>, String) {
    let Some((scheme, rest)) = text.split_once("://") else { return (None, text.to_owned()) };
    let (host, target) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    (Some(format!("{scheme}://{host}")), target.to_owned())
}

fn headers(fields: &mut Fields<'_, '_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(cursor) = fields.optional("headers") else { return headers };
    let problems = fields.problems();
    for entry in cursor.entries(problems).unwrap_or_default() {
        let value = cursor.key(entry);
        let name = entry.key.parse::<HeaderName>();
        // A list stands for a header that is repeated.
        let values = match &value.node.value {
            Value::List(_) => value.texts(problems).unwrap_or_default(),
            _ => value.text(problems).into_iter().collect(),
        };
        for text in values {
            match (&name, HeaderValue::from_str(text)) {
                (Ok(name), Ok(value)) => {
                    headers.append(name.clone(), value);
                }
                _ => value.report(problems, "this cannot be a header"),
            }
        }
    }
    headers
}

fn body(fields: &mut Fields<'_, '_>) -> Vec<u8> {
    let text = fields.text("body");
    let encoded = fields.text("body_base64").map(|encoded| STANDARD.decode(encoded));
    match (text, encoded) {
        (Some(_), Some(_)) => {
            fields.report("write `body` or `body_base64`, not both");
            Vec::new()
        }
        (_, Some(Err(_))) => {
            fields.report_at("body_base64", "this is not base64");
            Vec::new()
        }
        (_, Some(Ok(bytes))) => bytes,
        (text, None) => text.unwrap_or_default().as_bytes().to_vec(),
    }
}

fn answer(fields: &mut Fields<'_, '_>) -> Option<Expect> {
    let mut answer = fields.child("answer")?;
    let status = super::read::status(&mut answer, "status", 200).unwrap_or(200);
    let content_type = answer.text("content_type").map(str::to_owned);
    let headers = headers(&mut answer).into_iter().filter_map(|(name, value)| Some((name?, value))).collect();
    let body = answer.text("body").unwrap_or_default().to_owned();
    answer.finish();
    Some(Expect::Challenge { status, content_type, headers, body })
}
