//! The reference of the provider language as Markdown, made from the schema's own descriptions and the words' meanings.

use serde_json::{Map, Value};

use super::provider::provider;
use crate::verify::meanings::{self, Meaning};

/// In which order the keys are explained; others follow.
const ORDER: &[&str] = &[
    "name",
    "title",
    "docs",
    "confidence",
    "source",
    "notes",
    "methods",
    "signature",
    "algorithm",
    "jwt",
    "jws",
    "http_message",
    "key",
    "keys",
    "signed",
    "sort_parts",
    "prehash",
    "each",
    "unsigned_body",
    "body",
    "body_digest",
    "document",
    "url",
    "timestamp",
    "alternatives",
    "settings",
    "event",
    "retry",
    "upstream",
    "dedupe",
    "refusal",
    "reply",
    "challenges",
    "redact",
    "vectors",
];

/// The lists of words, each with its title.
const WORDS: &[(&str, &[Meaning])] = &[
    ("Placeholders of `signed`, in braces", meanings::PLACEHOLDERS),
    ("Filters, behind a `|` in a placeholder", meanings::FILTERS),
    ("Places", meanings::PLACES),
    ("Places for an event's id, type and key, beside those", meanings::PLACES_OF_EVENTS),
    ("Algorithms", meanings::ALGORITHMS),
    ("Algorithms of a token (`jwt`, `jws`)", meanings::JWT_ALGORITHMS),
    ("Payloads of a detached token (`jws.b64`)", meanings::JWS_PAYLOADS),
    ("Digests", meanings::DIGESTS),
    ("Encodings of a signature or digest", meanings::ENCODINGS),
    ("Encodings of a secret", meanings::KEY_ENCODINGS),
    ("Bytes of the body", meanings::BODY_FORMS),
    ("Units of a send time", meanings::TIME_UNITS),
];

/// Every key of an entry under `providers`, and every word there is, as Markdown.
#[must_use]
pub fn language_reference() -> String {
    let schema = provider();
    let mut text = String::from("### Keys\n\n| key | what | default | meaning |\n|---|---|---|---|\n");
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let rank = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
    let mut keys: Vec<&String> = properties.keys().collect();
    keys.sort_by_key(|key| rank(key));
    for key in keys {
        if let Some(value) = properties.get(key) {
            rows(&mut text, key, value, key == "alternatives");
        }
    }
    for (title, words) in WORDS {
        text.push_str(&format!("\n### {title}\n\n| word | meaning |\n|---|---|\n"));
        for (word, meaning) in *words {
            text.push_str(&format!("| `{}` | {} |\n", cell(word), cell(meaning)));
        }
    }
    text
}

