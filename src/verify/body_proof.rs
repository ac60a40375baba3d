//! What the head of a delivery has proven about its body before the body is there.

use smallvec::SmallVec;
use subtle::{Choice, ConstantTimeEq};

use super::encoding::Bytes;
use super::json;
use super::locator::Pointer;
use super::mac;
use super::scheme::Sha;

/// Facts that must all hold of the body. None hold of any body.
#[derive(Debug, Default)]
pub(crate) struct BodyProof(SmallVec<[BodyFact; 1]>);

/// One fact of the body.
#[derive(Debug)]
pub(crate) enum BodyFact {
    /// It has this digest.
    Digest(Sha, Bytes),
    /// It is this text.
    Text(String),
    /// There is none.
    Empty,
}

impl BodyProof {
    pub(crate) fn push(&mut self, fact: BodyFact) {
        self.0.push(fact);
    }

    /// Whether all facts hold of this body. All are compared.
    pub(crate) fn holds(&self, body: &[u8]) -> Choice {
        self.0.iter().fold(Choice::from(1), |all, fact| all & fact.holds(body))
    }
}

impl BodyFact {
    fn holds(&self, body: &[u8]) -> Choice {
        match self {
            Self::Digest(sha, expected) => mac::digest(*sha, body).ct_eq(expected),
            Self::Text(text) => text.as_bytes().ct_eq(body),
            Self::Empty => Choice::from(u8::from(body.is_empty())),
        }
    }
}

/// Whether a JSON body is an object that holds one text at this pointer and nothing else, so that the text is all of it.
pub(crate) fn is_alone(body: &[u8], pointer: &Pointer) -> bool {
    json::member_count(body) == Some(1) && pointer.steps().len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_must_hold() {
        let digest = |text: &[u8]| BodyFact::Digest(Sha::Sha512, mac::digest(Sha::Sha512, text));
        let holds = |facts: Vec<BodyFact>, body: &[u8]| bool::from(BodyProof(facts.into()).holds(body));
        assert!(holds(vec![], b"a"));
        assert!(holds(vec![digest(b"a"), BodyFact::Text("a".into())], b"a"));
        assert!(!holds(vec![digest(b"a"), BodyFact::Text("b".into())], b"a"));
        assert!(!holds(vec![digest(b"b")], b"a") && !holds(vec![BodyFact::Text("ab".into())], b"a"));
        assert!(holds(vec![BodyFact::Empty], b"") && !holds(vec![BodyFact::Empty], b" "));
    }

    #[test]
    fn alone_is_what_nothing_stands_beside() {
        let alone = |body: &str| is_alone(body.as_bytes(), &"/a".parse().unwrap());
        assert!(alone(r#" {"a":"b"} "#));
        for body in [r#"{"a":"b","c":1}"#, r#"{"a":"b","a":"b"}"#, "[1]", "{}", "", r#"{"a":"b"}x"#] {
            assert!(!alone(body), "{body}");
        }
    }
}
