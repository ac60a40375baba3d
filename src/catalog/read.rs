//! From YAML to [`Provider`]: the keys of the provider language, each with its meaning and default.

use std::str::FromStr;

use crate::verify::{Algorithm, EventSpec, Locator, Scheme, UnknownWord};
use crate::yaml::{Cursor, Fields, Node, Problems, Value};

use super::defaults;
use super::key_source::KeySource;
use super::provider::{Confidence, OnStoreError, Provider, Reply, Retry, Setting};
use super::read_challenge::challenges;
use super::read_keys::keys;
use super::read_scheme::scheme;

impl Provider {
    /// Reads one provider: a catalogue file, or a sender of the operator's own that carries its `name`.
    ///
    /// Every mistake is reported with its place; `None` if there was one.
    pub fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Self> {
        read(None, node, path, problems)
    }

    /// Reads one provider of a mapping `providers: { NAME: … }`, where `name` need not be repeated.
    ///
    /// Every mistake is reported with its place; `None` if there was one.
    pub fn read_named(name: &str, node: &Node, path: &str, problems: &mut Problems) -> Option<Self> {
        read(Some(name), node, path, problems)
    }
}

fn read(given: Option<&str>, node: &Node, path: &str, problems: &mut Problems) -> Option<Provider> {
    let before = problems.len();
    let mut fields = node.fields(path, problems)?;
    let name = name(&mut fields, given);
    let title = fields.text("title").unwrap_or(name).to_owned();
    let docs = fields.text("docs").unwrap_or_default().to_owned();
    let confidence = confidence(&mut fields);
    let source = fields.text("source").unwrap_or_default().to_owned();
    let notes = fields.texts("notes").unwrap_or_default().into_iter().map(str::to_owned).collect();
    let methods = methods(&mut fields);
    let (scheme, tolerance) = scheme(&mut fields);
    let keys = keys(&mut fields, &scheme);
    let settings = settings(&mut fields, &scheme, keys.as_ref());
    let (mut event, id_signed) = event(&mut fields, &scheme);
    event.document = scheme.document().map(str::to_owned);
    let retry = retry(&mut fields);
    let upstream_timeout = upstream_timeout(&mut fields, &retry);
    let remembers = !fields.optional("dedupe").is_some_and(|cursor| cursor.node.is_word("off"));
    let (dedupe_ttl, on_store_error) = if remembers { dedupe(&mut fields) } else { (None, None) };
    let refusal_status = refusal_status(&mut fields);
    let reply = reply(&mut fields);
    let challenges = challenges(&mut fields, &scheme);
    let redact = locators(&mut fields, "redact").unwrap_or_default();
    // Vectors may stand in the same file; they are read by whoever runs them.
    let _ = fields.optional("vectors");
    fields.finish();
    (problems.len() == before).then(|| Provider {
        name: name.to_owned(),
        title,
        docs,
        confidence,
        source,
        notes,
        methods,
        dedupe_ttl: dedupe_ttl.unwrap_or_else(|| defaults::dedupe_ttl(&retry, tolerance)),
        on_store_error: on_store_error.unwrap_or_else(|| defaults::on_store_error(&retry)),
        upstream_timeout,
        scheme,
        keys,
        settings,
        dedupe: remembers,
        tolerance,
        event,
        id_signed,
        retry,
        refusal_status,
        reply,
        challenges,
        redact,
    })
}

/// Reports a word that is none of its kind's.
pub(super) fn parsed<T: FromStr<Err = UnknownWord>>(
    cursor: &Cursor<'_>,
    problems: &mut Problems,
) -> Option<T> {
    let word = cursor.text(problems)?;
    match word.parse() {
        Ok(value) => Some(value),
        Err(unknown) => {
            let nearest = crate::yaml::closest(word, unknown.known().iter().copied());
            let hint = nearest.map_or(String::new(), |nearest| format!("; did you mean `{nearest}`?"));
            cursor.report(problems, format!("{unknown}{hint}"));
            None
        }
    }
}

/// Reports a text that cannot be read as `T`, with its own reason.
pub(super) fn text_as<T>(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<T>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    let text = cursor.text(problems)?;
    text.parse().map_err(|error: T::Err| cursor.report(problems, error.to_string())).ok()
}

/// One text or a list of them.
pub(super) fn one_or_many<'n>(cursor: &Cursor<'n>, problems: &mut Problems) -> Vec<Cursor<'n>> {
    match &cursor.node.value {
        Value::List(_) => cursor.items(problems).unwrap_or_default(),
        _ => vec![cursor.clone()],
    }
}

