//! A delivery to try by hand: a small event of this sender's shape and the `sealpost send` that signs it.

use http::HeaderMap;
use serde_json::{Map, Value};

use crate::time::UnixTime;
use crate::verify::sign::{SignRequest, sign};
use crate::verify::{Algorithm, Location, Locator, Part, Subject, Template, Test, TimeUnit, TimestampSource};

use super::Sender;
use super::key::Kind;
use super::setup::HOST;
use super::signing::flat;

/// A delivery that `sealpost send` can make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The body; `@NOW@` stands for the time at which it is sent.
    pub body: String,
    /// Headers that the sender sends beside those of its signature.
    pub headers: Vec<(String, String)>,
    /// The method.
    pub method: String,
    /// The route's settings.
    pub settings: Vec<(String, String)>,
    /// How the send time is written where it stands in the body.
    unit: Option<TimeUnit>,
    /// How to make a pair of keys, for senders whose private key only they have.
    pair: Option<&'static str>,
}

/// Stands in a trial's body for the time at which it is sent.
pub(super) const NOW: &str = "@NOW@";

impl Sender {
    /// A delivery of this sender, if one can be signed here.
    #[must_use]
    pub fn trial(&self) -> Option<Trial> {
        // A token that is signed here carries no claims of an event.
        let is_claim = |at: &Locator| flat(at).iter().any(|one| matches!(one, Locator::Claim(_)));
        if self.provider.event.key.iter().any(is_claim) {
            return None;
        }
        let method = self.provider.methods.iter().find(|method| *method == "POST");
        let settings = self
            .provider
            .settings
            .iter()
            .map(|setting| (setting.name.clone(), self.setting(&setting.name)))
            .collect();
        let (body, unit) = self.body()?;
        let pair = if self.kind() == Kind::PublicKey { Some(self.pair()?) } else { None };
        let trial = Trial {
            body,
            headers: self.side_headers(),
            method: method.or(self.provider.methods.first()).map_or_else(|| "POST".to_owned(), String::clone),
            settings,
            unit,
            pair,
        };
        (trial.pair.is_some() || self.can_sign(&trial)).then_some(trial)
    }

    /// The trial as commands of a shell.
    pub(super) fn commands(&self, trial: &Trial) -> String {
        let name = &self.provider.name;
        let mut text = String::new();
        let mut secret = self.reference();
        if let Some(pair) = trial.pair {
            text.push_str(&format!(
                "openssl genpkey {pair} -out trial.pem\nopenssl pkey -in trial.pem -pubout -out trial.pub.pem\n"
            ));
            secret = "file:trial.pem".to_owned();
        }
        text.push_str(&format!(
            "echo -n '{}' > event.json\n",
            trial.body.replace(NOW, &shell_time(trial.unit))
        ));
        text.push_str(&format!("sealpost send --provider {name} --secret {secret} --body event.json \\\n"));
        let mut flags: Vec<String> = Vec::new();
        if trial.method != "POST" {
            flags.push(format!("--method {}", trial.method));
        }
        flags.extend(trial.headers.iter().map(|(name, value)| format!("--header '{name}: {value}'")));
        flags.extend(trial.settings.iter().map(|(name, value)| format!("--set '{name}={value}'")));
        if self.provider.scheme.signs_url() {
            flags.push(format!("--public-url {HOST}{}", self.path()));
        }
        for flag in flags {
            text.push_str(&format!("    {flag} \\\n"));
        }
        let repeat = if self.provider.dedupe { " --repeat 2" } else { "" };
        text.push_str(&format!("    --url http://127.0.0.1:8080{}{repeat}\n", self.path()));
        text
    }

