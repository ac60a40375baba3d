//! What a verified delivery's signature covers: its digest, for senders whose ids are not signed, and the bytes themselves.

use super::body::{self, Body, Place, locate};
use super::content::{self, Context, SecretSink, UrlVariant};
use super::delivery::Head;
use super::encoding::Bytes;
use super::mac::State;
use super::scheme::{Algorithm, Scheme, Sha};
use super::verification::{Verified, timestamp_text};
use super::{jwt, message, signature, wrapped};

/// The SHA-256 of the signed bytes, `None` for tokens and Basic, which sign none.
pub(crate) fn digest(scheme: &Scheme, verified: &Verified, head: &Head<'_>, body: &[u8]) -> Option<Bytes> {
    let mut hash = State::digest(Sha::Sha256);
    write(scheme, verified, head, body, &mut hash)?;
    Some(hash.finish())
}

/// Writes the signed bytes; `None` for tokens and Basic, which sign none. The sink may have got a part of them by then.
pub(crate) fn write(
    scheme: &Scheme,
    verified: &Verified,
    head: &Head<'_>,
    body: &[u8],
    sink: &mut impl SecretSink,
) -> Option<()> {
    let (form, template) = verified.form();
    let alternative = scheme.alternatives.get(form)?;
    let bytes = body::signed_form(alternative.body, head, body).ok()?;
    let body = Body::read(alternative, head, &bytes);
    let Place::Text(text) = locate(&alternative.signature.location, head, Some(&body)) else { return None };
    if matches!(alternative.algorithm, Algorithm::Token | Algorithm::Basic) {
        return None;
    }
    if let Algorithm::Jwt(form) = &alternative.algorithm {
        let token =
            jwt::Token::read(form, signature::read_token(&alternative.signature, &text).ok()?).ok()?;
        sink.write(token.signed.as_bytes());
        return Some(());
    }
    if let Algorithm::HttpMessage(form) = &alternative.algorithm {
        let signatures = message::read(form, alternative.covers_body(), head).ok()?;
        sink.write(signatures.get(template)?.base.as_bytes());
        return Some(());
    }
    let (text, _) = wrapped::unwrap(&alternative.signature, &text).ok()?;
    let text = signature::read(&alternative.signature, &text).ok()?;
    let timestamp = timestamp_text(alternative, &text, head, Some(&body)).ok()?;
    let context = Context {
        alternative,
        head,
        signature: text.whole,
        timestamp: timestamp.as_deref(),
        body: Some(&body),
        url: UrlVariant::AsKnown,
    };
    content::write(alternative.signed.get(template)?.parts(), &context, sink).ok()
}

/// A plain digest's secret is no part of what the sender said.
impl SecretSink for State {
    fn write_secret(&mut self) {}
}