/// A status code between `least` and 599.
pub(super) fn status(fields: &mut Fields<'_, '_>, key: &'static str, least: u64) -> Option<u16> {
    let status = fields.integer(key)?;
    match u16::try_from(status) {
        Ok(status) if (least..=599).contains(&u64::from(status)) => Some(status),
        _ => {
            fields
                .report_at(key, format!("{status} is no status that could stand here; write {least} to 599"));
            None
        }
    }
}

fn locators(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Vec<Locator>> {
    let cursor = fields.optional(key)?;
    let problems = fields.problems();
    let cursors = one_or_many(&cursor, problems);
    Some(cursors.iter().filter_map(|one| text_as(one, problems)).collect())
}

fn name<'n>(fields: &mut Fields<'n, '_>, given: Option<&'n str>) -> &'n str {
    let written = match given {
        Some(_) => fields.text("name"),
        None => fields.required_text("name", "my-sender"),
    };
    let plain = |name: &str| {
        !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    match (given, written) {
        (Some(given), Some(written)) if given != written => {
            fields.report_at(
                "name",
                format!("this entry is called `{given}`; take `name` out or write the same"),
            );
        }
        _ => {}
    }
    let name = given.or(written).unwrap_or_default();
    if written.or(given).is_some() && !plain(name) {
        fields.report_at("name", "a provider's name is made of a-z, 0-9 and `-`, 64 characters at most");
    }
    name
}

fn confidence(fields: &mut Fields<'_, '_>) -> Confidence {
    match fields.word("confidence", &["verified", "documented", "second-hand", "own"]) {
        Some("verified") => Confidence::Verified,
        Some("documented") => Confidence::Documented,
        Some("second-hand") => Confidence::SecondHand,
        _ => Confidence::Own,
    }
}

/// `settings: { NAME: what it is }`; each has to be signed somewhere, and every one that is signed has to be named.
fn settings(fields: &mut Fields<'_, '_>, scheme: &Scheme, keys: Option<&KeySource>) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(cursor) = fields.optional("settings") {
        let problems = fields.problems();
        for entry in cursor.entries(problems).unwrap_or_default() {
            settings.extend(setting(&entry.key, &cursor.key(entry), problems));
        }
    }
    for name in scheme.settings().chain(keys.into_iter().flat_map(KeySource::settings)).collect::<Vec<_>>() {
        if !settings.iter().any(|known| known.name == name) {
            fields.report(format!(
                "`{{setting:{name}}}` is used but not explained: write `settings: {{ {name}: what it is }}`"
            ));
        }
    }
    settings
}

/// What it is, or `{ meaning, shown_at }` where a delivery says it as well.
fn setting(name: &str, cursor: &Cursor<'_>, problems: &mut Problems) -> Option<Setting> {
    if let Some(meaning) = cursor.node.as_text() {
        return Some(Setting { name: name.to_owned(), meaning: meaning.to_owned(), shown_at: None });
    }
    let mut fields = cursor.fields(problems)?;
    let meaning = fields.required_text("meaning", "the id of the webhook").map(str::to_owned);
    let shown_at = fields
        .optional("shown_at")
        .and_then(|cursor| text_as::<crate::verify::Location>(&cursor, fields.problems()));
    let shown_at = match shown_at {
        Some(crate::verify::Location::Json(pointer)) => Some(pointer),
        Some(_) => {
            fields.report_at("shown_at", "settings are shown in the body: write `json:/POINTER`");
            None
        }
        None => None,
    };
    fields.finish();
    Some(Setting { name: name.to_owned(), meaning: meaning?, shown_at })
}

fn methods(fields: &mut Fields<'_, '_>) -> Vec<String> {
    let Some(methods) = fields.texts("methods") else { return vec!["POST".to_owned()] };
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    if methods.is_empty() || methods.iter().any(|method| !known.contains(method)) {
        fields.report_at("methods", format!("write one or more of {}, in upper case", known.join(", ")));
    }
    methods.into_iter().map(str::to_owned).collect()
}