    /// An event with the names of the example's, and how its send time is written if it has one.
    fn body(&self) -> Option<(String, Option<TimeUnit>)> {
        let example = self.example()?;
        let kind =
            example.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.contains("form") || kind.contains("xml") {
            let text = self.unsigned_form(std::str::from_utf8(&example.body).ok()?);
            let plain = text.len() <= 900 && !text.contains(['\'', '\\']) && !text.contains(char::is_control);
            return plain.then_some((text, None));
        }
        let shape: Value = serde_json::from_slice(&example.body).unwrap_or_default();
        let mut body = Value::Null;
        let mut unit = None;
        let event = &self.provider.event;
        for (places, value) in [(&event.id, &example.id), (&event.event_type, &example.event_type)] {
            let text =
                value.as_deref().and_then(|value| value.split(',').next()).filter(|value| is_plain(value));
            let pointers = || {
                places.iter().flat_map(flat).filter_map(|at| match at {
                    Locator::Json(pointer) => Some(pointer.to_string()),
                    _ => None,
                })
            };
            // Where the example has it, and as it has it: a number stays one.
            let as_shown = pointers().find_map(|pointer| {
                let found = shape.pointer(&pointer.replace("/*", "/0"))?;
                Some((pointer, if found.is_string() { Value::from(text?) } else { found.clone() }))
            });
            let other = || Some((pointers().next()?, Value::from(text.unwrap_or("1"))));
            if let Some((pointer, value)) = as_shown.or_else(other) {
                put(&mut body, &pointer, value);
            }
        }
        for form in &self.provider.scheme.alternatives {
            for condition in &form.when {
                if let (Subject::Json(pointer), Test::Equals(text)) = (&condition.subject, &condition.test) {
                    put(&mut body, &pointer.to_string(), Value::from(text.as_str()));
                }
            }
            if let Some(timestamp) = &form.timestamp
                && let TimestampSource::Json(pointer) = &timestamp.source
            {
                unit = Some(timestamp.unit);
                put(&mut body, &pointer.to_string(), Value::from(NOW));
            }
            let element = form.each.as_ref().map(ToString::to_string).unwrap_or_default();
            for part in form.signed.iter().flat_map(Template::leaves) {
                if let Part::Json(pointer) = part {
                    let pointer = format!("{element}{pointer}");
                    put(&mut body, &pointer, shown(&shape, &pointer));
                }
            }
        }
        for at in event.key.iter().filter_map(|at| flat(at).into_iter().next()) {
            if let Locator::Json(pointer) = at {
                put(&mut body, &pointer.to_string(), shown(&shape, &pointer.to_string()));
            }
        }
        if body.is_null() {
            body = Value::Object(Map::from_iter([("hello".to_owned(), Value::from("world"))]));
        }
        let text = body.to_string();
        // Digits stand without quotes, as senders write them.
        let quoted = format!("\"{NOW}\"");
        let digits = matches!(unit, Some(TimeUnit::Seconds | TimeUnit::Milliseconds));
        Some((if digits { text.replace(&quoted, NOW) } else { text }, unit))
    }

    /// A form without what signing puts into it.
    fn unsigned_form(&self, text: &str) -> String {
        let forms = &self.provider.scheme.alternatives;
        let is_added = |field: &str| {
            let name = field.split('=').next().unwrap_or_default();
            forms.iter().any(|form| {
                let timestamp = form.timestamp.as_ref().map(|timestamp| &timestamp.source);
                form.signature.location == Location::Form(name.to_owned())
                    || timestamp == Some(&TimestampSource::Form(name.to_owned()))
            })
        };
        text.split('&').filter(|field| !is_added(field)).collect::<Vec<_>>().join("&")
    }

    /// The headers of id, type and key, where signing does not add them.
    fn side_headers(&self) -> Vec<(String, String)> {
        let event = &self.provider.event;
        let mut headers: Vec<(String, String)> = Vec::new();
        let Some(example) = self.example() else { return headers };
        let parts = event.key.iter().map(std::slice::from_ref);
        for places in [event.id.as_slice(), event.event_type.as_slice()].into_iter().chain(parts) {
            let shown = places.iter().flat_map(flat).find_map(|at| match at {
                Locator::Header(name) => {
                    let value = example.headers.get(name)?.to_str().ok()?;
                    Some((name, self.header(name), value.to_owned()))
                }
                _ => None,
            });
            let Some((name, shown, value)) = shown else { continue };
            let added = self.provider.scheme.alternatives.iter().any(|form| {
                form.signed.iter().flat_map(Template::leaves).any(|part| *part == Part::Header(name.clone()))
            });
            if !added && is_plain(&value) && !headers.iter().any(|(known, _)| *known == shown) {
                headers.push((shown, value));
            }
        }
        headers
    }

