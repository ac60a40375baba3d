//! From YAML to [`Challenge`]: a sender's handshakes.

use crate::verify::{Alphabet, LONGEST_QUESTION, Locator, Question, Scheme};
use crate::yaml::{Cursor, Fields, Problems};

use super::answer::AnswerTemplate;
use super::challenge::{AnswerForm, Challenge, Expected};
use super::read::{status, text_as};

/// The methods of handshakes.
pub const CHALLENGE_METHODS: &[&str] = &["GET", "POST", "PUT", "HEAD", "OPTIONS"];

/// Reads `challenges`, a list, of a sender that signs by this scheme.
pub(super) fn challenges(fields: &mut Fields<'_, '_>, scheme: &Scheme) -> Vec<Challenge> {
    let items = fields.list("challenges").unwrap_or_default();
    let problems = fields.problems();
    let challenges: Vec<_> = items.iter().filter_map(|item| challenge(item, problems)).collect();
    let asks = challenges.iter().any(|challenge| challenge.ask.is_some());
    if asks && !Question::suits(scheme) {
        fields.report_at(
            "challenges",
            "`ask` cannot stand beside a scheme that signs a digest, each element by itself or a detached text",
        );
    }
    challenges
}

fn challenge(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<Challenge> {
    let mut fields = cursor.fields(problems)?;
    let method = fields.word("method", CHALLENGE_METHODS).unwrap_or("POST").to_owned();
    let when = conditions(&mut fields);
    let token = locator(&mut fields, "token");
    let refusal = refusal(&mut fields);
    let signed = fields.boolean("signed").unwrap_or(false);
    let ask = ask(&mut fields);
    let reveal = locator(&mut fields, "reveal");
    let public_token = fields.boolean("public_token").unwrap_or(false);
    let answer = answer(&mut fields);
    // A method that no delivery uses is mark enough.
    if when.is_empty() && method != "HEAD" && method != "OPTIONS" {
        fields.report_at("when", "a handshake needs a mark by which it is told from a delivery");
    }
    let challenge = answer.map(|answer| Challenge {
        method,
        when,
        token,
        refusal,
        signed,
        ask,
        public_token,
        reveal,
        answer,
    });
    if let Some(challenge) = &challenge {
        guard(challenge, &mut fields);
    }
    fields.finish();
    challenge
}

/// What would hand out what only the sender may have.
fn guard(challenge: &Challenge, fields: &mut Fields<'_, '_>) {
    let has_mac = challenge.answer.templates().any(AnswerTemplate::needs_mac);
    if has_mac && !challenge.signed && challenge.ask.is_none() {
        // Otherwise anyone could have any text signed with the operator's secret.
        fields.report(
            "an answer that holds a MAC is given to verified requests only: say `signed: true`; where the sender \
             asks unsigned, say what a question is made of: `ask: { pattern: token, longest: 128 }`",
        );
    }
    if challenge.ask.is_some() && (challenge.signed || !has_mac) {
        fields.report_at("ask", "`ask` is for unsigned handshakes whose answer holds a MAC");
    }
    let shows_token = challenge.answer.templates().any(AnswerTemplate::shows_token);
    let presented = challenge.signed || challenge.token.is_some();
    if shows_token && !presented && !challenge.public_token {
        fields.report(
            "an answer that shows the route's token is given to nobody who has not presented it: write `token`, or \
             `public_token: true` where it only proves whose endpoint this is",
        );
    }
    if challenge.refusal.is_some() && challenge.token.is_none() {
        fields.report_at("refusal", "a refusal needs a `token` that can be wrong");
    }
    if challenge.reveal.is_some() && challenge.signed {
        fields.report_at("reveal", "a signed request brings no secret: the route has it already");
    }
}

fn locator(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Locator> {
    fields.optional(key).and_then(|cursor| text_as::<Locator>(&cursor, fields.problems()))
}

/// `refusal: { status: 404 }`.
fn refusal(fields: &mut Fields<'_, '_>) -> Option<u16> {
    let mut refusal = fields.child("refusal")?;
    let status = status(&mut refusal, "status", 400);
    if !refusal.has("status") {
        refusal.report("`status` is missing; write for example `status: 404`");
    }
    refusal.finish();
    status
}

/// `ask: { pattern: token, longest: 128 }`.
fn ask(fields: &mut Fields<'_, '_>) -> Option<Question> {
    let mut ask = fields.child("ask")?;
    let alphabet = ask.word("pattern", Alphabet::WORDS).and_then(Alphabet::of);
    let longest = ask.integer("longest").and_then(|longest| usize::try_from(longest).ok());
    if alphabet.is_none() && !ask.has("pattern") {
        ask.report("`pattern` is missing; write for example `pattern: token`");
    }
    if !longest.is_some_and(|longest| (1..=LONGEST_QUESTION).contains(&longest)) {
        ask.report_at("longest", format!("write the longest question in bytes, 1 to {LONGEST_QUESTION}"));
    }
    ask.finish();
    Some(Question { alphabet: alphabet?, longest: longest? })
}

/// `when: { LOCATOR: text }` or `{ LOCATOR: { present: true } }`; all must hold.
fn conditions(fields: &mut Fields<'_, '_>) -> Vec<(Locator, Expected)> {
    let Some(cursor) = fields.optional("when") else { return Vec::new() };
    let problems = fields.problems();
    let entries = cursor.entries(problems).unwrap_or_default();
    let mut conditions = Vec::with_capacity(entries.len());
    for entry in entries {
        let value = cursor.key(entry);
        match entry.key.parse::<Locator>() {
            Ok(at) => conditions.extend(expected(&value, problems).map(|expected| (at, expected))),
            Err(error) => problems.report(value.path, entry.place, error.to_string()),
        }
    }
    conditions
}

fn expected(value: &Cursor<'_>, problems: &mut Problems) -> Option<Expected> {
    if let Some(text) = value.node.as_text() {
        return Some(Expected::Equals(text.to_owned()));
    }
    let mut fields = value.fields(problems)?;
    let found = match (fields.boolean("present"), fields.boolean("absent")) {
        (Some(present), None) => Some(if present { Expected::Present } else { Expected::Absent }),
        (None, Some(absent)) => Some(if absent { Expected::Absent } else { Expected::Present }),
        _ => {
            fields.report("write the expected text, `{ present: true }` or `{ absent: true }`");
            None
        }
    };
    fields.finish();
    found
}

fn answer(fields: &mut Fields<'_, '_>) -> Option<AnswerForm> {
    let _ = fields.required("answer", "{ content_type: text/plain, body: \"{query:challenge}\" }");
    let mut answer = fields.child("answer")?;
    let status = status(&mut answer, "status", 200).unwrap_or(200);
    let content_type = answer.text("content_type").map(str::to_owned);
    let body = answer.optional("body");
    let body =
        body.and_then(|cursor| text_as::<AnswerTemplate>(&cursor, answer.problems())).unwrap_or_default();
    let headers = headers(&mut answer);
    let form = AnswerForm { status, content_type, headers, body };
    if form.content_type.is_none() && !form.body.is_empty() {
        answer.report_at("body", "a body needs a `content_type`");
    } else if form.body.echoes() && !form.is_json() && !form.is_plain() {
        // In anything that a browser renders, the asker's words could become a page of the operator's.
        answer.report_at(
            "content_type",
            "an answer that repeats what was asked is `text/plain` or `application/json`",
        );
    }
    answer.finish();
    Some(form)
}

fn headers(answer: &mut Fields<'_, '_>) -> Vec<(http::HeaderName, AnswerTemplate)> {
    let Some(cursor) = answer.optional("headers") else { return Vec::new() };
    let problems = answer.problems();
    let mut headers = Vec::new();
    for entry in cursor.entries(problems).unwrap_or_default() {
        let value = cursor.key(entry);
        let template = text_as::<AnswerTemplate>(&value, problems);
        match entry.key.parse::<http::HeaderName>() {
            Ok(name) => headers.extend(template.map(|template| (name, template))),
            Err(_) => problems.report(value.path, entry.place, "this cannot be a header's name"),
        }
    }
    headers
}
