//! Scalars of a JSON text found by pointer: one pass for all pointers, without building a tree.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::locator::{Pointer, Step};

/// A `*` that reaches more is no sender's: a stranger's list would cost many times its own length.
const MOST_FOUND: usize = 64 * 1024;

/// What a pointer found: nothing, one scalar, or with a `*` several, in the text's order.
pub(crate) type Found<'b> = Vec<Cow<'b, str>>;

/// What each pointer finds, in the pointers' order; `None` if the text is not JSON from end to end.
///
/// Of texts that no pointer leads to only the ends are looked for: their escapes and bytes may be such as some parsers refuse.
/// Texts are unescaped, numbers stay as they are written, `null`, lists and objects count as absent.
/// Of members with the same name the last one counts, as in the JSON parsers of the receivers.
pub(crate) fn extract<'b>(body: &'b [u8], pointers: &[&Pointer]) -> Option<Vec<Found<'b>>> {
    walk(body, pointers, scalar, None)
}

/// What each pointer finds as [`extract`] does, but any value, as its own bytes.
pub(crate) fn extract_raw<'b>(body: &'b [u8], pointers: &[&Pointer]) -> Option<Vec<Found<'b>>> {
    walk(body, pointers, any_value, None)
}

/// What [`extract`] finds, and whether a member on the way to any of it stands there twice, in whichever letter case.
///
/// What is signed by itself must be what the receiver reads, and receivers differ: some take the first of two members,
/// some take `Amount` for `amount`.
pub(crate) fn extract_once<'b>(body: &'b [u8], pointers: &[&Pointer]) -> Option<(Vec<Found<'b>>, bool)> {
    let twice = Cell::new(false);
    Some((walk(body, pointers, scalar, Some(&twice))?, twice.get()))
}

/// The same for [`extract_raw`].
pub(crate) fn extract_raw_once<'b>(body: &'b [u8], pointers: &[&Pointer]) -> Option<(Vec<Found<'b>>, bool)> {
    let twice = Cell::new(false);
    Some((walk(body, pointers, any_value, Some(&twice))?, twice.get()))
}

/// What becomes of a value that a pointer leads to.
type Take = for<'r> fn(&'r str) -> Option<Cow<'r, str>>;

fn walk<'b>(
    body: &'b [u8],
    pointers: &[&Pointer],
    take: Take,
    twice: Option<&Cell<bool>>,
) -> Option<Vec<Found<'b>>> {
    let mut found = vec![Found::new(); pointers.len()];
    let wanted = pointers.iter().enumerate().map(|(slot, pointer)| (slot, pointer.steps())).collect();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    Walk { wanted, found: &mut found, take, twice }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(found)
}

/// Where in the text the values stand that any of the pointers leads to, in whichever letter case of the names and every one
/// of several members with one name; `None` if the text is not JSON from end to end.
///
/// It is for hiding them: what some receiver could read there is found, not only what this one reads.
#[must_use]
pub fn places(body: &[u8], pointers: &[&Pointer]) -> Option<Vec<Range<usize>>> {
    let text = std::str::from_utf8(body).ok()?;
    let whole: &RawValue = serde_json::from_str(text).ok()?;
    let mut found = Vec::new();
    for pointer in pointers {
        find_places(text, whole, pointer.steps(), &mut found)?;
    }
    Some(found)
}

fn find_places(text: &str, value: &RawValue, steps: &[Step], found: &mut Vec<Range<usize>>) -> Option<()> {
    let raw = value.get();
    let Some((step, rest)) = steps.split_first() else {
        // The value is a part of the text, so the difference of their addresses is its place.
        let begin = raw.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        if found.len() >= MOST_FOUND {
            return None;
        }
        found.push(begin..begin.checked_add(raw.len())?);
        return Some(());
    };
    match raw.as_bytes().first() {
        Some(b'{') => {
            let members: Members<'_> = serde_json::from_str(raw).ok()?;
            for (name, member) in members.0 {
                let wanted = match step {
                    Step::Key(key) => key.eq_ignore_ascii_case(&name),
                    Step::Every => false,
                };
                if wanted {
                    find_places(text, member, rest, found)?;
                }
            }
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
            for (index, element) in elements.into_iter().enumerate() {
                let wanted = match step {
                    Step::Key(key) => *key == index.to_string(),
                    Step::Every => true,
                };
                if wanted {
                    find_places(text, element, rest, found)?;
                }
            }
        }
        _ => {}
    }
    Some(())
}

/// All members of an object, those of one name too.
struct Members<'b>(Vec<(Cow<'b, str>, &'b RawValue)>);

