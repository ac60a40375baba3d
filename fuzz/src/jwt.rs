//! Any token: none is accepted that was not signed with the route's key, whatever its header and claims say.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue};
use sealpost::secret::{NamedSecret, Secret};
use sealpost::time::UnixTime;
use sealpost::verify::{
    self, Algorithm, Alternative, Encoding, Head, JwtAlgorithm, KeyForm, Keys, Layout, Scheme, Template,
};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::senders::SENDERS;
use crate::{fields, input, naive};

const SECRET: &[u8] = b"the secret of the route";
const STRANGER: &[u8] = b"the secret of a stranger";
const BODY: &[u8] = b"{\"id\":\"evt_1\"}";
const ORIGIN: &str = "https://hooks.example.com";
const NOW: i64 = 1_700_000_000;

/// One way in which a sender of the catalogue uses tokens, with a key for it.
struct Form {
    scheme: Scheme,
    keys: Keys,
    /// The key as it is stored. What is public of it is no secret.
    stored: Vec<u8>,
    algorithms: Vec<JwtAlgorithm>,
    shared: bool,
    detached: bool,
    /// A token that the sender signed, if it stands in a header.
    genuine: Option<String>,
}

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let mut forms: Vec<Form> = Vec::new();
    for sender in SENDERS.iter() {
        let Some(vector) = sender.accepted().next() else { continue };
        for alternative in &sender.provider.scheme.alternatives {
            let (algorithms, detached) = match &alternative.algorithm {
                Algorithm::Jwt(form) => (form.algorithms.clone(), false),
                Algorithm::JwsDetached(form) => (form.algorithms.clone(), true),
                _ => continue,
            };
            let genuine = match &alternative.signature.location {
                verify::Location::Header(name) => {
                    vector.headers.get(name).and_then(|value| value.to_str().ok())
                }
                _ => None,
            };
            let genuine = genuine.and_then(|text| text.strip_prefix(&alternative.signature.prefix));
            for shared in [true, false] {
                let kind: Vec<JwtAlgorithm> = algorithms
                    .iter()
                    .copied()
                    .filter(|algorithm| algorithm.hmac().is_some() == shared)
                    .collect();
                if kind.is_empty() {
                    continue;
                }
                let mut alone = alone(alternative, detached);
                let stored = if shared { SECRET.to_vec() } else { vector.secret.expose().to_vec() };
                if shared {
                    alone.key = KeyForm::default();
                }
                let scheme = Scheme { alternatives: vec![alone] };
                if forms.iter().any(|form| form.scheme == scheme && form.shared == shared) {
                    continue;
                }
                let named = [NamedSecret::new("", Secret::new(stored.clone()))];
                // A sender whose forms take keys of several kinds brings one of them.
                let Ok(keys) = scheme.prepare(&named) else { continue };
                let genuine = genuine.map(str::to_owned);
                forms.push(Form { scheme, keys, stored, algorithms: kind, shared, detached, genuine });
            }
        }
    }
    forms
});

fn alone(alternative: &Alternative, detached: bool) -> Alternative {
    let template: Template = "{body}".parse().expect("a template");
    let mut alone = Alternative::new("header:x-token".parse().expect("a location"), template);
    alone.algorithm = alternative.algorithm.clone();
    alone.key = alternative.key.clone();
    alone.signature.layout = Layout::Single;
    alone.signature.encoding = Encoding::Text;
    if !detached {
        alone.signed = Vec::new();
    }
    if let Algorithm::Jwt(form) = &mut alone.algorithm {
        form.alone = false;
    }
    alone
}

fn hmac(algorithm: Option<&str>, key: &[u8], message: &[u8]) -> Vec<u8> {
    match algorithm {
        Some("HS512") => naive::hmac_sha512(key, message),
        Some("HS384") => naive::hmac_sha384(key, message),
        _ => naive::hmac_sha256(key, message),
    }
}

