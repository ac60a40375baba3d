//! From YAML to [`Scheme`]: the part of the provider language that says what is signed and how.

use std::time::Duration;

use http::HeaderName;

use crate::time::Tolerance;
use crate::verify::{
    Algorithm, Alternative, BodyDigest, BodyForm, Condition, Encoding, KeyEncoding, KeyForm, Layout,
    Location, PairsForm, Pointer, Scheme, Sha, SignatureForm, Subject, Template, Test, TimeUnit,
    TimestampForm, TimestampSource, UrlForm,
};
use crate::yaml::{Cursor, Fields, Problems};

use super::read::{one_or_many, parsed, text_as};
use super::read_jose::{with_options, wrapped};

/// Five minutes on both sides, the window that most senders' libraries use.
const USUAL_TOLERANCE: Tolerance =
    Tolerance { past: Duration::from_secs(300), future: Duration::from_secs(300) };

/// Reads the scheme, and the window of its send time: one form from the entry's own keys, or those under `alternatives`.
pub(super) fn scheme(fields: &mut Fields<'_, '_>) -> (Scheme, Option<Tolerance>) {
    let before = fields.problems().len();
    let mut alternatives = Vec::new();
    let mut windows = Vec::new();
    match fields.list("alternatives") {
        Some(items) => {
            for item in items {
                let Some(mut form) = item.fields(fields.problems()) else { continue };
                let when = conditions(&mut form);
                let (alternative, window) = alternative(&mut form, when);
                alternatives.extend(alternative);
                windows.extend(window);
                form.finish();
            }
        }
        None => {
            let (alternative, window) = alternative(fields, Vec::new());
            alternatives.extend(alternative);
            windows.extend(window);
        }
    }
    let document = fields.child("document").and_then(|mut document| {
        let name = document.required_text("form", "payload").map(str::to_owned);
        document.finish();
        name
    });
    for alternative in &mut alternatives {
        alternative.document.clone_from(&document);
    }
    if windows.windows(2).any(|pair| pair.first() != pair.last()) {
        fields.report_at("alternatives", "all forms of a sender share one tolerance");
    }
    let scheme = Scheme { alternatives };
    // A scheme that could not be read is already reported; what it lacks need not be said twice.
    if fields.problems().len() == before {
        for problem in scheme.problems() {
            fields.report(problem);
        }
    }
    (scheme, windows.into_iter().next().flatten())
}

/// The window of one form's send time: `None` without a send time, `Some(None)` for `off`.
type Window = Option<Option<Tolerance>>;

fn alternative(fields: &mut Fields<'_, '_>, when: Vec<Condition>) -> (Option<Alternative>, Window) {
    let signature = signature(fields);
    let algorithm = fields
        .required("algorithm", "hmac-sha256")
        .and_then(|cursor| parsed::<Algorithm>(&cursor, fields.problems()));
    let algorithm = with_options(fields, algorithm);
    let (key, further_keys) = keys(fields);
    let signed = fields.optional("signed").map_or(Vec::new(), |cursor| {
        let problems = fields.problems();
        let templates = one_or_many(&cursor, problems);
        templates.iter().filter_map(|one| text_as::<Template>(one, problems)).collect()
    });
    let sort_parts = fields.boolean("sort_parts").unwrap_or(false);
    let prehash = word(fields, "prehash");
    let each = fields.optional("each").and_then(|cursor| text_as::<Location>(&cursor, fields.problems()));
    let each = match each {
        Some(Location::Json(pointer)) => Some(pointer),
        Some(_) => {
            fields.report_at("each", "elements stand in JSON: write `json:/items/*`");
            None
        }
        None => None,
    };
    let unsigned_body = fields.boolean("unsigned_body").unwrap_or(false);
    let body = word(fields, "body").unwrap_or(BodyForm::Wire);
    let body_digest = body_digest(fields);
    let url = url(fields);
    let (timestamp, window) = timestamp(fields);
    let form = match (signature, algorithm) {
        (Some(signature), Some(algorithm)) => Some(Alternative {
            when,
            signature: with_encoding(signature, &algorithm),
            algorithm,
            key,
            further_keys,
            signed,
            sort_parts,
            prehash,
            each,
            document: None,
            unsigned_body,
            body,
            body_digest,
            timestamp,
            url,
        }),
        _ => None,
    };
    (form, window)
}

