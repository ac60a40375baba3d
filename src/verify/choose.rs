//! Which form of a scheme a delivery has, decided by facts that the provider's documents name.

use super::body::{Place, header, locate, query_parameter};
use super::delivery::Head;
use super::rejection::Rejection;
use super::scheme::{Alternative, Condition, Scheme, Subject, Test};

/// The first form whose conditions all hold, with its index.
pub(crate) fn choose<'s>(scheme: &'s Scheme, head: &Head<'_>) -> Result<(usize, &'s Alternative), Rejection> {
    let mut alternatives = scheme.alternatives.iter().enumerate();
    let chosen = alternatives.find(|(_, alternative)| alternative.is_for(head));
    chosen.ok_or_else(|| match scheme.alternatives.first().map(|first| &first.signature.location) {
        Some(location) if matches!(locate(location, head, None), Place::Absent) => {
            Rejection::SignatureMissing { at: location.clone() }
        }
        _ => Rejection::SignatureMalformed {
            what: "the request has none of the forms in which this sender signs",
        },
    })
}

impl Alternative {
    /// Whether all conditions of this form hold.
    pub(crate) fn is_for(&self, head: &Head<'_>) -> bool {
        self.when.iter().all(|condition| condition.holds(head))
    }
}

impl Condition {
    /// Whether the head shows it.
    pub(crate) fn holds(&self, head: &Head<'_>) -> bool {
        let place = match &self.subject {
            Subject::Header(name) => header(head, name),
            Subject::Query(name) => query_parameter(head, name),
        };
        match (&self.test, place) {
            (Test::Absent, Place::Absent) | (Test::Present, Place::Text(_) | Place::Bad(_)) => true,
            (Test::Equals(wanted), Place::Text(text)) => text.eq_ignore_ascii_case(wanted),
            (Test::StartsWith(wanted), Place::Text(text)) => {
                text.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted))
            }
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
        Condition { subject, test }.holds(&head)
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
            choose(&scheme, &head).map(|(index, _)| index).map_err(|rejection| rejection.word())
        };
        let mut headers = HeaderMap::new();
        assert_eq!(word(&headers), Err("signature_missing"));
        headers.insert("x-signature", "ab".parse().unwrap());
        assert_eq!(word(&headers), Err("signature_malformed"));
        headers.insert("x-mode", "1".parse().unwrap());
        assert_eq!(word(&headers), Ok(0));
    }
}
