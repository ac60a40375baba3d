//! Atlassian Connect's query hash (`qsh`): the SHA-256 of a request line in one canonical form.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::delivery::Head;
use super::encoding::Bytes;
use super::form;
use super::mac;
use super::scheme::Sha;

/// RFC 3986: everything but letters, digits, `-`, `.`, `_` and `~`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The digest of `METHOD&path&query`: the path without its last slash, parameters sorted and escaped anew, equal names
/// joined with commas, the token's own parameter `jwt` left out.
pub(crate) fn query_hash(head: &Head<'_>) -> Bytes {
    mac::digest(Sha::Sha256, canonical(head).as_bytes())
}

fn canonical(head: &Head<'_>) -> String {
    let path = head.path();
    let path = path.strip_suffix('/').unwrap_or(path);
    let path = if path.is_empty() { "/".to_owned() } else { path.replace('&', "%26") };
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in form::fields(head.query().unwrap_or_default().as_bytes()) {
        if name.as_ref() != b"jwt" {
            parameters.entry(escaped(&name)).or_default().push(escaped(&value));
        }
    }
    let pairs = parameters.into_iter().map(|(name, mut values)| {
        values.sort();
        format!("{name}={}", values.join(","))
    });
    format!("{}&{path}&{}", head.method, pairs.collect::<Vec<_>>().join("&"))
}

fn escaped(bytes: &[u8]) -> String {
    utf8_percent_encode(&String::from_utf8_lossy(bytes), ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use proptest::prelude::*;

    fn of(method: &str, target: &str) -> String {
        canonical(&Head { method, target, origin: None, headers: &HeaderMap::new() })
    }

    #[test]
    fn the_canonical_form_is_the_documents() {
        assert_eq!(of("POST", "/path/to/hook"), "POST&/path/to/hook&");
        assert_eq!(of("GET", "/hook/?b=2&a=x+y&a=b%2a&jwt=x.y.z"), "GET&/hook&a=b%2A,x%20y&b=2");
        assert_eq!(of("POST", "/"), "POST&/&");
        assert_eq!(of("POST", "/a&b?c"), "POST&/a%26b&c=");
    }

    proptest! {
        #[test]
        fn no_target_makes_it_panic(target in "\\PC{0,80}") {
            query_hash(&Head { method: "POST", target: &target, origin: None, headers: &HeaderMap::new() });
        }
    }
}
