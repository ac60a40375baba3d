//! A route's fetched keys: where the provider publishes them, or the route's own `key_url`.

use super::load::Shared;
use crate::catalog::signed;
use crate::catalog::{KeySource, Provider};
use crate::secret::Secret;
use crate::yaml::Fields;

/// Where a route fetches its keys.
pub(super) struct Fetched {
    pub(super) source: KeySource,
    pub(super) token: Option<Secret>,
}

/// Reads `key_url` and `key_token`. `None` where the route has `secrets`, which are used instead, or nothing to fetch.
pub(super) fn fetched(
    fields: &mut Fields<'_, '_>,
    provider: Option<&Provider>,
    shared: &mut Shared<'_>,
) -> Option<Fetched> {
    let url = fields.optional("key_url");
    let token = fields.optional("key_token");
    let secret = token.as_ref().and_then(|cursor| shared.secrets.value(cursor, fields.problems()));
    let has_secrets = fields.has("secrets");
    if has_secrets && let Some(cursor) = url.as_ref().or(token.as_ref()) {
        let message = "the route has `secrets`, so no key is fetched; take one of the two out";
        cursor.report(fields.problems(), message);
        return None;
    }
    let (Some(provider), false) = (provider, has_secrets) else {
        if let Some(cursor) = url.as_ref().or(token.as_ref()) {
            cursor.report(fields.problems(), "keys are fetched for a provider; this route has none");
        }
        return None;
    };
    let known = match (&provider.keys, &url) {
        (Some(source), _) => Some(source.clone()),
        (None, Some(_)) => Some(KeySource::set(String::new())),
        (None, None) => None,
    };
    let Some(source) = known else {
        if let Some(cursor) = &token {
            cursor
                .report(fields.problems(), "this sender's keys are not fetched, so the token is never used");
        }
        return None;
    };
    let source = match &url {
        None => source.check().map(|()| source),
        Some(_) if !signed::has_public_keys(&provider.scheme) => {
            Err("this sender signs with a shared secret, which nobody can publish; write `secrets`"
                .to_owned())
        }
        Some(cursor) => {
            let text = cursor.text(fields.problems())?;
            source.at(text).and_then(|source| source.check().map(|()| source))
        }
    };
    let source = match (source, &url) {
        (Ok(source), _) => source,
        (Err(message), Some(cursor)) => {
            cursor.report(fields.problems(), message);
            return None;
        }
        (Err(message), None) => {
            fields.report(format!("the URL of this sender's keys is none: {message}"));
            return None;
        }
    };
    match (source.bearer, &token) {
        (true, None) => fields.report(
            "`key_token` is missing: this sender gives its keys only with a token; write for example `key_token: env:NAME`",
        ),
        (false, Some(cursor)) => {
            cursor.report(fields.problems(), "this sender gives its keys without a token; take it out");
        }
        _ => {}
    }
    Some(Fetched { source, token: secret })
}
