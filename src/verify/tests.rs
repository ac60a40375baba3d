//! What the room promises as a whole: what a sender signs is accepted, and nothing else is.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use proptest::prelude::*;

use super::sign::{SignRequest, Signed, sign};
use super::*;
use crate::secret::{NamedSecret, Secret};
use crate::time::{Tolerance, UnixTime};

pub(crate) const NOW: i64 = 1_773_829_800;
const ORIGIN: &str = "https://hooks.example.com";
const URL: &str = "https://hooks.example.com/webhooks/a?x=1";
const WINDOW: Tolerance = Tolerance { past: Duration::from_secs(300), future: Duration::from_secs(60) };

/// A scheme with one HMAC-SHA256 in hex in `x-signature`.
pub(crate) fn hmac(template: &str) -> Scheme {
    one(Alternative::new(location("header:x-signature"), template.parse().unwrap()))
}

/// A delivery signed and verified, with the headers it has then.
pub(crate) fn verified(scheme: &Scheme, headers: HeaderMap, body: &[u8]) -> (HeaderMap, Verified) {
    let delivery = Delivery::signed(scheme, "secret", headers, body).unwrap();
    let verified = delivery.verify(scheme, &["secret"]).unwrap();
    (delivery.headers, verified)
}

/// A delivery as it arrives.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Delivery {
    pub(crate) fn signed(
        scheme: &Scheme,
        secret: &str,
        headers: HeaderMap,
        body: &[u8],
    ) -> Result<Self, sign::SignError> {
        let timestamp = seconds(NOW);
        let request =
            SignRequest { method: "POST", url: URL, headers: &headers, body, id: Some("msg_1"), timestamp };
        let Signed { headers: added, url, body } = sign(scheme, &Secret::new(secret.into()), &request)?;
        let mut headers = headers;
        for (name, value) in added {
            headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Ok(Self { url, headers, body })
    }

    /// A delivery with these headers and this body, signed by nobody here.
    pub(crate) fn plain(headers: &[(&'static str, &str)], body: &[u8]) -> Self {
        Self { url: URL.into(), headers: map(headers), body: body.to_vec() }
    }

    pub(crate) fn verify(&self, scheme: &Scheme, secrets: &[&str]) -> Result<Verified, Rejection> {
        self.verify_at(scheme, &keys(scheme, secrets), seconds(NOW))
    }

    pub(crate) fn word(&self, scheme: &Scheme) -> &'static str {
        self.verify(scheme, &["secret"]).map_or_else(|rejection| rejection.word(), |_| "verified")
    }

    /// Verifies in one piece and in pieces, which must come to the same.
    pub(crate) fn verify_at(
        &self,
        scheme: &Scheme,
        keys: &Keys,
        now: UnixTime,
    ) -> Result<Verified, Rejection> {
        let target = self.url.strip_prefix(ORIGIN).unwrap();
        let head = Head { method: "POST", target, origin: Some(ORIGIN), headers: &self.headers };
        let whole = verify(scheme, keys, &head, &self.body, Some(WINDOW), now);
        // In pieces up to its end, to its middle, and with empty ones between.
        for given in [self.body.len(), self.body.len() / 2] {
            let pieces = begin(scheme, keys, &head, Some(WINDOW), now).and_then(|mut verification| {
                let beginning = self.body.get(..given).unwrap();
                beginning
                    .chunks(3)
                    .flat_map(|chunk| [b"", chunk])
                    .for_each(|chunk| verification.update(chunk));
                verification.finish(&head, &self.body)
            });
            assert_eq!(whole.as_ref().err(), pieces.as_ref().err());
        }
        whole
    }

    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.headers.insert(name, value.parse().unwrap());
        changed
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }
}

pub(crate) fn one(alternative: Alternative) -> Scheme {
    let scheme = Scheme { alternatives: vec![alternative] };
    assert_eq!(scheme.problems(), [""; 0]);
    scheme
}

pub(crate) fn location(text: &str) -> Location {
    text.parse().unwrap()
}

pub(crate) fn seconds(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(seconds).unwrap()
}

pub(crate) fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, value.parse().unwrap());
    }
    map
}

pub(crate) fn keys(scheme: &Scheme, secrets: &[&str]) -> Keys {
    let named = |text: &&str| NamedSecret::new("", Secret::new(text.as_bytes().to_vec()));
    scheme.prepare(&secrets.iter().map(named).collect::<Vec<_>>()).unwrap()
}

