//! Tokens and detached signatures as a whole: what a sender signs is accepted, and nothing else is.

use http::HeaderMap;
use proptest::prelude::*;

use super::tests::{Delivery, NOW, RSA_PRIVATE, RSA_PUBLIC, keys, location, map, one, seconds};
use super::*;

const HS256: JwtAlgorithm = JwtAlgorithm::Hs256;

fn jwt(shape: impl FnOnce(&mut JwtForm, &mut Alternative)) -> Scheme {
    let mut alternative = Alternative::new(location("header:authorization"), "{body}".parse().unwrap());
    alternative.signed.clear();
    alternative.unsigned_body = true;
    alternative.signature.encoding = Encoding::Text;
    let mut form = JwtForm { algorithms: vec![HS256], ..JwtForm::default() };
    shape(&mut form, &mut alternative);
    alternative.algorithm = Algorithm::Jwt(Box::new(form));
    one(alternative)
}

fn detached(template: &str, shape: impl FnOnce(&mut JwsForm, &mut Alternative)) -> Scheme {
    let mut alternative = Alternative::new(location("header:x-jws"), template.parse().unwrap());
    alternative.signature.encoding = Encoding::Text;
    let mut form = JwsForm { algorithms: vec![HS256], ..JwsForm::default() };
    shape(&mut form, &mut alternative);
    alternative.algorithm = Algorithm::JwsDetached(form);
    one(alternative)
}

fn signed(scheme: &Scheme, secret: &str, body: &str) -> Delivery {
    Delivery::signed(scheme, secret, HeaderMap::new(), body.as_bytes()).unwrap()
}

