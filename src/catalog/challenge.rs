//! Handshakes: what a sender asks before or between deliveries, and the answer that satisfies it.

use smallvec::SmallVec;
use subtle::ConstantTimeEq;

use crate::secret::{NamedSecret, Secret};
use crate::time::UnixTime;
use crate::verify::{self, EventSpec, Head, Keys, Locator, Question, Rejection, Scheme, Verified};

use super::answer::AnswerTemplate;
use super::provider::Provider;

/// The longest value of a request that is ever echoed, in bytes.
pub const LONGEST_ECHO: usize = 1024;

/// One handshake: how it is recognised, what it has to prove, and how it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Its method, upper case.
    pub method: String,
    /// What must all hold of the request. [`Locator::Body`] means the body itself, which is absent when it is empty.
    pub when: Vec<(Locator, Expected)>,
    /// Where it carries a token that must be one of the route's.
    pub token: Option<Locator>,
    /// The status of the answer to a wrong token; without one the request goes the way of any other.
    pub refusal: Option<u16>,
    /// Whether it is answered only after its signature was verified.
    pub signed: bool,
    /// What an unsigned question may be made of whose answer holds its MAC.
    pub ask: Option<Question>,
    /// Whether the answer may show the route's token to whoever asks, because it only proves whose endpoint it is.
    pub public_token: bool,
    /// Where it brings the secret of the deliveries to come, for the operator to put into the configuration.
    pub reveal: Option<Locator>,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChallengeAnswer {
    /// The status.
    pub status: u16,
    /// The content type; none for an empty body.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
    /// Further headers. A body that is not JSON comes with `x-content-type-options: nosniff`, because it holds the asker's words.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// The secret that a first contact brought. It is a stranger's word until the operator takes it for good.
    pub revealed: Option<String>,
    /// Whether this is the answer to a wrong token.
    pub refused: bool,
}

/// The answer to a handshake of this provider, if the request is one.
///
/// Call it with `matched: None` before verification (only unsigned handshakes are answered then) and with the index of
/// the secret that matched after it; with `body: None` while the body is not there (only handshakes that need none are
/// answered then). `verify_tokens` are the route's, or its secrets where it names none; with an empty list no token
/// fits. A request that looks like a handshake but carries the wrong token gets `None` and goes the way of
/// any other request, unless the sender expects a refusal.
///
/// A MAC in the answer is made with the secret that verified the question; an unsigned one gets that of the first
/// secret, which is the newest while they are rotated. Secrets and tokens outside their time at `now` do not count.
#[must_use]
pub fn challenge(
    provider: &Provider,
    head: &Head<'_>,
    body: Option<&[u8]>,
    matched: Option<usize>,
    keys: &Keys,
    verify_tokens: &[NamedSecret],
    now: UnixTime,
) -> Option<ChallengeAnswer> {
    let in_time = verify_tokens.iter().filter(|token| token.lifetime.check(now).is_ok());
    let tokens: SmallVec<[&Secret; 2]> = in_time.map(|token| &token.secret).collect();
    provider
        .challenges
        .iter()
        .filter(|challenge| challenge.signed == matched.is_some() && challenge.method == head.method)
        .filter(|challenge| body.is_some() || !challenge.needs_body())
        .find_map(|challenge| {
            let request = Request {
                scheme: &provider.scheme,
                head,
                body: body.unwrap_or_default(),
                keys: Some(keys),
                matched,
                ask: challenge.ask,
                tokens: &tokens,
                newest: keys.first(now),
            };
            challenge.answer_to(&request)
        })
}

impl Provider {
    /// The methods of its handshakes beside those of its deliveries.
    pub fn challenge_methods(&self) -> impl Iterator<Item = &str> {
        self.challenges.iter().map(|challenge| challenge.method.as_str())
    }

    /// Whether a request with this head may be an unsigned handshake whose mark stands in its body.
    #[must_use]
    pub fn may_ask_in_body(&self, head: &Head<'_>) -> bool {
        let nothing = Request {
            scheme: &self.scheme,
            head,
            body: &[],
            keys: None,
            matched: None,
            ask: None,
            tokens: &[],
            newest: None,
        };
        self.challenges.iter().any(|challenge| {
            let mut in_head = challenge.when.iter().filter(|(at, _)| !stands_in_body(at));
            !challenge.signed
                && challenge.needs_body()
                && challenge.method == head.method
                && in_head.all(|(at, expected)| nothing.meets(at, expected))
        })
    }

    /// Whether its first contact brings the secret, so that a route may begin without one.
    #[must_use]
    pub fn reveals(&self) -> bool {
        self.challenges.iter().any(|challenge| challenge.reveal.is_some())
    }

    /// Whether a handshake presents a token of the route.
    #[must_use]
    pub fn asks_for_token(&self) -> bool {
        self.challenges.iter().any(|challenge| challenge.token.is_some())
    }

    /// Whether a handshake is answered with a token of the route, which then is never one of its secrets.
    #[must_use]
    pub fn answers_with_token(&self) -> bool {
        let mut answers = self.challenges.iter().flat_map(|challenge| challenge.answer.templates());
        answers.any(AnswerTemplate::needs_token)
    }

    /// Whether a handshake is answered with something made of the route's URL.
    #[must_use]
    pub fn answers_with_url(&self) -> bool {
        let mut answers = self.challenges.iter().flat_map(|challenge| challenge.answer.templates());
        answers.any(AnswerTemplate::needs_url)
    }

