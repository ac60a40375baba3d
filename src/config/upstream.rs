//! A route's `upstream`: a URL, or a mapping that says besides how the two trust each other.

use std::path::PathBuf;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Reference;
use super::load::Shared;
use crate::catalog::{Provider, signed};
use crate::routes::{ClientCertificate, Trust, Upstream, UpstreamAddress};
use crate::secret::Secret;
use crate::verify::{Location, Locator, WebhookSigner};
use crate::yaml::{Cursor, Fields, Problems, Value};

/// The keys of the mapping that only mean something over TLS.
const OVER_TLS: [&str; 3] = ["client_certificate", "client_key", "ca"];

/// Reads `upstream`. `provider` is `None` for `provider: none` and for one that cannot be read.
pub(super) fn upstream(
    fields: &mut Fields<'_, '_>,
    provider: Option<&Provider>,
    shared: &mut Shared<'_>,
) -> Option<(Upstream, Trust)> {
    let cursor = fields.required("upstream", "http://127.0.0.1:3000")?;
    if !matches!(cursor.node.value, Value::Map(_)) {
        return Some((url(&cursor, fields.problems())?, Trust::default()));
    }
    let verifies_nothing = fields.optional("provider").is_some_and(|cursor| cursor.node.is_word("none"));
    let mut fields = cursor.fields(fields.problems())?;
    let upstream = fields.required("url", "http://127.0.0.1:3000");
    let upstream = upstream.and_then(|cursor| url(&cursor, fields.problems()));
    if let Some(Upstream { address, .. }) = &upstream
        && !matches!(address, UpstreamAddress::Tcp { tls: true, .. })
    {
        for key in OVER_TLS {
            if fields.has(key) {
                fields.report_at(key, "certificates are for an upstream over https; this one is not");
            }
        }
    }
    let signer = signer(&mut fields, provider, verifies_nothing, shared);
    let authorities = pem(&mut fields, "ca", shared, authorities);
    let chain = pem(&mut fields, "client_certificate", shared, |pem| certificates(pem).map(drop));
    let key = pem(&mut fields, "client_key", shared, private_key);
    for (key, other) in [("client_certificate", "client_key"), ("client_key", "client_certificate")] {
        if fields.has(key) && !fields.has(other) {
            fields.report_at(key, format!("`{other}` is missing: a certificate and its key go together"));
        }
    }
    fields.finish();
    let client = chain.zip(key).map(|(chain, key)| ClientCertificate { chain, key });
    let event_id_is_signed = provider
        .is_some_and(|provider| provider.event.id.iter().all(|at| !signed::is_unsigned(provider, at)));
    Some((upstream?, Trust { signer, event_id_is_signed, authorities, client }))
}

fn url(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<Upstream> {
    let text = cursor.text(problems)?;
    text.parse().map_err(|message: String| cursor.report(problems, message)).ok()
}

fn signer(
    fields: &mut Fields<'_, '_>,
    provider: Option<&Provider>,
    verifies_nothing: bool,
    shared: &mut Shared<'_>,
) -> Option<WebhookSigner> {
    let at = fields.optional("sign")?;
    if verifies_nothing {
        let message = "`provider: none` verifies nothing, and what was not verified is never signed; take one of the two out";
        at.report(fields.problems(), message);
    }
    let mut fields = at.fields(fields.problems())?;
    let cursor = fields.required("secret", "file:/run/secrets/upstream");
    let signer = cursor.and_then(|cursor| signing_keys(&cursor, fields.problems(), shared));
    fields.finish();
    if let Some(provider) = provider.filter(|provider| sends_webhook_headers(provider)) {
        let message = format!(
            "`{}` has `webhook-*` headers of its own, which ours replace: the app verifies our signature with our secret, not \
             the sender's",
            provider.name
        );
        at.report(&mut shared.warnings, message);
    }
    signer
}

/// One secret, or two while it is rotated: the app takes a request if one of its signatures fits.
fn signing_keys(
    cursor: &Cursor<'_>,
    problems: &mut Problems,
    shared: &mut Shared<'_>,
) -> Option<WebhookSigner> {
    let written = match &cursor.node.value {
        Value::List(_) => cursor.items(problems)?,
        _ => vec![cursor.clone()],
    };
    if written.is_empty() || written.len() > 2 {
        cursor.report(problems, "write one secret, or two while it is rotated");
        return None;
    }
    let read = written.iter().map(|item| shared.secrets.value(item, problems));
    // All of them, so that every problem is told at once.
    let read: Vec<Option<Secret>> = read.collect();
    let secrets = read.into_iter().collect::<Option<Vec<_>>>()?;
    match WebhookSigner::new(&secrets) {
        Ok(signer) => Some(signer),
        Err((index, error)) => {
            written.get(index).unwrap_or(cursor).report(problems, error.to_string());
            None
        }
    }
}

/// Whether the sender's own signature stands where ours goes.
fn sends_webhook_headers(provider: &Provider) -> bool {
    let in_signature = provider.scheme.alternatives.iter().any(
        |form| matches!(&form.signature.location, Location::Header(name) if name.as_str() == "webhook-signature"),
    );
    let in_id = provider
        .event
        .id
        .iter()
        .any(|at| matches!(at, Locator::Header(name) if name.as_str() == "webhook-id"));
    in_signature || in_id
}

/// A PEM file, read now and again when it changes.
fn pem(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    shared: &mut Shared<'_>,
    check: impl FnOnce(&[u8]) -> Result<(), String>,
) -> Option<Secret> {
    let cursor = fields.optional(key)?;
    let text = cursor.text(fields.problems())?;
    let file = Reference::File(PathBuf::from(text));
    let pem = shared.secrets.fetch(&file, &cursor, fields.problems())?;
    check(pem.expose()).map_err(|message| cursor.report(fields.problems(), message)).ok()?;
    Some(pem)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| format!("this is no PEM file of certificates: {error}"))?;
    if found.is_empty() {
        return Err("there is no certificate in this file".into());
    }
    for certificate in &found {
        webpki::EndEntityCert::try_from(certificate)
            .map_err(|error| format!("a certificate in this file cannot be read: {error}"))?;
    }
    Ok(found)
}

fn authorities(pem: &[u8]) -> Result<(), String> {
    for certificate in certificates(pem)? {
        webpki::anchor_from_trusted_cert(&certificate)
            .map_err(|error| format!("a certificate in this file cannot issue others: {error}"))?;
    }
    Ok(())
}

fn private_key(pem: &[u8]) -> Result<(), String> {
    PrivateKeyDer::from_pem_slice(pem)
        .map(drop)
        .map_err(|error| format!("this is no PEM file of a private key: {error}"))
}