fn event(fields: &mut Fields<'_, '_>, scheme: &Scheme) -> (EventSpec, bool) {
    let body = || vec![Locator::Body];
    let Some(mut event) = fields.child("event") else {
        return (EventSpec { key: body(), ..EventSpec::default() }, false);
    };
    let id = locators(&mut event, "id").unwrap_or_default();
    let event_type = locators(&mut event, "type").unwrap_or_default();
    let key = locators(&mut event, "key");
    let written = event.boolean("id_signed");
    if key.as_ref().is_some_and(Vec::is_empty) {
        event.report_at("key", "a key needs at least one part, such as `body`; leave it out for the default");
    }
    event.finish();
    let id_signed = written.unwrap_or_else(|| !id.is_empty() && id.iter().all(|at| is_signed(at, scheme)));
    // Where the sender signs its id, the id is the key; otherwise what it signs is.
    let key = key.unwrap_or_else(|| match (id_signed, id.len()) {
        (false, _) => body(),
        (true, 1) => id.clone(),
        (true, _) => vec![Locator::AnyOf(id.clone())],
    });
    (EventSpec { id, event_type, key, document: None }, id_signed)
}

/// Whether a value at this place could not be changed without breaking the signature, whichever form is used.
fn is_signed(at: &Locator, scheme: &Scheme) -> bool {
    match at {
        Locator::Json(pointer) => scheme.alternatives.iter().all(|form| form.covers_json(pointer)),
        Locator::Form(_) | Locator::Body => {
            scheme.alternatives.iter().all(crate::verify::Alternative::covers_body)
        }
        Locator::AnyOf(any) => any.iter().all(|at| is_signed(at, scheme)),
        Locator::Claim(_) => {
            scheme.alternatives.iter().all(|form| matches!(form.algorithm, Algorithm::Jwt(_)))
        }
        Locator::Signed => true,
        // A header or parameter is signed only where a template names it; an entry says so with `id_signed: true`.
        Locator::Header(_) | Locator::Query(_) => false,
    }
}

fn retry(fields: &mut Fields<'_, '_>) -> Retry {
    let Some(mut retry) = fields.child("retry") else { return Retry::default() };
    let delays = retry.list("delays").unwrap_or_default();
    let problems = retry.problems();
    let delays: Vec<_> = delays.iter().filter_map(|delay| delay.duration(problems)).collect();
    let span = retry.duration("span");
    let timeout = retry.duration("timeout");
    let on = retry.texts("on").unwrap_or_default().into_iter().map(str::to_owned).collect();
    let never = retry.boolean("never").unwrap_or(false);
    if never && (!delays.is_empty() || span.is_some()) {
        retry.report_at("never", "a sender that never retries has neither `delays` nor `span`");
    }
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        retry.report_at(
            "timeout",
            "a sender that waits for no time cannot be answered; leave it out if unknown",
        );
    }
    retry.finish();
    Retry { delays, span, timeout, on, never }
}

fn upstream_timeout(fields: &mut Fields<'_, '_>, retry: &Retry) -> std::time::Duration {
    let written = fields.child("upstream").and_then(|mut upstream| {
        let timeout = upstream.duration("timeout");
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            upstream.report_at("timeout", "no upstream answers in no time");
        }
        upstream.finish();
        timeout
    });
    written.unwrap_or_else(|| defaults::upstream_timeout(retry))
}

fn dedupe(fields: &mut Fields<'_, '_>) -> (Option<std::time::Duration>, Option<OnStoreError>) {
    let Some(mut dedupe) = fields.child("dedupe") else { return (None, None) };
    let ttl = dedupe.duration("ttl");
    let on_store_error = dedupe.word("on_store_error", OnStoreError::WORDS).map(|word| match word {
        "memory" => OnStoreError::Memory,
        "pass" => OnStoreError::Pass,
        _ => OnStoreError::Refuse,
    });
    if ttl.is_some_and(|ttl| ttl.is_zero()) {
        dedupe.report_at("ttl", "an event that is not remembered cannot be recognised");
    }
    dedupe.finish();
    (ttl, on_store_error)
}

fn refusal_status(fields: &mut Fields<'_, '_>) -> u16 {
    let written = fields.child("refusal").and_then(|mut refusal| {
        let status = status(&mut refusal, "status", 400);
        refusal.finish();
        status
    });
    written.unwrap_or(401)
}

fn reply(fields: &mut Fields<'_, '_>) -> Option<Reply> {
    let mut reply = fields.child("reply")?;
    let status = status(&mut reply, "status", 200).unwrap_or(200);
    let content_type = reply.text("content_type").map(str::to_owned);
    let body = reply.text("body").unwrap_or_default().to_owned();
    if !body.is_empty() && content_type.is_none() {
        reply.report_at("body", "a body needs a `content_type`");
    }
    reply.finish();
    Some(Reply { status, content_type, body })
}
