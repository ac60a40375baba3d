//! One route: its own keys, and everything it leaves out taken from its provider.

use std::sync::Arc;

use super::load::Shared;
use super::secrets::{Listed, is_name};
use super::upstream::upstream;
use super::{expiry, journal, keys, limits, policy, warnings};
use crate::catalog::{Provider, defaults};
use crate::routes::{Host, Mode, PathPattern, Route, Upstream};
use crate::secret::NamedSecret;
use crate::verify::{Keys, Scheme};
use crate::yaml::{Cursor, Fields, Place, Problems};

/// What came of reading a route.
#[derive(Default)]
pub(super) struct ReadRoute<'n> {
    /// Its name, if it has a good one.
    pub(super) name: Option<(&'n str, Place)>,
    /// What it matches, if that is good.
    pub(super) matched: Option<(String, Place)>,
    /// The route, if nothing is wrong with it.
    pub(super) route: Option<Route>,
}

struct Match {
    host: Option<Host>,
    path: PathPattern,
    methods: Option<Vec<String>>,
}

/// How `provider` was answered.
enum Sender {
    /// `none`, in full.
    None,
    Known(Arc<Provider>),
}

/// What a fetched key is called where a secret has a name.
const FETCHED: &str = "fetched";

/// What is said of a route that waits for its secret.
const FIRST_CONTACT: &str = "no secret yet: create the webhook at the sender, whose first request brings it; that is answered here, the rest \
     of the route answers 503. Take the secret from the log or from /api/first-contacts of the admin address and put it here";

/// Reads one route and reports everything that is wrong with it.
pub(super) fn read<'n>(at: &Cursor<'n>, shared: &mut Shared<'_>, problems: &mut Problems) -> ReadRoute<'n> {
    let before = problems.len();
    let mut read = ReadRoute::default();
    let Some(mut fields) = at.fields(problems) else { return read };
    let name_at = fields.required("name", "github");
    let name = name_at.as_ref().and_then(|cursor| {
        cursor.text(fields.problems()).filter(|name| is_name(name, cursor, fields.problems()))
    });
    read.name = name.zip(name_at.map(|cursor| cursor.place()));
    let place_of_match = fields.place_of("match");
    let matched = matched(&mut fields);
    read.matched = matched.as_ref().map(|matched| {
        let host = matched.host.as_ref().map_or("", Host::as_str);
        (format!("{host} {}", matched.path), place_of_match)
    });
    let sender = sender(&mut fields, shared);
    let sender = settings(&mut fields, sender);
    let fetched = keys::fetched(&mut fields, provider_of(sender.as_ref()), shared);
    let secrets = secrets(&mut fields, sender.as_ref(), fetched.is_some(), shared);
    let keys = sender.as_ref().and_then(|sender| prepare(sender, &secrets, fields.problems()));
    let provider = match &sender {
        Some(Sender::Known(provider)) => Some(Arc::clone(provider)),
        _ => None,
    };
    let upstream = upstream(&mut fields, provider.as_deref(), shared);
    let tolerance = policy::tolerance(&mut fields, provider.as_deref());
    let dedupe = policy::dedupe(&mut fields, provider.as_deref(), tolerance);
    let events = policy::events(&mut fields, provider.as_deref());
    let timeout = limits::wait(&mut fields, "timeout").unwrap_or(
        provider
            .as_ref()
            .map_or(defaults::UPSTREAM_TIMEOUT_OF_UNKNOWN_SENDER, |provider| provider.upstream_timeout),
    );
    let body = limits::size(&mut fields, "body").unwrap_or(shared.body);
    let mode = match fields.word("mode", &["enforce", "shadow"]) {
        Some("shadow") => Mode::Shadow,
        _ => Mode::Enforce,
    };
    let public_url = public_url(&mut fields);
    let verify_tokens = verify_tokens(&mut fields, provider.as_deref(), &secrets, at, shared);
    let journal = journal::of_route(&mut fields, provider.as_deref(), &shared.keep);
    fields.finish();
    if problems.len() > before {
        return read;
    }
    read.route = (|| {
        let Match { host, path, methods } = matched?;
        let (upstream, trust) = upstream?;
        let methods = methods
            .or_else(|| provider.as_ref().map(|provider| provider.methods.clone()))
            .unwrap_or_else(|| vec!["POST".to_owned()]);
        let mut challenge_methods: Vec<String> = Vec::new();
        for method in provider.iter().flat_map(|provider| provider.challenge_methods()) {
            if !methods.iter().chain(&challenge_methods).any(|known| known == method) {
                challenge_methods.push(method.to_owned());
            }
        }
        let route = Route {
            name: name?.to_owned(),
            host,
            path,
            methods,
            challenge_methods,
            provider,
            keys: keys?,
            key_token: fetched.as_ref().and_then(|fetched| fetched.token.clone()),
            key_source: fetched.as_ref().map(|fetched| fetched.source.clone()),
            secret_names: if fetched.is_some() {
                vec![FETCHED.to_owned()]
            } else {
                secrets.iter().map(|listed| listed.named.name.clone()).collect()
            },
            secret_lifetimes: secrets.iter().map(|listed| listed.named.lifetime).collect(),
            upstream,
            trust,
            tolerance,
            dedupe,
            events,
            timeout,
            body,
            mode,
            public_url,
            verify_tokens,
            secrets: secrets.iter().map(|listed| listed.named.clone()).collect(),
            journal,
        };
        warnings::route(&route, &secrets, at, shared);
        shared.expiries.extend(expiry::of(&route.name, &secrets, at));
        Some(route)
    })();
    read
}

