//! Handshakes: what a sender asks before or between deliveries, and the answer that satisfies it.

use subtle::ConstantTimeEq;

use crate::secret::Secret;
use crate::verify::{self, EventSpec, Head, Keys, Locator};

use super::answer::AnswerTemplate;
use super::provider::Provider;

/// The longest value of a request that is ever echoed, in bytes.
pub const LONGEST_ECHO: usize = 1024;

/// One handshake: how it is recognised, what it has to prove, and how it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Its method, upper case.
    pub method: String,
    /// What must all hold of the request.
    pub when: Vec<(Locator, Expected)>,
    /// Where it carries a token that must be one of the route's.
    pub token: Option<Locator>,
    /// Whether it is answered only after its signature was verified.
    pub signed: bool,
    /// The answer.
    pub answer: AnswerForm,
}

/// What a handshake's condition expects of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is this text (numbers as they are written).
    Equals(String),
    /// It is there.
    Present,
    /// It is not there.
    Absent,
}

/// How a handshake is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerForm {
    /// The status.
    pub status: u16,
    /// The content type; none for an empty body.
    pub content_type: Option<String>,
    /// Further headers.
    pub headers: Vec<(http::HeaderName, AnswerTemplate)>,
    /// The body.
    pub body: AnswerTemplate,
}

/// A handshake's answer, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeAnswer {
    /// The status.
    pub status: u16,
    /// The content type; none for an empty body.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
    /// Further headers. A body that is not JSON comes with `x-content-type-options: nosniff`, because it holds the asker's words.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
}

/// The answer to a handshake of this provider, if the request is one.
///
/// Call it with `matched: None` before verification (only unsigned handshakes are answered then) and with the index of
/// the secret that matched after it. `verify_tokens` are the route's, or its secrets where it names none; with an empty
/// list no token fits. A request that looks like a handshake but carries the wrong token gets `None` and goes the way of
/// any other request.
#[must_use]
pub fn challenge(
    provider: &Provider,
    head: &Head<'_>,
    body: Option<&[u8]>,
    matched: Option<usize>,
    keys: &Keys,
    verify_tokens: &[Secret],
) -> Option<ChallengeAnswer> {
    let request = Request { head, body: body.unwrap_or_default(), keys, matched };
    provider
        .challenges
        .iter()
        .filter(|challenge| challenge.signed == matched.is_some() && challenge.method == head.method)
        .filter(|challenge| challenge.when.iter().all(|(at, expected)| request.meets(at, expected)))
        .filter(|challenge| challenge.token.as_ref().is_none_or(|at| request.token_fits(at, verify_tokens)))
        .find_map(|challenge| challenge.answer.fill(&request))
}

impl Provider {
    /// The methods of its handshakes beside those of its deliveries.
    pub fn challenge_methods(&self) -> impl Iterator<Item = &str> {
        self.challenges.iter().map(|challenge| challenge.method.as_str())
    }
}

/// What answers are made of.
#[derive(Debug)]
pub(super) struct Request<'r> {
    head: &'r Head<'r>,
    body: &'r [u8],
    keys: &'r Keys,
    matched: Option<usize>,
}

impl Request<'_> {
    /// The text at a place of the request.
    pub(super) fn text(&self, at: &Locator) -> Option<String> {
        let spec = EventSpec { id: vec![at.clone()], ..EventSpec::default() };
        verify::event(&spec, self.head, self.body).id
    }

    /// The text at a place if it may be echoed: visible ASCII, and not longer than [`LONGEST_ECHO`].
    pub(super) fn echo(&self, at: &Locator) -> Option<String> {
        self.text(at).filter(|text| {
            !text.is_empty() && text.len() <= LONGEST_ECHO && text.bytes().all(|byte| byte.is_ascii_graphic())
        })
    }

    /// The MAC of a text that may be echoed, under the secret that verified this request.
    pub(super) fn mac(&self, at: &Locator) -> Option<Vec<u8>> {
        let text = self.echo(at)?;
        self.keys.mac(self.matched?, text.as_bytes())
    }

    fn meets(&self, at: &Locator, expected: &Expected) -> bool {
        let found = self.text(at);
        match expected {
            Expected::Equals(wanted) => found.as_deref() == Some(wanted),
            Expected::Present => found.is_some(),
            Expected::Absent => found.is_none(),
        }
    }

    /// Compares with every token, in a time that tells nothing of them but their lengths.
    fn token_fits(&self, at: &Locator, tokens: &[Secret]) -> bool {
        let Some(found) = self.text(at) else { return false };
        let fits = |token: &Secret| !token.is_empty() && bool::from(token.expose().ct_eq(found.as_bytes()));
        tokens.iter().fold(false, |any, token| any | fits(token))
    }
}

impl AnswerForm {
    fn fill(&self, request: &Request<'_>) -> Option<ChallengeAnswer> {
        let json = self.is_json();
        let body = self.body.fill(request, json)?;
        let mut headers = Vec::with_capacity(self.headers.len() + 1);
        for (name, template) in &self.headers {
            headers.push((name.clone(), template.fill(request, false)?.parse().ok()?));
        }
        if !json && !body.is_empty() {
            let nosniff = http::HeaderValue::from_static("nosniff");
            headers.push((http::header::X_CONTENT_TYPE_OPTIONS, nosniff));
        }
        Some(ChallengeAnswer {
            status: self.status,
            content_type: self.content_type.clone(),
            body: body.into_bytes(),
            headers,
        })
    }

    fn is_json(&self) -> bool {
        self.content_type.as_deref().is_some_and(|kind| kind.starts_with("application/json"))
    }
}
