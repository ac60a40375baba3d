//! Any text in the signature's header, in every layout of the catalogue: accepted exactly if one of the signatures that a plain
//! reading finds in it is the MAC of a configured secret.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue};
use sealpost::secret::{NamedSecret, Secret};
use sealpost::time::UnixTime;
use sealpost::verify::{
    self, Algorithm, Alternative, Encoding, Head, Layout, Scheme, SignatureForm, TimeUnit, TimestampForm,
    TimestampSource,
};

use crate::naive;
use crate::senders::SENDERS;

const SECRETS: [&[u8]; 2] = [b"the secret of the route", b"the secret before it"];
const STRANGER: &[u8] = b"the secret of a stranger";
const BODY: &[u8] = b"{\"id\":\"evt_1\"}";

/// Every way in which a sender of the catalogue writes its signatures.
static FORMS: LazyLock<Vec<SignatureForm>> = LazyLock::new(|| {
    let mut forms: Vec<SignatureForm> = Vec::new();
    for alternative in SENDERS.iter().flat_map(|sender| &sender.provider.scheme.alternatives) {
        let location = "header:x-signature".parse().expect("a location");
        let form = SignatureForm { location, wrapped: None, ..alternative.signature.clone() };
        if !matches!(alternative.algorithm, Algorithm::Basic | Algorithm::Jwt(_) | Algorithm::JwsDetached(_))
            && !forms.contains(&form)
        {
            forms.push(form);
        }
    }
    forms
});

fn has_time(form: &SignatureForm) -> bool {
    match &form.layout {
        Layout::Pairs(pairs) => pairs.timestamp.is_some(),
        Layout::Positional { .. } => true,
        Layout::Single | Layout::List { .. } | Layout::Versioned { .. } => false,
    }
}

/// A secret that is sent itself where the text is no encoding, otherwise an HMAC over the time, if there is one, and the body.
fn scheme(form: &SignatureForm) -> Scheme {
    let signed = if has_time(form) { "{timestamp}.{body}" } else { "{body}" };
    let mut alternative = Alternative::new(form.location.clone(), signed.parse().expect("a template"));
    alternative.signature = form.clone();
    if has_time(form) {
        alternative.timestamp =
            Some(TimestampForm { source: TimestampSource::Signature, unit: TimeUnit::Seconds });
    }
    if form.encoding == Encoding::Text {
        alternative.algorithm = Algorithm::Token;
        alternative.timestamp = None;
        alternative.signed = Vec::new();
    }
    Scheme { alternatives: vec![alternative] }
}

fn encode(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Hex => naive::hex(bytes),
        Encoding::Base64 => naive::base64_padded(bytes),
        Encoding::Base64Url => naive::base64(bytes, true),
        Encoding::Base64Hex => naive::base64_padded(naive::hex(bytes).as_bytes()),
        Encoding::Text => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn decode(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => naive::from_hex(text),
        Encoding::Base64 => naive::from_base64(text, false),
        Encoding::Base64Url => naive::from_base64(text, true),
        Encoding::Base64Hex => naive::from_hex(&String::from_utf8(naive::from_base64(text, false)?).ok()?),
        Encoding::Text => Some(text.as_bytes().to_vec()),
    }
}

/// The signatures and the time in a text, or nothing if its sender would not write it.
fn read(form: &SignatureForm, text: &str) -> Option<(Vec<String>, Option<String>)> {
    if text.is_empty()
        || text.len() > 16 * 1024
        || !text.chars().all(|character| (' '..='~').contains(&character))
    {
        return None;
    }
    let cut = |text: &str, separators: &str| -> Vec<String> {
        let pieces =
            text.split(|character| separators.contains(character)).map(|piece| piece.trim().to_owned());
        pieces.filter(|piece| !piece.is_empty()).collect()
    };
    if let Layout::List { separator } = form.layout {
        let items = cut(text, &separator.to_string());
        let items: Option<Vec<String>> =
            items.iter().map(|item| item.strip_prefix(&form.prefix).map(str::to_owned)).collect();
        return items.map(|items| (items, None));
    }
    let text = text.strip_prefix(&form.prefix)?;
    Some(match &form.layout {
        Layout::Single | Layout::List { .. } => (vec![text.to_owned()], None),
        Layout::Versioned { separator, versions } => {
            let items = cut(text, &separator.to_string());
            let items = items.iter().filter_map(|item| item.trim_end_matches(',').split_once(','));
            let wanted = items.filter(|(version, _)| versions.iter().any(|known| known == version));
            (wanted.map(|(_, value)| value.to_owned()).collect(), None)
        }
        Layout::Positional { separator } => {
            let mut items = cut(text, &separator.to_string());
            let time = if items.is_empty() { None } else { Some(items.remove(0)) };
            (items, time)
        }
        Layout::Pairs(pairs) => {
            let items = cut(text, &pairs.separators);
            let all: Vec<(&str, &str)> = items
                .iter()
                .filter_map(|item| item.split_once(pairs.mark))
                .map(|(name, value)| (name.trim(), value.trim()))
                .collect();
            let wanted = all.iter().filter(|(name, _)| pairs.signature == "*" || *name == pairs.signature);
            let time = |name: &&str| pairs.timestamp.as_deref() == Some(*name);
            let times: Vec<&str> =
                all.iter().filter(|(name, _)| time(name)).map(|(_, value)| *value).collect();
            if times.windows(2).any(|two| two[0] != two[1]) {
                return None;
            }
            (
                wanted.map(|(_, value)| (*value).to_owned()).collect(),
                times.first().map(|time| (*time).to_owned()),
            )
        }
    })
}

