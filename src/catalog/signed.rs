//! What a scheme signs, asked by whoever sets up or describes a route: is this id signed, is there a send time, is the key public?

use super::provider::Provider;
use crate::verify::{Algorithm, Alternative, JwtAlgorithm, Location, Locator, Part, Scheme};

/// Whether every form of the scheme has a signed send time.
pub(crate) fn has_send_time(scheme: &Scheme) -> bool {
    scheme.alternatives.iter().any(|form| form.timestamp.is_some())
}

/// Whether all keys are public ones, which are no secrets.
pub(crate) fn has_public_keys(scheme: &Scheme) -> bool {
    !scheme.alternatives.is_empty()
        && scheme.alternatives.iter().all(|form| match &form.algorithm {
            Algorithm::Hmac(_) | Algorithm::Digest(_) | Algorithm::Token | Algorithm::Basic => false,
            Algorithm::Ed25519 | Algorithm::Ecdsa(_) => true,
            Algorithm::RsaPkcs1(_) | Algorithm::RsaPss(_) => true,
            Algorithm::Jwt(jwt) => are_public(&jwt.algorithms),
            Algorithm::JwsDetached(jws) => are_public(&jws.algorithms),
            // Otherwise the form of the key decides, so it may be a shared secret.
            Algorithm::HttpMessage(message) => message.public,
        })
}

fn are_public(algorithms: &[JwtAlgorithm]) -> bool {
    !algorithms.iter().any(|algorithm| algorithm.hmac().is_some())
}

/// Whether a captured delivery could carry another value here and still verify.
///
/// Senders that sign nothing (a token in a header) are left out: there every value could be another one.
pub(crate) fn is_unsigned(provider: &Provider, locator: &Locator) -> bool {
    if provider.id_signed && provider.event.id.contains(locator) {
        return false;
    }
    if let Locator::AnyOf(several) = locator {
        return several.iter().any(|one| is_unsigned(provider, one));
    }
    provider.scheme.alternatives.iter().any(|form| signs_anything(form) && !covers(form, locator))
}

fn signs_anything(form: &Alternative) -> bool {
    !matches!(form.algorithm, Algorithm::Token | Algorithm::Basic)
}

fn covers(form: &Alternative, locator: &Locator) -> bool {
    match locator {
        Locator::Signed => true,
        Locator::Claim(_) => matches!(form.algorithm, Algorithm::Jwt(_)),
        Locator::Body => form.covers_body(),
        Locator::Json(pointer) => form.covers_json(pointer),
        Locator::Form(name) => {
            form.covers_body()
                || has_part(form, &|part| matches!(part, Part::FormField(field) if field == name))
        }
        Locator::Header(name) => {
            let digest = form.body_digest.as_ref().map(|digest| &digest.location);
            digest == Some(&Location::Header(name.clone()))
                || has_part(form, &|part| matches!(part, Part::Header(header) if header == name))
        }
        Locator::Query(name) => has_part(form, &|part| match part {
            Part::Url | Part::Query => true,
            Part::QueryParameter(parameter) => parameter == name,
            _ => false,
        }),
        Locator::AnyOf(several) => several.iter().all(|one| covers(form, one)),
    }
}

fn has_part(form: &Alternative, wanted: &dyn Fn(&Part) -> bool) -> bool {
    !form.signed.is_empty() && form.signed.iter().all(|template| template.leaves().any(wanted))
}
