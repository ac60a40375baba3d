//! What the head alone decides of tokens and HTTP message signatures; the body is held against what they prove of it.

use super::body::Body;
use super::body_proof::{self, BodyProof};
use super::claims;
use super::delivery::Head;
use super::jose::malformed;
use super::jose_form::JwtForm;
use super::jwt::Token;
use super::locator::Location;
use super::message;
use super::message_form::MessageForm;
use super::rejection::Rejection;
use super::signature;
use super::verdict::Verdict;
use super::verification::{Verification, Work};

impl<'s> Verification<'s> {
    /// The claims count only if the signature does.
    pub(super) fn examine_jwt(
        &self,
        form: &JwtForm,
        text: &str,
        head: &Head<'_>,
        body: Option<&Body<'_>>,
    ) -> Result<Work<'s>, Rejection> {
        let signature = &self.alternative.signature;
        if let (true, Location::Json(pointer), Some(body)) = (form.alone, &signature.location, body)
            && !body_proof::is_alone(body.bytes, pointer)
        {
            return Err(malformed("something stands beside the token that it does not cover"));
        }
        let token = Token::read(form, signature::read_token(signature, text)?)?;
        let verdict = Verdict::new(1, 0, token.matches(form, self.keys, self.now));
        self.decide(&verdict)?;
        let time = self.alternative.timestamp.as_ref();
        let claims = claims::check(&token.claims()?, form, time, self.tolerance, self.now, head)?;
        Ok(Work::Decided { verdict, timestamp: claims.timestamp, body: claims.body })
    }

    /// Every signature is tried; of those that fit, the first whose time is right counts.
    pub(super) fn examine_message(&self, form: &MessageForm, head: &Head<'_>) -> Result<Work<'s>, Rejection> {
        let signatures = message::read(form, self.alternative.covers_body(), head)?;
        let body = match self.alternative.covers_body() {
            true => message::content_digest(head)?,
            false => BodyProof::default(),
        };
        let mut failure =
            Rejection::SignatureMismatch { signatures: signatures.len(), secrets: self.keys.len() };
        let mut right = None;
        for (index, signature) in signatures.iter().enumerate() {
            let verdict = Verdict::new(signatures.len(), index, signature.matches(self.keys).into_iter());
            let time = signature.check_time(self.alternative, self.tolerance, self.now);
            match (self.decide(&verdict), time) {
                (Ok(_), Ok(timestamp)) => right = right.or(Some((verdict, timestamp))),
                (Ok(_), Err(rejection)) | (Err(rejection @ Rejection::SecretOutOfTime { .. }), _) => {
                    failure = rejection;
                }
                (Err(_), _) => {}
            }
        }
        let (verdict, timestamp) = right.ok_or(failure)?;
        Ok(Work::Decided { verdict, timestamp, body })
    }
}
