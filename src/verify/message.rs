//! HTTP message signatures (RFC 9421) whose coverage of the body is a digest in a covered header (RFC 9530).

use std::time::Duration;

use http::HeaderName;
use subtle::{Choice, ConstantTimeEq};

use crate::time::{Tolerance, UnixTime};

use super::body_proof::{BodyFact, BodyProof};
use super::claims::LEEWAY;
use super::delivery::Head;
use super::encoding::Bytes;
use super::headers::text;
use super::jose::malformed;
use super::jose_keys::MESSAGE_USES;
use super::jwt::outside;
use super::keys::Key;
use super::mac::Sink;
use super::message_base::signature_base;
use super::message_form::MessageForm;
use super::public_key::Use;
use super::rejection::Rejection;
use super::scheme::{Alternative, Curve, Ecdsa, Sha, TimestampSource};
use super::structured::{InnerList, Item, Member, dictionary};

/// One signature whose parameters and components could be read; nothing of it is proven yet.
pub(crate) struct MessageSignature {
    pub(crate) base: String,
    list: InnerList,
    signature: Bytes,
}

/// Every signature of the delivery that this sender's form allows.
///
/// # Errors
/// The first reason why one of them is not allowed, if none is.
pub(crate) fn read(
    form: &MessageForm,
    covers_body: bool,
    head: &Head<'_>,
) -> Result<Vec<MessageSignature>, Rejection> {
    let inputs = header(head, "signature-input")?;
    let signatures = header(head, "signature")?;
    if inputs.len() > form.most {
        return Err(malformed("there are more signatures than this sender writes"));
    }
    let mut found = Vec::new();
    let mut failure = malformed("none of the signatures has this sender's label");
    let wanted = |label: &str| form.label.as_deref().is_none_or(|wanted| wanted == label);
    for (label, input) in inputs.into_iter().filter(|(label, _)| wanted(label)) {
        let signature = signatures.iter().find(|(name, _)| *name == label).map(|(_, member)| member);
        let read = match (input, signature) {
            (Member::List(list), Some(Member::Item(Item::Bytes(bytes)))) => check(form, covers_body, &list)
                .and_then(|()| {
                    let base = signature_base(&list, head)?;
                    Ok(MessageSignature { base, list, signature: Bytes::from_slice(bytes) })
                }),
            _ => Err(malformed("the signature and what it covers do not stand under one label")),
        };
        match read {
            Ok(signature) => found.push(signature),
            Err(rejection) if found.is_empty() => failure = rejection,
            Err(_) => {}
        }
    }
    if found.is_empty() { Err(failure) } else { Ok(found) }
}

impl MessageSignature {
    /// For every key, whether it made this signature. All are tried.
    pub(crate) fn matches(&self, keys: &[Key]) -> Vec<Choice> {
        keys.iter().map(|key| self.is_signed_with(key)).collect()
    }

    /// The send time, held against the window, as are `created` and `expires` wherever they are present.
    pub(crate) fn check_time(
        &self,
        alternative: &Alternative,
        tolerance: Option<Tolerance>,
        now: UnixTime,
    ) -> Result<Option<UnixTime>, Rejection> {
        let leeway = tolerance.unwrap_or(Tolerance { past: LEEWAY, future: LEEWAY });
        if let Some(expires) = self.time("expires")? {
            let over = Tolerance { past: leeway.future, future: Duration::MAX };
            over.check(expires, now).map_err(|distance| outside(distance, over))?;
        }
        if let Some(created) = self.time("created")? {
            let early = Tolerance { past: Duration::MAX, future: leeway.future };
            early.check(created, now).map_err(|distance| outside(distance, early))?;
        }
        let name = match alternative.timestamp.as_ref().map(|time| &time.source) {
            Some(TimestampSource::Parameter(name)) => name,
            _ => return Ok(None),
        };
        let sent = self.time(name)?.ok_or(Rejection::TimestampMissing)?;
        match tolerance.map(|tolerance| (tolerance.check(sent, now), tolerance)) {
            Some((Err(distance), tolerance)) => Err(outside(distance, tolerance)),
            _ => Ok(Some(sent)),
        }
    }