fn signature(fields: &mut Fields<'_, '_>) -> Option<(SignatureForm, bool)> {
    let _ = fields.required("signature", "{ header: X-Signature, encoding: hex }");
    let mut form = fields.child("signature")?;
    let location = location(&mut form);
    let several = matches!(location, Some(Location::Headers(_) | Location::Numbered(_)));
    let prefix = form.text("prefix").unwrap_or_default().to_owned();
    let layout = match layout(&mut form) {
        Some(Layout::Single) if several => Some(Layout::List { separator: ',' }),
        Some(layout) if several && layout != (Layout::List { separator: ',' }) => {
            form.report("several headers carry one signature each: leave `pairs`, `list` and the like out");
            None
        }
        layout => layout,
    };
    let encoding = word::<Encoding>(&mut form, "encoding");
    let wrapped = wrapped(&mut form);
    form.finish();
    Some((
        SignatureForm {
            location: location?,
            prefix,
            layout: layout?,
            encoding: encoding.unwrap_or(Encoding::Hex),
            wrapped,
        },
        encoding.is_some(),
    ))
}

/// What is sent as it is (tokens, Basic, JWT) is text, unless the entry says otherwise.
fn with_encoding((mut form, written): (SignatureForm, bool), algorithm: &Algorithm) -> SignatureForm {
    if !written
        && matches!(
            algorithm,
            Algorithm::Token | Algorithm::Basic | Algorithm::Jwt(_) | Algorithm::JwsDetached(_)
        )
    {
        form.encoding = Encoding::Text;
    }
    form
}

fn location(form: &mut Fields<'_, '_>) -> Option<Location> {
    let mut found = Vec::new();
    if let Some(cursor) = form.optional("header") {
        found.extend(headers(&cursor, form.problems()));
    }
    if let Some(name) = form.text("query") {
        found.push(Location::Query(name.to_owned()));
    }
    if let Some(name) = form.text("form") {
        found.push(Location::Form(name.to_owned()));
    }
    if let Some(cursor) = form.optional("json") {
        found.extend(text_as::<Pointer>(&cursor, form.problems()).map(Location::Json));
    }
    if form.boolean("body").unwrap_or(false) {
        found.push(Location::Body);
    }
    if found.len() > 1 {
        form.report("a signature stands in one place: `header`, `query`, `form`, `json` or `body: true`");
    } else if found.is_empty() && !(form.has("header") || form.has("json")) {
        form.report("say where the signature stands, for example `header: X-Signature`");
    }
    found.into_iter().next()
}

/// One header, a list of which any may be there, or `X-Signature-*` for numbered ones.
fn headers(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<Location> {
    let numbered = cursor.node.as_text().and_then(|text| text.strip_suffix('*'));
    if let Some(prefix) = numbered {
        return match format!("{prefix}1").parse::<HeaderName>() {
            Ok(_) => Some(Location::Numbered(prefix.to_owned())),
            Err(_) => {
                cursor.report(problems, "this cannot be a header's name");
                None
            }
        };
    }
    let cursors = one_or_many(cursor, problems);
    let mut names: Vec<_> = cursors.iter().filter_map(|one| header_name(one, problems)).collect();
    match names.len() {
        0 => None,
        1 => names.pop().map(Location::Header),
        _ => Some(Location::Headers(names)),
    }
}

fn layout(form: &mut Fields<'_, '_>) -> Option<Layout> {
    let list = separator(form, "list");
    let positional = separator(form, "positional");
    let versions = form.optional("versioned").map(|cursor| {
        let problems = form.problems();
        let versions = one_or_many(&cursor, problems);
        versions.iter().filter_map(|one| one.text(problems)).map(str::to_owned).collect::<Vec<_>>()
    });
    let pairs = form.child("pairs").and_then(|mut pairs| {
        let signature = pairs.required_text("signature", "v1").map(str::to_owned);
        let timestamp = pairs.text("timestamp").map(str::to_owned);
        let separators = pairs.text("separator").unwrap_or(",").to_owned();
        if separators.is_empty() || !separators.chars().all(is_separator) {
            pairs.report_at(
                "separator",
                "write one character, such as `\",\"`, or several of which each separates",
            );
        }
        let mark = separator(&mut pairs, "mark").unwrap_or('=');
        pairs.finish();
        Some(Layout::Pairs(PairsForm { separators, mark, signature: signature?, timestamp }))
    });
    let exclusive = [pairs.is_some(), positional.is_some(), list.is_some() || versions.is_some()];
    if exclusive.iter().filter(|used| **used).count() > 1 {
        form.report("`pairs`, `positional` and `list` exclude each other");
        return None;
    }
    Some(match (pairs, positional, versions, list) {
        (Some(pairs), ..) => pairs,
        (_, Some(separator), ..) => Layout::Positional { separator },
        (_, _, Some(versions), list) => Layout::Versioned { separator: list.unwrap_or(' '), versions },
        (_, _, None, Some(separator)) => Layout::List { separator },
        (None, None, None, None) => Layout::Single,
    })
}

fn separator(form: &mut Fields<'_, '_>, key: &'static str) -> Option<char> {
    let text = form.text(key)?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) if is_separator(one) => Some(one),
        _ => {
            form.report_at(key, "a separator is one character, such as `\",\"`");
            None
        }
    }
}

