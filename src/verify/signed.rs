//! The digest of what a verified delivery's signature covers, for senders whose ids are not signed.

use super::body::{self, Body, Place, locate};
use super::content::{self, Context, SecretSink, UrlVariant};
use super::delivery::Head;
use super::encoding::Bytes;
use super::mac::{self, State};
use super::scheme::{Algorithm, Scheme, Sha};
use super::verification::{Verified, timestamp_text};
use super::{jwt, signature};

/// The SHA-256 of the signed bytes, `None` for tokens and Basic, which sign none.
pub(crate) fn digest(scheme: &Scheme, verified: &Verified, head: &Head<'_>, body: &[u8]) -> Option<Bytes> {
    let (form, template) = verified.form();
    let alternative = scheme.alternatives.get(form)?;
    let bytes = body::signed_form(alternative.body, head, body).ok()?;
    let body = Body::read(alternative, head, &bytes);
    let Place::Text(text) = locate(&alternative.signature.location, head, Some(&body)) else { return None };
    if matches!(alternative.algorithm, Algorithm::Token | Algorithm::Basic) {
        return None;
    }
    let text = signature::read(&alternative.signature, &text).ok()?;
    if let Algorithm::Jwt(form) = &alternative.algorithm {
        let token = jwt::Token::read(form, text.items.first()?).ok()?;
        return Some(mac::digest(Sha::Sha256, token.signed.as_bytes()));
    }
    let timestamp = timestamp_text(alternative, &text, head, Some(&body)).ok()?;
    let context = Context {
        alternative,
        head,
        signature: text.whole,
        timestamp: timestamp.as_deref(),
        body: Some(&body),
        url: UrlVariant::AsKnown,
    };
    let mut hash = State::digest(Sha::Sha256);
    content::write(alternative.signed.get(template)?.parts(), &context, &mut hash).ok()?;
    Some(hash.finish())
}

/// A plain digest's secret is no part of what the sender said.
impl SecretSink for State {
    fn write_secret(&mut self) {}
}
