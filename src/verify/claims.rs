//! What the claims of a token say, held against what its sender must say.

use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::time::{Tolerance, UnixTime};

use super::body_proof::{BodyFact, BodyProof};
use super::delivery::Head;
use super::encoding::{self, Bytes};
use super::jose::malformed;
use super::jose_form::{BodyHashClaim, JwtForm};
use super::jwt::{ClaimSet, outside};
use super::mac;
use super::query_hash::query_hash;
use super::rejection::Rejection;
use super::scheme::{Encoding, TimeUnit, TimestampForm, TimestampSource};

/// How far two clocks may lie apart for `exp` and `nbf` where neither the sender nor the route says it.
pub(crate) const LEEWAY: Duration = Duration::from_secs(60);

/// What the claims of a token say.
#[derive(Debug)]
pub(crate) struct Claims {
    /// The send time.
    pub(crate) timestamp: Option<UnixTime>,
    /// What must hold of the body.
    pub(crate) body: BodyProof,
}

/// Holds the claims against what the sender must say of time, sender, receiver and URL.
pub(crate) fn check(
    token: &ClaimSet,
    form: &JwtForm,
    time: Option<&TimestampForm>,
    tolerance: Option<Tolerance>,
    now: UnixTime,
    head: &Head<'_>,
) -> Result<Claims, Rejection> {
    check_lifetime(token, form, tolerance, now)?;
    let timestamp = match time.map(|time| (&time.source, time.unit)) {
        Some((TimestampSource::Claim(name), unit)) => {
            Some(token.time(name, unit)?.ok_or(Rejection::TimestampMissing)?)
        }
        _ => None,
    };
    if let (Some(sent), Some(tolerance)) = (timestamp, tolerance) {
        tolerance.check(sent, now).map_err(|distance| outside(distance, tolerance))?;
    }
    if form.issuer.as_deref().is_some_and(|wanted| token.text("iss") != Some(wanted)) {
        return Err(malformed("the token's iss is another one"));
    }
    if form.audience.as_deref().is_some_and(|wanted| !token.is_for(wanted)) {
        return Err(malformed("the token's aud is another one"));
    }
    if !form.required.iter().all(|claim| token.has(claim)) {
        return Err(malformed("the token lacks a claim that this sender writes"));
    }
    check_url(token, form, head)?;
    Ok(Claims { timestamp, body: body_proof(token, form)? })
}

/// `exp` and `nbf`, wherever they are present.
fn check_lifetime(
    token: &ClaimSet,
    form: &JwtForm,
    tolerance: Option<Tolerance>,
    now: UnixTime,
) -> Result<(), Rejection> {
    let both = |leeway| Tolerance { past: leeway, future: leeway };
    let leeway = form.leeway.map(both).or(tolerance).unwrap_or(both(LEEWAY));
    if let Some(expires) = token.time("exp", TimeUnit::Seconds)? {
        let over = Tolerance { past: leeway.future, future: Duration::MAX };
        over.check(expires, now).map_err(|distance| outside(distance, over))?;
    }
    if let Some(begins) = token.time("nbf", TimeUnit::Seconds)? {
        let early = Tolerance { past: Duration::MAX, future: leeway.future };
        early.check(begins, now).map_err(|distance| outside(distance, early))?;
    }
    Ok(())
}

/// The claims that bind the token to the URL under which the sender sees this gateway.
fn check_url(token: &ClaimSet, form: &JwtForm, head: &Head<'_>) -> Result<(), Rejection> {
    const ANOTHER: Rejection = malformed("the token is for another URL");
    const UNKNOWN: Rejection = malformed("the URL is signed and the route's public URL is not known");
    let url = || head.origin.map(|origin| format!("{origin}{}", head.target)).ok_or(UNKNOWN);
    if let Some(claim) = &form.url {
        let said = token.text(claim).ok_or(malformed("the token lacks the URL"))?;
        if said != url()? {
            return Err(ANOTHER);
        }
    }
    if let Some(claim) = &form.url_hash {
        let said = token.text(&claim.claim).and_then(|text| encoding::decode(text, claim.encoding));
        let said = said.ok_or(malformed("the token lacks the URL's digest"))?;
        if !bool::from(mac::digest(claim.digest, url()?.as_bytes()).ct_eq(&said)) {
            return Err(ANOTHER);
        }
    }
    if let Some(claim) = &form.query_hash {
        let said = token.text(claim).and_then(|text| encoding::decode(text, Encoding::Hex));
        let said = said.ok_or(malformed("the token lacks the query's hash"))?;
        if !bool::from(query_hash(head).ct_eq(&said)) {
            return Err(ANOTHER);
        }
    }
    Ok(())
}

