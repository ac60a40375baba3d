//! JSON written anew, the way each common writer does it: what a body becomes when something parses and re-serialises it.

use std::fmt::{self, Write};

use super::json_style::{Escapes, Layout, Style};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON text as a tree that keeps the order of members; of a repeated name the last value stays, as in most parsers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Double(f64),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl Json {
    /// Reads a whole text; `None` if it is not JSON, or nested deeper than 128.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// Writes it.
    pub(super) fn write(&self, style: &Style) -> String {
        let mut out = String::new();
        write(&mut out, self, style, 0);
        out
    }
}

fn write(out: &mut String, json: &Json, style: &Style, depth: usize) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Signed(value) => append(out, value),
        Json::Unsigned(value) => append(out, value),
        Json::Double(value) if style.doubles && value.fract() == 0.0 && value.abs() < 1e21 => {
            append(out, value)
        }
        Json::Double(value) => append(out, format_args!("{value:?}")),
        Json::Text(text) => write_text(out, text, style.escapes),
        Json::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                before_item(out, style.layout, index, depth + 1);
                write(out, item, style, depth + 1);
            }
            after_items(out, style.layout, items.len(), depth);
            out.push(']');
        }
        Json::Map(members) => {
            let mut members: Vec<_> = members.iter().collect();
            if style.sorted {
                members.sort_by(|one, other| one.0.cmp(&other.0));
            }
            out.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                before_item(out, style.layout, index, depth + 1);
                write_text(out, name, style.escapes);
                out.push_str(if style.layout == Layout::Compact { ":" } else { ": " });
                write(out, value, style, depth + 1);
            }
            after_items(out, style.layout, members.len(), depth);
            out.push('}');
        }
    }
}

fn before_item(out: &mut String, layout: Layout, index: usize, depth: usize) {
    if index > 0 {
        out.push(',');
    }
    match layout {
        Layout::Spaced if index > 0 => out.push(' '),
        Layout::Lines(indent) => new_line(out, indent * depth),
        Layout::Compact | Layout::Spaced => {}
    }
}

fn after_items(out: &mut String, layout: Layout, items: usize, depth: usize) {
    if let (Layout::Lines(indent), 1..) = (layout, items) {
        new_line(out, indent * depth);
    }
}

fn new_line(out: &mut String, spaces: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', spaces));
}

fn write_text(out: &mut String, text: &str, escapes: Escapes) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '/' if matches!(escapes, Escapes::Slash | Escapes::AsciiSlash) => out.push_str("\\/"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if escapes == Escapes::Html => escape(out, character),
            '\u{0}'..='\u{1f}' => escape(out, character),
            _ if !character.is_ascii() && matches!(escapes, Escapes::Ascii | Escapes::AsciiSlash) => {
                escape(out, character);
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn escape(out: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        append(out, format_args!("\\u{unit:04x}"));
    }
}

fn append(out: &mut String, value: impl fmt::Display) {
    // Writing to a `String` cannot fail.
    let _ = write!(out, "{value}");
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Signed(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Unsigned(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Double(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut places = std::collections::HashMap::new();
        while let Some((name, value)) = map.next_entry::<String, Json>()? {
            match places.get(&name).and_then(|place: &usize| members.get_mut(*place)) {
                Some(member) => member.1 = value,
                None => {
                    places.insert(name.clone(), members.len());
                    members.push((name, value));
                }
            }
        }
        Ok(Json::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::super::json_style::STYLES;
    use super::*;

    fn written(text: &str, writer: &str) -> String {
        let style = STYLES.iter().find(|style| style.writer.starts_with(writer)).unwrap();
        Json::parse(text.as_bytes()).unwrap().write(style)
    }

    #[test]
    fn each_writer_writes_as_its_language_does() {
        let text = r#"{"b": [1.0, 0.10, -2], "a": "é<\/😀\u0001", "c": {}, "d": []}"#;
        for (writer, expected) in [
            ("JSON.stringify (", r#"{"b":[1,0.1,-2],"a":"é</😀\u0001","c":{},"d":[]}"#),
            ("json.dumps (", r#"{"b": [1.0, 0.1, -2], "a": "\u00e9</\ud83d\ude00\u0001", "c": {}, "d": []}"#),
            ("encoding/json (", r#"{"b":[1,0.1,-2],"a":"é\u003c/😀\u0001","c":{},"d":[]}"#),
            ("json_encode (", r#"{"b":[1.0,0.1,-2],"a":"\u00e9<\/\ud83d\ude00\u0001","c":{},"d":[]}"#),
            ("JSON.stringify with sorted", r#"{"a":"é</😀\u0001","b":[1,0.1,-2],"c":{},"d":[]}"#),
        ] {
            assert_eq!(written(text, writer), expected, "{writer}");
        }
        assert_eq!(
            written(r#"{"a":[1,{"b":2}],"c":{}}"#, "a pretty printer with 2"),
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"c\": {}\n}"
        );
    }

    #[test]
    fn of_a_repeated_name_the_last_value_stays_in_the_first_place() {
        assert_eq!(written(r#"{"a":1,"b":2,"a":3}"#, "JSON.stringify ("), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn a_text_that_nests_too_deep_is_left_alone() {
        let deep = "[".repeat(100_000);
        assert_eq!(Json::parse(deep.as_bytes()), None);
    }
}