fn provider_of(sender: Option<&Sender>) -> Option<&Provider> {
    match sender {
        Some(Sender::Known(provider)) => Some(provider),
        Some(Sender::None) | None => None,
    }
}

fn matched(fields: &mut Fields<'_, '_>) -> Option<Match> {
    let cursor = fields.required("match", "{ path: /webhooks/github }")?;
    let mut fields = cursor.fields(fields.problems())?;
    let path = parsed::<PathPattern>(&mut fields, "path", "/webhooks/github");
    let host = if fields.has("host") { Some(parsed::<Host>(&mut fields, "host", "")) } else { None };
    let methods = fields.list("methods").map(|items| {
        let methods: Vec<String> = items.iter().filter_map(|item| method(item, fields.problems())).collect();
        if items.is_empty() {
            fields.report_at(
                "methods",
                "no method at all would match nothing; leave `methods` out for the default",
            );
        }
        methods
    });
    fields.finish();
    let host = match host {
        Some(None) => return None,
        Some(host) => host,
        None => None,
    };
    Some(Match { host, path: path?, methods })
}

fn method(item: &Cursor<'_>, problems: &mut Problems) -> Option<String> {
    let text = item.text(problems)?;
    let message = match text {
        "POST" | "PUT" | "PATCH" | "GET" | "DELETE" | "HEAD" | "OPTIONS" => return Some(text.to_owned()),
        "CONNECT" | "TRACE" => "this method is never let through".to_owned(),
        _ if text.chars().any(|c| c.is_ascii_lowercase()) => {
            format!("methods are upper case: write `{}`", text.to_ascii_uppercase())
        }
        _ => "not a method that a sender delivers with; write for example `POST`".to_owned(),
    };
    item.report(problems, message);
    None
}

fn sender(fields: &mut Fields<'_, '_>, shared: &Shared<'_>) -> Option<Sender> {
    let Some(cursor) = fields.optional("provider") else {
        fields.report(
            "`provider` is missing; write a name of the catalogue (`sealpost providers` lists it), one of `providers`, \
             or `none` in full to let everything through unverified",
        );
        return None;
    };
    let name = cursor.text(fields.problems())?;
    if name == "none" {
        return Some(Sender::None);
    }
    match shared.providers.find(name) {
        Ok(provider) => Some(Sender::Known(provider)),
        Err(message) => {
            if let Some(message) = message {
                cursor.report(fields.problems(), message);
            }
            None
        }
    }
}

/// The provider with the values that this route gives it.
fn settings(fields: &mut Fields<'_, '_>, sender: Option<Sender>) -> Option<Sender> {
    let mut given = Vec::new();
    let cursor = fields.optional("settings");
    if let Some(cursor) = &cursor {
        let problems = fields.problems();
        for entry in cursor.entries(problems).unwrap_or_default() {
            let value = cursor.key(entry);
            given.extend(value.node.as_text().map(|text| (entry.key.clone(), text.to_owned())));
            if value.node.as_text().is_none_or(str::is_empty) {
                value.report(problems, "a setting is a text");
            }
        }
    }
    let provider = match sender {
        Some(Sender::Known(provider)) => provider,
        other => {
            if let (Some(cursor), Some(Sender::None)) = (&cursor, &other) {
                cursor.report(fields.problems(), "`provider: none` has no settings; take them out");
            }
            return other;
        }
    };
    if provider.settings.is_empty() && given.is_empty() {
        return Some(Sender::Known(provider));
    }
    match provider.with_settings(&given) {
        Ok(provider) => Some(Sender::Known(Arc::new(provider))),
        Err(errors) => {
            for error in errors {
                match &cursor {
                    Some(cursor) => cursor.report(fields.problems(), error.to_string()),
                    None => fields.report(error.to_string()),
                }
            }
            None
        }
    }
}

