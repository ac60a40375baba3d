//! Mistakes about the way of signing: another algorithm, other content, another form of the send time.

use http::HeaderName;

use crate::verify::{
    Algorithm, Alternative, Curve, Layout, Part, Sha, Template, TimeUnit, TimestampForm, TimestampSource,
};

use super::Question;
use super::attempt::Attempt;
use super::hypothesis::Undone;

const OWN: &str = "correct the signer, or describe it under `providers:`";

/// Another member of the family: SHA-1 for SHA-256, PSS for PKCS#1, DER for the fixed form.
pub(super) fn algorithm<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let Some(expected) = attempt.scheme.alternatives.first().map(|form| &form.algorithm) else {
        return Vec::new();
    };
    family(expected)
        .iter()
        .filter_map(|word| {
            let other: Algorithm = word.parse().ok()?;
            let changed = attempt.with_forms(|form| {
                if family(&form.algorithm) == family(expected) {
                    form.algorithm = other.clone();
                }
            })?;
            Some(Undone::new(changed, format!("the signer used {word}, which this sender does not: {OWN}")))
        })
        .collect()
}

/// A plain digest over secret and content in place of an HMAC.
pub(super) fn not_hmac<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let mut undone = Vec::new();
    for (first, how) in [(true, "secret before the content"), (false, "secret after the content")] {
        let changed = attempt.with_forms(|form| {
            let Algorithm::Hmac(sha) = form.algorithm else { return };
            form.algorithm = Algorithm::Digest(sha);
            form.signed = form
                .signed
                .iter()
                .filter_map(|template| {
                    if first { format!("{{secret}}{template}") } else { format!("{template}{{secret}}") }
                        .parse()
                        .ok()
                })
                .collect();
        });
        let advice = format!(
            "the signer made a plain digest ({how}) and no HMAC, which can be forged: use HMAC there"
        );
        undone.extend(changed.map(|changed| Undone::new(changed, advice)));
    }
    undone
}

/// Other content: without the time, with it, joined otherwise, or the body's digest.
pub(super) fn content<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let mut undone = Vec::new();
    let expected: Vec<_> =
        attempt.scheme.alternatives.iter().flat_map(|form| &form.signed).map(ToString::to_string).collect();
    let expected = expected.first().cloned().unwrap_or_default();
    let mut push = |changed: Option<Attempt<'q>>, content: &str| {
        let advice = format!("the signer signed `{content}`, this sender signs `{expected}`: {OWN}");
        undone.extend(changed.map(|changed| Undone::new(changed, advice)));
    };
    for content in CONTENTS {
        let Ok(template) = content.parse::<Template>() else { continue };
        let timed = template.leaves().any(|part| *part == Part::Timestamp);
        if !timed || attempt.scheme.alternatives.iter().any(|form| form.timestamp.is_some()) {
            push(attempt.with_forms(|form| sign_with(form, &template, timed)), content);
        }
        if timed {
            for (name, unit) in time_headers(attempt) {
                let changed = attempt.with_forms(|form| {
                    if form.timestamp.is_none() {
                        let source = TimestampSource::Header(name.clone());
                        form.timestamp = Some(TimestampForm { source, unit });
                        sign_with(form, &template, true);
                    }
                });
                push(changed, &content.replace("{timestamp}", &format!("{{header:{name}}}")));
            }
        }
    }
    undone
}

/// The send time in another unit or form than this sender writes.
pub(super) fn timestamp<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let mut undone = Vec::new();
    for (unit, name) in [
        (TimeUnit::Seconds, "seconds"),
        (TimeUnit::Milliseconds, "milliseconds"),
        (TimeUnit::Rfc3339, "an RFC 3339 time"),
        (TimeUnit::Rfc2822, "an RFC 2822 time"),
    ] {
        let changed = attempt.with_forms(|form| {
            if let Some(timestamp) = &mut form.timestamp {
                timestamp.unit = unit;
            }
        });
        let advice = format!("the send time is written as {name}, which this sender does not do: {OWN}");
        undone.extend(changed.map(|changed| Undone::new(changed, advice)));
    }
    for (name, unit) in time_headers(attempt) {
        let changed = attempt.with_forms(|form| {
            if let Some(TimestampForm { source: TimestampSource::Header(_), .. }) = form.timestamp {
                form.timestamp = Some(TimestampForm { source: TimestampSource::Header(name.clone()), unit });
            }
        });
        let advice = format!("the send time stands in `{name}`, not where this sender puts it: {OWN}");
        undone.extend(changed.map(|changed| Undone::new(changed, advice)));
    }
    undone
}

/// One of the sender's own forms whose condition (a content type, a version header) does not hold.
pub(super) fn condition<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let forms = &attempt.scheme.alternatives;
    if forms.iter().all(|form| form.when.is_empty()) {
        return Vec::new();
    }
    forms
        .iter()
        .enumerate()
        .map(|(index, form)| {
            let mut changed = attempt.clone();
            changed.scheme.to_mut().alternatives = vec![Alternative { when: Vec::new(), ..form.clone() }];
            let advice = format!(
                "it is signed in the sender's form {} of {}, whose mark in the headers is missing or changed (its content \
                 type, its version): pass headers on as they came",
                index.saturating_add(1),
                forms.len()
            );
            Undone::new(changed, advice)
        })
        .collect()
}

/// What people sign, the commonest first.
const CONTENTS: &[&str] = &[
    "{body}",
    "{timestamp}.{body}",
    "{timestamp}{body}",
    "{timestamp}:{body}",
    "v0:{timestamp}:{body}",
    "v1:{timestamp}:{body}",
    "{body}{timestamp}",
    "{body}.{timestamp}",
    "{timestamp}\n{body}",
    "{timestamp}|{body}",
    "{body_sha256_hex}",
    "{body_sha256_base64}",
    "{timestamp}.{body_sha256_hex}",
    "{timestamp}",
    "{url}{body}",
    "{url}",
    "{method}{path}{body}",
    "{timestamp}{method}{path}{body}",
];

