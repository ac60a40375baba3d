//! From YAML to [`Challenge`]: a sender's handshakes.

use crate::verify::Locator;
use crate::yaml::{Cursor, Fields, Problems};

use super::answer::AnswerTemplate;
use super::challenge::{AnswerForm, Challenge, Expected};
use super::read::{status, text_as};

/// Reads `challenges`, a list.
pub(super) fn challenges(fields: &mut Fields<'_, '_>) -> Vec<Challenge> {
    let items = fields.list("challenges").unwrap_or_default();
    let problems = fields.problems();
    items.iter().filter_map(|item| challenge(item, problems)).collect()
}

fn challenge(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<Challenge> {
    let mut fields = cursor.fields(problems)?;
    let method = fields.word("method", &["GET", "POST", "PUT", "HEAD"]).unwrap_or("POST");
    let when = conditions(&mut fields);
    let token = fields.optional("token").and_then(|cursor| text_as::<Locator>(&cursor, fields.problems()));
    let signed = fields.boolean("signed").unwrap_or(false);
    let answer = answer(&mut fields);
    // A method that no delivery uses is mark enough.
    if when.is_empty() && method != "HEAD" {
        fields.report_at("when", "a handshake needs a mark by which it is told from a delivery");
    }
    if !signed && answer.as_ref().is_some_and(|answer| answer.body.needs_mac()) {
        // Otherwise anyone could have any text signed with the operator's secret.
        fields.report("an answer that holds a MAC is given to verified requests only: say `signed: true`");
    }
    fields.finish();
    Some(Challenge { method: method.to_owned(), when, token, signed, answer: answer? })
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
    answer.finish();
    Some(AnswerForm { status, content_type, headers, body })
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
