//! `application/x-www-form-urlencoded`: form bodies and queries.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use percent_encoding::percent_decode;

use super::headers::Headers;

/// More fields than any sender's form has; beyond it a stranger's body would cost too much to sort.
const MOST_FIELDS: usize = 1024;

/// A name or a value, decoded. Not always UTF-8.
pub(crate) type Decoded<'a> = Cow<'a, [u8]>;

/// Whether the headers call the body a form.
pub(crate) fn is_form(headers: &dyn Headers) -> bool {
    let essence = headers.text(&CONTENT_TYPE).and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// The fields in the order in which they stand.
pub(crate) fn fields(text: &[u8]) -> impl Iterator<Item = (Decoded<'_>, Decoded<'_>)> {
    text.split(|byte| *byte == b'&').filter(|field| !field.is_empty()).map(|field| {
        let mut halves = field.splitn(2, |byte| *byte == b'=');
        (decode(halves.next().unwrap_or_default()), decode(halves.next().unwrap_or_default()))
    })
}

/// Looks for the one field of this name.
pub(crate) fn field<'a>(text: &'a [u8], name: &str) -> Field<'a> {
    let mut values = fields(text).filter(|(field, _)| field.as_ref() == name.as_bytes());
    match (values.next(), values.next()) {
        (None, _) => Field::Absent,
        (Some((_, value)), None) => Field::Once(value),
        (Some(_), Some(_)) => Field::Repeated,
    }
}

/// What became of looking for a field.
pub(crate) enum Field<'a> {
    Absent,
    Once(Decoded<'a>),
    Repeated,
}

/// Every name with its value, sorted by name and then by value, equal ones once; `None` if there are too many.
///
/// That is the text Twilio's own libraries sign: they sort the names, and under each name the set of its values.
pub(crate) fn sorted(text: &[u8]) -> Option<Vec<(Decoded<'_>, Decoded<'_>)>> {
    let mut all: Vec<_> = fields(text).take(MOST_FIELDS.saturating_add(1)).collect();
    if all.len() > MOST_FIELDS {
        return None;
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// `+` is a space, `%41` is `A`; what is no escape stays as it is.
fn decode(text: &[u8]) -> Decoded<'_> {
    if text.contains(&b'+') {
        let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        return Cow::Owned(percent_decode(&spaced).collect());
    }
    percent_decode(text).into()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &[u8]) -> Vec<(String, String)> {
        let text_of = |bytes: Decoded<'_>| String::from_utf8_lossy(&bytes).into_owned();
        sorted(text).unwrap().into_iter().map(|(name, value)| (text_of(name), text_of(value))).collect()
    }

    #[test]
    fn fields_are_decoded_sorted_and_equal_ones_are_once() {
        assert_eq!(
            pairs(b"To=%2B1&Body=a+b%21&A=2&A=1&A=2&empty=&bare&%zz=%"),
            [
                ("%zz", "%"),
                ("A", "1"),
                ("A", "2"),
                ("Body", "a b!"),
                ("To", "+1"),
                ("bare", ""),
                ("empty", "")
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn a_body_of_nothing_but_fields_is_not_sorted() {
        assert!(sorted(&b"a&".repeat(MOST_FIELDS)).is_some());
        assert!(sorted(&b"a&".repeat(MOST_FIELDS + 1)).is_none());
    }

    #[test]
    fn a_field_that_stands_twice_is_neither() {
        assert!(matches!(field(b"a=1&b=2", "a"), Field::Once(value) if value.as_ref() == b"1"));
        assert!(matches!(field(b"a=1&%61=2", "a"), Field::Repeated));
        assert!(matches!(field(b"a=1", "b"), Field::Absent));
    }

    #[test]
    fn only_the_content_type_makes_a_form() {
        let form = |value: &str| is_form(&HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]));
        assert!(form("application/x-www-form-urlencoded"));
        assert!(form("Application/X-WWW-Form-Urlencoded; charset=UTF-8"));
        assert!(!form("application/json"));
        assert!(!is_form(&HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            fields(&bytes).count();
            sorted(&bytes);
        }
    }
}
