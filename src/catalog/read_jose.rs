//! From YAML to what a sender's tokens, detached signatures and HTTP message signatures must be.

use crate::verify::{
    Algorithm, BodyHashClaim, Encoding, JwsForm, JwtForm, MessageForm, Pointer, Sha, UrlHashClaim, Wrapped,
    X5cForm,
};
use crate::yaml::Fields;

use super::read::{parsed, text_as};
use super::read_scheme::word;

/// Gives the algorithm the options that stand beside it, and reports those of another one.
pub(super) fn with_options(fields: &mut Fields<'_, '_>, algorithm: Option<Algorithm>) -> Option<Algorithm> {
    let (jwt, jws, message) = (jwt(fields), jws(fields), message(fields));
    for (key, given, fits) in [
        ("jwt", jwt.is_some(), matches!(algorithm, Some(Algorithm::Jwt(_)))),
        ("jws", jws.is_some(), matches!(algorithm, Some(Algorithm::JwsDetached(_)))),
        ("http_message", message.is_some(), matches!(algorithm, Some(Algorithm::HttpMessage(_)))),
    ] {
        if given && !fits && algorithm.is_some() {
            let owner = match key {
                "jwt" => "jwt",
                "jws" => "jws-detached",
                _ => "http-message-signature",
            };
            fields.report_at(key, format!("`{key}` belongs to algorithm `{owner}` only"));
        }
    }
    match algorithm? {
        Algorithm::Jwt(_) => {
            if jwt.is_none() {
                fields.report("algorithm `jwt` needs `jwt: { algorithms: [HS256], … }` beside it");
            }
            jwt.map(|jwt| Algorithm::Jwt(Box::new(jwt)))
        }
        Algorithm::JwsDetached(_) => {
            if jws.is_none() {
                fields.report("algorithm `jws-detached` needs `jws: { algorithms: [RS256], … }` beside it");
            }
            jws.map(Algorithm::JwsDetached)
        }
        Algorithm::HttpMessage(usual) => Some(Algorithm::HttpMessage(message.unwrap_or(usual))),
        algorithm => Some(algorithm),
    }
}

/// `wrapped: { json: /signature, key_id: /kid }` of a signature.
pub(super) fn wrapped(form: &mut Fields<'_, '_>) -> Option<Wrapped> {
    let mut wrapped = form.child("wrapped")?;
    let signature = wrapped
        .required("json", "/signature")
        .and_then(|cursor| text_as::<Pointer>(&cursor, wrapped.problems()));
    let key_id =
        wrapped.optional("key_id").and_then(|cursor| text_as::<Pointer>(&cursor, wrapped.problems()));
    wrapped.finish();
    Some(Wrapped { signature: signature?, key_id })
}

fn jwt(fields: &mut Fields<'_, '_>) -> Option<JwtForm> {
    let mut jwt = fields.child("jwt")?;
    let algorithms = jwt.list("algorithms").unwrap_or_default();
    let problems = jwt.problems();
    let algorithms = algorithms.iter().filter_map(|one| parsed(one, problems)).collect();
    let text = |jwt: &mut Fields<'_, '_>, key: &'static str| jwt.text(key).map(str::to_owned);
    let form = JwtForm {
        algorithms,
        issuer: text(&mut jwt, "issuer"),
        audience: text(&mut jwt, "audience"),
        body_hash: body_hash(&mut jwt),
        body_text: text(&mut jwt, "body_text"),
        url: text(&mut jwt, "url"),
        url_hash: url_hash(&mut jwt),
        query_hash: text(&mut jwt, "query_hash"),
        required: owned(jwt.texts("required")),
        leeway: jwt.duration("leeway"),
        alone: jwt.boolean("alone").unwrap_or(false),
        x5c: x5c(&mut jwt),
    };
    jwt.finish();
    Some(form)
}

fn body_hash(jwt: &mut Fields<'_, '_>) -> Option<BodyHashClaim> {
    let mut hash = jwt.child("body_hash")?;
    let claim = hash.required_text("claim", "sha256").map(str::to_owned);
    let digest = word(&mut hash, "algorithm").unwrap_or(Sha::Sha256);
    let encoding = word(&mut hash, "encoding").unwrap_or(Encoding::Hex);
    let absent_if_empty = hash.boolean("absent_if_empty").unwrap_or(false);
    hash.finish();
    Some(BodyHashClaim { claim: claim?, digest, encoding, absent_if_empty })
}

fn url_hash(jwt: &mut Fields<'_, '_>) -> Option<UrlHashClaim> {
    let mut hash = jwt.child("url_hash")?;
    let claim = hash.required_text("claim", "url_hash").map(str::to_owned);
    let digest = word(&mut hash, "algorithm").unwrap_or(Sha::Sha256);
    let encoding = word(&mut hash, "encoding").unwrap_or(Encoding::Hex);
    hash.finish();
    Some(UrlHashClaim { claim: claim?, digest, encoding })
}

fn x5c(jwt: &mut Fields<'_, '_>) -> Option<X5cForm> {
    let mut x5c = jwt.child("x5c")?;
    let length = x5c.integer("length").and_then(|length| usize::try_from(length).ok()).unwrap_or(3);
    let leaf_oid = x5c.text("leaf_oid").map(str::to_owned);
    let intermediate_oid = x5c.text("intermediate_oid").map(str::to_owned);
    x5c.finish();
    Some(X5cForm { length, leaf_oid, intermediate_oid })
}

fn jws(fields: &mut Fields<'_, '_>) -> Option<JwsForm> {
    let mut jws = fields.child("jws")?;
    let algorithms = jws.list("algorithms").unwrap_or_default();
    let problems = jws.problems();
    let algorithms = algorithms.iter().filter_map(|one| parsed(one, problems)).collect();
    let payload = word(&mut jws, "b64").unwrap_or_default();
    let mut header = Vec::new();
    if let Some(cursor) = jws.optional("header") {
        let problems = jws.problems();
        for entry in cursor.entries(problems).unwrap_or_default() {
            let value = cursor.key(entry);
            header.extend(value.text(problems).map(|text| (entry.key.clone(), text.to_owned())));
        }
    }
    jws.finish();
    Some(JwsForm { algorithms, payload, header })
}

fn message(fields: &mut Fields<'_, '_>) -> Option<MessageForm> {
    let mut message = fields.child("http_message")?;
    let usual = MessageForm::default();
    let form = MessageForm {
        label: message.text("label").map(str::to_owned),
        required: owned(message.texts("required")),
        tag: message.text("tag").map(str::to_owned),
        most: message.integer("most").and_then(|most| usize::try_from(most).ok()).unwrap_or(usual.most),
        public: message.word("keys", &["any", "public"]) == Some("public"),
    };
    message.finish();
    Some(form)
}

fn owned(texts: Option<Vec<&str>>) -> Vec<String> {
    texts.unwrap_or_default().into_iter().map(str::to_owned).collect()
}