/// The input is a form, how to sign, a header, claims, and for some ways the signature itself or the whole token.
pub fn run(data: &[u8]) {
    let [choice, header, claims, rest] = fields(data);
    let [form, way, ..] = *choice else { return };
    let form = &FORMS[usize::from(form) % FORMS.len()];
    let detached = form.detached;
    let base64 = |bytes: &[u8]| naive::base64(bytes, true);
    // Texts that nobody reads may hold escapes that are none.
    let members = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(header).unwrap_or_default();
    let said =
        |member: &str| members.get(member).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let named = said("alg").and_then(|alg| alg.as_str().map(str::to_owned));
    let named = named.as_deref();
    let payload = if detached { String::new() } else { base64(claims) };
    let plain = said("b64") == Some(Value::Bool(false));
    let message = match (detached, plain) {
        (false, _) => format!("{}.{payload}", base64(header)).into_bytes(),
        (true, false) => format!("{}.{}", base64(header), base64(BODY)).into_bytes(),
        (true, true) => [base64(header).as_bytes(), b".", BODY].concat(),
    };
    let genuine = form.genuine.as_deref();
    let signature = match way % 5 {
        0 => base64(rest),
        1 => base64(&hmac(named, STRANGER, &message)),
        // With a public key this is the attack that takes it for a shared secret.
        2 => base64(&hmac(named, &form.stored, &message)),
        3 => genuine.and_then(|token| token.rsplit('.').next()).unwrap_or_default().to_owned(),
        _ => String::from_utf8_lossy(rest).into_owned(),
    };
    let token = format!("{}.{payload}.{signature}", base64(header));
    let Ok(value) = HeaderValue::from_str(&token) else { return };
    let headers: HeaderMap = [("x-token".parse().expect("a name"), value)].into_iter().collect();
    let head = Head { method: "POST", target: "/webhook?a=b", origin: Some(ORIGIN), headers: &headers };
    let now = UnixTime::from_seconds(NOW).expect("a time");
    if verify::verify(&form.scheme, &form.keys, &head, BODY, None, now).is_err() {
        return;
    }
    let sender_signed = !detached && genuine == Some(token.as_str());
    let key_signed = form.shared && {
        let mac = hmac(named, SECRET, &message);
        naive::from_base64(&signature, true).as_ref() == Some(&mac)
    };
    assert!(sender_signed || key_signed, "accepted without the key: {token}");
    assert!(
        form.algorithms.iter().any(|known| Some(known.word()) == named),
        "accepted with another alg: {token}"
    );
    if let (Algorithm::Jwt(rules), Ok(said)) =
        (&form.scheme.alternatives[0].algorithm, serde_json::from_slice::<Value>(claims))
    {
        let number = |claim: &str| said.get(claim).and_then(Value::as_f64);
        let leeway = rules.leeway.map_or(60.0, |leeway| leeway.as_secs_f64());
        assert!(
            number("exp").is_none_or(|expires| expires + leeway + 1.0 > NOW as f64),
            "accepted expired: {said}"
        );
        assert!(
            number("nbf").is_none_or(|begins| begins - leeway - 1.0 < NOW as f64),
            "accepted early: {said}"
        );
        assert!(rules.issuer.is_none() || said.get("iss").and_then(Value::as_str) == rules.issuer.as_deref());
        assert!(
            rules.required.iter().all(|claim| said.get(claim).is_some()),
            "accepted without a claim: {said}"
        );
    }
    let other = verify::verify(&form.scheme, &form.keys, &head, b"{}", None, now);
    assert!(!detached || other.is_err(), "a detached signature accepts another body");
}

/// For each form a token that its rules allow, signed in every way.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let digest = naive::hex(&<sha2::Sha256 as sha2::Digest>::digest(BODY));
    let mut seeds = Vec::new();
    for (index, form) in FORMS.iter().enumerate() {
        let number = u8::try_from(index).expect("not so many");
        let mut claims =
            serde_json::json!({ "exp": NOW + 60, "nbf": NOW - 60, "iat": NOW, "jti": "1", "sub": "2" });
        if let Algorithm::Jwt(rules) = &form.scheme.alternatives[0].algorithm {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            claims["iss"] = text(&rules.issuer).into();
            claims["aud"] = text(&rules.audience).into();
            for claim in &rules.required {
                claims[claim] = "x".into();
            }
            if let Some(hash) = &rules.body_hash {
                claims[&hash.claim] = digest.clone().into();
            }
            if let Some(claim) = &rules.body_text {
                claims[claim] = String::from_utf8_lossy(BODY).into();
            }
            if let Some(claim) = &rules.url {
                claims[claim] = format!("{ORIGIN}/webhook?a=b").into();
            }
        }
        for algorithm in form.algorithms.iter().map(|algorithm| algorithm.word()).chain(["none", "HS256"]) {
            let header = format!("{{\"alg\":\"{algorithm}\",\"typ\":\"JWT\"}}");
            for way in 0..5 {
                seeds.push(input(&[
                    &[number, way],
                    header.as_bytes(),
                    claims.to_string().as_bytes(),
                    b"AAAA",
                ]));
            }
        }
        let parts: Vec<&str> = form.genuine.iter().flat_map(|token| token.split('.')).collect();
        if let [header, claims, _] = parts.as_slice() {
            let decoded = (naive::from_base64(header, true), naive::from_base64(claims, true));
            if let (Some(header), Some(claims)) = decoded {
                seeds.push(input(&[&[number, 3], &header, &claims]));
            }
        }
    }
    seeds
}
