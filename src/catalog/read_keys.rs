//! From YAML to [`KeySource`]: where a sender publishes its keys.

use crate::verify::{Algorithm, Locator, Pointer, Scheme};
use crate::yaml::Fields;

use super::key_source::{KeyPlace, KeySource};
use super::key_url::HostPattern;
use super::read::text_as;

/// Reads `keys: { jwks: URL }`, `{ key: URL }` or `{ certificate: { from, hosts } }`.
pub(super) fn keys(fields: &mut Fields<'_, '_>, scheme: &Scheme) -> Option<KeySource> {
    let mut keys = fields.child("keys")?;
    let set = keys.text("jwks").map(|url| KeyPlace::Set(url.to_owned()));
    let by_id = keys.text("key").map(|url| KeyPlace::ById(url.to_owned()));
    let named = keys.child("certificate").and_then(|mut named| {
        let from = named
            .required("from", "json:/SigningCertURL")
            .and_then(|cursor| text_as::<Locator>(&cursor, named.problems()));
        let items = named.list("hosts").unwrap_or_default();
        let problems = named.problems();
        let hosts: Vec<HostPattern> = items.iter().filter_map(|item| text_as(item, problems)).collect();
        if items.is_empty() {
            named.report("`hosts` is missing: without it a delivery could bring a key of its own; write for example `hosts: [api.example.com]`");
        }
        let prefix = named.text("prefix").unwrap_or("/").to_owned();
        let suffix = named.text("suffix").unwrap_or_default().to_owned();
        named.finish();
        Some(KeyPlace::Named { from: from?, hosts, prefix, suffix })
    });
    let key_id = keys.optional("key_id").and_then(|cursor| text_as::<Locator>(&cursor, keys.problems()));
    let json = keys.optional("json").and_then(|cursor| text_as::<Pointer>(&cursor, keys.problems()));
    let bearer = keys.word("auth", &["none", "bearer"]) == Some("bearer");
    let written = ["jwks", "key", "certificate"].into_iter().filter(|key| keys.has(key)).count();
    if written != 1 {
        keys.report("write exactly one of `jwks`, `key` and `certificate`");
    }
    if scheme.alternatives.iter().any(|form| is_shared(&form.algorithm)) {
        keys.report("what anybody can fetch is no shared secret: `keys` is for signatures with public keys");
    }
    let source = set.or(by_id).or(named).map(|place| KeySource { place, key_id, json, bearer, mirror: None });
    if let Some(source) = &source {
        let example = source.with_settings(&|_| Some("example.com".to_owned()));
        if let Err(problem) = example.check() {
            keys.report(problem);
        }
    }
    keys.finish();
    source
}

/// Whether the key of this algorithm has to be kept secret.
fn is_shared(algorithm: &Algorithm) -> bool {
    matches!(algorithm, Algorithm::Hmac(_) | Algorithm::Digest(_) | Algorithm::Token | Algorithm::Basic)
}
