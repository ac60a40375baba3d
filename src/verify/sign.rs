//! The sender's side: what a delivery looks like after its sender has signed it.

use std::fmt;

use base64::Engine as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::time::UnixTime;

use super::body::{self, Body, Place};
use super::choose::{Shown, choose};
use super::content::{self, Context, UrlVariant};
use super::delivery::Head;
use super::encoding::{BASE64, encode};
use super::form;
use super::locator::{Location, Pointer, Step};
use super::mac::{self, Sink, State};
use super::multipart;
use super::place;
use super::private_key;
use super::public_key::Use;
use super::scheme::{Algorithm, Alternative, Layout, Scheme, Subject, Test, TimestampSource};
use super::sign_jose;
use super::sign_message;
use super::template::{Part, Template};
use super::timestamp;
use super::wrapped;

/// What is to be signed.
#[derive(Clone, Debug)]
pub struct SignRequest<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// The whole URL as the sender would call it.
    pub url: &'a str,
    /// Headers that the delivery has anyway, such as `content-type`.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
    /// The delivery's id, for senders that sign one. Made from the time if it is left out.
    pub id: Option<&'a str>,
    /// The send time.
    pub timestamp: UnixTime,
}

/// What becomes of a delivery when its sender signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The headers it adds.
    pub headers: Vec<(String, String)>,
    /// The whole URL it calls, with the query parameters it adds.
    pub url: String,
    /// The body it sends, with the fields it adds.
    pub body: Vec<u8>,
}

/// Why a delivery cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignError {
    /// The secret is not one of this sender's kind.
    Key(String),
    /// The delivery lacks something that is signed.
    Lacks(String),
    /// This kind of signature can be checked but not made here.
    Unsupported(&'static str),
}