/// `t=…,v1=…` over time and body.
fn timed() -> Scheme {
    let mut alternative =
        Alternative::new(location("header:x-signature"), "{timestamp}.{body}".parse().unwrap());
    let (separators, signature) = (",".into(), "v1".into());
    alternative.signature.layout =
        Layout::Pairs(PairsForm { separators, mark: '=', signature, timestamp: Some("t".into()) });
    alternative.timestamp =
        Some(TimestampForm { source: TimestampSource::Signature, unit: TimeUnit::Seconds });
    one(alternative)
}

/// Standard Webhooks: id, time and body, several signatures with versions.
fn standard() -> Scheme {
    let template = "{header:webhook-id}.{timestamp}.{body}".parse().unwrap();
    let mut alternative = Alternative::new(location("header:webhook-signature"), template);
    alternative.signature.layout = Layout::Versioned { separator: ' ', versions: vec!["v1".into()] };
    alternative.signature.encoding = Encoding::Base64;
    let source = TimestampSource::Header("webhook-timestamp".parse().unwrap());
    alternative.timestamp = Some(TimestampForm { source, unit: TimeUnit::Seconds });
    one(alternative)
}

/// Twilio: forms by their sorted fields, JSON by a digest in the query.
fn twilio() -> Scheme {
    let url = UrlForm { ports: true, ..UrlForm::default() };
    let signature = |template: &str| {
        let mut alternative =
            Alternative::new(location("header:x-twilio-signature"), template.parse().unwrap());
        alternative.algorithm = Algorithm::Hmac(Sha::Sha1);
        alternative.signature.encoding = Encoding::Base64;
        Alternative { url: url.clone(), ..alternative }
    };
    let digest = BodyDigest {
        location: location("query:bodySHA256"),
        prefix: String::new(),
        digest: Sha::Sha256,
        encoding: Encoding::Hex,
    };
    let when = vec![Condition { subject: Subject::Query("bodySHA256".into()), test: Test::Present }];
    let json = Alternative { when, body_digest: Some(digest), ..signature("{url}") };
    Scheme { alternatives: vec![json, signature("{url}{form_sorted}")] }
}

/// Every shape of scheme that can be signed with a text as its secret.
fn schemes() -> Vec<Scheme> {
    let shaped = |shape: &dyn Fn(&mut Alternative)| {
        let mut alternative = Alternative::new(location("header:x-signature"), "{body}".parse().unwrap());
        shape(&mut alternative);
        one(alternative)
    };
    let algorithm = |word: &str| shaped(&|form| form.algorithm = word.parse().unwrap());
    let template = |text: &str| shaped(&|form| form.signed = vec![text.parse().unwrap()]);
    vec![
        algorithm("hmac-sha1"),
        algorithm("hmac-sha256"),
        algorithm("hmac-sha384"),
        algorithm("hmac-sha512"),
        template("{body}.{method}{url}{path}{query}{query:x}{header:x-any}"),
        template("v0:{body_sha256_hex}"),
        shaped(&|form| form.signature.prefix = "sha256=".into()),
        shaped(&|form| form.signature.location = location("query:signature")),
        shaped(&|form| form.signature.encoding = Encoding::Base64Url),
        shaped(&|form| form.signature.layout = Layout::List { separator: ',' }),
        shaped(&|form| {
            form.signature.layout = Layout::Positional { separator: ',' };
            form.timestamp =
                Some(TimestampForm { source: TimestampSource::Signature, unit: TimeUnit::Milliseconds });
            form.signed = vec!["{timestamp}.{body}".parse().unwrap()];
        }),
        shaped(&|form| {
            form.algorithm = Algorithm::Digest(Sha::Sha256);
            form.signed = vec!["{secret}{body}{secret}".parse().unwrap()];
        }),
        shaped(&|form| {
            form.signed.clear();
            form.signature.location = location("header:authorization");
            form.signature.prefix = "Bearer ".into();
            form.signature.encoding = Encoding::Text;
            form.timestamp =
                Some(TimestampForm { source: TimestampSource::Claim("iat".into()), unit: TimeUnit::Seconds });
            form.algorithm = Algorithm::Jwt(Box::new(JwtForm {
                algorithms: vec![JwtAlgorithm::Hs256],
                body_hash: Some(BodyHashClaim {
                    claim: "sha".into(),
                    digest: Sha::Sha256,
                    encoding: Encoding::Hex,
                    absent_if_empty: false,
                }),
                issuer: Some("sender".into()),
                ..JwtForm::default()
            }));
        }),
        timed(),
        standard(),
    ]
}

fn scheme() -> impl Strategy<Value = Scheme> {
    proptest::sample::select(schemes())
}

