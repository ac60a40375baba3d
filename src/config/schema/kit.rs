//! The pieces that schemas are made of, each with the description an editor shows.

use serde_json::{Map, Value, json};

/// A mapping with these keys and no others.
pub(super) fn object(description: &str, required: &[&str], keys: Vec<(&str, Value)>) -> Value {
    let properties: Map<String, Value> =
        keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let mut object = json!({
        "type": "object",
        "description": description,
        "additionalProperties": false,
        "properties": properties
    });
    if let Some(object) = object.as_object_mut().filter(|_| !required.is_empty()) {
        object.insert("required".into(), json!(required));
    }
    object
}

/// A list of at least `least` items.
pub(super) fn list(description: &str, least: u64, items: Value) -> Value {
    json!({ "type": "array", "description": description, "minItems": least, "items": items })
}

/// One value or a list of them.
pub(super) fn one_or_many(description: &str, item: Value) -> Value {
    json!({ "description": description, "oneOf": [item.clone(), { "type": "array", "items": item }] })
}

/// Any text.
pub(super) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// A text of this form.
pub(super) fn pattern(description: &str, pattern: &str) -> Value {
    json!({ "type": "string", "description": description, "pattern": pattern })
}

/// A text of this form that has a default.
pub(super) fn pattern_with_default(description: &str, pattern: &str, default: &str) -> Value {
    json!({ "type": "string", "description": description, "pattern": pattern, "default": default })
}

/// A name that goes into headers and metrics.
pub(super) fn name(description: &str) -> Value {
    pattern(description, "^[A-Za-z0-9._-]{1,64}$")
}

/// An address and port.
pub(super) fn address(description: &str) -> Value {
    pattern(description, "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$")
}

/// `true` or `false`.
pub(super) fn boolean(description: &str, default: bool) -> Value {
    json!({ "type": "boolean", "description": description, "default": default })
}

/// A whole number above zero.
pub(super) fn count(description: &str, default: u64) -> Value {
    json!({ "type": "integer", "minimum": 1, "description": description, "default": default })
}

/// One of these words.
pub(super) fn one_of(description: &str, words: &[&str], default: &str) -> Value {
    json!({ "enum": words, "description": description, "default": default })
}

/// One of these words, without a default of its own.
pub(super) fn word(description: &str, words: &[&str]) -> Value {
    json!({ "enum": words, "description": description })
}

/// A duration above zero.
pub(super) fn duration(description: &str, default: Option<&str>) -> Value {
    let mut duration = pattern(description, "^0*[1-9][0-9]*(ms|s|m|h|d)$");
    if let (Some(duration), Some(default)) = (duration.as_object_mut(), default) {
        duration.insert("default".into(), json!(default));
    }
    duration
}

/// A duration that may be zero.
pub(super) fn duration_or_zero(description: &str) -> Value {
    pattern(description, "^[0-9]+(ms|s|m|h|d)$")
}

/// A size above zero.
pub(super) fn size(description: &str, default: &str) -> Value {
    let mut size = pattern(description, "^0*[1-9][0-9]*(B|KiB|MiB|GiB)$");
    if let Some(size) = size.as_object_mut() {
        size.insert("default".into(), json!(default));
    }
    size
}

/// A size that may be zero.
pub(super) fn size_or_zero(description: &str, default: &str) -> Value {
    json!({ "type": "string", "description": description, "pattern": "^[0-9]+(B|KiB|MiB|GiB)$", "default": default })
}

/// A place in a delivery.
pub(super) fn locator(description: &str) -> Value {
    pattern(description, "^((header|query|form|json|claim):.+|body|signed)(\\|.+)?$")
}