/// Signs a delivery as its sender would: in the form of the scheme that it has already, or else in the first that it
/// can be given by adding what marks that form.
///
/// Schemes with public keys need the private key as PEM (PKCS#8).
///
/// # Errors
/// A secret of another kind, or a delivery without something that is signed.
pub fn sign(scheme: &Scheme, secret: &Secret, request: &SignRequest<'_>) -> Result<Signed, SignError> {
    let draft = Draft::new(request)?;
    let forms = || scheme.alternatives.iter().enumerate();
    let at_hand = forms().filter(|(_, form)| draft.has_marks(form, request));
    let others = forms().filter(|(_, form)| !draft.has_marks(form, request));
    let mut failure = None;
    for (index, form) in at_hand.chain(others) {
        let mut draft = draft.clone();
        match draft.sign(form, secret, request) {
            // The receiver must take it for this form as well.
            Ok(())
                if choose(scheme, &draft.head(request), &draft.body)
                    .is_ok_and(|(chosen, _)| chosen == index) =>
            {
                let url = format!("{}{}", draft.origin, draft.target);
                return Ok(Signed { headers: draft.added, url, body: draft.body });
            }
            Ok(()) => {}
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or(SignError::Unsupported("a signature in a form that this delivery can have")))
}

/// A delivery while it is being signed.
#[derive(Clone)]
struct Draft {
    origin: String,
    target: String,
    headers: HeaderMap,
    added: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Draft {
    fn new(request: &SignRequest<'_>) -> Result<Self, SignError> {
        let url = request.url;
        let after_scheme = url.find("://").and_then(|at| at.checked_add(3)).unwrap_or(0);
        let path = url
            .get(after_scheme..)
            .and_then(|rest| rest.find(['/', '?']))
            .and_then(|at| at.checked_add(after_scheme));
        let (origin, target) = url.split_at_checked(path.unwrap_or(url.len())).unwrap_or((url, ""));
        if after_scheme == 0 || origin.len() <= after_scheme {
            return Err(SignError::Lacks("a whole URL such as https://hooks.example.com/path".to_owned()));
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            origin: origin.to_owned(),
            target: format!("{slash}{target}"),
            headers: request.headers.clone(),
            added: Vec::new(),
            body: request.body.to_vec(),
        })
    }

    fn sign(
        &mut self,
        alternative: &Alternative,
        secret: &Secret,
        request: &SignRequest<'_>,
    ) -> Result<(), SignError> {
        self.write_body_digest(alternative)?;
        self.add_marks(alternative)?;
        let id = request.id.map_or_else(|| format!("msg_{}", request.timestamp.millis()), str::to_owned);
        let time = self.write_timestamp(alternative, request)?;
        if let Some(pointer) = &alternative.each {
            return self.sign_each(pointer, alternative, secret, request);
        }
        let mut pairs = Vec::new();
        for part in alternative.signed.first().into_iter().flat_map(Template::leaves) {
            match part {
                Part::Header(name) if !self.headers.contains_key(name) => self.add_header(name, &id)?,
                Part::Pair(name) => pairs.push((name.clone(), id.clone())),
                _ => {}
            }
        }
        if let Algorithm::HttpMessage(form) = &alternative.algorithm {
            let head = self.head(request);
            let made = sign_message::sign(form, alternative, secret, &head, &self.body, request.timestamp)?;
            if let Some(digest) = &made.content_digest {
                self.add_header(&HeaderName::from_static("content-digest"), digest)?;
            }
            self.add_header(&HeaderName::from_static("signature-input"), &made.input)?;
            return self.put(alternative, &alternative.signature.location, &made.signature, true);
        }
        let text = match &alternative.algorithm {
            Algorithm::Token => text_of(&alternative.key.decode(secret).map_err(key_error)?)?,
            Algorithm::Basic => {
                format!(
                    "Basic {}",
                    BASE64.encode(alternative.key.decode(secret).map_err(key_error)?.as_slice())
                )
            }
            Algorithm::Jwt(form) => {
                let draft = sign_jose::Unsigned {
                    head: &self.head(request),
                    body: &self.body,
                    time: request.timestamp,
                };
                sign_jose::token(form, alternative, secret, &draft)?
            }
            Algorithm::JwsDetached(form) => {
                let header = sign_jose::detached_header(form, alternative, secret, request.timestamp)?;
                let payload =
                    self.message(alternative, request, &format!("{header}.."), time.as_deref(), None)?;
                sign_jose::detached(form, alternative, secret, &header, &payload)?
            }
            _ => {
                let mark = match &alternative.signature.layout {
                    Layout::Pairs(form) => form.mark,
                    _ => '=',
                };
                let beside: Vec<String> =
                    pairs.iter().map(|(name, value)| format!("{name}{mark}{value}")).collect();
                let signature = self.signature(
                    alternative,
                    secret,
                    request,
                    &beside.join(&separator(alternative)),
                    time.as_deref(),
                )?;
                encode(&signature, alternative.signature.encoding)
            }
        };
        let text = lay_out(alternative, &text, time.as_deref(), &pairs);
        let text = match &alternative.signature.wrapped {
            Some(form) => {
                wrapped::wrap(form, &text).ok_or(SignError::Unsupported("a signature in such JSON"))?
            }
            None => text,
        };
        self.put(alternative, &alternative.signature.location, &text, alternative.covers_body())
    }

    /// Signs every element by itself and puts each signature into its element.
    fn sign_each(
        &mut self,
        pointer: &Pointer,
        alternative: &Alternative,
        secret: &Secret,
        request: &SignRequest<'_>,
    ) -> Result<(), SignError> {
        let mut tree: Value = serde_json::from_slice(&self.body)
            .map_err(|_| SignError::Lacks("a JSON body whose elements are signed".to_owned()))?;
        let single = Alternative { each: None, ..alternative.clone() };
        let elements = elements_at(&mut tree, pointer.steps());
        if elements.is_empty() {
            return Err(SignError::Lacks(format!("an element at json:{pointer}")));
        }
        for element in elements {
            let mut draft = Self { body: element.to_string().into_bytes(), ..self.clone() };
            draft.sign(&single, secret, request)?;
            *element = serde_json::from_slice(&draft.body)
                .map_err(|_| SignError::Lacks("an element that stays JSON".to_owned()))?;
        }
        self.body = tree.to_string().into_bytes();
        Ok(())
    }

    fn head<'h>(&'h self, request: &'h SignRequest<'_>) -> Head<'h> {
        Head {
            method: request.method,
            target: &self.target,
            origin: Some(&self.origin),
            headers: &self.headers,
        }
    }

    /// Whether the receiver would know this form by what the delivery has, but for the signature, which comes last.
    fn has_marks(&self, alternative: &Alternative, request: &SignRequest<'_>) -> bool {
        let head = self.head(request);
        let signature = &alternative.signature.location;
        let document = body::document(alternative.document.as_deref(), &head, &self.body);
        let shown = Shown::read(alternative.when.iter(), &document);
        alternative
            .when
            .iter()
            .all(|condition| condition.subject.is_at(signature) || condition.holds(&head, &shown))
    }

    /// Adds the headers by which the receiver knows this form.
    fn add_marks(&mut self, alternative: &Alternative) -> Result<(), SignError> {
        for condition in &alternative.when {
            let (Subject::Header(name), Test::Equals(value) | Test::StartsWith(value)) =
                (&condition.subject, &condition.test)
            else {
                continue;
            };
            if !self.headers.contains_key(name) && !condition.subject.is_at(&alternative.signature.location) {
                self.add_header(name, value)?;
            }
        }
        Ok(())
    }

    fn write_body_digest(&mut self, alternative: &Alternative) -> Result<(), SignError> {
        let Some(form) = &alternative.body_digest else { return Ok(()) };
        let digest = mac::digest(form.digest, &self.body);
        let text = format!("{}{}", form.prefix, encode(&digest, form.encoding));
        self.put(alternative, &form.location, &text, true)
    }

    /// Writes the send time where it has a place of its own, and says how it is written.
    fn write_timestamp(
        &mut self,
        alternative: &Alternative,
        request: &SignRequest<'_>,
    ) -> Result<Option<String>, SignError> {
        let Some(form) = &alternative.timestamp else { return Ok(None) };
        let text = timestamp::format(request.timestamp, form.unit);
        let text =
            text.ok_or_else(|| SignError::Lacks("a time that this sender's form can express".to_owned()))?;
        match &form.source {
            TimestampSource::Signature | TimestampSource::Claim(_) | TimestampSource::Parameter(_) => {}
            TimestampSource::Header(name) => self.add_header(name, &text)?,
            TimestampSource::Query(name) => {
                self.put(alternative, &Location::Query(name.clone()), &text, true)?
            }
            TimestampSource::Form(name) => {
                let form = std::str::from_utf8(&self.body)
                    .map_err(|_| SignError::Lacks("a form as its body".to_owned()))?;
                self.body = place::set_field(form, name, &text).into_bytes();
            }
            TimestampSource::Json(pointer) => {
                let head = self.head(request);
                let body = Body::read(alternative, &head, &self.body);
                return match body.json(pointer) {
                    Place::Text(text) => Ok(Some(text.into_owned())),
                    Place::Absent | Place::Bad(_) => {
                        Err(SignError::Lacks(format!("the send time at json:{pointer}")))
                    }
                };
            }
        }
        Ok(Some(text))
    }

    /// What is signed, with the secret where the template of a plain digest holds it.
    fn message(
        &self,
        alternative: &Alternative,
        request: &SignRequest<'_>,
        beside: &str,
        time: Option<&str>,
        secret: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, SignError> {
        let head = self.head(request);
        let lacks = |rejection: super::Rejection| SignError::Lacks(rejection.to_string());
        let bytes = body::signed_form(alternative.body, &head, &self.body).map_err(lacks)?;
        let body = Body::read(alternative, &head, &bytes);
        let context = Context {
            alternative,
            head: &head,
            signature: beside,
            timestamp: time,
            body: Some(&body),
            url: UrlVariant::AsKnown,
        };
        let template =
            alternative.signed.first().ok_or(SignError::Unsupported("a scheme without `signed`"))?;
        content::message(template.parts(), &context, secret)
            .map_err(|rejection| SignError::Lacks(rejection.to_string()))
    }

    fn signature(
        &self,
        alternative: &Alternative,
        secret: &Secret,
        request: &SignRequest<'_>,
        beside: &str,
        time: Option<&str>,
    ) -> Result<Vec<u8>, SignError> {
        // The first form that the secret has, as the receiver reads it.
        let further = || alternative.further_keys.iter().find_map(|form| form.decode(secret).ok());
        let key =
            || alternative.key.decode(secret).or_else(|error| further().ok_or(error)).map_err(key_error);
        let message = |key: Option<&[u8]>| self.message(alternative, request, beside, time, key);
        let keyed = match &alternative.algorithm {
            Algorithm::Hmac(sha) => Some((State::hmac(*sha, &key()?), message(None)?)),
            Algorithm::Digest(sha) => Some((Some(State::digest(*sha)), message(Some(&key()?))?)),
            _ => None,
        };
        if let Some((state, message)) = keyed {
            let mut state = state.ok_or(SignError::Unsupported("this key"))?;
            state.write(&message);
            return Ok(state.finish().into_vec());
        }
        let wanted = Use::of(&alternative.algorithm).ok_or(SignError::Unsupported("this algorithm"))?;
        private_key::sign(secret.expose(), wanted, &message(None)?)
    }

    /// Puts a text where the receiver looks for it. `body_is_signed` forbids changing the body.
    fn put(
        &mut self,
        alternative: &Alternative,
        location: &Location,
        text: &str,
        body_is_signed: bool,
    ) -> Result<(), SignError> {
        let lacks = |what: &str| SignError::Lacks(what.to_owned());
        match location {
            Location::Header(name) => self.add_header(name, text),
            Location::Headers(names) => {
                let first = names.first().ok_or(SignError::Unsupported("a signature without a place"))?;
                self.add_header(first, text)
            }
            Location::Numbered(prefix) => {
                let name = format!("{prefix}1").parse::<HeaderName>();
                self.add_header(
                    &name.map_err(|_| SignError::Unsupported("a signature in such a header"))?,
                    text,
                )
            }
            Location::Query(name) => {
                self.target = place::set_parameter(&self.target, name, text);
                Ok(())
            }
            Location::Body => {
                self.body = text.as_bytes().to_vec();
                Ok(())
            }
            Location::Form(_) | Location::Json(_) if body_is_signed => {
                Err(SignError::Unsupported("a signature that stands in the body it covers"))
            }
            Location::Form(name) => {
                let form = std::str::from_utf8(&self.body).map_err(|_| lacks("a form as its body"))?;
                self.body = place::set_field(form, name, text).into_bytes();
                Ok(())
            }
            Location::Json(pointer) => {
                let written = match (&alternative.document, form::is_form(&self.headers)) {
                    (Some(field), true) => place::set_json_in_form(&self.body, field, pointer, text),
                    (Some(field), false) => match multipart::boundary(&self.headers) {
                        Some(boundary) => {
                            place::set_json_in_part(&self.body, &boundary, field, pointer, text)
                        }
                        None => place::set_json(&self.body, pointer, text),
                    },
                    (None, _) => place::set_json(&self.body, pointer, text),
                };
                self.body = written.ok_or_else(|| lacks("a JSON body that the signature can stand in"))?;
                Ok(())
            }
        }
    }

    fn add_header(&mut self, name: &HeaderName, text: &str) -> Result<(), SignError> {
        let value = HeaderValue::from_str(text)
            .map_err(|_| SignError::Lacks(format!("a text that can stand in the header {name}")))?;
        self.headers.insert(name.clone(), value);
        self.added.retain(|(added, _)| added != name.as_str());
        self.added.push((name.to_string(), text.to_owned()));
        Ok(())
    }
}