impl<'de: 'b, 'b> serde::Deserialize<'de> for Members<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'b> Visitor<'b> for All {
            type Value = Members<'b>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<Members<'b>, A::Error> {
                let mut members = Vec::new();
                while let Some(entry) = map.next_entry::<Cow<'b, str>, &'b RawValue>()? {
                    members.push(entry);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// How many members the text's object has, those of one name counted apart; `None` if the text is no object.
pub(crate) fn member_count(body: &[u8]) -> Option<usize> {
    struct Count;
    impl<'b> Visitor<'b> for Count {
        type Value = usize;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<usize, A::Error> {
            let mut count = 0_usize;
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                count = count.saturating_add(1);
            }
            Ok(count)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let count = deserializer.deserialize_map(Count).ok()?;
    deserializer.end().ok()?;
    Some(count)
}

/// A slot of the result and the steps that still lead to it.
type Wanted<'p> = SmallVec<[(usize, &'p [Step]); 4]>;

/// What is wanted of the value that comes next.
struct Walk<'p, 'o, 'b> {
    wanted: Wanted<'p>,
    found: &'o mut Vec<Found<'b>>,
    take: Take,
    /// Set where a wanted member stands there twice, if anybody asks.
    twice: Option<&'o Cell<bool>>,
}

impl<'b> DeserializeSeed<'b> for Walk<'_, '_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.wanted.iter().any(|(_, steps)| steps.is_empty()) {
            return deserializer.deserialize_any(self);
        }
        let raw = <&RawValue as serde::Deserialize>::deserialize(deserializer)?.get();
        let (here, deeper): (Wanted<'_>, Wanted<'_>) =
            self.wanted.iter().copied().partition(|(_, steps)| steps.is_empty());
        for (slot, _) in here {
            if let (Some(value), Some(found)) = ((self.take)(raw), self.found.get_mut(slot)) {
                if found.len() >= MOST_FOUND {
                    return Err(D::Error::custom("too many values"));
                }
                found.push(value);
            }
        }
        if deeper.is_empty() {
            return Ok(());
        }
        let mut deserializer = serde_json::Deserializer::from_str(raw);
        Walk { wanted: deeper, found: self.found, take: self.take, twice: self.twice }
            .deserialize(&mut deserializer)
            .map_err(D::Error::custom)
    }
}

