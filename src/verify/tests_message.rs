//! HTTP message signatures as a whole: the standard's own answers, and what a sender signs and nothing else.

use http::HeaderMap;

use super::tests::{Delivery, NOW, RSA_PRIVATE, RSA_PUBLIC, keys, location, map, one, seconds};
use super::*;
use crate::time::{Tolerance, UnixTime};

fn message(shape: impl FnOnce(&mut MessageForm, &mut Alternative)) -> Scheme {
    let mut alternative = Alternative::new(location("header:signature"), "{body}".parse().unwrap());
    alternative.signed.clear();
    alternative.timestamp =
        Some(TimestampForm { source: TimestampSource::Parameter("created".into()), unit: TimeUnit::Seconds });
    let mut form = MessageForm::default();
    shape(&mut form, &mut alternative);
    alternative.algorithm = Algorithm::HttpMessage(form);
    one(alternative)
}

/// RFC 9421, appendix B: the request, its keys and the signatures of B.2.1 to B.2.3, B.2.5 and B.2.6. (B.2.4 signs a response.)
mod published {
    pub(super) const CREATED: i64 = 1_618_884_473;
    pub(super) const DIGEST: &str =
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
    pub(super) const SHARED: &str =
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    pub(super) const ED25519: &str = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
    pub(super) const RSA_PSS: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2\
        +QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+\
        oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq\
        gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W\
        Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4\
        aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI\
        2wIDAQAB";
    pub(super) const B21: (&str, &str) = (
        r#"sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
        "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7z\
         FZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWw\
         E56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPY\
         TU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:",
    );
    pub(super) const B22: (&str, &str) = (
        r#"sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
        "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkS\
         owOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqW\
         FQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0\
         aaUEb0rQl3/XaVe4bXTugEjHSw==:",
    );
    pub(super) const B23: (&str, &str) = (
        r#"sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
        "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp76\
         8ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91\
         kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyo\
         EZAFL2FUo5fTIztsDZKEgM4cUA==:",
    );
    pub(super) const B25: (&str, &str) = (
        r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
        "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
    );
    pub(super) const B26: (&str, &str) = (
        r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
    );
}

fn published(scheme: &Scheme, (input, signature): (&str, &str), secret: &str, body: &str) -> &'static str {
    let headers = map(&[
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        ("content-digest", published::DIGEST),
        ("content-length", "18"),
        ("signature-input", input),
        ("signature", signature),
    ]);
    let head = Head {
        method: "POST",
        target: "/foo?param=Value&Pet=dog",
        origin: Some("https://example.com"),
        headers: &headers,
    };
    let second = std::time::Duration::from_secs(1);
    let window = Some(Tolerance { past: second, future: second });
    let now = seconds(published::CREATED + 1);
    let result = verify(scheme, &keys(scheme, &[secret]), &head, body.as_bytes(), window, now);
    result.map_or_else(|rejection| rejection.word(), |_| "verified")
}

const HELLO: &str = r#"{"hello": "world"}"#;

#[test]
fn the_standards_answers_that_cover_the_body_are_accepted() {
    let scheme = message(|_, _| {});
    for answer in [published::B22, published::B23] {
        assert_eq!(published(&scheme, answer, published::RSA_PSS, HELLO), "verified", "{}", answer.0);
        assert_eq!(published(&scheme, answer, published::RSA_PSS, "{}"), "signature_mismatch");
        assert_eq!(published(&scheme, answer, published::ED25519, HELLO), "signature_mismatch");
        assert_eq!(published(&scheme, answer, published::SHARED, HELLO), "signature_mismatch");
    }
}