/// The values that a pointer leads to.
fn elements_at<'v>(value: &'v mut Value, steps: &[Step]) -> Vec<&'v mut Value> {
    let Some((step, rest)) = steps.split_first() else { return vec![value] };
    match (value, step) {
        (Value::Object(map), Step::Key(key)) => {
            map.get_mut(key.as_str()).map_or_else(Vec::new, |member| elements_at(member, rest))
        }
        (Value::Array(list), Step::Every) => list.iter_mut().flat_map(|one| elements_at(one, rest)).collect(),
        (Value::Array(list), Step::Key(index)) => {
            let element = index.parse::<usize>().ok().and_then(|index| list.get_mut(index));
            element.map_or_else(Vec::new, |element| elements_at(element, rest))
        }
        _ => Vec::new(),
    }
}

impl Subject {
    fn is_at(&self, location: &Location) -> bool {
        match (self, location) {
            (Self::Header(subject), Location::Header(name)) => subject == name,
            (Self::Header(subject), Location::Headers(names)) => names.contains(subject),
            (Self::Query(subject), Location::Query(name)) => subject == name,
            _ => false,
        }
    }
}

fn separator(alternative: &Alternative) -> String {
    match &alternative.signature.layout {
        Layout::Pairs(pairs) => pairs.separators.clone(),
        _ => String::new(),
    }
}