fn sign_with(form: &mut Alternative, template: &Template, timed: bool) {
    if matches!(
        form.algorithm,
        Algorithm::Token | Algorithm::Basic | Algorithm::Jwt(_) | Algorithm::HttpMessage(_)
    ) {
        return;
    }
    form.signed = vec![template.clone()];
    form.body_digest = None;
    form.unsigned_body = !template.covers_body();
    // A time that stands in the body's own bytes stays; one that is not there must not be asked for.
    if !timed && !matches!(form.signature.layout, Layout::Pairs(_) | Layout::Positional { .. }) {
        form.timestamp = None;
    }
}

/// Headers whose value looks like a time: digits of seconds or of milliseconds.
fn time_headers(attempt: &Attempt<'_>) -> Vec<(HeaderName, TimeUnit)> {
    let unit = |value: &str| match value.len() {
        _ if !value.bytes().all(|byte| byte.is_ascii_digit()) => None,
        10 => Some(TimeUnit::Seconds),
        13 => Some(TimeUnit::Milliseconds),
        _ => None,
    };
    let times =
        attempt.headers.iter().filter_map(|(name, value)| Some((name.clone(), unit(value.to_str().ok()?)?)));
    times.take(4).collect()
}

/// The algorithms that one kind of key can be used with.
fn family(algorithm: &Algorithm) -> &'static [&'static str] {
    match algorithm {
        Algorithm::Hmac(_) => &["hmac-sha256", "hmac-sha1", "hmac-sha512", "hmac-sha384"],
        Algorithm::Digest(_) => &["sha256", "sha1", "sha512", "sha384"],
        Algorithm::RsaPkcs1(_) | Algorithm::RsaPss(_) => &[
            "rsa-pkcs1-sha256",
            "rsa-pkcs1-sha1",
            "rsa-pkcs1-sha512",
            "rsa-pkcs1-sha384",
            "rsa-pss-sha256",
            "rsa-pss-sha512",
            "rsa-pss-sha384",
        ],
        Algorithm::Ecdsa(ecdsa) => match ecdsa.curve {
            Curve::P256 => &["ecdsa-p256-sha256", "ecdsa-p256-sha256-fixed", "ecdsa-p256-sha1"],
            Curve::P384 => &["ecdsa-p384-sha384", "ecdsa-p384-sha384-fixed"],
            Curve::P521 => &["ecdsa-p521-sha512", "ecdsa-p521-sha512-fixed"],
        },
        Algorithm::Ed25519
        | Algorithm::Token
        | Algorithm::Basic
        | Algorithm::Jwt(_)
        | Algorithm::JwsDetached(_)
        | Algorithm::HttpMessage(_) => &[],
    }
}

/// The length of what an algorithm makes, where it is fixed.
pub(super) fn digest_length(algorithm: &Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::Hmac(sha) | Algorithm::Digest(sha) => Some(Sha::length(*sha)),
        Algorithm::Ed25519 => Some(64),
        Algorithm::Ecdsa(ecdsa) => ecdsa.length(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Case, hmac};
    use super::*;

    #[test]
    fn sha1_or_sha512_for_sha256() {
        Case::signed(b"{}").mac(|key, content| hmac(Sha::Sha1, key, content)).is("algorithm", "hmac-sha1");
        Case::signed(b"{}")
            .mac(|key, content| hmac(Sha::Sha512, key, content))
            .is("algorithm", "hmac-sha512");
    }

    #[test]
    fn a_plain_digest_for_an_hmac() {
        use sha2::{Digest, Sha256};
        let plain = |key: &[u8], content: &[u8]| Sha256::digest([key, content].concat()).to_vec();
        Case::signed(b"{}").mac(plain).is("not_hmac", "secret before");
        let after = |key: &[u8], content: &[u8]| Sha256::digest([content, key].concat()).to_vec();
        Case::signed(b"{}").mac(after).is("not_hmac", "secret after");
    }

    #[test]
    fn signed_without_the_time_or_with_it() {
        let timed = || Case::signed(b"{}").timed("x-time", TimeUnit::Seconds, "1700000000");
        timed().signs("{timestamp}.{body}").content(b"{}").is("signed_content", "signed `{body}`");
        timed()
            .signs("{timestamp}.{body}")
            .content(b"1700000000{}")
            .is("signed_content", "signed `{timestamp}{body}`");
        Case::signed(b"{}")
            .header("x-time", "1700000000")
            .content(b"1700000000.{}")
            .is("signed_content", "{header:x-time}.{body}");
    }

    #[test]
    fn the_digest_of_the_body_was_signed() {
        use sha2::{Digest, Sha256};
        let digest = hex::encode(Sha256::digest(b"{}"));
        Case::signed(b"{}").content(digest.as_bytes()).is("signed_content", "body_sha256_hex");
    }

    #[test]
    fn the_send_time_in_another_form() {
        Case::signed(b"{}")
            .timed("x-time", TimeUnit::Seconds, "2023-11-14T22:13:20Z")
            .signs("{timestamp}.{body}")
            .content(b"2023-11-14T22:13:20Z.{}")
            .is("timestamp_form", "RFC 3339");
    }

    #[test]
    fn a_form_whose_mark_got_lost() {
        use crate::verify::{Condition, Subject, Test};
        let mark = Condition { subject: Subject::Header("x-version".parse().unwrap()), test: Test::Present };
        Case::signed(b"{}").form(|form| form.when = vec![mark.clone()]).is("form_condition", "form 1 of 1");
    }
}
