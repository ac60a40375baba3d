//! Where in a token's claims a value stands, for the names of events.

use std::fmt;
use std::str::FromStr;

use super::body::{Body, Place, locate};
use super::choose::choose;
use super::delivery::Head;
use super::encoding::Bytes;
use super::jose;
use super::json;
use super::locator::{LocatorError, Pointer};
use super::scheme::{Algorithm, Scheme};
use super::signature;

/// A place in the claims of a JWT: a JSON pointer, and with `#` a further one into the JSON text that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath {
    first: Pointer,
    further: Vec<Pointer>,
}

impl ClaimPath {
    /// Every scalar that the path reaches in these claims, in their order.
    pub(crate) fn find(&self, claims: &[u8]) -> Vec<String> {
        let mut texts = at(claims, &self.first);
        for pointer in &self.further {
            texts = texts.iter().flat_map(|text| at(text.as_bytes(), pointer)).collect();
        }
        texts
    }
}

fn at(json: &[u8], pointer: &Pointer) -> Vec<String> {
    let found = json::extract(json, &[pointer]).unwrap_or_default();
    found.into_iter().flatten().map(std::borrow::Cow::into_owned).collect()
}

/// The claims of the token that a delivery of this sender carries, proven or not.
pub(crate) fn claims(scheme: &Scheme, head: &Head<'_>, body: &[u8]) -> Option<Bytes> {
    let (_, alternative) = choose(scheme, head, body).ok()?;
    if !matches!(alternative.algorithm, Algorithm::Jwt(_)) {
        return None;
    }
    let body = Body::read(alternative, head, body);
    let Place::Text(text) = locate(&alternative.signature.location, head, Some(&body)) else { return None };
    let token = signature::read_token(&alternative.signature, &text).ok()?;
    let payload = token.split('.').nth(1)?;
    jose::decode(payload)
}

impl FromStr for ClaimPath {
    type Err = LocatorError;

    fn from_str(text: &str) -> Result<Self, LocatorError> {
        let mut pointers = text.split('#').map(str::parse::<Pointer>);
        let first = pointers.next().unwrap_or_else(|| "".parse())?;
        Ok(Self { first, further: pointers.collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.further.iter().try_for_each(|pointer| write!(f, "#{pointer}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(claims: &str, path: &str) -> Vec<String> {
        path.parse::<ClaimPath>().unwrap().find(claims.as_bytes())
    }

    #[test]
    fn a_claim_may_hold_json_as_text() {
        let claims =
            r#"{"id":"a","data":"{\"type\":\"t\",\"data\":\"{\\\"id\\\":7}\"}","list":[{"n":1},{"n":2}]}"#;
        assert_eq!(find(claims, "/id"), ["a"]);
        assert_eq!(find(claims, "/data#/type"), ["t"]);
        assert_eq!(find(claims, "/data#/data#/id"), ["7"]);
        assert_eq!(find(claims, "/list/*/n"), ["1", "2"]);
        for absent in ["/none", "/id#/type", "/data#/none", "/data/type"] {
            assert_eq!(find(claims, absent), [""; 0], "{absent}");
        }
        assert!("id".parse::<ClaimPath>().is_err() && "/id#type".parse::<ClaimPath>().is_err());
        assert_eq!("/data#/data#/id".parse::<ClaimPath>().unwrap().to_string(), "/data#/data#/id");
    }
}