fn body_proof(token: &ClaimSet, form: &JwtForm) -> Result<BodyProof, Rejection> {
    let mut proof = BodyProof::default();
    if let Some(claim) = &form.body_hash {
        proof.push(match digest(token, claim)? {
            Some(digest) => BodyFact::Digest(claim.digest, digest),
            None if claim.absent_if_empty => BodyFact::Empty,
            None => return Err(malformed("the token lacks the body's digest")),
        });
    }
    if let Some(claim) = &form.body_text {
        let text = token.text(claim).ok_or(malformed("the token lacks the body's text"))?;
        proof.push(BodyFact::Text(text.to_owned()));
    }
    Ok(proof)
}

fn digest(token: &ClaimSet, claim: &BodyHashClaim) -> Result<Option<Bytes>, Rejection> {
    if !token.has(&claim.claim) {
        return Ok(None);
    }
    let text = token.text(&claim.claim).and_then(|text| encoding::decode(text, claim.encoding));
    text.map(Some).ok_or(malformed("the token's digest of the body is not written in its encoding"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::encoding::encode;
    use crate::verify::jose_form::UrlHashClaim;
    use crate::verify::jwt::Token;
    use crate::verify::{JwtAlgorithm, Sha};
    use http::HeaderMap;

    fn hs256() -> JwtForm {
        JwtForm { algorithms: vec![JwtAlgorithm::Hs256], ..JwtForm::default() }
    }

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(seconds).unwrap()
    }

    fn checked(
        form: &JwtForm,
        time: Option<&TimestampForm>,
        tolerance: Option<Tolerance>,
        claims: &str,
    ) -> Result<Claims, Rejection> {
        let part = |text: &str| encode(text.as_bytes(), Encoding::Base64Url);
        let text = format!("{}.{}.AAAA", part(r#"{"alg":"HS256"}"#), part(claims));
        let headers = HeaderMap::new();
        let head =
            Head { method: "POST", target: "/a?x=1", origin: Some("https://h.example"), headers: &headers };
        check(&Token::read(form, &text).unwrap().claims().unwrap(), form, time, tolerance, at(1000), &head)
    }

    #[test]
    fn claims_must_say_what_the_sender_says() {
        let required = vec!["jti".to_owned()];
        let form = JwtForm { issuer: Some("me".into()), audience: Some("you".into()), required, ..hs256() };
        let check = |claims: &str| checked(&form, None, None, claims).map(|_| ());
        assert!(check(r#"{"iss":"me","aud":"you","jti":1}"#).is_ok());
        assert!(check(r#"{"jti":"","iss":"me","aud":["x","you"],"nbf":1060,"exp":940.5}"#).is_ok());
        for claims in [
            r#"{"iss":"me","aud":"you"}"#,
            r#"{"iss":"me","aud":"you","jti":null}"#,
            r#"{"jti":1,"iss":"me"}"#,
            r#"{"jti":1,"iss":"me","aud":"x"}"#,
            r#"{"jti":1,"iss":["me"],"aud":"you"}"#,
            r#"{"jti":1,"iss":"me","aud":"you","nbf":1061}"#,
            r#"{"jti":1,"iss":"me","aud":"you","exp":939}"#,
            r#"{"jti":1,"iss":"me","aud":"you","exp":"2000"}"#,
            r#"{"jti":1,"iss":"me","aud":"you","exp":1e300}"#,
        ] {
            assert!(check(claims).is_err(), "{claims}");
        }
    }

    #[test]
    fn the_leeway_is_the_senders_then_the_routes_then_a_minute() {
        let window = Tolerance { past: Duration::from_secs(300), future: Duration::from_secs(30) };
        let over = |leeway: Option<u64>, window, claims: &str| {
            let form = JwtForm { leeway: leeway.map(Duration::from_secs), ..hs256() };
            checked(&form, None, window, claims).err().map(|rejection| rejection.word())
        };
        assert_eq!(over(None, None, r#"{"exp":940}"#), None);
        assert_eq!(over(None, Some(window), r#"{"exp":969}"#), Some("timestamp_too_old"));
        assert_eq!(over(Some(1), Some(window), r#"{"exp":999,"nbf":1001}"#), None);
        assert_eq!(over(Some(1), Some(window), r#"{"exp":998}"#), Some("timestamp_too_old"));
        assert_eq!(over(Some(1), Some(window), r#"{"nbf":1002}"#), Some("timestamp_in_future"));
    }

    #[test]
    fn the_send_time_is_held_against_the_window() {
        let tolerance = Some(Tolerance { past: Duration::from_secs(300), future: Duration::from_secs(60) });
        let check = |claims: &str, unit: TimeUnit| {
            let time = TimestampForm { source: TimestampSource::Claim("iat".into()), unit };
            checked(&hs256(), Some(&time), tolerance, claims).map(|claims| claims.timestamp)
        };
        assert_eq!(check(r#"{"iat":700}"#, TimeUnit::Seconds), Ok(Some(at(700))));
        assert_eq!(check(r#"{"iat":700000}"#, TimeUnit::Milliseconds), Ok(Some(at(700))));
        assert_eq!(check(r#"{"iat":"1970-01-01T00:15:00Z"}"#, TimeUnit::Rfc3339), Ok(Some(at(900))));
        assert_eq!(check(r#"{"iat":699}"#, TimeUnit::Seconds).unwrap_err().word(), "timestamp_too_old");
        assert_eq!(check(r#"{"iat":1061}"#, TimeUnit::Seconds).unwrap_err().word(), "timestamp_in_future");
        assert_eq!(check(r#"{"iat":900}"#, TimeUnit::Rfc3339).unwrap_err(), Rejection::TimestampMalformed);
        assert_eq!(check("{}", TimeUnit::Seconds).unwrap_err(), Rejection::TimestampMissing);
    }

    #[test]
    fn a_token_for_another_url_is_refused() {
        let url =
            |claim: &str| checked(&JwtForm { url: Some("sub".into()), ..hs256() }, None, None, claim).is_ok();
        assert!(url(r#"{"sub":"https://h.example/a?x=1"}"#));
        assert!(!url(r#"{"sub":"https://h.example/a"}"#) && !url("{}"));
        let hash = UrlHashClaim { claim: "u".into(), digest: Sha::Sha256, encoding: Encoding::Hex };
        let hashed = JwtForm { url_hash: Some(hash), ..hs256() };
        let of =
            |url: &str| format!(r#"{{"u":"{}"}}"#, hex::encode(mac::digest(Sha::Sha256, url.as_bytes())));
        assert!(checked(&hashed, None, None, &of("https://h.example/a?x=1")).is_ok());
        assert!(checked(&hashed, None, None, &of("https://h.example/b?x=1")).is_err());
        assert!(checked(&hashed, None, None, "{}").is_err());
    }

    #[test]
    fn a_digest_may_be_left_out_only_where_the_sender_does_and_then_means_no_body() {
        let claim = |absent_if_empty| BodyHashClaim {
            claim: "h".into(),
            digest: Sha::Sha256,
            encoding: Encoding::Hex,
            absent_if_empty,
        };
        let proof = |absent: bool, claims: &str| {
            checked(&JwtForm { body_hash: Some(claim(absent)), ..hs256() }, None, None, claims)
        };
        assert!(proof(false, "{}").is_err());
        assert!(proof(true, r#"{"h":"zz"}"#).is_err() && proof(true, r#"{"h":7}"#).is_err());
        let empty = proof(true, "{}").unwrap().body;
        assert!(bool::from(empty.holds(b"")) && !bool::from(empty.holds(b"{}")));
    }
}
