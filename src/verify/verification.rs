//! One delivery's verification: begun with the head, fed with the body, finished with a verdict.

use std::borrow::Cow;

use base64::Engine as _;
use subtle::{Choice, ConstantTimeEq};

use crate::secret::Secret;
use crate::time::{Tolerance, UnixTime};

use super::body::{self, Body, Place, locate};
use super::body_proof::BodyProof;
use super::choose::choose;
use super::content::{self, Context, Discard, UrlVariant, url_variants};
use super::delivery::Head;
use super::detached::{self, Detached};
use super::encoding::{self, BASE64};
use super::json;
use super::jwt;
use super::keys::{Key, Keys};
use super::lives::Lives;
use super::locator::{Location, Pointer};
use super::mac::{self, Sink, sha256};
use super::public_key::Use;
use super::rejection::Rejection;
use super::runs::{self, Runs};
use super::scheme::{Algorithm, Alternative, BodyForm, Scheme, Sha, TimestampSource};
use super::signature::{self, Candidates, SignatureText};
use super::template::{Part, Template};
use super::timestamp;
use super::verdict::{Verdict, any_success};
use super::wrapped;

/// A verification under way. Nothing is proven until [`Verification::finish`].
pub struct Verification<'s> {
    /// The scheme and its keys, while only the body can tell which form it is.
    undecided: Option<(&'s Scheme, &'s Keys)>,
    pub(super) alternative: &'s Alternative,
    index: usize,
    pub(super) keys: &'s [Key],
    lives: &'s Lives,
    pub(super) tolerance: Option<Tolerance>,
    pub(super) now: UnixTime,
    work: Work<'s>,
    /// How many bytes of the body the work has been given.
    taken: usize,
}

/// Proof that a delivery was verified. Only this module can make one.
#[derive(Clone, Debug)]
pub struct Verified {
    secret_index: usize,
    timestamp: Option<UnixTime>,
    alternative: usize,
    template: usize,
}

/// How much is left to do once the head is known.
#[expect(clippy::large_enum_variant, reason = "one of them per request, on the stack, moved twice")]
pub(super) enum Work<'s> {
    /// The signature stands in the body, or the signed bytes cannot be had in the order in which they come.
    Whole,
    /// One running hash for each secret, fed with everything up to and including the body so far.
    Running { runs: Runs<'s>, candidates: Candidates, timestamp: Option<UnixTime> },
    /// The head alone decides; the body is only held against a digest, if there is one.
    Decided { verdict: Verdict, timestamp: Option<UnixTime>, body: BodyProof },
}

/// What a template's bytes are held against.
#[derive(Clone, Copy)]
struct Proofs<'p> {
    candidates: &'p Candidates,
    /// A detached JWS stands in the place of plain signatures.
    jws: Option<&'p Detached<'p>>,
    /// The key's id, if the delivery names it beside the signature.
    key_id: Option<&'p str>,
}

/// More elements than any sender puts into one delivery.
const MOST_ELEMENTS: usize = 1024;

/// Looks at everything that the head alone can decide.
///
/// With no tolerance the send time is not held against `now`, but it must still be there and readable.
///
/// # Errors
/// A missing or malformed signature, a send time outside the window, a repeated header.
pub fn begin<'s>(
    scheme: &'s Scheme,
    keys: &'s Keys,
    head: &Head<'_>,
    tolerance: Option<Tolerance>,
    now: UnixTime,
) -> Result<Verification<'s>, Rejection> {
    let undecided = scheme.needs_body_to_choose().then_some((scheme, keys));
    let (index, alternative) = match (undecided, scheme.alternatives.first()) {
        (Some(_), Some(first)) => (0, first),
        _ => choose(scheme, head, b"")?,
    };
    let (keys, lives) = (keys.of_form(index), keys.lives());
    let mut verification = Verification {
        undecided,
        alternative,
        index,
        keys,
        lives,
        tolerance,
        now,
        work: Work::Whole,
        taken: 0,
    };
    if undecided.is_none() && alternative.each.is_none() && alternative.signature.location.is_in_head() {
        verification.work = verification.examine(head, None)?;
    }
    Ok(verification)
}

