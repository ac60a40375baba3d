//! Compact JSON Web Signatures with claims (RFC 7515, RFC 7519), as far as webhooks use them.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use subtle::{Choice, ConstantTimeEq};

use crate::time::{Distance, Tolerance, UnixTime};

use super::encoding::{self, Bytes};
use super::keys::Key;
use super::mac::Sink;
use super::public_key::Use;
use super::rejection::Rejection;
use super::scheme::{Encoding, JwtAlgorithm, JwtForm, TimestampForm, TimestampSource};

/// How far two clocks may lie apart for `exp` and `nbf` where the route has no tolerance of its own.
pub(crate) const LEEWAY: Duration = Duration::from_secs(60);

/// A token whose text, algorithm and claims could be read; nothing of it is proven yet.
pub(crate) struct Token<'t> {
    algorithm: JwtAlgorithm,
    key_id: Option<String>,
    /// Header and claims as they were signed.
    pub(crate) signed: &'t str,
    signature: Bytes,
    claims: Map<String, Value>,
}

/// What the claims of a token say.
pub(crate) struct Claims {
    /// The send time.
    pub(crate) timestamp: Option<UnixTime>,
    /// The digest that the body must have.
    pub(crate) body_hash: Option<Bytes>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; none are.
    crit: Option<IgnoredAny>,
}

impl<'t> Token<'t> {
    /// Reads a token. An algorithm that the sender does not use is refused before anything else is looked at.
    pub(crate) fn read(form: &JwtForm, text: &'t str) -> Result<Self, Rejection> {
        let (signed, signature) =
            text.rsplit_once('.').ok_or(malformed("the token does not have three parts"))?;
        let (header, claims) =
            signed.split_once('.').ok_or(malformed("the token does not have three parts"))?;
        let header: Header = decode(header)
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or(malformed("the token's header cannot be read"))?;
        let algorithm = header.alg.parse().ok().filter(|algorithm| form.algorithms.contains(algorithm));
        let algorithm = algorithm.ok_or(malformed("the token's alg is none that this sender uses"))?;
        if header.crit.is_some() {
            return Err(malformed("the token needs an extension that is not understood"));
        }
        let claims = decode(claims)
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or(malformed("the token's claims cannot be read"))?;
        let signature = decode(signature).ok_or(malformed("the token's signature cannot be read"))?;
        Ok(Self { algorithm, key_id: header.kid, signed, signature, claims })
    }

    /// For every key, whether the token is signed with it. All are tried.
    pub(crate) fn matches(&self, keys: &[Key]) -> impl Iterator<Item = Choice> {
        keys.iter().map(|key| self.is_signed_with(key))
    }

    /// Holds the claims against what the sender must say.
    pub(crate) fn check(
        &self,
        form: &JwtForm,
        time: Option<&TimestampForm>,
        tolerance: Option<Tolerance>,
        now: UnixTime,
    ) -> Result<Claims, Rejection> {
        let leeway = tolerance.unwrap_or(Tolerance { past: LEEWAY, future: LEEWAY });
        if let Some(expires) = self.time("exp")? {
            let over = Tolerance { past: leeway.future, future: Duration::MAX };
            over.check(expires, now).map_err(|distance| outside(distance, over))?;
        }
        if let Some(begins) = self.time("nbf")? {
            let early = Tolerance { past: Duration::MAX, future: leeway.future };
            early.check(begins, now).map_err(|distance| outside(distance, early))?;
        }
        let timestamp = match time.map(|time| &time.source) {
            Some(TimestampSource::Claim(name)) => Some(self.time(name)?.ok_or(Rejection::TimestampMissing)?),
            _ => None,
        };
        if let (Some(sent), Some(tolerance)) = (timestamp, tolerance) {
            tolerance.check(sent, now).map_err(|distance| outside(distance, tolerance))?;
        }
        if form.issuer.as_deref().is_some_and(|wanted| self.text("iss") != Some(wanted)) {
            return Err(malformed("the token's iss is another one"));
        }
        if form.audience.as_deref().is_some_and(|wanted| !self.is_for(wanted)) {
            return Err(malformed("the token's aud is another one"));
        }
        let body_hash = match &form.body_hash {
            None => None,
            Some(claim) => {
                let text = self.text(&claim.claim).ok_or(malformed("the token lacks the body's digest"))?;
                let digest = encoding::decode(text, claim.encoding);
                Some(
                    digest
                        .ok_or(malformed("the token's digest of the body is not written in its encoding"))?,
                )
            }
        };
        Ok(Claims { timestamp, body_hash })
    }

    fn is_signed_with(&self, key: &Key) -> Choice {
        let message = self.signed.as_bytes();
        match key {
            Key::JwtMac(states) => {
                let state = states.iter().find(|(algorithm, _)| *algorithm == self.algorithm);
                state.map_or(Choice::from(0), |(_, start)| {
                    let mut state = start.clone();
                    state.write(message);
                    state.finish().ct_eq(&self.signature)
                })
            }
            Key::Public(keys) => {
                let Some(wanted) = Use::of_jwt(self.algorithm) else { return Choice::from(0) };
                // A key with an id serves only tokens of that id; without one on either side every key is tried.
                let fitting = keys
                    .iter()
                    .filter(|key| key.id.is_none() || self.key_id.is_none() || key.id == self.key_id);
                let any =
                    fitting.fold(false, |any, key| key.verifies(wanted, message, &self.signature) | any);
                Choice::from(u8::from(any))
            }
            Key::Mac(_) | Key::Digest { .. } | Key::Token(_) => Choice::from(0),
        }
    }

    fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    fn is_for(&self, audience: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        }
    }

    /// A `NumericDate`: seconds since 1970; a fraction is cut off.
    fn time(&self, claim: &str) -> Result<Option<UnixTime>, Rejection> {
        match self.claims.get(claim) {
            None => Ok(None),
            Some(Value::Number(number)) => {
                let text = number.to_string();
                let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
                let time = whole.parse().ok().and_then(UnixTime::from_seconds);
                time.map(Some).ok_or(Rejection::TimestampMalformed)
            }
            Some(_) => Err(Rejection::TimestampMalformed),
        }
    }
}

/// The rejection for a send time that lies outside the window.
pub(crate) fn outside(distance: Distance, tolerance: Tolerance) -> Rejection {
    match distance {
        Distance::Past(age) => Rejection::TimestampTooOld { age, allowed: tolerance.past },
        Distance::Future(lead) => Rejection::TimestampInFuture { lead, allowed: tolerance.future },
    }
}

fn malformed(what: &'static str) -> Rejection {
    Rejection::SignatureMalformed { what }
}

/// RFC 7515 allows no padding.
fn decode(text: &str) -> Option<Bytes> {
    if text.contains('=') { None } else { encoding::decode(text, Encoding::Base64Url) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::keys::Key;
    use crate::verify::mac::State;
    use crate::verify::scheme::Sha;

    /// RFC 7515 appendix A.1.
    const PUBLISHED: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
        .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
        .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const PUBLISHED_KEY: &str =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

    fn hs256() -> JwtForm {
        JwtForm { algorithms: vec![JwtAlgorithm::Hs256], ..JwtForm::default() }
    }

    fn key(bytes: &[u8]) -> Key {
        Key::JwtMac(vec![(JwtAlgorithm::Hs256, State::hmac(Sha::Sha256, bytes).unwrap())])
    }

    fn signed(token: &Token<'_>, key: Key) -> bool {
        token.matches(&[key]).any(bool::from)
    }

    fn unsigned(header: &str, claims: &str) -> String {
        let part = |text: &str| encoding::encode(text.as_bytes(), Encoding::Base64Url);
        format!("{}.{}.AAAA", part(header), part(claims))
    }

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(seconds).unwrap()
    }

    #[test]
    fn the_published_token_is_signed_with_the_published_key_and_expires_when_it_says() {
        let token = Token::read(&hs256(), PUBLISHED).unwrap();
        assert!(signed(&token, key(&decode(PUBLISHED_KEY).unwrap())));
        assert!(!signed(&token, key(b"another")));
        assert!(token.check(&hs256(), None, None, at(1_300_819_380 + 60)).is_ok());
        let late = token.check(&hs256(), None, None, at(1_300_819_380 + 61)).err().unwrap();
        assert_eq!(late.word(), "timestamp_too_old");
    }

    #[test]
    fn an_algorithm_that_the_sender_does_not_use_is_refused_first() {
        for alg in ["none", "None", "HS384", "RS256", "hs256", ""] {
            let text = unsigned(&format!(r#"{{"alg":"{alg}"}}"#), "not even json");
            let refused = Token::read(&hs256(), &text).err().unwrap();
            assert_eq!(refused, malformed("the token's alg is none that this sender uses"), "{alg}");
        }
        assert!(Token::read(&hs256(), &unsigned(r#"{"alg":"HS256","alg":"none"}"#, "{}")).is_err());
        assert!(Token::read(&hs256(), &unsigned(r#"{"alg":"HS256","crit":["b64"]}"#, "{}")).is_err());
        for text in ["", ".", "..", "a.b.c.d", "eyJhbGciOiJIUzI1NiJ9..", "\u{e4}.b.c"] {
            assert!(Token::read(&hs256(), text).is_err(), "{text}");
        }
    }

    #[test]
    fn claims_must_say_what_the_sender_says() {
        let form = JwtForm { issuer: Some("me".into()), audience: Some("you".into()), ..hs256() };
        let check = |claims: &str| {
            let text = unsigned(r#"{"alg":"HS256"}"#, claims);
            Token::read(&form, &text).unwrap().check(&form, None, None, at(1000)).map(|_| ())
        };
        assert!(check(r#"{"iss":"me","aud":"you"}"#).is_ok());
        assert!(check(r#"{"iss":"me","aud":["x","you"],"nbf":1060,"exp":940.5}"#).is_ok());
        for claims in [
            r#"{"iss":"me"}"#,
            r#"{"iss":"me","aud":"x"}"#,
            r#"{"iss":["me"],"aud":"you"}"#,
            r#"{"iss":"me","aud":"you","nbf":1061}"#,
            r#"{"iss":"me","aud":"you","exp":939}"#,
            r#"{"iss":"me","aud":"you","exp":"2000"}"#,
            r#"{"iss":"me","aud":"you","exp":1e300}"#,
        ] {
            assert!(check(claims).is_err(), "{claims}");
        }
    }

    #[test]
    fn the_send_time_is_held_against_the_window() {
        let time = TimestampForm {
            source: TimestampSource::Claim("iat".into()),
            unit: crate::verify::TimeUnit::Seconds,
        };
        let tolerance = Tolerance { past: Duration::from_secs(300), future: Duration::from_secs(60) };
        let check = |claims: &str| {
            let text = unsigned(r#"{"alg":"HS256"}"#, claims);
            let token = Token::read(&hs256(), &text).unwrap();
            token.check(&hs256(), Some(&time), Some(tolerance), at(1000)).map(|claims| claims.timestamp)
        };
        assert_eq!(check(r#"{"iat":700}"#), Ok(Some(at(700))));
        assert_eq!(check(r#"{"iat":699}"#).unwrap_err().word(), "timestamp_too_old");
        assert_eq!(check(r#"{"iat":1061}"#).unwrap_err().word(), "timestamp_in_future");
        assert_eq!(check("{}").unwrap_err(), Rejection::TimestampMissing);
    }
}
