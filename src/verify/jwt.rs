//! JSON Web Tokens (RFC 7519), as far as webhooks use them: a signed set of claims.

use serde_json::{Map, Value};
use subtle::Choice;

use crate::time::{Distance, Tolerance, UnixTime};

use super::jose::{Chain, Compact, decode, malformed};
use super::jose_form::JwtForm;
use super::keys::Key;
use super::rejection::Rejection;
use super::scheme::TimeUnit;
use super::timestamp;

/// A token whose text and algorithm could be read; nothing of it is proven yet.
pub(crate) struct Token<'t> {
    compact: Compact<'t>,
    /// Header and claims as they were signed.
    pub(crate) signed: &'t str,
}

/// What a token says.
pub(crate) struct ClaimSet(Map<String, Value>);

impl<'t> Token<'t> {
    /// Reads a token. An algorithm that the sender does not use is refused before anything else is looked at.
    pub(crate) fn read(form: &JwtForm, text: &'t str) -> Result<Self, Rejection> {
        let compact = Compact::read(&form.algorithms, text)?;
        if compact.header.crit.is_some()
            || compact.header.b64.as_ref().is_some_and(|b64| *b64 != Value::Bool(true))
        {
            return Err(malformed("the token needs an extension that is not understood"));
        }
        let signed = text.rsplit_once('.').map_or(text, |(signed, _)| signed);
        Ok(Self { compact, signed })
    }

    /// The claims. To be read when the signature is known to be right: a stranger's could cost more than they are worth.
    pub(crate) fn claims(&self) -> Result<ClaimSet, Rejection> {
        let claims = decode(self.compact.payload).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        claims.map(ClaimSet).ok_or(malformed("the token's claims cannot be read"))
    }

    /// For every key, whether the token is signed with it. All are tried.
    pub(crate) fn matches(
        &self,
        form: &JwtForm,
        keys: &[Key],
        now: UnixTime,
    ) -> impl Iterator<Item = Choice> {
        let chain = form.x5c.as_ref().map(|form| Chain { form, now });
        keys.iter().map(move |key| self.compact.is_signed_with(key, self.signed.as_bytes(), chain))
    }
}

impl ClaimSet {
    /// A claim that is there and is not `null`.
    pub(crate) fn has(&self, claim: &str) -> bool {
        self.0.get(claim).is_some_and(|value| !value.is_null())
    }

    /// A claim that is a text.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.0.get(claim).and_then(Value::as_str)
    }

    /// Whether the token is meant for this receiver.
    pub(crate) fn is_for(&self, audience: &str) -> bool {
        match self.0.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        }
    }

    /// A time: a number of seconds (`NumericDate`, a fraction is cut off) or of milliseconds, or a text in another unit.
    pub(crate) fn time(&self, claim: &str, unit: TimeUnit) -> Result<Option<UnixTime>, Rejection> {
        let time = match (self.0.get(claim), unit) {
            (None, _) => return Ok(None),
            (Some(Value::Number(number)), TimeUnit::Seconds | TimeUnit::Milliseconds) => {
                let text = number.to_string();
                let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
                let whole = whole.parse().ok();
                whole.and_then(|whole| match unit {
                    TimeUnit::Milliseconds => Some(UnixTime::from_millis(whole)),
                    _ => UnixTime::from_seconds(whole),
                })
            }
            (Some(Value::String(text)), TimeUnit::Rfc3339 | TimeUnit::Rfc2822) => {
                timestamp::parse(text, unit)
            }
            _ => None,
        };
        time.map(Some).ok_or(Rejection::TimestampMalformed)
    }
}

/// The rejection for a send time that lies outside the window.
pub(crate) fn outside(distance: Distance, tolerance: Tolerance) -> Rejection {
    match distance {
        Distance::Past(age) => Rejection::TimestampTooOld { age, allowed: tolerance.past },
        Distance::Future(lead) => Rejection::TimestampInFuture { lead, allowed: tolerance.future },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::encoding;
    use crate::verify::jose_form::JwtAlgorithm;
    use crate::verify::mac::State;
    use crate::verify::scheme::{Encoding, Sha};

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
        token.matches(&hs256(), &[key], at(0)).any(bool::from)
    }

    fn unsigned(header: &str, claims: &str) -> String {
        let part = |text: &str| encoding::encode(text.as_bytes(), Encoding::Base64Url);
        format!("{}.{}.AAAA", part(header), part(claims))
    }

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(seconds).unwrap()
    }

    #[test]
    fn the_published_token_is_signed_with_the_published_key() {
        let token = Token::read(&hs256(), PUBLISHED).unwrap();
        assert!(signed(&token, key(&decode(PUBLISHED_KEY).unwrap())));
        assert!(!signed(&token, key(b"another")));
        assert_eq!(token.claims().unwrap().time("exp", TimeUnit::Seconds).unwrap(), Some(at(1_300_819_380)));
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
        assert!(Token::read(&hs256(), &unsigned(r#"{"alg":"HS256","b64":false}"#, "{}")).is_err());
        let part = |bytes: &[u8]| encoding::encode(bytes, Encoding::Base64Url);
        let not_text = format!("{}.{}.AAAA", part(b"{\"alg\":\"HS256\",\"x\":\"\xc3\"}"), part(b"{}"));
        assert!(Token::read(&hs256(), &not_text).is_err());
        for text in ["", ".", "..", "a.b.c.d", "\u{e4}.b.c"] {
            assert!(Token::read(&hs256(), text).is_err(), "{text}");
        }
        assert!(Token::read(&hs256(), "eyJhbGciOiJIUzI1NiJ9..").unwrap().claims().is_err());
    }
}