/// Verifies a delivery that is there as a whole.
///
/// # Errors
/// Those of [`begin`] and of [`Verification::finish`].
pub fn verify(
    scheme: &Scheme,
    keys: &Keys,
    head: &Head<'_>,
    body: &[u8],
    tolerance: Option<Tolerance>,
    now: UnixTime,
) -> Result<Verified, Rejection> {
    begin(scheme, keys, head, tolerance, now)?.finish(head, body)
}

impl<'s> Verification<'s> {
    /// Takes the next piece of the body as it came over the wire.
    ///
    /// It is for bodies that take their time: what is hashed while more of it comes need not be hashed at the end.
    pub fn update(&mut self, chunk: &[u8]) {
        self.taken = self.taken.saturating_add(chunk.len());
        if let Work::Running { runs, .. } = &mut self.work {
            runs.write(chunk);
        }
    }

    /// Decides. `head` is that of [`begin`], and `body` the whole body, whose beginning [`Verification::update`] was given.
    /// What it was not given is taken from here, so that what is decided on is this body and nothing else.
    ///
    /// # Errors
    /// No signature fits, or the body lacks or breaks what its sender puts there.
    pub fn finish(mut self, head: &Head<'_>, body: &[u8]) -> Result<Verified, Rejection> {
        let rest = body.get(self.taken..).ok_or_else(|| malformed("the body is shorter than its pieces"))?;
        self.update(rest);
        if let Some((scheme, keys)) = self.undecided {
            (self.index, self.alternative) = choose(scheme, head, body)?;
            self.keys = keys.of_form(self.index);
        }
        if let Some(pointer) = &self.alternative.each {
            return self.finish_each(pointer, head, body);
        }
        let bytes = body::signed_form(self.alternative.body, head, body)?;
        if self.could_be_extended() && std::str::from_utf8(&bytes).is_err() {
            return Err(malformed("the body is no text, as after something was put behind a signed one"));
        }
        let body = Body::read(self.alternative, head, &bytes);
        let work = match std::mem::replace(&mut self.work, Work::Whole) {
            Work::Whole => self.examine(head, Some(&body))?,
            begun => begun,
        };
        let (verdict, timestamp) = match work {
            // Examining with a body always decides.
            Work::Whole => return Err(malformed("the signature cannot be found")),
            Work::Running { runs, candidates, timestamp } => {
                (self.finish_runs(runs, &candidates, head)?, timestamp)
            }
            Work::Decided { verdict, timestamp, body: proof } => {
                (verdict.and(proof.holds(body.bytes)), timestamp)
            }
        };
        // All of this is computed before any of it is answered, so that no part's time tells of another.
        let timestamp_in_body = self.timestamp_in_body(&body);
        let digest = self.body_digest(head, &body);
        let (template, secret_index) = self.decide(&verdict.and(digest?))?;
        let timestamp = timestamp_in_body?.or(timestamp);
        Ok(Verified { secret_index, timestamp, alternative: self.index, template })
    }

    /// Which template and which secret verified it, of those that count now.
    pub(super) fn decide(&self, verdict: &Verdict) -> Result<(usize, usize), Rejection> {
        self.lives.decide(verdict, self.now, self.keys.len())
    }

    /// Every element has to carry its own signature, all of them of one secret.
    fn finish_each(&self, pointer: &Pointer, head: &Head<'_>, body: &[u8]) -> Result<Verified, Rejection> {
        let document = body::document(self.alternative.document.as_deref(), head, body);
        let places = [pointer, &pointer.elements()];
        let (found, twice) = json::extract_raw_once(&document, &places).unwrap_or_default();
        let [elements, all] = found.try_into().unwrap_or_default();
        if elements.is_empty() || elements.len() > MOST_ELEMENTS {
            return Err(malformed("the body holds no element that could carry a signature, or too many"));
        }
        // A `*` passes over elements in which nothing is found, and a receiver may find something in them.
        if elements.len() != all.len() || twice {
            return Err(malformed("the body holds elements beside those that carry a signature"));
        }
        let mut all: Option<Verdict> = None;
        for element in &elements {
            let element = Body::read(self.alternative, head, element.as_bytes());
            let Work::Decided { verdict, .. } = self.examine(head, Some(&element))? else {
                return Err(malformed("the signature cannot be found"));
            };
            all = Some(match all {
                Some(so_far) => so_far.both(&verdict),
                None => verdict,
            });
        }
        let verdict = all.unwrap_or_default();
        let (template, secret_index) = self.decide(&verdict)?;
        Ok(Verified { secret_index, timestamp: None, alternative: self.index, template })
    }

