//! What is allowed but deserves a look: said by `check` and in the log, never in the way of starting.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::load::Shared;
use super::secrets::{Listed, SHORT, SHORTEST};
use crate::catalog::Provider;
use crate::catalog::defaults::horizon;
use crate::catalog::signed;
use crate::routes::{Mode, Route, UpstreamAddress};
use crate::yaml::{Cursor, Node, Problems, Value, shortened, show_duration, show_size};

/// Secrets seen so far, by digest, with the route that has them.
pub(super) type Seen = HashMap<[u8; 32], String>;

/// Looks at one finished route. `at` is its place in the file.
pub(super) fn route(route: &Route, secrets: &[Listed<'_>], at: &Cursor<'_>, shared: &mut Shared<'_>) {
    let key = |key: &str| at.node.get(key).map_or(at.clone(), |node| node.at(format!("{}.{key}", at.path)));
    let warnings = &mut shared.warnings;
    match &route.provider {
        None => key("provider").report(
            warnings,
            "nothing is verified on this route: whoever finds the path can post to the upstream",
        ),
        Some(provider) => {
            of_provider(route, provider, at, &key, warnings);
            of_secrets(route, provider, secrets, &mut shared.seen, warnings);
        }
    }
    if route.mode == Mode::Shadow {
        key("mode")
            .report(warnings, "everything is forwarded, forged or not; `enforce` once the counts look right");
    }
    if let UpstreamAddress::Tcp { tls: false, host, .. } = &route.upstream.address
        && !route.upstream.is_local()
    {
        let message = format!("deliveries travel unencrypted to `{host}`; use https or a trusted network");
        key("upstream").report(warnings, message);
    }
    if route.upstream.base_path.as_deref() == Some("/") {
        let message =
            format!("its `/` replaces the path {}; leave the slash out to keep the path", route.path);
        key("upstream").report(warnings, message);
    }
    if route.body > shared.buffered {
        let message = format!(
            "larger than `limits.buffered` ({}), so such a body is never held",
            show_size(shared.buffered)
        );
        key("body").report(warnings, message);
    }
    near_misses(route, &key("events"), warnings);
}

/// Places where someone seems to expect `${NAME}` to be replaced.
pub(super) fn unexpanded(root: &Node, warnings: &mut Problems) {
    let mut waiting = vec![root.at("")];
    while let Some(cursor) = waiting.pop() {
        match &cursor.node.value {
            Value::Scalar { text, .. } if text.contains("${") => {
                cursor.report(warnings, "`${…}` is not expanded; it is taken as it is written");
            }
            Value::Map(entries) => waiting.extend(entries.iter().map(|entry| cursor.key(entry))),
            Value::List(_) => waiting.extend(cursor.items(warnings).unwrap_or_default()),
            Value::Null | Value::Scalar { .. } => {}
        }
    }
}

fn of_provider<'n>(
    route: &Route,
    provider: &Provider,
    at: &Cursor<'n>,
    key: &dyn Fn(&str) -> Cursor<'n>,
    warnings: &mut Problems,
) {
    if route.public_url.is_none() && provider.scheme.signs_url() {
        let message = "the sender signs its URL; without `public_url` it is taken from `Host`, which a proxy in front may change";
        key("provider").report(warnings, message);
    }
    if let Some(dedupe) = &route.dedupe {
        let schedule = horizon(&provider.retry).unwrap_or_default();
        if dedupe.ttl < schedule {
            let message = format!(
                "a ttl of {} is shorter than the sender's schedule of {}: a late retry would be forwarded again",
                show_duration(dedupe.ttl),
                show_duration(schedule)
            );
            key("dedupe").report(warnings, message);
        }
        if let Some(window) =
            route.tolerance.filter(|window| dedupe.ttl < window.past.saturating_add(window.future))
        {
            let message = format!(
                "a ttl of {} is shorter than the window of {}: a captured delivery would be forwarded again in between",
                show_duration(dedupe.ttl),
                show_duration(window.past.saturating_add(window.future))
            );
            key("dedupe").report(warnings, message);
        }
        if let Some(written) = key("dedupe").node.get("key") {
            let written = written.at(format!("{}.dedupe.key", at.path)).items(warnings).unwrap_or_default();
            for (locator, item) in dedupe.key.iter().zip(&written) {
                if signed::is_unsigned(provider, locator) {
                    let message = format!(
                        "{locator} is not signed by this sender: a captured delivery can be sent again under a fresh value"
                    );
                    item.report(warnings, message);
                }
            }
        }
    }
    if route.tolerance.is_none() && provider.tolerance.is_some() {
        let message =
            "without the window a captured delivery verifies for ever; only `dedupe` still stops it";
        key("tolerance").report(warnings, message);
    }
    if let Some(sender) = provider.retry.timeout.filter(|sender| route.timeout >= *sender) {
        let message = format!(
            "a timeout of {} is not below the sender's own of {}: it gives up first and sends again",
            show_duration(route.timeout),
            show_duration(sender)
        );
        key("timeout").report(warnings, message);
    }
}

fn of_secrets(
    route: &Route,
    provider: &Provider,
    secrets: &[Listed<'_>],
    seen: &mut Seen,
    warnings: &mut Problems,
) {
    let public = signed::has_public_keys(&provider.scheme);
    for listed in secrets.iter().filter(|_| !public) {
        let secret = listed.named.secret.expose();
        if listed.insecure {
            listed.cursor.report(
                warnings,
                "the secret stands in the file; use `env:NAME` or `file:PATH` outside of trials",
            );
        } else if secret.len() < SHORTEST {
            listed.cursor.report(warnings, SHORT);
        }
        let digest: [u8; 32] = Sha256::digest(secret).into();
        match seen.get(&digest) {
            Some(other) if *other != route.name => {
                let message = format!(
                    "route `{other}` has the same secret, so a delivery captured there verifies here; ask the sender for one each"
                );
                listed.cursor.report(warnings, message);
            }
            // No error: in the middle of a rotation the old file may hold the new secret for a while.
            Some(_) => listed.cursor.report(warnings, "the same secret stands in this list already"),
            None => {
                seen.insert(digest, route.name.clone());
            }
        }
    }
}

/// Event names that differ in letter case only: one of them is likely to match nothing, and its events are lost.
fn near_misses(route: &Route, events: &Cursor<'_>, warnings: &mut Problems) {
    let mut folded: HashMap<String, &str> = HashMap::new();
    for name in route.events.patterns().unwrap_or_default() {
        if let Some(other) = folded.insert(name.to_lowercase(), name) {
            let (other, name) = (shortened(other), shortened(name));
            let message =
                format!("`{other}` and `{name}` differ in letter case only; event names are case-sensitive");
            events.report(warnings, message);
        }
    }
}
