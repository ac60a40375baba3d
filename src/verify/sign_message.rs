//! The sender's side of HTTP message signatures (RFC 9421).

use http::HeaderMap;

use crate::secret::Secret;
use crate::time::UnixTime;

use super::delivery::Head;
use super::encoding::encode;
use super::jose_keys::MESSAGE_USES;
use super::mac::{self, Sink, State};
use super::message_base::signature_base;
use super::message_form::MessageForm;
use super::private_key;
use super::read_key::reads_as_public;
use super::scheme::{Alternative, Encoding, Sha};
use super::sign::{SignError, key_error};
use super::structured::{InnerList, Item, Parameters};

/// The headers that a signed delivery has besides: the body's digest, what is signed, and the signature.
pub(crate) struct MessageHeaders {
    pub(crate) content_digest: Option<String>,
    pub(crate) input: String,
    pub(crate) signature: String,
}

/// Signs method, path, query and the body's digest, and whatever else the receiver requires.
pub(crate) fn sign(
    form: &MessageForm,
    alternative: &Alternative,
    secret: &Secret,
    head: &Head<'_>,
    body: &[u8],
    time: UnixTime,
) -> Result<MessageHeaders, SignError> {
    let mut headers: HeaderMap = head.headers.to_map();
    let mut names: Vec<String> = Vec::new();
    let content_digest = alternative.covers_body().then(|| {
        names.push("content-digest".to_owned());
        format!("sha-256=:{}:", encode(&mac::digest(Sha::Sha256, body), Encoding::Base64))
    });
    if let Some(value) = content_digest.as_ref().and_then(|text| text.parse().ok()) {
        headers.insert("content-digest", value);
    }
    for name in ["@method", "@path", "@query"].into_iter().chain(form.required.iter().map(String::as_str)) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let mut parameters = Parameters(vec![("created".to_owned(), Item::Integer(time.seconds()))]);
    if let Some(tag) = &form.tag {
        parameters.0.push(("tag".to_owned(), Item::String(tag.clone())));
    }
    let items = names.into_iter().map(|name| (Item::String(name), Parameters::default())).collect();
    let list = InnerList { items, parameters };
    let head = Head { headers: &headers, ..*head };
    let base = signature_base(&list, &head).map_err(|rejection| SignError::Lacks(rejection.to_string()))?;
    let signature = Item::Bytes(signature(alternative, secret, base.as_bytes())?);
    let label = form.label.as_deref().unwrap_or("sig1");
    let input = format!("{label}={list}");
    Ok(MessageHeaders { content_digest, input, signature: format!("{label}={signature}") })
}

/// With the private key in PEM, whatever its kind, or with HMAC if the secret is not written as a key pair's.
fn signature(alternative: &Alternative, secret: &Secret, base: &[u8]) -> Result<Vec<u8>, SignError> {
    if !reads_as_public(secret.expose()) {
        let key = alternative.key.decode(secret).map_err(key_error)?;
        let mut state = State::hmac(Sha::Sha256, &key).ok_or(SignError::Unsupported("this key"))?;
        state.write(base);
        return Ok(state.finish().into_vec());
    }
    let mut failure = SignError::Unsupported("this key");
    for wanted in MESSAGE_USES {
        match private_key::sign(secret.expose(), wanted, base) {
            Ok(signature) => return Ok(signature),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
