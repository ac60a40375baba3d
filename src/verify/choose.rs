//! Which form of a scheme a delivery has, decided by facts that the provider's documents name.

use std::borrow::Cow;

use super::body::{self, Body, Place, header, locate, query_parameter};
use super::delivery::Head;
use super::json::{self, Found};
use super::locator::Pointer;
use super::rejection::Rejection;
use super::scheme::{Alternative, Condition, Scheme, Subject, Test};

/// The first form whose conditions all hold, with its index.
pub(crate) fn choose<'s>(
    scheme: &'s Scheme,
    head: &Head<'_>,
    body: &[u8],
) -> Result<(usize, &'s Alternative), Rejection> {
    let document = body::document(scheme.document(), head, body);
    let shown = Shown::read(scheme.alternatives.iter().flat_map(|form| &form.when), &document);
    let mut alternatives = scheme.alternatives.iter().enumerate();
    let chosen =
        alternatives.find(|(_, form)| form.when.iter().all(|condition| condition.holds(head, &shown)));
    chosen.ok_or_else(|| match scheme.alternatives.first() {
        Some(first) if is_missing(first, head, body) => {
            Rejection::SignatureMissing { at: first.signature.location.clone() }
        }
        _ => Rejection::SignatureMalformed {
            what: "the request has none of the forms in which this sender signs",
        },
    })
}

/// Whether there is nothing where this form has its signature.
fn is_missing(form: &Alternative, head: &Head<'_>, body: &[u8]) -> bool {
    let body = Body::read(form, head, body);
    matches!(locate(&form.signature.location, head, Some(&body)), Place::Absent)
}

/// The JSON values that conditions look at, found in one pass however many forms ask for them.
pub(crate) struct Shown<'d> {
    json: Vec<(&'d Pointer, Found<'d>)>,
}

impl<'d> Shown<'d> {
    /// Reads what these conditions look at in the document; nothing if none looks there.
    pub(crate) fn read(conditions: impl Iterator<Item = &'d Condition>, document: &'d [u8]) -> Self {
        let mut pointers: Vec<&Pointer> = Vec::new();
        for condition in conditions {
            if let Subject::Json(pointer) = &condition.subject
                && !pointers.contains(&pointer)
            {
                pointers.push(pointer);
            }
        }
        let found = if pointers.is_empty() { None } else { json::extract(document, &pointers) };
        Self { json: pointers.into_iter().zip(found.unwrap_or_default()).collect() }
    }

    fn at(&self, pointer: &Pointer) -> Place<'_> {
        match self.json.iter().find(|(known, _)| *known == pointer).map(|(_, found)| found.as_slice()) {
            None | Some([]) => Place::Absent,
            Some([value]) => Place::Text(Cow::Borrowed(value)),
            Some(_) => Place::Bad("the body holds several values where one is looked for"),
        }
    }
}

impl Condition {
    /// Whether the delivery shows it.
    pub(crate) fn holds(&self, head: &Head<'_>, shown: &Shown<'_>) -> bool {
        let place = match &self.subject {
            Subject::Header(name) => header(head, name),
            Subject::Query(name) => query_parameter(head, name),
            Subject::Json(pointer) => shown.at(pointer),
        };
        match (&self.test, place) {
            (Test::Absent, Place::Absent) | (Test::Present, Place::Text(_) | Place::Bad(_)) => true,
            (Test::Equals(wanted), Place::Text(text)) => text.eq_ignore_ascii_case(wanted),
            (Test::StartsWith(wanted), Place::Text(text)) => {
                text.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted))
            }
            (Test::Length(length), Place::Text(text)) => text.len() == *length,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn holds(test: Test, headers: &[(&'static str, &'static str)], target: &str) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let head = Head { method: "POST", target, origin: None, headers: &map };
        let subject = match target {
            "/" => Subject::Header("x-mode".parse().unwrap()),
            _ => Subject::Query("mode".into()),
        };
        let condition = Condition { subject, test };
        condition.holds(&head, &Shown::read([&condition].into_iter(), b""))
    }

    #[test]
    fn each_test_asks_what_it_says() {
        let one = &[("x-mode", "SHA256; v=1")][..];
        let two = &[("x-mode", "SHA256"), ("x-mode", "SHA256")][..];
        assert!(
            holds(Test::Present, one, "/")
                && holds(Test::Present, two, "/")
                && !holds(Test::Present, &[], "/")
        );
        assert!(
            holds(Test::Absent, &[], "/") && !holds(Test::Absent, one, "/") && !holds(Test::Absent, two, "/")
        );
        assert!(holds(Test::StartsWith("sha256".into()), one, "/"));
        assert!(!holds(Test::StartsWith("sha256".into()), two, "/"), "repeated, so nobody knows which");
        assert!(!holds(Test::Equals("sha256".into()), one, "/"));
        assert!(holds(Test::Equals("json".into()), &[], "/?mode=%4ASON"));
        assert!(!holds(Test::StartsWith("json".into()), &[], "/?mode=j"));
        assert!(holds(Test::Length(11), one, "/") && !holds(Test::Length(10), one, "/"));
    }

    #[test]
    fn a_value_of_the_body_may_tell() {
        let headers = HeaderMap::new();
        let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
        let subject = Subject::Json("/version".parse().unwrap());
        let condition = Condition { subject, test: Test::Equals("2".into()) };
        let holds = |body: &[u8]| condition.holds(&head, &Shown::read([&condition].into_iter(), body));
        assert!(holds(br#"{"version":"2"}"#));
        assert!(!holds(br#"{"version":"1"}"#));
        assert!(!holds(b""));
    }

    #[test]
    fn without_a_fitting_form_the_missing_signature_is_named() {
        let mut alternative =
            Alternative::new("header:x-signature".parse().unwrap(), "{body}".parse().unwrap());
        alternative.when =
            vec![Condition { subject: Subject::Header("x-mode".parse().unwrap()), test: Test::Present }];
        let scheme = Scheme { alternatives: vec![alternative] };
        let word = |headers: &HeaderMap| {
            let head = Head { method: "POST", target: "/", origin: None, headers };
            choose(&scheme, &head, b"").map(|(index, _)| index).map_err(|rejection| rejection.word())
        };
        let mut headers = HeaderMap::new();
        assert_eq!(word(&headers), Err("signature_missing"));
        headers.insert("x-signature", "ab".parse().unwrap());
        assert_eq!(word(&headers), Err("signature_malformed"));
        headers.insert("x-mode", "1".parse().unwrap());
        assert_eq!(word(&headers), Ok(0));
    }
}