    fn is_signed_with(&self, key: &Key) -> Choice {
        let algorithm = match self.list.parameters.get("alg") {
            Some(Item::String(name)) => Some(name.as_str()),
            None => None,
            Some(_) => return Choice::from(0),
        };
        let agrees = |name: &str| algorithm.is_none_or(|algorithm| algorithm == name);
        let message = self.base.as_bytes();
        match key {
            Key::Mac(states) if agrees("hmac-sha256") => states.iter().fold(Choice::from(0), |any, start| {
                let mut state = start.clone();
                state.write(message);
                any | state.finish().ct_eq(&self.signature)
            }),
            Key::Public(keys) => {
                let id = match self.list.parameters.get("keyid") {
                    Some(Item::String(id)) => Some(id.as_str()),
                    _ => None,
                };
                let keys = keys.iter().filter(|key| key.answers_to(id));
                let any = keys.fold(false, |any, key| {
                    let uses = MESSAGE_USES.iter().filter(|one| key.fits(**one) && agrees(name_of(**one)));
                    uses.fold(any, |any, one| key.verifies(*one, message, &self.signature) | any)
                });
                Choice::from(u8::from(any))
            }
            _ => Choice::from(0),
        }
    }

    fn time(&self, parameter: &str) -> Result<Option<UnixTime>, Rejection> {
        match self.list.parameters.get(parameter) {
            None => Ok(None),
            Some(Item::Integer(seconds)) => {
                UnixTime::from_seconds(*seconds).map(Some).ok_or(Rejection::TimestampMalformed)
            }
            Some(_) => Err(Rejection::TimestampMalformed),
        }
    }
}

/// The digests in `content-digest` (RFC 9530); of those that are understood every one must be the body's.
pub(crate) fn content_digest(head: &Head<'_>) -> Result<BodyProof, Rejection> {
    let mut proof = BodyProof::default();
    let mut known = false;
    for (name, member) in header(head, "content-digest")? {
        let sha = match name.as_str() {
            "sha-256" => Sha::Sha256,
            "sha-512" => Sha::Sha512,
            _ => continue,
        };
        let Member::Item(Item::Bytes(digest)) = member else {
            return Err(malformed("content-digest cannot be read"));
        };
        proof.push(BodyFact::Digest(sha, Bytes::from_slice(&digest)));
        known = true;
    }
    if known { Ok(proof) } else { Err(malformed("content-digest has neither sha-256 nor sha-512")) }
}

/// The name of an algorithm in the registry of RFC 9421.
pub(crate) fn name_of(wanted: Use) -> &'static str {
    match wanted {
        Use::Ed25519 => "ed25519",
        Use::Ecdsa(Ecdsa { curve: Curve::P256, .. }) => "ecdsa-p256-sha256",
        Use::Ecdsa(_) => "ecdsa-p384-sha384",
        Use::RsaPkcs1(_) => "rsa-v1_5-sha256",
        Use::RsaPss(_) => "rsa-pss-sha512",
    }
}

fn check(form: &MessageForm, covers_body: bool, list: &InnerList) -> Result<(), Rejection> {
    let covers = |name: &str| {
        let named = |item: &Item| matches!(item, Item::String(covered) if covered == name);
        list.items.iter().any(|(item, parameters)| named(item) && parameters.0.is_empty())
    };
    if covers_body && !covers("content-digest") {
        return Err(malformed("the signature does not cover content-digest, and so not the body"));
    }
    if !form.required.iter().all(|name| covers(name)) {
        return Err(malformed("the signature does not cover all that this sender signs"));
    }
    let tag = match list.parameters.get("tag") {
        Some(Item::String(tag)) => Some(tag),
        _ => None,
    };
    if form.tag.is_some() && form.tag.as_ref() != tag {
        return Err(malformed("the signature's tag is another one"));
    }
    Ok(())
}

/// The members of a dictionary in a header, which may stand on several lines.
fn header(head: &Head<'_>, name: &'static str) -> Result<Vec<(String, Member)>, Rejection> {
    let lines = HeaderName::from_static(name);
    let values: Option<Vec<&str>> = head.headers.values(&lines).map(text).collect();
    let members = values.and_then(|values| dictionary(&values.join(", ")));
    match members {
        Some(members) if !members.is_empty() => Ok(members),
        Some(_) if name == "signature" => Err(malformed("there is no signature")),
        Some(_) => Err(malformed("what is signed is not said: signature-input or content-digest is missing")),
        None => Err(malformed("a header of the signature is no dictionary of structured fields")),
    }
}