    /// Looks at the signature and whatever else is there: the head, or the head and the body.
    fn examine(&self, head: &Head<'_>, body: Option<&Body<'_>>) -> Result<Work<'s>, Rejection> {
        let alternative = self.alternative;
        let location = &alternative.signature.location;
        if let (Location::Json(pointer), Algorithm::Token, Some(body)) =
            (location, &alternative.algorithm, body)
            && pointer.is_many()
        {
            return self.examine_tokens(pointer, head, body);
        }
        let text = match locate(location, head, body) {
            Place::Text(text) if !text.is_empty() => text,
            Place::Absent | Place::Text(_) => {
                return Err(Rejection::SignatureMissing { at: location.clone() });
            }
            Place::Bad(what) => return Err(malformed(what)),
        };
        match &alternative.algorithm {
            Algorithm::Basic => Ok(Work::decided(self.compare_token(&basic_credentials(&text)?))),
            Algorithm::Token => {
                let text = signature::read(&alternative.signature, &text)?;
                let verdicts = signature::decode(&alternative.signature, &alternative.algorithm, &text)?;
                let verdict = verdicts.iter().map(|token| self.compare_token(token)).reduce(Verdict::or);
                Ok(Work::decided(verdict.unwrap_or_default()))
            }
            Algorithm::Jwt(form) => self.examine_jwt(form, &text, head, body),
            Algorithm::HttpMessage(form) => self.examine_message(form, head),
            Algorithm::Hmac(_)
            | Algorithm::Digest(_)
            | Algorithm::Ed25519
            | Algorithm::Ecdsa(_)
            | Algorithm::RsaPkcs1(_)
            | Algorithm::RsaPss(_)
            | Algorithm::JwsDetached(_) => self.examine_signed(&text, head, body),
        }
    }

    /// Every element has to carry the token.
    fn examine_tokens(
        &self,
        pointer: &Pointer,
        head: &Head<'_>,
        body: &Body<'_>,
    ) -> Result<Work<'s>, Rejection> {
        let tokens = body.every(pointer);
        // A `*` passes over elements that lack the value, which must not make them pass here.
        let document = body::document(self.alternative.document.as_deref(), head, body.bytes);
        let elements = json::extract_raw(&document, &[&pointer.elements()]).and_then(|mut found| found.pop());
        if elements.is_some_and(|elements| elements.len() != tokens.len()) {
            return Err(Rejection::SignatureMissing { at: self.alternative.signature.location.clone() });
        }
        let verdicts = tokens.iter().map(|token| self.compare_token(token.as_bytes()));
        let all = verdicts.reduce(|so_far, verdict| so_far.both(&verdict));
        let at = self.alternative.signature.location.clone();
        all.map(Work::decided).ok_or(Rejection::SignatureMissing { at })
    }

    fn examine_signed(
        &self,
        text: &str,
        head: &Head<'_>,
        body: Option<&Body<'_>>,
    ) -> Result<Work<'s>, Rejection> {
        let alternative = self.alternative;
        let (text, key_id) = wrapped::unwrap(&alternative.signature, text)?;
        let text = signature::read(&alternative.signature, &text)?;
        let candidates = match &alternative.algorithm {
            Algorithm::JwsDetached(_) => Candidates::new(),
            algorithm => signature::decode(&alternative.signature, algorithm, &text)?,
        };
        let jws = match &alternative.algorithm {
            Algorithm::JwsDetached(form) => {
                detached::check_time(alternative, text.whole)?;
                Some(Detached::read(form, signature::only(&text)?)?)
            }
            _ => None,
        };
        let time_text = timestamp_text(alternative, &text, head, body)?;
        let time = alternative.timestamp.as_ref().map(|time| (&time.source, time.unit));
        let timestamp = match (&time_text, &jws, time) {
            (Some(text), ..) if !self.timestamp_stands_in_body() => Some(self.read_timestamp(text)?),
            (None, Some(jws), Some((TimestampSource::Parameter(member), unit))) => {
                Some(self.within_window(jws.time(signature::only(&text)?, member, unit)?)?)
            }
            _ => None,
        };
        let context = Context {
            alternative,
            head,
            signature: text.whole,
            timestamp: time_text.as_deref(),
            body,
            url: UrlVariant::AsKnown,
        };
        if body.is_some() {
            let proofs = Proofs { candidates: &candidates, jws: jws.as_ref(), key_id: key_id.as_deref() };
            let verdict = self.judge(&context, &proofs)?;
            return Ok(Work::Decided { verdict, timestamp, body: BodyProof::default() });
        }
        if let Some((before, after)) = self.around_body() {
            let mut runs = runs::start(self.keys);
            content::write_before_value(before, &context, &mut runs)?;
            content::write_after_value(after, &context, &mut Discard)?;
            return Ok(Work::Running { runs, candidates, timestamp });
        }
        any_success(
            alternative
                .signed
                .iter()
                .map(|template| content::write(template.parts(), &context, &mut Discard)),
        )?;
        Ok(Work::Whole)
    }

    /// Computes what every template, URL and key give and compares it with every signature. All are tried.
    fn judge(&self, context: &Context<'_>, proofs: &Proofs<'_>) -> Result<Verdict, Rejection> {
        let Proofs { candidates, jws, key_id } = *proofs;
        let mut verdict = Verdict::default();
        let built = self.alternative.signed.iter().enumerate().flat_map(|(index, template)| {
            url_variants(&self.alternative.url).iter().map(move |url| (index, template.parts(), *url))
        });
        any_success(built.map(|(index, parts, url)| {
            let context = Context { url, ..*context };
            let compared = match Use::of(&self.alternative.algorithm) {
                None if jws.is_some() => {
                    let payload = content::message(parts, &context, None)?;
                    let matched = jws.map(|jws| jws.matches(self.keys, &jws.message(&payload)));
                    Verdict::new(1, index, matched.unwrap_or_default().into_iter())
                }
                None if self.alternative.prehash.is_some() || self.alternative.sort_parts => {
                    let mut runs = runs::start(self.keys);
                    for run in &mut runs {
                        let message = content::message(parts, &context, run.secret.map(Secret::expose))?;
                        run.state.write(&message);
                    }
                    Verdict::new(candidates.len(), index, runs::compare(runs, self.keys.len(), candidates))
                }
                None => {
                    let mut runs = runs::start(self.keys);
                    content::write(parts, &context, &mut runs)?;
                    Verdict::new(candidates.len(), index, runs::compare(runs, self.keys.len(), candidates))
                }
                Some(wanted) => {
                    let message = content::message(parts, &context, None)?;
                    let fits =
                        self.keys.iter().map(|key| any_fits(key, wanted, &message, candidates, key_id));
                    Verdict::new(candidates.len(), index, fits)
                }
            };
            verdict = std::mem::take(&mut verdict).or(compared);
            Ok(())
        }))?;
        Ok(verdict)
    }

    fn finish_runs(
        &self,
        mut runs: Runs<'s>,
        candidates: &Candidates,
        head: &Head<'_>,
    ) -> Result<Verdict, Rejection> {
        if let Some((_, after)) = self.around_body().filter(|(_, after)| !after.is_empty()) {
            let location = &self.alternative.signature.location;
            let Place::Text(text) = locate(location, head, None) else {
                return Err(Rejection::SignatureMissing { at: location.clone() });
            };
            let text = signature::read(&self.alternative.signature, &text)?;
            let time_text = timestamp_text(self.alternative, &text, head, None)?;
            let context = Context {
                alternative: self.alternative,
                head,
                signature: text.whole,
                timestamp: time_text.as_deref(),
                body: None,
                url: UrlVariant::AsKnown,
            };
            content::write_after_value(after, &context, &mut runs)?;
        }
        Ok(Verdict::new(candidates.len(), 0, runs::compare(runs, self.keys.len(), candidates)))
    }

    /// What stands before and after the body, if the signed bytes can be hashed as they come.
    fn around_body(&self) -> Option<(&'s [Part], &'s [Part])> {
        let alternative = self.alternative;
        let [template] = alternative.signed.as_slice() else { return None };
        let hashed = matches!(alternative.algorithm, Algorithm::Hmac(_) | Algorithm::Digest(_));
        let whole = alternative.prehash.is_some()
            || alternative.sort_parts
            || alternative.signature.wrapped.is_some();
        if !hashed || whole || alternative.body != BodyForm::Wire || alternative.url.ports {
            return None;
        }
        let parts = template.parts();
        let position = parts.iter().position(Part::needs_body)?;
        let (before, from_body) = parts.split_at_checked(position)?;
        let (body, after) = from_body.split_first()?;
        let late =
            |part: &Part| part.needs_body() || (*part == Part::Timestamp && self.timestamp_stands_in_body());
        let streams = *body == Part::Body && !before.iter().chain(after).any(late);
        streams.then_some((before, after))
    }

    /// Whether the digest is over the secret and then the body, with no secret behind it. Without the secret one can be made of it for the same
    /// body with padding and more behind it; the padding begins with a byte that stands in no text.
    fn could_be_extended(&self) -> bool {
        let extends = |template: &Template| {
            let last = template.leaves().filter(|part| matches!(part, Part::Secret | Part::Body)).last();
            last == Some(&Part::Body)
        };
        matches!(self.alternative.algorithm, Algorithm::Digest(_))
            && self.alternative.signed.iter().any(extends)
    }

    fn compare_token(&self, token: &[u8]) -> Verdict {
        let token = sha256(token);
        let matched = self.keys.iter().map(|key| match key {
            Key::Token(expected) => expected.ct_eq(&token),
            Key::Mac(_) | Key::Digest { .. } | Key::Public(_) | Key::Roots(_) | Key::JwtMac(_) => {
                Choice::from(0)
            }
        });
        Verdict::new(1, 0, matched)
    }

    fn timestamp_stands_in_body(&self) -> bool {
        let source = self.alternative.timestamp.as_ref().map(|time| &time.source);
        matches!(source, Some(TimestampSource::Json(_) | TimestampSource::Form(_)))
    }

    fn timestamp_in_body(&self, body: &Body<'_>) -> Result<Option<UnixTime>, Rejection> {
        let place = match self.alternative.timestamp.as_ref().map(|time| &time.source) {
            Some(TimestampSource::Json(pointer)) => body.json(pointer),
            Some(TimestampSource::Form(name)) => body.field(name),
            _ => return Ok(None),
        };
        match place {
            Place::Text(text) => self.read_timestamp(&text).map(Some),
            Place::Absent => Err(Rejection::TimestampMissing),
            Place::Bad(_) => Err(Rejection::TimestampMalformed),
        }
    }

    fn read_timestamp(&self, text: &str) -> Result<UnixTime, Rejection> {
        let unit = self.alternative.timestamp.as_ref().map(|time| time.unit);
        let sent = unit.and_then(|unit| timestamp::parse(text, unit)).ok_or(Rejection::TimestampMalformed)?;
        self.within_window(sent)
    }

    fn within_window(&self, sent: UnixTime) -> Result<UnixTime, Rejection> {
        match self.tolerance.map(|tolerance| (tolerance.check(sent, self.now), tolerance)) {
            Some((Err(distance), tolerance)) => Err(jwt::outside(distance, tolerance)),
            Some((Ok(()), _)) | None => Ok(sent),
        }
    }

    /// Whether the digest that stands beside the signature is the body's.
    fn body_digest(&self, head: &Head<'_>, body: &Body<'_>) -> Result<Choice, Rejection> {
        let Some(form) = &self.alternative.body_digest else { return Ok(Choice::from(1)) };
        let text = match locate(&form.location, head, Some(body)) {
            Place::Text(text) => text,
            Place::Absent => return Err(malformed("the body's digest is missing")),
            Place::Bad(what) => return Err(malformed(what)),
        };
        let digest = text.strip_prefix(&form.prefix).and_then(|text| encoding::decode(text, form.encoding));
        let digest = digest.ok_or(malformed("the body's digest is not written as this sender writes it"))?;
        Ok(digest_fits(form.digest, body, &digest))
    }
}