proptest! {
    #[test]
    fn what_a_sender_signs_is_accepted(scheme in scheme(), body: Vec<u8>, secret in "[!-~]{1,80}") {
        let delivery = Delivery::signed(&scheme, &secret, HeaderMap::new(), &body).unwrap();
        let verified = delivery.verify(&scheme, &["another", &secret]).unwrap();
        prop_assert_eq!(verified.secret_index(), if secret == "another" { 0 } else { 1 });
    }

    #[test]
    fn a_changed_bit_of_the_body_is_refused(
        scheme in scheme(), body in proptest::collection::vec(any::<u8>(), 1..64), at: prop::sample::Index, bit in 0..8_u8,
    ) {
        let mut delivery = Delivery::signed(&scheme, "secret", HeaderMap::new(), &body).unwrap();
        delivery.body[at.index(body.len())] ^= 1_u8 << bit;
        prop_assert_eq!(delivery.word(&scheme), "signature_mismatch");
    }

    #[test]
    fn a_longer_or_shorter_body_is_refused(scheme in scheme(), body: Vec<u8>, more: u8) {
        let mut delivery = Delivery::signed(&scheme, "secret", HeaderMap::new(), &body).unwrap();
        delivery.body.push(more);
        prop_assert_eq!(delivery.word(&scheme), "signature_mismatch");
        delivery.body.truncate(body.len().saturating_sub(1));
        prop_assert_eq!(delivery.word(&scheme) == "verified", body.is_empty());
    }

    #[test]
    fn what_was_fed_beyond_the_body_does_not_count(scheme in scheme(), body: Vec<u8>, kept: prop::sample::Index) {
        let delivery = Delivery::signed(&scheme, "secret", HeaderMap::new(), &body).unwrap();
        prop_assume!(!delivery.body.is_empty());
        let (target, keys) = (delivery.url.strip_prefix(ORIGIN).unwrap(), keys(&scheme, &["secret"]));
        let head = Head { method: "POST", target, origin: Some(ORIGIN), headers: &delivery.headers };
        let mut verification = begin(&scheme, &keys, &head, Some(WINDOW), seconds(NOW)).unwrap();
        verification.update(&delivery.body);
        // All that was signed has been hashed, and yet it is not what would be forwarded.
        let shorter = &delivery.body[..kept.index(delivery.body.len())];
        prop_assert!(verification.finish(&head, shorter).is_err());
    }

    #[test]
    fn a_changed_character_of_the_signature_is_refused(at: prop::sample::Index, other in b'0'..=b'f') {
        let delivery = Delivery::signed(&hmac("{body}"), "secret", HeaderMap::new(), b"{}").unwrap();
        let mut text = delivery.header("x-signature").as_bytes().to_vec();
        let place = at.index(text.len());
        prop_assume!(text[place] != other);
        text[place] = other;
        let changed = delivery.with("x-signature", std::str::from_utf8(&text).unwrap());
        let result = changed.verify(&hmac("{body}"), &["secret"]);
        prop_assert!(result.is_err());
    }

    #[test]
    fn whatever_arrives_is_refused_and_nothing_panics(
        scheme in scheme(), header in "[ -~]{0,60}|(t=[0-9]{0,20},)?v1=?,?[0-9a-f]{64}", body: Vec<u8>, now: i64,
    ) {
        let names = ["x-signature", "webhook-signature", "webhook-timestamp", "webhook-id", "authorization", "x-any"];
        let headers: Vec<_> = names.map(|name| (name, header.as_str())).into();
        let delivery = Delivery::plain(&headers, &body);
        prop_assert!(delivery.verify_at(&scheme, &keys(&scheme, &["secret"]), UnixTime::from_millis(now)).is_err());
    }

    #[test]
    fn no_time_wraps_into_the_window(sent in 0_i64..=i64::MAX / 1000, now in prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>()]) {
        let delivery = Delivery::signed(&timed(), "secret", HeaderMap::new(), b"{}").unwrap();
        let text = delivery.header("x-signature").replace(&NOW.to_string(), &sent.to_string());
        let result = delivery.with("x-signature", &text).verify_at(&timed(), &keys(&timed(), &["secret"]), UnixTime::from_millis(now));
        let word = result.map_or_else(|rejection| rejection.word(), |_| "verified");
        let apart = i128::from(sent) * 1000 - i128::from(now);
        prop_assert_eq!(word, match apart {
            ..-300_000 => "timestamp_too_old",
            60_001.. => "timestamp_in_future",
            _ if sent == NOW => "verified",
            _ => "signature_mismatch",
        });
    }
}