#[test]
fn the_standards_answers_that_leave_out_the_body_are_accepted_only_where_the_scheme_says_so() {
    let unsigned = message(|_, form| {
        form.unsigned_body = true;
        form.key.encoding = KeyEncoding::Base64;
    });
    let covered = message(|_, form| form.key.encoding = KeyEncoding::Base64);
    for (answer, key) in [
        (published::B21, published::RSA_PSS),
        (published::B25, published::SHARED),
        (published::B26, published::ED25519),
    ] {
        assert_eq!(published(&unsigned, answer, key, "any"), "verified", "{}", answer.0);
        assert_eq!(published(&covered, answer, key, HELLO), "signature_malformed", "{}", answer.0);
    }
}

fn signed(scheme: &Scheme, secret: &str, body: &str) -> Delivery {
    Delivery::signed(scheme, secret, HeaderMap::new(), body.as_bytes()).unwrap()
}

#[test]
fn every_kind_of_key_signs_and_verifies_and_no_other() {
    let scheme = message(|_, _| {});
    let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let p256 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let pairs = [
        ("secret".to_owned(), "secret".to_owned()),
        (RSA_PRIVATE.to_owned(), RSA_PUBLIC.to_owned()),
        (ed25519.serialize_pem(), ed25519.public_key_pem()),
        (p256.serialize_pem(), p256.public_key_pem()),
        (p384.serialize_pem(), p384.public_key_pem()),
    ];
    for (private, _) in &pairs {
        let delivery = signed(&scheme, private, "{}");
        for (other, public) in &pairs {
            let verified = delivery.verify(&scheme, &[public]);
            assert_eq!(verified.is_ok(), other == private, "{public}");
        }
    }
}