impl Verified {
    /// The index of the secret that matched, in the route's order.
    #[must_use]
    pub fn secret_index(&self) -> usize {
        self.secret_index
    }

    /// The signed send time, if this sender has one.
    #[must_use]
    pub fn timestamp(&self) -> Option<UnixTime> {
        self.timestamp
    }

    /// The index of the scheme's form that matched, and of its template.
    #[must_use]
    pub fn form(&self) -> (usize, usize) {
        (self.alternative, self.template)
    }
}

/// The send time's text, if this form has one and its place can be seen already.
pub(crate) fn timestamp_text<'t>(
    alternative: &Alternative,
    signature: &SignatureText<'t>,
    head: &Head<'t>,
    body: Option<&'t Body<'t>>,
) -> Result<Option<Cow<'t, str>>, Rejection> {
    let place = match alternative.timestamp.as_ref().map(|time| &time.source) {
        None | Some(TimestampSource::Claim(_) | TimestampSource::Parameter(_)) => return Ok(None),
        Some(TimestampSource::Signature) => {
            signature.timestamp.map_or(Place::Absent, |text| Place::Text(Cow::Borrowed(text)))
        }
        Some(TimestampSource::Header(name)) => body::header(head, name),
        Some(TimestampSource::Query(name)) => body::query_parameter(head, name),
        Some(TimestampSource::Form(name)) => match body {
            None => return Ok(None),
            Some(body) => body.field(name),
        },
        Some(TimestampSource::Json(pointer)) => match body {
            None => return Ok(None),
            Some(body) => body.json(pointer),
        },
    };
    match place {
        Place::Text(text) if !text.is_empty() => Ok(Some(text)),
        Place::Absent | Place::Text(_) => Err(Rejection::TimestampMissing),
        Place::Bad(_) => Err(Rejection::TimestampMalformed),
    }
}