fn is_separator(character: char) -> bool {
    character.is_ascii_punctuation() || character == ' '
}

/// `key: { … }`, or a list of such forms that are tried in order.
fn keys(fields: &mut Fields<'_, '_>) -> (KeyForm, Vec<KeyForm>) {
    let Some(cursor) = fields.optional("key") else { return (KeyForm::default(), Vec::new()) };
    let problems = fields.problems();
    let cursors = one_or_many(&cursor, problems);
    let mut forms = cursors.iter().filter_map(|one| key(one, problems)).collect::<Vec<_>>().into_iter();
    (forms.next().unwrap_or_default(), forms.collect())
}

fn key(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<KeyForm> {
    let mut key = cursor.fields(problems)?;
    let encoding = word::<KeyEncoding>(&mut key, "encoding").unwrap_or(KeyEncoding::Utf8);
    let strip_prefix = key.text("strip_prefix").map(str::to_owned);
    let nfkd = key.word("normalize", &["none", "nfkd"]) == Some("nfkd");
    let suffix = key.text("suffix").unwrap_or_default().to_owned();
    let digest = word(&mut key, "digest");
    key.finish();
    Some(KeyForm { encoding, strip_prefix, nfkd, suffix, digest })
}

fn body_digest(fields: &mut Fields<'_, '_>) -> Option<BodyDigest> {
    let mut digest = fields.child("body_digest")?;
    let location = digest
        .required("at", "query:bodySHA256")
        .and_then(|cursor| text_as::<Location>(&cursor, digest.problems()));
    let prefix = digest.text("prefix").unwrap_or_default().to_owned();
    let sha = word(&mut digest, "algorithm").unwrap_or(Sha::Sha256);
    let encoding = word(&mut digest, "encoding").unwrap_or(Encoding::Hex);
    digest.finish();
    Some(BodyDigest { location: location?, prefix, digest: sha, encoding })
}

fn url(fields: &mut Fields<'_, '_>) -> UrlForm {
    let Some(mut url) = fields.child("url") else { return UrlForm::default() };
    let unescape = url.text("unescape").unwrap_or_default().to_owned();
    let ports = url.word("ports", &["as_received", "any"]) == Some("any");
    url.finish();
    UrlForm { unescape, ports }
}

fn timestamp(fields: &mut Fields<'_, '_>) -> (Option<TimestampForm>, Window) {
    let Some(mut timestamp) = fields.child("timestamp") else { return (None, None) };
    let mut sources = Vec::new();
    if let Some(cursor) = timestamp.optional("header") {
        sources.extend(header_name(&cursor, timestamp.problems()).map(TimestampSource::Header));
    }
    if let Some(name) = timestamp.text("query") {
        sources.push(TimestampSource::Query(name.to_owned()));
    }
    if let Some(name) = timestamp.text("form") {
        sources.push(TimestampSource::Form(name.to_owned()));
    }
    if let Some(cursor) = timestamp.optional("json") {
        sources.extend(text_as::<Pointer>(&cursor, timestamp.problems()).map(TimestampSource::Json));
    }
    if let Some(name) = timestamp.text("claim") {
        sources.push(TimestampSource::Claim(name.to_owned()));
    }
    if let Some(name) = timestamp.text("parameter") {
        sources.push(TimestampSource::Parameter(name.to_owned()));
    }
    if sources.len() > 1 {
        timestamp.report(
            "a send time stands in one place: `header`, `query`, `form`, `json`, `claim`, `parameter` or the signature",
        );
    }
    let unit = word(&mut timestamp, "unit").unwrap_or(TimeUnit::Seconds);
    let tolerance = match timestamp.optional("tolerance") {
        Some(cursor) => tolerance(&cursor, timestamp.problems()),
        None => Some(USUAL_TOLERANCE),
    };
    timestamp.finish();
    let source = sources.into_iter().next().unwrap_or(TimestampSource::Signature);
    (Some(TimestampForm { source, unit }), Some(tolerance))
}

/// `off`, one duration for both sides, or `{ past, future }`, where a side left out has the usual five minutes.
pub(super) fn tolerance(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<Tolerance> {
    if cursor.node.is_word("off") {
        return None;
    }
    if cursor.node.as_text().is_some() {
        return cursor.duration(problems).map(|both| Tolerance { past: both, future: both });
    }
    let mut window = cursor.fields(problems)?;
    let past = window.duration("past").unwrap_or(USUAL_TOLERANCE.past);
    let future = window.duration("future").unwrap_or(USUAL_TOLERANCE.future);
    window.finish();
    Some(Tolerance { past, future })
}

/// `when: { header: NAME, equals: TEXT }`, or a list of such conditions that must all hold.
fn conditions(form: &mut Fields<'_, '_>) -> Vec<Condition> {
    let Some(cursor) = form.optional("when") else { return Vec::new() };
    let problems = form.problems();
    let conditions = one_or_many(&cursor, problems);
    conditions.iter().filter_map(|one| condition(one, problems)).collect()
}

fn condition(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<Condition> {
    let mut fields = cursor.fields(problems)?;
    let header = fields.optional("header").and_then(|cursor| header_name(&cursor, fields.problems()));
    let json = fields.optional("json").and_then(|cursor| text_as::<Pointer>(&cursor, fields.problems()));
    let subject = match (header, fields.text("query"), json) {
        (Some(name), None, None) => Some(Subject::Header(name)),
        (None, Some(name), None) => Some(Subject::Query(name.to_owned())),
        (None, None, Some(pointer)) => Some(Subject::Json(pointer)),
        _ => {
            fields
                .report("a condition looks at one thing: `header: NAME`, `query: NAME` or `json: /POINTER`");
            None
        }
    };
    let equals = fields.text("equals").map(|text| Test::Equals(text.to_owned()));
    let starts_with = fields.text("starts_with").map(|text| Test::StartsWith(text.to_owned()));
    let present = fields.boolean("present").map(|present| if present { Test::Present } else { Test::Absent });
    let absent = fields.boolean("absent").map(|absent| if absent { Test::Absent } else { Test::Present });
    let length =
        fields.integer("length").map(|length| Test::Length(usize::try_from(length).unwrap_or(usize::MAX)));
    let mut tests: Vec<_> = [equals, starts_with, present, absent, length].into_iter().flatten().collect();
    if tests.len() != 1 {
        fields
            .report("a condition asks one thing: `equals`, `starts_with`, `length`, `present: true` or `absent: true`");
    }
    fields.finish();
    Some(Condition { subject: subject?, test: tests.pop()? })
}

fn header_name(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<HeaderName> {
    let text = cursor.text(problems)?;
    let name = text.parse().ok();
    if name.is_none() {
        cursor.report(problems, "this cannot be a header's name");
    }
    name
}

/// Reads a word of the provider language.
pub(super) fn word<T>(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<T>
where
    T: std::str::FromStr<Err = crate::verify::UnknownWord>,
{
    let cursor = fields.optional(key)?;
    parsed(&cursor, fields.problems())
}