fn lay_out(
    alternative: &Alternative,
    signature: &str,
    time: Option<&str>,
    pairs: &[(String, String)],
) -> String {
    let prefix = match alternative.algorithm {
        Algorithm::Basic => "",
        _ => alternative.signature.prefix.as_str(),
    };
    let text = match &alternative.signature.layout {
        Layout::Single | Layout::List { .. } => signature.to_owned(),
        Layout::Pairs(form) => {
            let mark = form.mark;
            let time = form.timestamp.iter().zip(time).map(|(name, time)| format!("{name}{mark}{time}"));
            let beside = pairs.iter().map(|(name, value)| format!("{name}{mark}{value}"));
            let name = if form.signature == "*" { "key" } else { &form.signature };
            let all: Vec<String> = time.chain(beside).chain([format!("{name}{mark}{signature}")]).collect();
            all.join(&separator(alternative))
        }
        Layout::Versioned { versions, .. } => {
            format!("{},{signature}", versions.first().map_or("", String::as_str))
        }
        Layout::Positional { separator } => format!("{}{separator}{signature}", time.unwrap_or_default()),
    };
    format!("{prefix}{text}")
}

fn text_of(bytes: &[u8]) -> Result<String, SignError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| SignError::Key("a token is text".to_owned()))
}

pub(crate) fn key_error(error: super::KeyError) -> SignError {
    SignError::Key(error.to_string())
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(why) => write!(f, "the secret cannot sign for this sender: {why}"),
            Self::Lacks(what) => write!(f, "what this sender signs is not there: {what}"),
            Self::Unsupported(what) => write!(f, "{what} cannot be made here, only checked"),
        }
    }
}

impl std::error::Error for SignError {}
