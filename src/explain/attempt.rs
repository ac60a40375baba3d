//! One try: a delivery, secrets and a way of signing, any of which a hypothesis may have changed.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::secret::{NamedSecret, Secret};
use crate::time::{Tolerance, UnixTime};
use crate::verify::{Alternative, Head, Location, Scheme, verify};

use super::{Question, Refused};

/// What is verified. Cheap to clone, so that every hypothesis changes its own copy.
#[derive(Clone, Debug)]
pub(super) struct Attempt<'q> {
    pub(super) scheme: Cow<'q, Scheme>,
    pub(super) secrets: Cow<'q, [NamedSecret]>,
    pub(super) method: Cow<'q, str>,
    pub(super) target: Cow<'q, str>,
    pub(super) origin: Option<Cow<'q, str>>,
    pub(super) headers: Cow<'q, HeaderMap>,
    pub(super) body: Bytes,
    pub(super) now: UnixTime,
}

/// What a successful try tells.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    /// The name of the secret that fits.
    pub(super) secret: String,
    /// The signed send time, if this sender has one.
    pub(super) sent: Option<UnixTime>,
}

impl<'q> Attempt<'q> {
    /// The delivery as it was captured.
    pub(super) fn of(question: &Question<'q>) -> Self {
        Self {
            scheme: Cow::Borrowed(question.sender.scheme),
            secrets: Cow::Borrowed(question.secrets),
            method: Cow::Borrowed(question.head.method),
            target: Cow::Borrowed(question.head.target),
            origin: question.head.origin.map(Cow::Borrowed),
            headers: Cow::Owned(question.head.headers.to_map()),
            body: Bytes::copy_from_slice(question.body),
            now: question.now,
        }
    }

    /// What fits, or why nothing does.
    pub(super) fn judge(&self, tolerance: Option<Tolerance>) -> Result<Fit, Refused> {
        let (keys, names) = self.keys()?;
        let head = Head {
            method: &self.method,
            target: &self.target,
            origin: self.origin.as_deref(),
            headers: &*self.headers,
        };
        let verified = verify(&self.scheme, &keys, &head, &self.body, tolerance, self.now);
        let verified = verified.map_err(Refused::Rejected)?;
        let secret = names.get(verified.secret_index()).cloned().unwrap_or_default();
        Ok(Fit { secret, sent: verified.timestamp() })
    }

    /// The same delivery with another body.
    pub(super) fn with_body(&self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self.clone() }
    }

    /// The same delivery with other headers.
    pub(super) fn with_headers(&self, headers: HeaderMap) -> Self {
        Self { headers: Cow::Owned(headers), ..self.clone() }
    }

    /// The same delivery with one value under this name.
    pub(super) fn with_header(&self, name: &HeaderName, value: &str) -> Option<Self> {
        let mut headers = self.headers.clone().into_owned();
        headers.insert(name, HeaderValue::from_str(value).ok()?);
        Some(self.with_headers(headers))
    }

    /// The same delivery, each secret changed by `change`; `None` when it changes none of them.
    pub(super) fn with_secrets(&self, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Self> {
        let changed: Vec<_> = self
            .secrets
            .iter()
            .filter_map(|named| {
                let secret = Secret::new(change(named.secret.expose())?);
                (!secret.is_empty()).then(|| NamedSecret { secret, ..named.clone() })
            })
            .collect();
        (!changed.is_empty()).then(|| Self { secrets: Cow::Owned(changed), ..self.clone() })
    }

    /// The same delivery, every form of the way of signing changed by `change`; `None` when it changes none.
    pub(super) fn with_forms(&self, change: impl Fn(&mut Alternative)) -> Option<Self> {
        let mut scheme = self.scheme.clone().into_owned();
        scheme.alternatives.iter_mut().for_each(change);
        (scheme != *self.scheme).then(|| Self { scheme: Cow::Owned(scheme), ..self.clone() })
    }

    /// The headers in which this sender puts signatures.
    pub(super) fn signature_headers(&self) -> Vec<HeaderName> {
        let mut names: Vec<HeaderName> = Vec::new();
        for alternative in &self.scheme.alternatives {
            if let Location::Header(name) = &alternative.signature.location
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        names
    }

    /// The keys of those secrets that can be keys, and their names.
    fn keys(&self) -> Result<(crate::verify::Keys, Vec<String>), Refused> {
        let names = |secrets: &[NamedSecret]| secrets.iter().map(|named| named.name.clone()).collect();
        let errors = match self.scheme.prepare(&self.secrets) {
            Ok(keys) => return Ok((keys, names(&self.secrets))),
            Err(errors) => errors,
        };
        let usable: Vec<_> = self
            .secrets
            .iter()
            .enumerate()
            .filter(|(index, _)| errors.iter().all(|(wrong, _)| wrong != index))
            .map(|(_, named)| named.clone())
            .collect();
        if !usable.is_empty()
            && let Ok(keys) = self.scheme.prepare(&usable)
        {
            return Ok((keys, names(&usable)));
        }
        let name =
            |index: usize| self.secrets.get(index).map_or_else(String::new, |named| named.name.clone());
        Err(Refused::Unusable(errors.iter().map(|(index, why)| (name(*index), why.to_string())).collect()))
    }
}