    /// Refuses a verified delivery whose signature anyone could have had as the answer to an unsigned question.
    ///
    /// # Errors
    /// What the signature covers could have been asked; see [`Question`].
    pub fn hold_against_questions(
        &self,
        verified: &Verified,
        head: &Head<'_>,
        body: &[u8],
    ) -> Result<(), Rejection> {
        let mut questions = self.challenges.iter().filter_map(|challenge| challenge.ask);
        if questions.any(|question| question.could_be(&self.scheme, verified, head, body)) {
            return Err(Rejection::SignatureMalformed {
                what: "what is signed could be a handshake's question, and those are signed for anyone",
            });
        }
        Ok(())
    }
}

/// What answers are made of.
#[derive(Debug)]
pub(super) struct Request<'r> {
    scheme: &'r Scheme,
    head: &'r Head<'r>,
    body: &'r [u8],
    keys: Option<&'r Keys>,
    matched: Option<usize>,
    ask: Option<Question>,
    tokens: &'r [&'r Secret],
    /// The secret with which an unsigned question is answered.
    newest: Option<usize>,
}

impl Request<'_> {
    /// The text at a place of the request.
    pub(super) fn text(&self, at: &Locator) -> Option<String> {
        if *at == Locator::Body {
            return std::str::from_utf8(self.body).ok().filter(|text| !text.is_empty()).map(str::to_owned);
        }
        let spec = EventSpec { id: vec![at.clone()], ..EventSpec::default() };
        verify::event(&spec, self.scheme, self.head, self.body).id
    }

    /// The text at a place if it may be echoed: printable ASCII that no browser takes for markup, and not longer than
    /// [`LONGEST_ECHO`].
    pub(super) fn echo(&self, at: &Locator) -> Option<String> {
        self.text(at).filter(|text| {
            !text.is_empty()
                && text.len() <= LONGEST_ECHO
                && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'<' | b'>'))
        })
    }

    /// The MAC of a text that may be echoed. Nobody but the sender may choose the text freely, so an unsigned
    /// question has to be of the kind that the handshake declares.
    pub(super) fn mac(&self, at: &Locator) -> Option<Vec<u8>> {
        let text = self.echo(at)?;
        let secret = match (self.matched, self.ask) {
            (Some(matched), _) => matched,
            (None, Some(question)) if question.allows(text.as_bytes()) => self.newest?,
            (None, _) => return None,
        };
        self.keys?.mac(secret, text.as_bytes())
    }

    /// The route's first token.
    pub(super) fn token(&self) -> Option<&[u8]> {
        self.tokens.first().map(|token| token.expose()).filter(|token| !token.is_empty())
    }

    /// The URL under which the sender knows the route, without a query.
    pub(super) fn url(&self) -> Option<String> {
        Some(format!("{}{}", self.head.origin?, self.head.path()))
    }

    fn meets(&self, at: &Locator, expected: &Expected) -> bool {
        match (expected, at) {
            (Expected::Equals(wanted), _) => self.text(at).as_deref() == Some(wanted),
            (Expected::Present, Locator::Body) => !self.body.is_empty(),
            (Expected::Absent, Locator::Body) => self.body.is_empty(),
            // A header that stands there twice has no one text, and yet is not absent.
            (Expected::Absent, Locator::Header(name)) => self.head.headers.values(name).all(<[u8]>::is_empty),
            (Expected::Present, _) => self.text(at).is_some(),
            (Expected::Absent, _) => self.text(at).is_none(),
        }
    }

    /// Compares with every token, in a time that tells nothing of them but their lengths.
    fn token_fits(&self, at: &Locator) -> bool {
        let Some(found) = self.text(at) else { return false };
        let fits = |token: &&Secret| !token.is_empty() && bool::from(token.expose().ct_eq(found.as_bytes()));
        self.tokens.iter().fold(false, |any, token| any | fits(token))
    }
}

impl Challenge {
    /// Whether its head alone does not show what it is, or what to answer.
    fn needs_body(&self) -> bool {
        let asked = self.when.iter().map(|(at, _)| at).chain(&self.token).chain(&self.reveal);
        asked.chain(self.answer.templates().flat_map(AnswerTemplate::places)).any(stands_in_body)
    }

    fn answer_to(&self, request: &Request<'_>) -> Option<ChallengeAnswer> {
        if !self.when.iter().all(|(at, expected)| request.meets(at, expected)) {
            return None;
        }
        if self.token.as_ref().is_some_and(|at| !request.token_fits(at)) {
            let status = self.refusal?;
            return Some(ChallengeAnswer { status, refused: true, ..ChallengeAnswer::default() });
        }
        let revealed = match &self.reveal {
            Some(at) => Some(request.echo(at)?),
            None => None,
        };
        self.answer.fill(request).map(|answer| ChallengeAnswer { revealed, ..answer })
    }
}

impl AnswerForm {
    /// All its templates.
    pub(super) fn templates(&self) -> impl Iterator<Item = &AnswerTemplate> {
        std::iter::once(&self.body).chain(self.headers.iter().map(|(_, template)| template))
    }

    /// Whether its body is JSON.
    pub(super) fn is_json(&self) -> bool {
        self.content_type.as_deref().is_some_and(|kind| kind.starts_with("application/json"))
    }

    /// Whether its body is shown as it is.
    pub(super) fn is_plain(&self) -> bool {
        self.content_type.as_deref().is_some_and(|kind| kind.starts_with("text/plain"))
    }

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
            ..ChallengeAnswer::default()
        })
    }
}

/// Whether a place cannot be seen before the body is there.
fn stands_in_body(at: &Locator) -> bool {
    match at {
        Locator::Header(_) | Locator::Query(_) => false,
        Locator::AnyOf(any) => any.iter().any(stands_in_body),
        Locator::Form(_) | Locator::Json(_) | Locator::Claim(_) | Locator::Body | Locator::Signed => true,
    }
}