#[test]
fn a_token_may_be_the_whole_body_and_its_claims_name_the_event() {
    let scheme = jwt(|_, form| {
        form.signature.location = Location::Body;
        form.unsigned_body = false;
    });
    let delivery = signed(&scheme, "secret", r#"{"event_id":"e1","data":"{\"type\":\"t\"}"}"#);
    assert_eq!(delivery.word(&scheme), "verified");
    for change in [" ", "\n", "x"] {
        let longer = Delivery { body: [&delivery.body, change.as_bytes()].concat(), ..delivery.clone() };
        assert_ne!(longer.word(&scheme), "verified", "{change:?}");
    }
    assert_eq!(Delivery { body: Vec::new(), ..delivery.clone() }.word(&scheme), "signature_missing");
    assert_eq!(Delivery { body: vec![0xff], ..delivery.clone() }.word(&scheme), "signature_malformed");

    let locators = |text: &str| vec![text.parse::<Locator>().unwrap()];
    let spec = EventSpec {
        id: locators("claim:/event_id"),
        event_type: locators("claim:/data#/type"),
        ..EventSpec::default()
    };
    let head = Head { method: "POST", target: "/", origin: None, headers: &delivery.headers };
    let event = event(&spec, &scheme, &head, &delivery.body);
    assert_eq!((event.id.unwrap(), event.event_type.unwrap()), ("e1".into(), "t".into()));
    let verified = delivery.verify(&scheme, &["secret"]).unwrap();
    let key = |part: &str| event_key("r", &locators(part), &scheme, &verified, &head, &delivery.body);
    assert!(key("claim:/event_id").is_ok() && key("signed").is_ok());
    assert!(key("claim:/none").is_err());
}

/// A body that is one long token is no header and has no header's limits.
#[test]
fn a_token_in_the_body_may_be_long() {
    let scheme = jwt(|_, form| {
        form.signature.location = Location::Body;
        form.unsigned_body = false;
    });
    let body = format!(r#"{{"text":"{}"}}"#, "x".repeat(100_000));
    assert_eq!(signed(&scheme, "secret", &body).word(&scheme), "verified");
}

#[test]
fn nothing_may_stand_beside_a_token_that_is_said_to_be_alone() {
    let scheme = |alone: bool| {
        jwt(|jwt, form| {
            form.signature.location = location("json:/token");
            form.unsigned_body = !alone;
            jwt.alone = alone;
        })
    };
    let delivery = signed(&scheme(false), "secret", "{}");
    assert_eq!(delivery.word(&scheme(true)), "verified");
    let text = String::from_utf8(delivery.body.clone()).unwrap();
    let beside = Delivery { body: text.replacen('{', r#"{"more":1,"#, 1).into_bytes(), ..delivery };
    assert_eq!(beside.word(&scheme(true)), "signature_malformed");
    assert_eq!(beside.word(&scheme(false)), "verified");
}

#[test]
fn claims_bind_body_and_url() {
    let hash = |absent_if_empty| BodyHashClaim {
        claim: "h".into(),
        digest: Sha::Sha256,
        encoding: Encoding::Hex,
        absent_if_empty,
    };
    let url = UrlHashClaim { claim: "u".into(), digest: Sha::Sha256, encoding: Encoding::Hex };
    let text = jwt(|jwt, form| {
        (jwt.body_text, form.unsigned_body) = (Some("data".into()), false);
    });
    let digest = jwt(|jwt, form| {
        (jwt.body_hash, form.unsigned_body) = (Some(hash(true)), false);
        (jwt.url_hash, jwt.url, jwt.query_hash) = (Some(url), Some("sub".into()), Some("qsh".into()));
        jwt.required = vec!["jti".into()];
    });
    for scheme in [text, digest] {
        let delivery = signed(&scheme, "secret", r#"{"a":1}"#);
        assert_eq!(delivery.word(&scheme), "verified");
        for body in ["", r#"{"a":2}"#, r#"{"a":1} "#] {
            let changed = Delivery { body: body.into(), ..delivery.clone() };
            assert_eq!(changed.word(&scheme), "signature_mismatch", "{body}");
        }
        let elsewhere = Delivery { url: "https://hooks.example.com/other?x=1".into(), ..delivery };
        assert_eq!(elsewhere.word(&scheme) == "verified", !scheme.signs_url());
        let empty = signed(&scheme, "secret", "");
        assert_eq!(empty.word(&scheme), "verified");
        assert_ne!(Delivery { body: b"x".into(), ..empty }.word(&scheme), "verified");
    }
}

/// FusionAuth signs with whatever kind of key it was given: the configured key's form decides, never the token.
#[test]
fn the_configured_keys_form_decides_between_hmac_and_public_keys() {
    let mixed = jwt(|jwt, _| jwt.algorithms = vec![HS256, JwtAlgorithm::Rs256, JwtAlgorithm::Es256]);
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let only = |algorithm| jwt(|jwt, _| jwt.algorithms = vec![algorithm]);
    let by_secret = signed(&only(HS256), "secret", "");
    let by_rsa = signed(&only(JwtAlgorithm::Rs256), RSA_PRIVATE, "");
    let by_ecdsa = signed(&only(JwtAlgorithm::Es256), &pair.serialize_pem(), "");
    let (rsa, ecdsa) = (RSA_PUBLIC, pair.public_key_pem());
    for (delivery, fits) in [(&by_secret, "secret"), (&by_rsa, rsa), (&by_ecdsa, &ecdsa)] {
        for key in ["secret", rsa, &ecdsa] {
            assert_eq!(delivery.verify(&mixed, &[key]).is_ok(), key == fits);
        }
    }
    // The oldest trick, in every form in which the public key may be had.
    let der = der::pem(rsa).unwrap().1;
    use base64::Engine as _;
    for public in [rsa, &encoding::BASE64.encode(der)] {
        let forged = signed(&only(HS256), public, "");
        assert_eq!(forged.verify(&mixed, &[public]).unwrap_err().word(), "signature_mismatch");
    }
    let none = by_rsa.header("authorization").split_once('.').unwrap().1.to_owned();
    let none = format!("{}.{none}", encoding::encode(br#"{"alg":"none"}"#, Encoding::Base64Url));
    let unsigned = by_rsa.with("authorization", &none);
    assert_eq!(unsigned.verify(&mixed, &[rsa]).unwrap_err().word(), "signature_malformed");
    // A token that names another curve's algorithm than the key has.
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let both = jwt(|jwt, _| jwt.algorithms = vec![JwtAlgorithm::Es256, JwtAlgorithm::Es384]);
    let other = signed(&only(JwtAlgorithm::Es384), &p384.serialize_pem(), "");
    assert_eq!(other.verify(&both, &[&ecdsa]).unwrap_err().word(), "signature_mismatch");
    assert!(other.verify(&both, &[&p384.public_key_pem()]).is_ok());
}

#[test]
fn a_detached_signature_covers_the_templates_bytes() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    for payload in [JwsPayload::Encoded, JwsPayload::Plain, JwsPayload::Either] {
        let scheme = detached("{timestamp}.{body|base64url}", |jws, form| {
            (jws.payload, jws.algorithms) = (payload, vec![JwtAlgorithm::EdDsa]);
            let source = TimestampSource::Header("x-time".parse().unwrap());
            form.timestamp = Some(TimestampForm { source, unit: TimeUnit::Milliseconds });
        });
        let delivery = signed(&scheme, &pair.serialize_pem(), r#"{"a":1}"#);
        let public = [pair.public_key_pem()];
        let public: Vec<&str> = public.iter().map(String::as_str).collect();
        assert_eq!(delivery.verify(&scheme, &public).unwrap().timestamp(), Some(seconds(NOW)));
        let changed = Delivery { body: b"{}".into(), ..delivery.clone() };
        assert_eq!(changed.verify(&scheme, &public).unwrap_err().word(), "signature_mismatch");
        let late = delivery.verify_at(&scheme, &keys(&scheme, &public), seconds(NOW + 301)).unwrap_err();
        assert_eq!(late.word(), "timestamp_too_old");
        let fresh = delivery.with("x-time", &format!("{NOW}001"));
        assert_eq!(fresh.verify(&scheme, &public).unwrap_err().word(), "signature_mismatch");
    }
}

#[test]
fn headers_that_the_jws_lists_are_signed_and_the_send_time_must_be_among_them() {
    let scheme = detached("{method} {path}\n{jws_headers:names}{body}", |_, form| {
        let source = TimestampSource::Header("x-time".parse().unwrap());
        form.timestamp = Some(TimestampForm { source, unit: TimeUnit::Seconds });
    });
    let delivery = signed(&scheme, "secret", "{}");
    assert_eq!(delivery.word(&scheme), "verified");
    assert_eq!(delivery.with("x-time", &(NOW + 1).to_string()).word(&scheme), "signature_mismatch");
    let unlisted = detached("{method} {path}\n{body}", |_, _| {});
    let other = signed(&unlisted, "secret", "{}").with("x-time", &NOW.to_string());
    assert_eq!(other.word(&scheme), "timestamp_missing", "its list does not name the time");
    let elsewhere = Delivery { url: "https://hooks.example.com/other".into(), ..delivery };
    assert_eq!(elsewhere.word(&scheme), "signature_mismatch");
}

#[test]
fn a_wrapped_signature_is_found_in_its_json() {
    let mut alternative = Alternative::new(location("header:x-signature"), "{body}".parse().unwrap());
    alternative.algorithm = "ecdsa-p256-sha1".parse().unwrap();
    alternative.signature.encoding = Encoding::Base64;
    alternative.signature.wrapped =
        Some(Wrapped { signature: "/signature".parse().unwrap(), key_id: Some("/kid".parse().unwrap()) });
    let scheme = one(alternative);
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let delivery = signed(&scheme, &pair.serialize_pem(), "{}");
    assert!(delivery.verify(&scheme, &[&pair.public_key_pem()]).is_ok());
    let changed = Delivery { body: b"[]".into(), ..delivery.clone() };
    assert_eq!(changed.verify(&scheme, &[&pair.public_key_pem()]).unwrap_err().word(), "signature_mismatch");
    let bare = delivery.with("x-signature", "AAAA");
    assert_eq!(bare.verify(&scheme, &[&pair.public_key_pem()]).unwrap_err().word(), "signature_malformed");
}

proptest! {
    #[test]
    fn whatever_arrives_is_refused_and_nothing_panics(
        text in "[ -~]{0,60}|eyJhbGciOiJIUzI1NiJ9\\.[A-Za-z0-9_-]{0,20}\\.[A-Za-z0-9_-]{43}", body: Vec<u8>, now: i64,
    ) {
        let now = crate::time::UnixTime::from_millis(now);
        let whole = jwt(|_, form| (form.signature.location, form.unsigned_body) = (Location::Body, false));
        for scheme in [whole, jwt(|_, _| {}), detached("{jws_headers:h}{body}", |_, _| {})] {
            let headers = map(&[("authorization", text.as_str()), ("x-jws", text.as_str())]);
            for body in [body.clone(), text.clone().into_bytes()] {
                let delivery = Delivery { body, headers: headers.clone(), ..Delivery::plain(&[], b"") };
                prop_assert!(delivery.verify_at(&scheme, &keys(&scheme, &["secret"]), now).is_err());
            }
        }
    }
}