impl<'b> Visitor<'b> for Walk<'_, '_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<(), A::Error> {
        let before: SmallVec<[usize; 8]> = self.found.iter().map(Vec::len).collect();
        let mut seen: SmallVec<[usize; 4]> = SmallVec::new();
        while let Some((wanted, named)) = map.next_key_seed(Member(&self.wanted))? {
            if let Some(twice) = self.twice {
                twice.set(twice.get() || named.iter().any(|slot| seen.contains(slot)));
                seen.extend(named);
            }
            if wanted.is_empty() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            for (slot, _) in &wanted {
                if let (Some(found), Some(length)) = (self.found.get_mut(*slot), before.get(*slot)) {
                    found.truncate(*length);
                }
            }
            map.next_value_seed(Walk { wanted, found: self.found, take: self.take, twice: self.twice })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut list: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let wanted = self.wanted.iter().filter_map(|(slot, steps)| match steps.split_first()? {
                (Step::Every, rest) => Some((*slot, rest)),
                (Step::Key(key), rest) => is_index(key, index).then_some((*slot, rest)),
            });
            let wanted: Wanted<'_> = wanted.collect();
            let more = if wanted.is_empty() {
                list.next_element::<IgnoredAny>()?.is_some()
            } else {
                list.next_element_seed(Walk {
                    wanted,
                    found: self.found,
                    take: self.take,
                    twice: self.twice,
                })?
                .is_some()
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Reads a member's name and says what is wanted of its value, and whose name it is in either letter case.
struct Member<'w, 'p>(&'w Wanted<'p>);

impl<'b, 'p> DeserializeSeed<'b> for Member<'_, 'p> {
    type Value = (Wanted<'p>, SmallVec<[usize; 4]>);

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'p> Visitor<'_> for Member<'_, 'p> {
    type Value = (Wanted<'p>, SmallVec<[usize; 4]>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let mut wanted = Wanted::new();
        let mut named = SmallVec::new();
        for (slot, steps) in self.0 {
            match steps.split_first() {
                Some((Step::Key(key), rest)) if key.eq_ignore_ascii_case(name) => {
                    named.push(*slot);
                    if key == name {
                        wanted.push((*slot, rest));
                    }
                }
                _ => {}
            }
        }
        Ok((wanted, named))
    }
}

/// Whether a pointer's step is this index, written as RFC 6901 wants it: no leading zero.
fn is_index(key: &str, index: usize) -> bool {
    (key == "0" || !key.starts_with('0')) && !key.starts_with('+') && key.parse() == Ok(index)
}

fn any_value(raw: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(raw))
}

fn scalar(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes().first()? {
        b'"' if !raw.contains('\\') => raw.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed),
        b'"' => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
        b'n' | b'{' | b'[' => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(body: &str, pointer: &str) -> Vec<String> {
        let found = extract(body.as_bytes(), &[&pointer.parse().unwrap()]).unwrap();
        found.into_iter().flatten().map(Cow::into_owned).collect()
    }

    #[test]
    fn scalars_are_found_as_they_are_written() {
        let body = r#"{"id":"evt","n":1.0,"big":12345678901234567890123,"t":true,"z":null,"o":{"a":[1,{"b":"\u0026x"}]}}"#;
        assert_eq!(find(body, "/id"), ["evt"]);
        assert_eq!(find(body, "/n"), ["1.0"]);
        assert_eq!(find(body, "/big"), ["12345678901234567890123"]);
        assert_eq!(find(body, "/t"), ["true"]);
        assert_eq!(find(body, "/o/a/1/b"), ["&x"]);
        for absent in ["/z", "/o", "/o/a", "/o/a/01", "/o/a/2", "/id/x", "/n/0", "/none"] {
            assert_eq!(find(body, absent), [""; 0], "{absent}");
        }
    }

    #[test]
    fn a_star_finds_every_element_and_the_last_of_equal_members_counts() {
        assert_eq!(find(r#"[{"id":1},{"id":2,"id":3},{"x":0}]"#, "/*/id"), ["1", "3"]);
        assert_eq!(find(r#"{"id":1,"id":{"a":2}}"#, "/id"), [""; 0]);
        assert_eq!(find(r#"{"a":{"b":1},"a":{"c":2}}"#, "/a/b"), [""; 0]);
        assert_eq!(find(r#"{"i\u0064":7}"#, "/id"), ["7"]);
    }

    #[test]
    fn a_member_that_stands_twice_on_the_way_is_noticed() {
        let pointers: Vec<Pointer> = ["/a/b", "/l/*/c"].map(|text| text.parse().unwrap()).into();
        let twice = |body: &str| {
            let pointers: Vec<&Pointer> = pointers.iter().collect();
            let raw = extract_raw_once(body.as_bytes(), &pointers).unwrap();
            assert_eq!(raw.1, extract_once(body.as_bytes(), &pointers).unwrap().1);
            raw.1
        };
        for once in [
            r#"{"a":{"b":1},"l":[{"c":1},{"c":2}],"x":1,"x":2}"#,
            r#"{"A":{"b":1}}"#,
            r#"{"a":{"c":1,"c":2}}"#,
        ] {
            assert!(!twice(once), "{once}");
        }
        for body in [
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":{"b":1},"a":null}"#,
            r#"{"a":{"b":1,"B":2}}"#,
            r#"{"A":{},"a":{"b":1}}"#,
            r#"{"a":{"\u0042":2,"b":1}}"#,
            r#"{"l":[{"c":1},{"c":2,"C":3}]}"#,
        ] {
            assert!(twice(body), "{body}");
        }
    }

    #[test]
    fn a_list_longer_than_any_senders_gives_nothing() {
        let list = |length: usize| format!("[{}1]", "1,".repeat(length - 1));
        let found =
            |length| extract(list(length).as_bytes(), &[&"/*".parse().unwrap()]).map(|found| found[0].len());
        assert_eq!((found(MOST_FOUND), found(MOST_FOUND + 1)), (Some(MOST_FOUND), None));
    }

    #[test]
    fn pointers_into_and_beneath_the_same_value_are_found_in_one_pass() {
        let pointers: Vec<Pointer> = ["/a", "/a/b", "/a/c/0", "/d"].map(|text| text.parse().unwrap()).into();
        let found =
            extract(br#"{"a":{"b":"1","c":["2"]},"d":3}"#, &pointers.iter().collect::<Vec<_>>()).unwrap();
        let found: Vec<Vec<&str>> = found.iter().map(|one| one.iter().map(AsRef::as_ref).collect()).collect();
        assert_eq!(found, [vec![], vec!["1"], vec!["2"], vec!["3"]]);
    }

    #[test]
    fn what_is_not_json_to_its_end_has_nothing() {
        let pointer = "/id".parse().unwrap();
        for body in
            ["", "{", r#"{"id":1}x"#, r#"{"id":1},"#, r#"{"id":}"#, "\u{feff}{\"id\":1}", r#"{"id":1"#]
        {
            assert!(extract(body.as_bytes(), &[&pointer]).is_none(), "{body:?}");
        }
        assert!(extract(b"{\"id\":\"\xff\"}", &[&pointer]).is_none());
        assert!(extract(b" {\"id\":1}\r\n", &[&pointer]).is_some());
    }

    #[test]
    fn deep_nesting_ends_with_a_refusal_and_not_with_the_stack() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let pointers: Vec<Pointer> = vec![format!("/a{}", "/*".repeat(1000)).parse().unwrap()];
        assert!(extract(deep.as_bytes(), &[&pointers[0]]).is_none());
        assert_eq!(extract(deep.as_bytes(), &[&"/b".parse().unwrap()]).unwrap()[0].len(), 0);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_tree(body in tree(), pointer in "(/([ab]|0|1)){1,3}") {
            let text = serde_json::to_string(&body).unwrap();
            let expected = match body.pointer(&pointer) {
                Some(serde_json::Value::String(text)) => vec![text.clone()],
                Some(value @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_))) => vec![value.to_string()],
                _ => vec![],
            };
            prop_assert_eq!(find(&text, &pointer), expected);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            extract(&bytes, &[&"/a/*/b".parse().unwrap()]);
        }
    }

    fn tree() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[ab01]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