/// The row of one key and those of the keys inside it. `closed`: what is inside has been told elsewhere.
fn rows(text: &mut String, path: &str, schema: &Value, closed: bool) {
    let default = schema.get("default").map_or_else(String::new, |value| match value {
        Value::String(word) => format!("`{word}`"),
        other => format!("`{other}`"),
    });
    let several = schema.get("oneOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let description = |value: &Value| value.get("description").and_then(Value::as_str).map(str::to_owned);
    let meaning = description(schema).or_else(|| several.iter().find_map(description)).unwrap_or_default();
    text.push_str(&format!("| `{path}` | {} | {default} | {} |\n", cell(&kind(schema)), cell(&meaning)));
    if closed {
        text.push_str(&format!(
            "| `{path}[].when` | {} | | {} |\n",
            "mapping, or a list of them",
            inside(schema, "when")
        ));
        if let Some(when) = property(schema, "when") {
            children(text, &format!("{path}[].when"), &when);
        }
        return;
    }
    children(text, path, schema);
}

fn children(text: &mut String, path: &str, schema: &Value) {
    for (within, object) in objects(schema) {
        let Some(properties) = object.get("properties").and_then(Value::as_object) else { continue };
        for (key, value) in properties {
            rows(text, &format!("{path}{within}.{key}"), value, false);
        }
    }
}

fn inside(schema: &Value, key: &str) -> String {
    let found = property(schema, key);
    let text = found.as_ref().and_then(|value| value.get("description")).and_then(Value::as_str);
    cell(text.unwrap_or_default())
}

fn property(schema: &Value, key: &str) -> Option<Value> {
    objects(schema).into_iter().find_map(|(_, object)| object.get("properties")?.get(key).cloned())
}

/// The mappings that a value may be or may hold, each once: `[]` for those of a list.
fn objects(schema: &Value) -> Vec<(&'static str, &Map<String, Value>)> {
    let is_mapping = |value: &&Value| value.get("properties").is_some();
    let several = schema.get("oneOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let plain = [schema]
        .into_iter()
        .chain(several)
        .filter(is_mapping)
        .filter_map(Value::as_object)
        .map(|object| ("", object));
    let items =
        schema.get("items").filter(is_mapping).and_then(Value::as_object).map(|object| ("[]", object));
    plain.chain(items).collect()
}

/// What a value is, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let word =
            |word: &Value| format!("`{}`", word.as_str().map_or_else(|| word.to_string(), str::to_owned));
        let words: Vec<String> = words.iter().map(word).collect();
        return if words.len() > 5 { "a word, see below".to_owned() } else { words.join(", ") };
    }
    if let Some(one) = schema.get("const") {
        return format!("`{}`", one.as_str().map_or_else(|| one.to_string(), str::to_owned));
    }
    if let Some(several) =
        schema.get("oneOf").and_then(Value::as_array).filter(|_| schema.get("properties").is_none())
    {
        return match several.as_slice() {
            [one, list] if list.get("items") == Some(one) => format!("{}, or a list of them", kind(one)),
            several => several.iter().map(kind).collect::<Vec<_>>().join(" or "),
        };
    }
    let pattern = schema.get("pattern").and_then(Value::as_str).unwrap_or_default();
    match schema.get("type") {
        Some(Value::String(name)) => match name.as_str() {
            "string" if pattern.contains("(ms|s|m|h|d)") => "duration".to_owned(),
            "string" if pattern.contains("header|query") => "place".to_owned(),
            "string" if pattern == "^/" => "JSON Pointer".to_owned(),
            "string" if pattern.starts_with("^[ -/") && !pattern.ends_with("+$") => {
                "one character".to_owned()
            }
            "string" => "text".to_owned(),
            "array" => {
                let items = schema.get("items").map(kind).unwrap_or_default();
                format!("list of: {items}")
            }
            "object" if schema.get("properties").is_some() => "mapping".to_owned(),
            "object" => "mapping of names".to_owned(),
            "boolean" => "`true` or `false`".to_owned(),
            "integer" => "number".to_owned(),
            other => other.to_owned(),
        },
        Some(Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names
                .join(" or ")
                .replace("string", "text")
                .replace("integer", "number")
                .replace("boolean", "`true` or `false`")
        }
        _ => String::new(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_language_is_in_its_order_and_has_a_meaning() {
        let schema = provider();
        let keys = schema.get("properties").and_then(Value::as_object).unwrap();
        let known: Vec<&str> = ORDER.iter().copied().filter(|key| keys.contains_key(*key)).collect();
        assert_eq!((known.len(), ORDER.len()), (keys.len(), keys.len()), "{:?}", keys.keys());
        for line in language_reference().lines().filter(|line| line.starts_with("| `")) {
            assert!(!line.ends_with("|  |") && !line.contains("|  | |"), "{line}");
        }
    }

    #[test]
    fn keys_inside_others_are_told_with_their_path() {
        let reference = language_reference();
        for line in [
            "| `signature.pairs.timestamp` | text |  | The name of the item that is the send time. |",
            "| `key.encoding` | `utf8`, `base64`, `hex` | `utf8` | How it is written. |",
            "| `timestamp.tolerance.past` | duration |  | The greatest age. |",
            "| `header:NAME` | the value of a header |",
        ] {
            assert!(reference.contains(line), "{line}\n{reference}");
        }
    }
}
