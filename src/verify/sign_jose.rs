//! The sender's side of tokens and detached signatures of JOSE.

use serde_json::{Map, Value};

use crate::secret::Secret;
use crate::time::UnixTime;

use super::delivery::Head;
use super::detached::signing_input;
use super::encoding::encode;
use super::jose_form::{JwsForm, JwsPayload, JwtAlgorithm, JwtForm};
use super::locator::Location;
use super::mac::{self, Sink, State};
use super::private_key;
use super::public_key::Use;
use super::query_hash::query_hash;
use super::read_key::reads_as_public;
use super::scheme::{Alternative, Encoding, TimeUnit, TimestampSource};
use super::sign::{SignError, key_error};
use super::template::{Part, Template};
use super::timestamp;

/// A delivery for which a token is made.
pub(crate) struct Unsigned<'u> {
    pub(crate) head: &'u Head<'u>,
    pub(crate) body: &'u [u8],
    pub(crate) time: UnixTime,
}

/// A token with every claim that the receiver asks for. Where the token is the whole body, the body's own members are
/// claims too.
pub(crate) fn token(
    form: &JwtForm,
    alternative: &Alternative,
    secret: &Secret,
    draft: &Unsigned<'_>,
) -> Result<String, SignError> {
    if form.x5c.is_some() {
        return Err(SignError::Unsupported("a token with certificates"));
    }
    let algorithm = algorithm(&form.algorithms, secret)?;
    let header = format!(r#"{{"alg":"{}","typ":"JWT"}}"#, algorithm.word());
    let claims = Value::Object(claims(form, alternative, draft)?).to_string();
    let signed = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let signature = sign(algorithm, alternative, secret, signed.as_bytes())?;
    Ok(format!("{signed}.{}", base64url(&signature)))
}

/// The header of a detached JWS as it is signed.
pub(crate) fn detached_header(
    form: &JwsForm,
    alternative: &Alternative,
    secret: &Secret,
    time: UnixTime,
) -> Result<String, SignError> {
    let mut header = Map::new();
    header.insert("alg".to_owned(), algorithm(&form.algorithms, secret)?.word().into());
    if form.payload == JwsPayload::Plain {
        header.insert("b64".to_owned(), false.into());
        header.insert("crit".to_owned(), Value::Array(vec!["b64".into()]));
    }
    for (name, value) in &form.header {
        header.insert(name.clone(), value.clone().into());
    }
    if let Some(form) = &alternative.timestamp
        && let TimestampSource::Parameter(member) = &form.source
    {
        header.insert(member.clone(), time_claim(time, form.unit)?);
    }
    for part in alternative.signed.first().into_iter().flat_map(Template::leaves) {
        if let (Part::JwsHeaders(member), Some(TimestampSource::Header(name))) =
            (part, alternative.timestamp.as_ref().map(|time| &time.source))
        {
            header.insert(member.clone(), name.as_str().into());
        }
    }
    Ok(base64url(Value::Object(header).to_string().as_bytes()))
}

/// A detached JWS over this payload.
pub(crate) fn detached(
    form: &JwsForm,
    alternative: &Alternative,
    secret: &Secret,
    header: &str,
    payload: &[u8],
) -> Result<String, SignError> {
    let message = signing_input(header, form.payload != JwsPayload::Plain, payload);
    let signature = sign(algorithm(&form.algorithms, secret)?, alternative, secret, &message)?;
    Ok(format!("{header}..{}", base64url(&signature)))
}

fn claims(
    form: &JwtForm,
    alternative: &Alternative,
    draft: &Unsigned<'_>,
) -> Result<Map<String, Value>, SignError> {
    let whole = alternative.signature.location == Location::Body;
    let own = if whole && !draft.body.is_empty() { serde_json::from_slice(draft.body).ok() } else { None };
    let mut claims: Map<String, Value> = own.unwrap_or_default();
    let now = draft.time.seconds();
    for claim in &form.required {
        let some = if claim == "nbf" { now.into() } else { Value::from("1") };
        claims.entry(claim.as_str()).or_insert(some);
    }
    claims.insert("iat".to_owned(), now.into());
    claims.insert("exp".to_owned(), now.saturating_add(300).into());
    if let Some(time) = &alternative.timestamp
        && let TimestampSource::Claim(name) = &time.source
    {
        claims.insert(name.clone(), time_claim(draft.time, time.unit)?);
    }
    for (name, value) in [("iss", &form.issuer), ("aud", &form.audience)] {
        if let Some(value) = value {
            claims.insert(name.to_owned(), value.clone().into());
        }
    }
    if let Some(claim) = &form.body_hash
        && !(claim.absent_if_empty && draft.body.is_empty())
    {
        let digest = encode(&mac::digest(claim.digest, draft.body), claim.encoding);
        claims.insert(claim.claim.clone(), digest.into());
    }
    if let Some(claim) = &form.body_text {
        let text = std::str::from_utf8(draft.body);
        let text = text.map_err(|_| SignError::Lacks("a body that is text".to_owned()))?;
        claims.insert(claim.clone(), text.into());
    }
    let url = format!("{}{}", draft.head.origin.unwrap_or_default(), draft.head.target);
    if let Some(claim) = &form.url {
        claims.insert(claim.clone(), url.clone().into());
    }
    if let Some(claim) = &form.url_hash {
        let digest = encode(&mac::digest(claim.digest, url.as_bytes()), claim.encoding);
        claims.insert(claim.claim.clone(), digest.into());
    }
    if let Some(claim) = &form.query_hash {
        claims.insert(claim.clone(), encode(&query_hash(draft.head), Encoding::Hex).into());
    }
    Ok(claims)
}

fn time_claim(time: UnixTime, unit: TimeUnit) -> Result<Value, SignError> {
    match unit {
        TimeUnit::Seconds => Ok(time.seconds().into()),
        TimeUnit::Milliseconds => Ok(time.millis().into()),
        unit => {
            let text = timestamp::format(time, unit);
            text.map(Value::from)
                .ok_or_else(|| SignError::Lacks("a time that this sender's form can express".to_owned()))
        }
    }
}

/// The first algorithm of the secret's kind: what is written as a key pair's signs no HMAC, and nothing else signs otherwise.
fn algorithm(algorithms: &[JwtAlgorithm], secret: &Secret) -> Result<JwtAlgorithm, SignError> {
    let is_public = reads_as_public(secret.expose());
    let both = algorithms.iter().any(|one| one.hmac().is_some())
        && algorithms.iter().any(|one| one.hmac().is_none());
    let mut fitting = algorithms.iter().filter(|one| !both || one.hmac().is_none() == is_public);
    fitting.next().copied().ok_or(SignError::Unsupported("a token without an algorithm"))
}

fn sign(
    algorithm: JwtAlgorithm,
    alternative: &Alternative,
    secret: &Secret,
    message: &[u8],
) -> Result<Vec<u8>, SignError> {
    match (algorithm.hmac(), Use::of_jwt(algorithm)) {
        (Some(sha), _) => {
            let key = alternative.key.decode(secret).map_err(key_error)?;
            let mut state = State::hmac(sha, &key).ok_or(SignError::Unsupported("this key"))?;
            state.write(message);
            Ok(state.finish().into_vec())
        }
        (None, Some(wanted)) => private_key::sign(secret.expose(), wanted, message),
        (None, None) => Err(SignError::Unsupported("this algorithm")),
    }
}

fn base64url(bytes: &[u8]) -> String {
    encode(bytes, Encoding::Base64Url)
}