impl<'s> Work<'s> {
    fn decided(verdict: Verdict) -> Self {
        Self::Decided { verdict, timestamp: None, body: BodyProof::default() }
    }
}

/// Whether any of the signatures is any of these public keys'. All are tried.
fn any_fits(key: &Key, wanted: Use, message: &[u8], candidates: &Candidates, key_id: Option<&str>) -> Choice {
    let Key::Public(keys) = key else { return Choice::from(0) };
    let keys = keys.iter().filter(|key| key.answers_to(key_id));
    let pairs = keys.flat_map(|key| candidates.iter().map(move |signature| (key, signature)));
    let any = pairs.fold(false, |any, (key, signature)| key.verifies(wanted, message, signature) | any);
    Choice::from(u8::from(any))
}

fn digest_fits(sha: Sha, body: &Body<'_>, expected: &[u8]) -> Choice {
    mac::digest(sha, body.bytes).ct_eq(expected)
}

/// `Basic dXNlcjpwYXNz` (RFC 7617); the scheme's name in either case.
fn basic_credentials(text: &str) -> Result<Vec<u8>, Rejection> {
    let (scheme, credentials) = text.split_once(' ').unwrap_or((text, ""));
    let credentials =
        scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(credentials.trim()).ok()).flatten();
    credentials.ok_or(malformed("these are not the credentials of HTTP Basic"))
}

fn malformed(what: &'static str) -> Rejection {
    Rejection::SignatureMalformed { what }
}
