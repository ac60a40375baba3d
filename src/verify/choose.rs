//! Which form of a scheme a delivery has, decided by facts that the provider's documents name.

use super::body::{self, Body, Place, header, locate, query_parameter};
use super::delivery::Head;
use super::json;
use super::rejection::Rejection;
use super::scheme::{Alternative, Condition, Scheme, Subject, Test};

/// The first form whose conditions all hold, with its index.
pub(crate) fn choose<'s>(
    scheme: &'s Scheme,
    head: &Head<'_>,
    body: &[u8],
) -> Result<(usize, &'s Alternative), Rejection> {
    let mut alternatives = scheme.alternatives.iter().enumerate();
    let chosen = alternatives.find(|(_, alternative)| alternative.is_for(head, body));
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

impl Alternative {
    /// Whether all conditions of this form hold.
    pub(crate) fn is_for(&self, head: &Head<'_>, body: &[u8]) -> bool {
        let document = self.document.as_deref();
        self.when.iter().all(|condition| condition.holds(document, head, body))
    }
}

impl Condition {
    /// Whether the delivery shows it. `document` is the form field that holds the JSON, if there is one.
    pub(crate) fn holds(&self, document: Option<&str>, head: &Head<'_>, body: &[u8]) -> bool {
        let json;
        let place = match &self.subject {
            Subject::Header(name) => header(head, name),
            Subject::Query(name) => query_parameter(head, name),
            Subject::Json(pointer) => {
                json = body::document(document, head, body);
                match json::extract(&json, &[pointer]).and_then(|mut found| found.pop()).as_deref() {
                    None | Some([]) => Place::Absent,
                    Some([value]) => Place::Text(value.clone()),
                    Some(_) => Place::Bad("the body holds several values where one is looked for"),
                }
            }
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
        Condition { subject, test }.holds(None, &head, b"")
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
        assert!(condition.holds(None, &head, br#"{"version":"2"}"#));
        assert!(!condition.holds(None, &head, br#"{"version":"1"}"#));
        assert!(!condition.holds(None, &head, b""));
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