#[test]
fn the_algorithm_that_the_sender_names_must_be_the_keys() {
    let scheme = message(|_, form| form.timestamp = None);
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let headers = |alg: &str| {
        let input = format!(r#"("content-digest");alg="{alg}""#);
        let digest = format!("sha-256=:{}:", encoding::encode(&mac::sha256(b"{}"), Encoding::Base64));
        let base = format!("\"content-digest\": {digest}\n\"@signature-params\": {input}");
        let pem = pair.serialize_pem();
        let signature = private_key::sign(pem.as_bytes(), public_key::Use::Ed25519, base.as_bytes()).unwrap();
        let signature = encoding::encode(&signature, Encoding::Base64);
        Delivery::plain(
            &[
                ("content-digest", digest.as_str()),
                ("signature-input", &format!("a={input}")),
                ("signature", &format!("a=:{signature}:")),
            ],
            b"{}",
        )
    };
    let word = |alg: &str| {
        let result = headers(alg).verify(&scheme, &[&pair.public_key_pem()]);
        result.map_or_else(|rejection| rejection.word(), |_| "verified")
    };
    assert_eq!(word("ed25519"), "verified");
    for alg in ["hmac-sha256", "ecdsa-p256-sha256", "none", ""] {
        assert_eq!(word(alg), "signature_mismatch", "{alg}");
    }
}

#[test]
fn created_and_expires_are_held_against_the_window() {
    let scheme = message(|_, _| {});
    let delivery = signed(&scheme, "secret", "{}");
    let at = |later: i64| {
        let result = delivery.verify_at(&scheme, &keys(&scheme, &["secret"]), seconds(NOW + later));
        result.map_or_else(|rejection| rejection.word(), |_| "verified")
    };
    assert_eq!(
        (at(300), at(301), at(-60), at(-61)),
        ("verified", "timestamp_too_old", "verified", "timestamp_in_future")
    );
    let input = delivery.header("signature-input").to_owned();
    let fresh = input.replace(&NOW.to_string(), &(NOW + 1).to_string());
    assert_eq!(delivery.with("signature-input", &fresh).word(&scheme), "signature_mismatch");
    let without = input.split_once(";created").unwrap().0;
    assert_eq!(delivery.with("signature-input", without).word(&scheme), "signature_mismatch");
}

#[test]
fn what_the_sender_signs_must_be_covered_and_few_signatures_are_allowed() {
    let plain = message(|_, _| {});
    let delivery = signed(&plain, "secret", "{}");
    let date = message(|form, _| form.required = vec!["date".into()]);
    assert_eq!(delivery.word(&date), "signature_malformed");
    let dated = map(&[("date", "Tue, 20 Apr 2021 02:07:55 GMT")]);
    let dated = Delivery::signed(&date, "secret", dated, b"{}").unwrap();
    assert_eq!(dated.word(&date), "verified");
    assert_eq!(dated.with("date", "x").word(&date), "signature_mismatch");
    let tagged = message(|form, _| form.tag = Some("sealed".into()));
    assert_eq!(delivery.word(&tagged), "signature_malformed");
    assert_eq!(signed(&tagged, "secret", "{}").word(&tagged), "verified");
    let label = message(|form, _| form.label = Some("other".into()));
    assert_eq!(delivery.word(&label), "signature_malformed");

    // Another's signature beside the right one does no harm; too many are not even looked at.
    let (input, signature) = (delivery.header("signature-input"), delivery.header("signature"));
    let beside = delivery
        .with("signature-input", &format!(r#"z=("content-digest"), {input}"#))
        .with("signature", &format!("z=:AAAA:, {signature}"));
    assert_eq!(beside.word(&plain), "verified");
    let single = message(|form, _| form.most = 1);
    assert_eq!(beside.word(&single), "signature_malformed");
    assert_eq!(delivery.word(&single), "verified");
}

#[test]
fn a_digest_of_the_body_must_be_there_and_right() {
    let scheme = message(|_, _| {});
    let delivery = signed(&scheme, "secret", "{}");
    assert_eq!(Delivery { body: b"[]".to_vec(), ..delivery.clone() }.word(&scheme), "signature_mismatch");
    let md5 = delivery.with("content-digest", "md5=:AAAA:");
    assert_eq!(md5.word(&scheme), "signature_malformed");
    let mut without = delivery.clone();
    without.headers.remove("content-digest");
    assert_eq!(without.word(&scheme), "signature_malformed");
    let mut unsaid = delivery.clone();
    unsaid.headers.remove("signature-input");
    assert_eq!(unsaid.word(&scheme), "signature_malformed");
    let spec = EventSpec::default();
    let head = Head { method: "POST", target: "/", origin: None, headers: &delivery.headers };
    assert_eq!(event(&spec, &scheme, &head, b"{}"), Event::default());
}

#[test]
fn the_signature_base_is_an_events_key() {
    let scheme = message(|_, _| {});
    let delivery = signed(&scheme, "secret", "{}");
    let verified = delivery.verify(&scheme, &["secret"]).unwrap();
    let target = delivery.url.strip_prefix("https://hooks.example.com").unwrap();
    let origin = Some("https://hooks.example.com");
    let head = Head { method: "POST", target, origin, headers: &delivery.headers };
    let key = event_key("r", &["signed".parse().unwrap()], &scheme, &verified, &head, &delivery.body);
    assert!(key.is_ok());
    assert_eq!(verified.timestamp(), UnixTime::from_seconds(NOW));
}

#[test]
fn where_all_keys_are_public_a_raw_one_is_no_shared_secret() {
    let scheme = |public| {
        message(|form, alternative| {
            form.public = public;
            alternative.key.encoding = KeyEncoding::Base64;
        })
    };
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let raw = encoding::encode(pair.public_key_raw(), Encoding::Base64);
    let forged = signed(&scheme(false), &raw, "{}");
    assert_eq!(forged.verify(&scheme(true), &[&raw]).unwrap_err().word(), "signature_mismatch");
    let real = signed(&scheme(true), &pair.serialize_pem(), "{}");
    assert!(real.verify(&scheme(true), &[&raw]).is_ok());
    assert!(
        scheme(true)
            .prepare(&[crate::secret::NamedSecret::new(
                "0",
                crate::secret::Secret::new(b"c2VjcmV0".to_vec()),
            )])
            .is_err()
    );
}
