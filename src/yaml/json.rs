//! A node as JSON, by YAML 1.2's core schema: for JSON Schema and for programs that ask for JSON.

use serde_json::{Map, Number, Value as Json};

use super::node::{Node, Value};

impl Node {
    /// The node as JSON: plain `true`, `false` and decimal numbers get their types, everything else stays text.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Scalar { text, quoted: true } => Json::String(text.clone()),
            Value::Scalar { text, quoted: false } => plain(text),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                Json::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }
}

fn plain(text: &str) -> Json {
    if let Ok(boolean) = super::scalar::boolean(text) {
        return Json::Bool(boolean);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        if let Ok(number) = text.parse::<i64>() {
            return Json::Number(number.into());
        }
        if let Some(number) = text.parse::<f64>().ok().and_then(Number::from_f64) {
            return Json::Number(number);
        }
    }
    Json::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn plain_scalars_get_their_json_type_and_quoted_ones_stay_text() {
        let node =
            crate::yaml::parse("{a: 1, b: '1', c: true, d: yes, e: null, f: [1.5, 10s], g: -2}").unwrap();
        assert_eq!(
            node.to_json(),
            json!({"a": 1, "b": "1", "c": true, "d": "yes", "e": null, "f": [1.5, "10s"], "g": -2})
        );
    }
}