    fn can_sign(&self, trial: &Trial) -> bool {
        let Some(example) = self.example() else { return false };
        let Ok(provider) = self.provider.with_settings(&trial.settings) else { return false };
        let mut headers = HeaderMap::new();
        for (name, value) in &trial.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), value.parse()) {
                headers.insert(name, value);
            }
        }
        let time = UnixTime::from_millis(1_767_225_600_000);
        let url = format!("{HOST}{}", self.path());
        let body = trial.body.replace(NOW, "1767225600");
        let request = SignRequest {
            method: &trial.method,
            url: &url,
            headers: &headers,
            body: body.as_bytes(),
            id: None,
            timestamp: time,
        };
        sign(&provider.scheme, &example.secret, &request).is_ok()
    }

    /// The arguments with which `openssl genpkey` makes a key that this sender's algorithm can sign with here.
    fn pair(&self) -> Option<&'static str> {
        let form = self.provider.scheme.alternatives.first()?;
        let word = match &form.algorithm {
            Algorithm::Jwt(jwt) => jwt.algorithms.first()?.word(),
            Algorithm::JwsDetached(jws) => jws.algorithms.first()?.word(),
            _ => self.form(0).get("algorithm")?.as_text()?,
        };
        match word {
            "ed25519" | "EdDSA" => Some("-algorithm ed25519"),
            "ecdsa-p256-sha256" | "ecdsa-p256-sha256-fixed" | "ecdsa-p256-sha1" | "ES256" => {
                Some("-algorithm EC -pkeyopt ec_paramgen_curve:P-256")
            }
            "ecdsa-p384-sha384" | "ecdsa-p384-sha384-fixed" | "ES384" => {
                Some("-algorithm EC -pkeyopt ec_paramgen_curve:P-384")
            }
            "ecdsa-p521-sha512" | "ecdsa-p521-sha512-fixed" | "ES512" => {
                Some("-algorithm EC -pkeyopt ec_paramgen_curve:P-521")
            }
            "rsa-pkcs1-sha256" | "rsa-pkcs1-sha384" | "rsa-pkcs1-sha512" | "rsa-pss-sha256"
            | "rsa-pss-sha384" | "rsa-pss-sha512" | "RS256" | "RS384" | "RS512" | "PS256" | "PS384"
            | "PS512" => Some("-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
            _ => None,
        }
    }
}

impl Trial {
    /// Whether it needs a pair of keys made for the trial.
    #[must_use]
    pub fn needs_pair(&self) -> bool {
        self.pair.is_some()
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(['\'', '\\', '"'])
        && text.bytes().all(|byte| (b' '..0x7f).contains(&byte))
}

/// What a shell writes the time with, between two quoted pieces.
fn shell_time(unit: Option<TimeUnit>) -> String {
    let command = match unit {
        Some(TimeUnit::Milliseconds) => "date +%s000",
        Some(TimeUnit::Rfc3339) => "date -u +%FT%TZ",
        Some(TimeUnit::Rfc2822) => "date -Ru",
        Some(TimeUnit::Seconds) | None => "date +%s",
    };
    format!("'\"$({command})\"'")
}

/// The example's value at a pointer, if it can stand in a shell's quotes.
fn shown(shape: &Value, pointer: &str) -> Value {
    let found = shape
        .pointer(&pointer.replace("/*", "/0"))
        .filter(|found| is_plain(&found.to_string().replace('"', "")));
    found.cloned().unwrap_or_else(|| Value::from("1"))
}

/// Puts a value where a pointer leads, if nothing is there; a `*` is the first element of a list.
fn put(tree: &mut Value, pointer: &str, value: Value) {
    let mut place = tree;
    for step in pointer.split('/').skip(1) {
        if step == "*" || (step == "0" && !place.is_object()) {
            if place.is_null() {
                *place = Value::Array(vec![Value::Null]);
            }
            match place.get_mut(0) {
                Some(first) => place = first,
                None => return,
            }
        } else {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            let Value::Object(map) = place else { return };
            place = map.entry(step.replace("~1", "/").replace("~0", "~")).or_insert(Value::Null);
        }
    }
    if place.is_null() {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_made_of_the_places_that_are_read() {
        let body = |name: &str| Sender::find(name).unwrap().trial().unwrap().body;
        assert_eq!(
            body("stripe"),
            r#"{"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","type":"payment_intent.succeeded"}"#
        );
        assert!(body("hubspot").starts_with("[{"), "{}", body("hubspot"));
        assert!(body("linear").contains(NOW), "{}", body("linear"));
    }

    #[test]
    fn only_the_sender_has_its_private_key() {
        let trial = Sender::find("discord").unwrap().trial().unwrap();
        assert!(trial.needs_pair());
        assert!(
            Sender::find("discord").unwrap().commands(&trial).contains("openssl genpkey -algorithm ed25519")
        );
    }
}