#[test]
fn both_edges_of_the_window_are_inside() {
    let delivery = Delivery::signed(&timed(), "secret", HeaderMap::new(), b"{}").unwrap();
    let at = |millis: i64| {
        let result = delivery.verify_at(
            &timed(),
            &keys(&timed(), &["secret"]),
            UnixTime::from_millis(NOW * 1000 + millis),
        );
        result.map_or_else(
            |rejection| rejection.to_string(),
            |verified| verified.timestamp().unwrap().to_string(),
        )
    };
    assert_eq!(at(300_000), NOW.to_string());
    assert_eq!(at(300_001), "sent 300.001 s ago, at most 300 s are allowed");
    assert_eq!(at(-60_000), NOW.to_string());
    assert_eq!(at(-60_001), "sent 60.001 s ahead of our clock, at most 60 s are allowed");
}

#[test]
fn the_head_alone_refuses_what_it_can() {
    let keys = keys(&timed(), &["secret"]);
    let refused = |headers: &[(&'static str, &str)]| {
        let headers = map(headers);
        let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
        begin(&timed(), &keys, &head, Some(WINDOW), seconds(NOW)).err().map(|rejection| rejection.word())
    };
    let signature = "ab".repeat(32);
    let good = format!("t={NOW},v1={signature}");
    assert_eq!(refused(&[("x-signature", &good)]), None);
    assert_eq!(refused(&[]), Some("signature_missing"));
    assert_eq!(refused(&[("x-signature", "")]), Some("signature_missing"));
    assert_eq!(refused(&[("x-signature", &good), ("x-signature", &good)]), Some("signature_malformed"));
    assert_eq!(refused(&[("x-signature", &format!("{good}zz"))]), Some("signature_malformed"));
    assert_eq!(refused(&[("x-signature", &good[..good.len() - 2])]), Some("signature_malformed"));
    assert_eq!(refused(&[("x-signature", &format!("v1={signature}"))]), Some("timestamp_missing"));
    assert_eq!(refused(&[("x-signature", &format!("t=,v1={signature}"))]), Some("timestamp_missing"));
    assert_eq!(refused(&[("x-signature", &format!("t=-1,v1={signature}"))]), Some("timestamp_malformed"));
    assert_eq!(refused(&[("x-signature", &format!("t=1,v1={signature}"))]), Some("timestamp_too_old"));
    assert_eq!(
        refused(&[("x-signature", &format!("t=9999999999,v1={signature}"))]),
        Some("timestamp_in_future")
    );
}

#[test]
fn a_window_that_is_off_still_wants_the_time() {
    let delivery = Delivery::signed(&timed(), "secret", HeaderMap::new(), b"{}").unwrap();
    let keys = keys(&timed(), &["secret"]);
    let check = |delivery: &Delivery| {
        let head = Head { method: "POST", target: "/", origin: None, headers: &delivery.headers };
        verify(&timed(), &keys, &head, &delivery.body, None, seconds(0)).map_err(|rejection| rejection.word())
    };
    assert_eq!(check(&delivery).unwrap().timestamp(), Some(seconds(NOW)));
    let without = delivery.header("x-signature").split_once(',').unwrap().1.to_owned();
    assert_eq!(check(&delivery.with("x-signature", &without)).err(), Some("timestamp_missing"));
}

#[test]
fn any_signature_and_any_secret_may_fit() {
    let delivery = Delivery::signed(&standard(), "new", HeaderMap::new(), b"{}").unwrap();
    let good = delivery.header("webhook-signature").to_owned();
    let wrong = format!("v1,{}", "A".repeat(43));
    let both = delivery.with("webhook-signature", &format!("{wrong} v1a,zzz {good}"));
    assert_eq!(both.verify(&standard(), &["old", "new"]).unwrap().secret_index(), 1);
    assert_eq!(both.verify(&standard(), &["new", "old"]).unwrap().secret_index(), 0);
    let refused = both.verify(&standard(), &["old", "older"]).unwrap_err();
    assert_eq!(refused.to_string(), "none of 2 signature(s) fits any of 2 secret(s)");
    let other_version = delivery.with("webhook-signature", &good.replace("v1,", "v1a,"));
    assert_eq!(other_version.verify(&standard(), &["new"]).unwrap_err().word(), "signature_malformed");
}

#[test]
fn no_secret_verifies_nothing() {
    let delivery = Delivery::signed(&hmac("{body}"), "secret", HeaderMap::new(), b"{}").unwrap();
    assert_eq!(delivery.verify(&hmac("{body}"), &[]).unwrap_err().word(), "signature_mismatch");
}

#[test]
fn an_id_that_could_be_cut_in_two_ways_is_refused_although_it_is_signed_so() {
    let delivery = Delivery::signed(&standard(), "secret", HeaderMap::new(), br#"{"a":1}"#).unwrap();
    assert_eq!(delivery.word(&standard()), "verified");
    assert_eq!(delivery.with("webhook-id", "msg.1").word(&standard()), "signature_malformed");
}

/// The seeds' vectors: made elsewhere, from the senders' own descriptions.
#[test]
fn the_published_deliveries_are_accepted() {
    let body = br#"{"event":"verification.completed","timestamp":"2024-01-15T11:45:23Z","data":{"verification_id":"ver_abcdef1234567890","verified":true}}"#;
    let signature = "e2bf528a7802329b24cecd22c7f9026b736e6e6c767836715f25138e1298a780";
    let delivery = Delivery::plain(&[("x-signature", signature)], body);
    assert!(delivery.verify(&hmac("{body}"), &["your-webhook-secret"]).is_ok());
    assert!(
        delivery
            .with("x-signature", &signature.to_uppercase())
            .verify(&hmac("{body}"), &["your-webhook-secret"])
            .is_ok()
    );

    let body = br#"{"id":"evt-7e98d73e","type":"SecretUpdated","timestamp":"2026-03-18T10:30:00Z","tenantId":"t1","data":{"key":"DATABASE_URL","metadata":{}}}"#;
    let header = "t=1773829800,v1=802722e55953fd3a36d8afc3cdebef7b3c9a498ab936610e10e0cdd013b9f904";
    let delivery = Delivery::plain(&[("x-signature", header)], body);
    assert_eq!(delivery.verify(&timed(), &["whsec-abc123"]).unwrap().timestamp(), Some(seconds(NOW)));
}

/// `SHA-256(secret + body)` gives away that of the same text with padding and more behind it.
#[test]
fn a_digest_that_begins_with_its_secret_is_for_texts_alone() {
    let digest = |template: &str| {
        let mut form = Alternative::new(location("header:x-signature"), template.parse().unwrap());
        form.algorithm = Algorithm::Digest(Sha::Sha256);
        one(form)
    };
    let word = |template: &str, body: &[u8]| {
        Delivery::signed(&digest(template), "secret", HeaderMap::new(), body).unwrap().word(&digest(template))
    };
    assert_eq!(word("{secret}{body}", "{\"\u{e4}\":1}".as_bytes()), "verified");
    assert_eq!(word("{secret}.{body}", b"{}\x80\0\0,{}"), "signature_malformed");
    assert_eq!(word("{body}{secret}", b"{}\x80\0\0,{}"), "verified");
}

#[test]
fn a_time_that_touches_the_body_ends_with_its_offset() {
    let scheme = |template: &str| {
        let mut form = Alternative::new(location("header:x-signature"), template.parse().unwrap());
        let source = TimestampSource::Header("x-time".parse().unwrap());
        form.timestamp = Some(TimestampForm { source, unit: TimeUnit::Rfc3339 });
        one(form)
    };
    let word = |template: &str, cut: &str| {
        let scheme = scheme(template);
        let mut delivery = Delivery::signed(&scheme, "secret", HeaderMap::new(), b"{}").unwrap();
        let time = delivery.header("x-time").strip_suffix(cut).unwrap().to_owned();
        delivery.body = [cut.as_bytes(), b"{}"].concat();
        delivery.with("x-time", &time).word(&scheme)
    };
    assert_eq!(word("{timestamp}{body}", ""), "verified");
    assert_eq!(word("{timestamp}{body}", "Z"), "timestamp_malformed");
    assert_eq!(word("{timestamp}{body_sha256_hex}", "Z"), "timestamp_malformed");
    assert_eq!(word("{timestamp}.{body}", "Z"), "signature_mismatch");
}

/// Receivers that do not mind the letter case would read the other one.
#[test]
fn what_is_signed_by_itself_stands_in_the_body_once() {
    let mut form = Alternative::new(location("header:x-signature"), "{json:/id}".parse().unwrap());
    form.unsigned_body = true;
    let scheme = one(form);
    let delivery = Delivery::signed(&scheme, "secret", HeaderMap::new(), br#"{"id":"1"}"#).unwrap();
    let word = |body: &[u8]| Delivery { body: body.to_vec(), ..delivery.clone() }.word(&scheme);
    assert_eq!(word(br#"{"id":"1","more":2}"#), "verified");
    for body in [&br#"{"id":"2","id":"1"}"#[..], br#"{"id":"1","ID":"2"}"#, br#"{"id":"1","id":null}"#] {
        assert_eq!(word(body), "signature_malformed", "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_sorted_form_and_a_digest_in_the_query_are_two_forms_of_one_sender() {
    let form = map(&[("content-type", "application/x-www-form-urlencoded")]);
    let delivery = Delivery::signed(&twilio(), "secret", form, b"To=%2B1&Body=a+b&Body=a+b").unwrap();
    assert_eq!(delivery.verify(&twilio(), &["secret"]).unwrap().form(), (1, 0));
    let mut reordered = delivery.clone();
    reordered.body = b"Body=a%20b&To=%2B1".to_vec();
    assert_eq!(reordered.word(&twilio()), "verified", "the same fields are the same content");
    reordered.body = b"Body=a%20c&To=%2B1".to_vec();
    assert_eq!(reordered.word(&twilio()), "signature_mismatch");

    let json =
        Delivery::signed(&twilio(), "secret", map(&[("content-type", "application/json")]), b"{}").unwrap();
    assert!(json.url.contains("bodySHA256="));
    assert_eq!(json.verify(&twilio(), &["secret"]).unwrap().form(), (0, 0));
    let changed = Delivery { body: b"[]".to_vec(), ..json.clone() };
    assert_eq!(changed.word(&twilio()), "signature_mismatch");
    let without_digest = Delivery { url: URL.into(), ..json };
    assert_eq!(without_digest.word(&twilio()), "signature_malformed", "JSON has no sorted form");
}

#[test]
fn a_url_may_have_been_signed_with_its_default_port() {
    let form = map(&[("content-type", "application/x-www-form-urlencoded")]);
    let request = SignRequest {
        method: "POST",
        url: "https://hooks.example.com:443/webhooks/a?x=1",
        headers: &form,
        body: b"a=1",
        id: None,
        timestamp: seconds(NOW),
    };
    let signed = sign(&twilio(), &Secret::new(b"secret".to_vec()), &request).unwrap();
    let delivery = Delivery { url: URL.into(), headers: form.clone(), body: signed.body };
    let signature = &signed.headers[0].1;
    assert_eq!(delivery.with("x-twilio-signature", signature).word(&twilio()), "verified");
    let mut strict = twilio();
    strict.alternatives.iter_mut().for_each(|alternative| alternative.url.ports = false);
    assert_eq!(delivery.with("x-twilio-signature", signature).word(&strict), "signature_mismatch");
}

#[test]
fn tokens_and_passwords_are_compared_whole() {
    let mut alternative = Alternative::new(location("header:x-token"), "{body}".parse().unwrap());
    alternative.algorithm = Algorithm::Token;
    alternative.signature.encoding = Encoding::Text;
    alternative.signed.clear();
    let token = one(alternative.clone());
    let word = |scheme: &Scheme, name: &'static str, value: &str| {
        Delivery::plain(&[(name, value)], b"").word(scheme)
    };
    assert_eq!(word(&token, "x-token", "secret"), "verified");
    for wrong in ["secre", "secrets", "Secret", "x"] {
        assert_eq!(word(&token, "x-token", wrong), "signature_mismatch", "{wrong}");
    }

    alternative.algorithm = Algorithm::Basic;
    alternative.signature.location = location("header:authorization");
    let basic = one(alternative);
    let delivery = Delivery::signed(&basic, "user:pass", HeaderMap::new(), b"").unwrap();
    assert_eq!(delivery.header("authorization"), "Basic dXNlcjpwYXNz");
    assert!(delivery.verify(&basic, &["user:pass"]).is_ok());
    assert_eq!(delivery.verify(&basic, &["user:past"]).unwrap_err().word(), "signature_mismatch");
    let bearer = delivery.with("authorization", "Bearer dXNlcjpwYXNz");
    assert_eq!(bearer.verify(&basic, &["user:pass"]).unwrap_err().word(), "signature_malformed");
}

#[test]
fn values_of_the_body_can_be_signature_time_and_content() {
    let mut alternative = Alternative::new(
        location("json:/signature/hash"),
        "{timestamp}{json:/signature/token}".parse().unwrap(),
    );
    alternative.unsigned_body = true;
    let source = TimestampSource::Json("/signature/timestamp".parse().unwrap());
    alternative.timestamp = Some(TimestampForm { source, unit: TimeUnit::Seconds });
    let mailgun = one(alternative);
    let body = format!(r#"{{"signature":{{"timestamp":"{NOW}","token":"abc"}},"event":{{"id":1}}}}"#);
    let delivery = Delivery::signed(&mailgun, "secret", HeaderMap::new(), body.as_bytes()).unwrap();
    let changed = |from: &str, to: &str| {
        let body = String::from_utf8(delivery.body.clone()).unwrap();
        assert!(body.contains(from));
        Delivery { body: body.replace(from, to).into_bytes(), ..delivery.clone() }.word(&mailgun)
    };
    assert_eq!(delivery.verify(&mailgun, &["secret"]).unwrap().timestamp(), Some(seconds(NOW)));
    assert_eq!(changed("abc", "abd"), "signature_mismatch");
    assert_eq!(changed("timestamp", "timestamq"), "timestamp_missing");
    assert_eq!(changed("hash", "hasi"), "signature_missing");
    assert_eq!(changed("{", "["), "signature_missing", "not JSON any more");
}

#[test]
fn a_signature_over_the_inflated_body_is_checked_so_only_where_the_sender_makes_it_so() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"{}").unwrap();
    let wire = encoder.finish().unwrap();
    let plain = Delivery::signed(&hmac("{body}"), "secret", HeaderMap::new(), b"{}").unwrap();
    let mut delivery = plain.with("content-encoding", "gzip");
    delivery.body = wire;
    let mut decoded = hmac("{body}");
    decoded.alternatives[0].body = BodyForm::Decoded;
    assert_eq!(delivery.word(&decoded), "verified");
    assert_eq!(delivery.word(&hmac("{body}")), "signature_mismatch");
}

/// Each public-key algorithm: signed with the private key, checked with the public one, refused with another.
#[test]
fn public_keys_check_what_private_keys_sign() {
    let pairs = [
        ("ed25519", &rcgen::PKCS_ED25519),
        ("ecdsa-p256-sha256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("ecdsa-p256-sha256-fixed", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("ecdsa-p256-sha1", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("ecdsa-p384-sha384", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("ecdsa-p384-sha384-fixed", &rcgen::PKCS_ECDSA_P384_SHA384),
    ];
    for (word, kind) in pairs {
        let mut alternative = Alternative::new(location("header:x-signature"), "{body}".parse().unwrap());
        alternative.algorithm = word.parse().unwrap();
        alternative.signature.encoding = Encoding::Base64;
        let scheme = one(alternative);
        let [mine, other] = [(), ()].map(|()| rcgen::KeyPair::generate_for(kind).unwrap());
        let delivery = Delivery::signed(&scheme, &mine.serialize_pem(), HeaderMap::new(), b"{}").unwrap();
        let public = mine.public_key_pem();
        assert!(delivery.verify(&scheme, &[&other.public_key_pem(), &public]).is_ok(), "{word}");
        assert!(delivery.verify(&scheme, &[&other.public_key_pem()]).is_err(), "{word}");
        let changed = Delivery { body: b"[]".to_vec(), ..delivery };
        assert!(changed.verify(&scheme, &[&public]).is_err(), "{word}");
    }
}

/// A key pair made for these tests; nothing else may use it.
pub(crate) const RSA_PRIVATE: &str = include_str!("testdata/rsa-private-for-tests-only.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("testdata/rsa-public-for-tests-only.pem");

#[test]
fn rsa_is_checked_with_the_padding_and_hash_that_the_sender_uses() {
    let scheme = |word: &str| {
        let mut alternative = Alternative::new(location("header:x-signature"), "{body}".parse().unwrap());
        alternative.algorithm = word.parse().unwrap();
        alternative.signature.encoding = Encoding::Base64;
        one(alternative)
    };
    let words =
        ["rsa-pkcs1-sha256", "rsa-pkcs1-sha384", "rsa-pkcs1-sha512", "rsa-pss-sha256", "rsa-pss-sha512"];
    for signed in words {
        let delivery = Delivery::signed(&scheme(signed), RSA_PRIVATE, HeaderMap::new(), b"{}").unwrap();
        for checked in words {
            let verified = delivery.verify(&scheme(checked), &[RSA_PUBLIC]).is_ok();
            assert_eq!(verified, signed == checked, "{signed} as {checked}");
        }
    }
    // Made with `openssl dgst -sha1 -sign`: SHA-1 is only ever checked here.
    let signature = "uH/0B3mnbJeY7bsGbWYj9HynPNj0G7hbl3xBJ9cmj0xg8lVXLX4mI1bN4dyf54j4ES244EJmx5eJM0hpNKEre0gM6JpYfoBW3TeSwE52\
        dNwW8R3nUe9WkPs8pzDT7PniOSpUkZtFnjfLrfxPmLpHSvDI02P2sGKT2kG6k2U2tGZhvZAoAgPgQ0Pbz1aLJgJJIV5h71mtSIaAeUHruOdG4soV\
        Dp1uEB67fAQHWzJZjrxHAfv41gcy+ksm0rxQ99+BMEdhrVkdgdR8s9GXqqpkHVoonvrHc8/riB1jdpnVsnYIfdcEHUSpbSIdQRVG5falAbPh8H3M\
        BnnJxxjVRVmNDw==";
    let sha1 = scheme("rsa-pkcs1-sha1");
    assert!(Delivery::plain(&[("x-signature", signature)], b"{}").verify(&sha1, &[RSA_PUBLIC]).is_ok());
    assert!(Delivery::plain(&[("x-signature", signature)], b"[]").verify(&sha1, &[RSA_PUBLIC]).is_err());
    assert!(Delivery::signed(&sha1, RSA_PRIVATE, HeaderMap::new(), b"{}").is_err());
}

fn jwt(algorithms: &[JwtAlgorithm]) -> Scheme {
    let mut alternative = Alternative::new(location("header:authorization"), "{body}".parse().unwrap());
    alternative.signed.clear();
    alternative.signature.prefix = "Bearer ".into();
    alternative.signature.encoding = Encoding::Text;
    alternative.algorithm = Algorithm::Jwt(Box::new(JwtForm {
        algorithms: algorithms.to_vec(),
        body_hash: Some(BodyHashClaim {
            claim: "sha".into(),
            digest: Sha::Sha256,
            encoding: Encoding::Base64,
            absent_if_empty: false,
        }),
        ..JwtForm::default()
    }));
    one(alternative)
}

#[test]
fn tokens_are_signed_and_checked_with_public_keys() {
    let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let p256 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    for (algorithm, private, public) in [
        (JwtAlgorithm::Rs256, RSA_PRIVATE, RSA_PUBLIC),
        (JwtAlgorithm::Rs384, RSA_PRIVATE, RSA_PUBLIC),
        (JwtAlgorithm::Rs512, RSA_PRIVATE, RSA_PUBLIC),
        (JwtAlgorithm::Ps256, RSA_PRIVATE, RSA_PUBLIC),
        (JwtAlgorithm::Ps384, RSA_PRIVATE, RSA_PUBLIC),
        (JwtAlgorithm::Ps512, RSA_PRIVATE, RSA_PUBLIC),
        (JwtAlgorithm::Es384, &p384.serialize_pem(), &p384.public_key_pem()),
        (JwtAlgorithm::EdDsa, &ed25519.serialize_pem(), &ed25519.public_key_pem()),
        (JwtAlgorithm::Es256, &p256.serialize_pem(), &p256.public_key_pem()),
    ] {
        let scheme = jwt(&[algorithm]);
        let delivery = Delivery::signed(&scheme, private, HeaderMap::new(), b"{}").unwrap();
        assert!(delivery.verify(&scheme, &[public]).is_ok(), "{algorithm:?}");
        let changed = Delivery { body: b"[]".to_vec(), ..delivery.clone() };
        assert_eq!(
            changed.verify(&scheme, &[public]).unwrap_err().word(),
            "signature_mismatch",
            "{algorithm:?}"
        );
        let late = delivery.verify_at(&scheme, &keys(&scheme, &[public]), seconds(NOW + 361)).unwrap_err();
        assert_eq!(late.word(), "timestamp_too_old", "{algorithm:?}");
    }
}

/// The oldest trick: the public key, which everybody has, taken as the key of a HMAC.
#[test]
fn a_public_key_is_never_the_key_of_a_hmac() {
    let forged = Delivery::signed(&jwt(&[JwtAlgorithm::Hs256]), RSA_PUBLIC, HeaderMap::new(), b"{}").unwrap();
    let scheme = jwt(&[JwtAlgorithm::Rs256]);
    assert_eq!(forged.verify(&scheme, &[RSA_PUBLIC]).unwrap_err().word(), "signature_malformed");
    // A scheme that lists both keeps the public key a public key.
    let Algorithm::Jwt(mut form) = scheme.alternatives[0].algorithm.clone() else { unreachable!() };
    form.algorithms.push(JwtAlgorithm::Hs256);
    let both = Scheme {
        alternatives: vec![Alternative { algorithm: Algorithm::Jwt(form), ..scheme.alternatives[0].clone() }],
    };
    assert_eq!(both.problems(), [""; 0]);
    assert_eq!(forged.verify(&both, &[RSA_PUBLIC]).unwrap_err().word(), "signature_mismatch");
    let mut digest = Alternative::new(location("header:x-signature"), "{secret}{body}".parse().unwrap());
    digest.algorithm = Algorithm::Digest(Sha::Sha256);
    for scheme in [hmac("{body}"), one(digest)] {
        let named = NamedSecret::new("0", Secret::new(RSA_PUBLIC.into()));
        assert!(matches!(scheme.prepare(&[named]).unwrap_err()[..], [(0, KeyError::NotAPublicKey { .. })]));
    }
}