fn secrets<'n>(
    fields: &mut Fields<'n, '_>,
    sender: Option<&Sender>,
    fetches: bool,
    shared: &mut Shared<'_>,
) -> Vec<Listed<'n>> {
    let cursor = fields.optional("secrets");
    let listed =
        cursor.as_ref().map(|cursor| shared.secrets.list(cursor, fields.problems())).unwrap_or_default();
    match (sender, cursor) {
        (Some(Sender::None), Some(cursor)) => {
            let message =
                "`provider: none` verifies nothing, so secrets would do nothing; take one of the two out";
            cursor.report(fields.problems(), message);
        }
        (Some(Sender::Known(_)), None) if fetches => {}
        (Some(Sender::Known(provider)), None) => {
            fields.report(format!("`secrets` is missing: without one nothing of `{}` can be verified; write for example `secrets: [env:{}_SECRET]`", provider.name, variable(&provider.name)));
        }
        (Some(Sender::Known(provider)), Some(cursor))
            if cursor.items(&mut Problems::new()).is_some_and(|items| items.is_empty()) =>
        {
            if provider.reveals() {
                cursor.report(&mut shared.warnings, FIRST_CONTACT);
            } else {
                cursor.report(
                    fields.problems(),
                    "the list is empty, so nothing can be verified; write for example `- env:NAME`",
                );
            }
        }
        _ => {}
    }
    listed
}

fn prepare(sender: &Sender, listed: &[Listed<'_>], problems: &mut Problems) -> Option<Keys> {
    let Sender::Known(provider) = sender else {
        return Scheme { alternatives: Vec::new() }.prepare(&[]).ok();
    };
    let secrets: Vec<NamedSecret> = listed.iter().map(|listed| listed.named.clone()).collect();
    match provider.scheme.prepare(&secrets) {
        Ok(keys) => Some(keys),
        Err(errors) => {
            for (index, error) in errors {
                let Some(listed) = listed.get(index) else { continue };
                listed.cursor.report(problems, format!("not a secret of `{}`: {error}", provider.name));
            }
            None
        }
    }
}

fn public_url(fields: &mut Fields<'_, '_>) -> Option<String> {
    let cursor = fields.optional("public_url")?;
    let text = cursor.text(fields.problems())?;
    let origin = text.strip_suffix('/').unwrap_or(text);
    let upstream = origin.parse::<Upstream>();
    let is_web = origin.starts_with("http://") || origin.starts_with("https://");
    if !is_web || upstream.is_err() || upstream.is_ok_and(|upstream| upstream.base_path.is_some()) {
        let message =
            "write the scheme and host the sender was given, without a path: `https://hooks.example.com`";
        cursor.report(fields.problems(), message);
        return None;
    }
    Some(origin.to_owned())
}

/// The tokens of a handshake: `verify_token`, or the route's secrets for a sender that asks for a token.
fn verify_tokens(
    fields: &mut Fields<'_, '_>,
    provider: Option<&Provider>,
    secrets: &[Listed<'_>],
    at: &Cursor<'_>,
    shared: &mut Shared<'_>,
) -> Vec<NamedSecret> {
    let asks = provider.is_some_and(Provider::asks_for_token);
    let needs_own = provider.is_some_and(Provider::answers_with_token);
    let Some(cursor) = fields.optional("verify_token") else {
        if needs_own {
            let message = "without `verify_token` this sender's handshake is not answered, because the answer holds the token \
                           that you agreed on with it; write for example `verify_token: env:NAME`";
            at.report(&mut shared.warnings, message);
            return Vec::new();
        }
        return secrets.iter().filter(|_| asks).map(|listed| listed.named.clone()).collect();
    };
    if !asks && !needs_own {
        let message = "this provider has no handshake that presents a token, so this one is never asked for";
        cursor.report(&mut shared.warnings, message);
    }
    let token = shared.secrets.value(&cursor, fields.problems());
    token.map(|token| NamedSecret::new("verify_token", token)).into_iter().collect()
}

/// A required text of a type that says itself what is wrong with it.
fn parsed<T>(fields: &mut Fields<'_, '_>, key: &'static str, example: &str) -> Option<T>
where
    T: std::str::FromStr<Err = String>,
{
    let cursor = fields.required(key, example)?;
    let text = cursor.text(fields.problems())?;
    text.parse().map_err(|message: String| cursor.report(fields.problems(), message)).ok()
}

/// `bella-baxter` as the name of a variable.
fn variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