fn macs(form: &SignatureForm, time: Option<&str>, key: &[u8]) -> Vec<u8> {
    if form.encoding == Encoding::Text {
        return key.to_vec();
    }
    let message = match time.filter(|_| has_time(form)) {
        Some(time) => [time.as_bytes(), b".", BODY].concat(),
        None => BODY.to_vec(),
    };
    naive::hmac_sha256(key, &message)
}

/// Which secret's signature a plain reading finds.
fn expected(form: &SignatureForm, text: &str) -> Option<usize> {
    let (items, time) = read(form, text)?;
    if items.len() > 100 {
        return None;
    }
    if has_time(form) && form.encoding != Encoding::Text {
        let time = time.as_deref().filter(|time| !time.is_empty() && time.len() <= 64)?;
        let plain = time.bytes().all(|byte| byte.is_ascii_digit());
        time.parse::<i64>().ok().filter(|seconds| plain && seconds.checked_mul(1000).is_some())?;
    }
    let candidates: Option<Vec<Vec<u8>>> = items.iter().map(|item| decode(item, form.encoding)).collect();
    let candidates = candidates?;
    if form.encoding != Encoding::Text && candidates.iter().any(|candidate| candidate.len() != 32) {
        return None;
    }
    SECRETS.iter().position(|secret| candidates.contains(&macs(form, time.as_deref(), secret)))
}

/// The text with its control bytes replaced by signatures: nobody guesses those.
fn written(form: &SignatureForm, input: &[u8], time: Option<&str>) -> Vec<u8> {
    let of = |secret: &[u8]| macs(form, time, secret);
    let mut text = Vec::new();
    let own = of(SECRETS[0]);
    for byte in input {
        let signature = match byte {
            1 => encode(&own, form.encoding),
            2 => encode(&of(SECRETS[1]), form.encoding),
            3 => encode(&of(STRANGER), form.encoding),
            4 => encode(&[&own[..own.len() - 1], &[own[own.len() - 1] ^ 1]].concat(), form.encoding),
            5 => encode(&[&[own[0] ^ 0x40], &own[1..]].concat(), form.encoding),
            6 => encode(&own[1..], form.encoding),
            7 => encode(&own, form.encoding).to_uppercase(),
            8 => encode(&own, form.encoding).trim_end_matches('=').to_owned(),
            _ => {
                text.push(*byte);
                continue;
            }
        };
        text.extend_from_slice(signature.as_bytes());
    }
    text
}

/// The input is two bytes for the form and a text.
pub fn run(data: &[u8]) {
    let Some((form, input)) = data.split_first_chunk::<2>() else { return };
    let form = &FORMS[usize::from(u16::from_le_bytes(*form)) % FORMS.len()];
    if input.len() > 2048 {
        return;
    }
    let unsigned = String::from_utf8_lossy(&written(form, input, None)).into_owned();
    let time = read(form, &unsigned).and_then(|(_, time)| time);
    let text = written(form, input, time.as_deref());
    let (Ok(value), Ok(text)) = (HeaderValue::from_bytes(&text), std::str::from_utf8(&text)) else { return };
    let scheme = scheme(form);
    let named =
        SECRETS.map(|secret| NamedSecret::new("", Secret::new(secret.to_vec())));
    let keys = scheme.prepare(&named).expect("the secrets are keys");
    let headers: HeaderMap = [("x-signature".parse().expect("a name"), value)].into_iter().collect();
    let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
    let now = UnixTime::from_millis(0);
    let outcome = verify::verify(&scheme, &keys, &head, BODY, None, now);
    assert_eq!(
        outcome.as_ref().ok().map(verify::Verified::secret_index),
        expected(form, text),
        "{form:?} reads {text:?} and answers {outcome:?}"
    );
    // In pieces it is the same.
    let pieces = verify::begin(&scheme, &keys, &head, None, now).and_then(|mut verification| {
        BODY.chunks(5).for_each(|chunk| verification.update(chunk));
        verification.finish(&head, BODY)
    });
    assert_eq!(pieces.is_ok(), outcome.is_ok(), "{text:?} in pieces");
}

/// Each form as its sender writes it, with one and with several signatures.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (index, form) in FORMS.iter().enumerate() {
        let number = u16::try_from(index).expect("not so many").to_le_bytes();
        for signatures in [&[1_u8][..], &[3, 1], &[4], &[5, 2], &[7], &[8]] {
            let prefix = form.prefix.as_bytes();
            let joined = |items: Vec<Vec<u8>>, separator: &[u8]| items.join(separator);
            let text = match &form.layout {
                Layout::Single => [prefix, signatures].concat(),
                Layout::List { separator } => joined(
                    signatures.iter().map(|one| [prefix, &[*one]].concat()).collect(),
                    separator.to_string().as_bytes(),
                ),
                Layout::Versioned { separator, versions } => {
                    let version = versions[0].as_bytes();
                    let items = signatures.iter().map(|one| [version, b",", &[*one]].concat()).collect();
                    [prefix, &joined(items, separator.to_string().as_bytes())].concat()
                }
                Layout::Positional { separator } => {
                    let items = signatures.iter().map(|one| vec![*one]);
                    let items = [b"1700000000".to_vec()].into_iter().chain(items).collect();
                    [prefix, &joined(items, separator.to_string().as_bytes())].concat()
                }
                Layout::Pairs(pairs) => {
                    let mark = pairs.mark.to_string();
                    let time =
                        pairs.timestamp.iter().map(|name| format!("{name}{mark}1700000000").into_bytes());
                    let name = if pairs.signature == "*" { "key" } else { &pairs.signature };
                    let items =
                        signatures.iter().map(|one| [name.as_bytes(), mark.as_bytes(), &[*one]].concat());
                    [prefix, &joined(time.chain(items).collect(), &pairs.separators.as_bytes()[..1])].concat()
                }
            };
            seeds.push([&number[..], &text].concat());
        }
    }
    seeds
}
