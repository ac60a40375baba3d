//! Puts a text where a receiver looks for it: into a query, a form or JSON, leaving every other byte as it is.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::form::{self, Field};
use super::json;
use super::locator::{Pointer, Step};
use super::multipart;

/// The query or form with this field instead of any of the same name, at its end.
pub(crate) fn set_field(text: &str, name: &str, value: &str) -> String {
    let is_other = |field: &&str| {
        let found = form::fields(field.as_bytes()).next();
        found.is_some_and(|(found, _)| found.as_ref() != name.as_bytes())
    };
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let added = format!("{}={}", encoded(name), encoded(value));
    let kept: Vec<&str> = text.split('&').filter(is_other).chain([added.as_str()]).collect();
    kept.join("&")
}

/// The target with this parameter in its query.
pub(crate) fn set_parameter(target: &str, name: &str, value: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    format!("{path}?{}", set_field(query, name, value))
}

/// The JSON with this text at the pointer; `None` if it is no JSON, or the pointer leads through something that is no object.
///
/// What is there is replaced without writing anything else anew, because a signature may cover the bytes beside it.
pub(crate) fn set_json(body: &[u8], pointer: &Pointer, text: &str) -> Option<Vec<u8>> {
    let text = Value::from(text).to_string();
    let found = json::extract_raw(body, &[pointer])?.pop()?;
    if found.is_empty() {
        return insert(body, pointer, &text);
    }
    let mut written = body.to_vec();
    for value in found.iter().rev() {
        let start = value.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
        let end = start.checked_add(value.len()).filter(|end| *end <= written.len())?;
        written.splice(start..end, text.bytes());
    }
    Some(written)
}

/// The form with this text at the pointer of the JSON in one of its fields.
pub(crate) fn set_json_in_form(body: &[u8], field: &str, pointer: &Pointer, text: &str) -> Option<Vec<u8>> {
    let Field::Once(json) = form::field(body, field) else { return None };
    let json = String::from_utf8(set_json(&json, pointer, text)?).ok()?;
    Some(set_field(std::str::from_utf8(body).ok()?, field, &json).into_bytes())
}

/// The same for `multipart/form-data`.
pub(crate) fn set_json_in_part(
    body: &[u8],
    boundary: &str,
    field: &str,
    pointer: &Pointer,
    text: &str,
) -> Option<Vec<u8>> {
    let Field::Once(Cow::Borrowed(json)) = multipart::field(body, boundary, field) else { return None };
    let start = json.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let (before, from) = body.split_at_checked(start)?;
    Some([before, &set_json(json, pointer, text)?, from.get(json.len()..)?].concat())
}

/// As the last member of the outermost object, or anywhere deeper with the JSON written anew.
fn insert(body: &[u8], pointer: &Pointer, text: &str) -> Option<Vec<u8>> {
    let mut tree: Value = serde_json::from_slice(body).ok()?;
    if let ([Step::Key(name)], Value::Object(members)) = (pointer.steps(), &tree) {
        let end = body.iter().rposition(|byte| *byte == b'}')?;
        let (before, after) = body.split_at_checked(end)?;
        let comma = if members.is_empty() { "" } else { "," };
        let member = format!("{comma}{}:{text}", Value::from(name.as_str()));
        return Some([before, member.as_bytes(), after].concat());
    }
    let mut place = &mut tree;
    for step in pointer.steps() {
        place = match (place, step) {
            (Value::Object(map), Step::Key(key)) => {
                map.entry(key.as_str()).or_insert(Value::Object(Map::new()))
            }
            _ => return None,
        };
    }
    *place = serde_json::from_str(text).ok()?;
    Some(tree.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_field_takes_the_place_of_those_of_its_name() {
        assert_eq!(set_field("", "sig", "a+b"), "sig=a%2Bb");
        assert_eq!(set_field("a=1&s%69g=x&b=2&sig=y", "sig", "z"), "a=1&b=2&sig=z");
        assert_eq!(set_parameter("/a", "s", "1"), "/a?s=1");
        assert_eq!(set_parameter("/a?b=2&s=0", "s", "1"), "/a?b=2&s=1");
    }

    fn json(body: &str, pointer: &str) -> Option<String> {
        set_json(body.as_bytes(), &pointer.parse().unwrap(), "x").map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn only_the_value_itself_is_written() {
        assert_eq!(
            json(r#"{ "b":1.0, "s":"old" , "a" : [] }"#, "/s").unwrap(),
            r#"{ "b":1.0, "s":"x" , "a" : [] }"#
        );
        assert_eq!(json(r#"{"b": 1}"#, "/s").unwrap(), r#"{"b": 1,"s":"x"}"#);
        assert_eq!(json("{}", "/s").unwrap(), r#"{"s":"x"}"#);
        assert_eq!(json("{}", "/a/s").unwrap(), r#"{"a":{"s":"x"}}"#);
        assert_eq!(json(r#"[{"s":1},{"s":"yy"}]"#, "/*/s").unwrap(), r#"[{"s":"x"},{"s":"x"}]"#);
        assert_eq!(json("[]", "/s"), None);
        assert_eq!(json("", "/s"), None);
    }

    #[test]
    fn json_inside_a_form_is_written_into_its_field() {
        let pointer: Pointer = "/s".parse().unwrap();
        let form = set_json_in_form(b"a=1&json=%7B%22s%22:1%7D", "json", &pointer, "x").unwrap();
        assert_eq!(form, b"a=1&json=%7B%22s%22%3A%22x%22%7D");
        let part = b"--b\r\ncontent-disposition: form-data; name=json\r\n\r\n{\"s\":1}\r\n--b--";
        let part = set_json_in_part(part, "b", "json", &pointer, "x").unwrap();
        assert_eq!(part, b"--b\r\ncontent-disposition: form-data; name=json\r\n\r\n{\"s\":\"x\"}\r\n--b--");
    }

    proptest! {
        #[test]
        fn what_is_put_is_found(text: String, body in r#"\{"[a-c]":("[a-c]"|\{"s":[0-9]\})\}"#, pointer in "/[abcs]{1}(/s)?") {
            let pointer: Pointer = pointer.parse().unwrap();
            if let Some(written) = set_json(body.as_bytes(), &pointer, &text) {
                let found = json::extract(&written, &[&pointer]).unwrap();
                prop_assert_eq!(found[0].iter().map(AsRef::as_ref).collect::<Vec<&str>>(), [text.as_str()]);
            }
        }
    }
}
