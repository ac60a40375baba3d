//! What cannot be tried but can be seen: hints for when no hypothesis makes the delivery verify.

use crate::verify::{Algorithm, Encoding, Layout, Location, Part};

use super::attempt::Attempt;
use super::{Mistake, Question, signing, url};

/// The mistake's word and the advice, if its sign is there.
type Hint = Option<(&'static str, String)>;

/// Hints, the most telling first; the last one is always there.
pub(super) fn suspicions(question: &Question<'_>) -> Vec<Mistake> {
    let checks: [fn(&Question<'_>) -> Hint; 6] =
        [other_headers, length, empty, decompressed, signature_length, url_unknown];
    let mut found: Vec<_> = checks.iter().filter_map(|check| check(question)).collect();
    found.push(("nothing_fits", nothing_fits(question)));
    found.into_iter().map(|(mistake, advice)| Mistake { mistake, advice, proven: false }).collect()
}

/// The expected header is missing and another sender's is there.
fn other_headers(question: &Question<'_>) -> Hint {
    let attempt = Attempt::of(question);
    let expected = attempt.signature_headers();
    if expected.is_empty() || expected.iter().any(|name| question.head.headers.has(name)) {
        return None;
    }
    let shown: Vec<_> = expected.iter().map(|name| format!("`{name}`")).collect();
    let has = |location: &Location| matches!(location, Location::Header(name) if name != "authorization" && question.head.headers.has(name));
    let others: Vec<_> = question
        .other_senders
        .iter()
        .filter(|sender| sender.scheme.alternatives.iter().any(|form| has(&form.signature.location)))
        .map(|sender| format!("`{}`", sender.name))
        .take(5)
        .collect();
    let advice = if others.is_empty() {
        format!(
            "{} is missing: the sender has no secret configured, or something in front removed the header",
            shown.join(" or ")
        )
    } else {
        format!(
            "{} is missing, but the headers are those of {}: compare the provider",
            shown.join(" or "),
            others.join(", ")
        )
    };
    Some(("signature_header_missing", advice))
}

/// `Content-Length` says that other bytes were sent.
fn length(question: &Question<'_>) -> Hint {
    let announced: usize = question.head.headers.text(&http::header::CONTENT_LENGTH)?.parse().ok()?;
    let here = question.body.len();
    (announced != here).then(|| {
        let advice = format!(
            "Content-Length says {announced} bytes and the body has {here}: these are not the bytes that were sent; save them \
             before anything parses, trims or decodes them"
        );
        ("body_length", advice)
    })
}

fn empty(question: &Question<'_>) -> Hint {
    question.body.is_empty().then(|| {
        let advice = "the body is empty: a middleware most likely consumed it before it was saved; take the raw bytes first";
        ("body_consumed", advice.to_owned())
    })
}

/// The head says it is compressed, the body is not.
fn decompressed(question: &Question<'_>) -> Hint {
    let encoding = question.head.headers.text(&http::header::CONTENT_ENCODING)?.to_ascii_lowercase();
    let plain = encoding.contains("gzip") && !question.body.starts_with(&[0x1f, 0x8b]);
    plain.then(|| {
        let advice = "Content-Encoding says gzip and the body is plain: a framework decompressed it, and the compressed bytes \
                      may be what was signed";
        ("body_decompressed", advice.to_owned())
    })
}

/// The signature is as long as another algorithm's.
fn signature_length(question: &Question<'_>) -> Hint {
    let form = question.sender.scheme.alternatives.first()?;
    let Location::Header(name) = &form.signature.location else { return None };
    if form.signature.layout != Layout::Single
        || matches!(form.algorithm, Algorithm::Token | Algorithm::Basic)
    {
        return None;
    }
    let text = question.head.headers.text(name)?;
    let text = text.strip_prefix(&*form.signature.prefix).unwrap_or(text);
    let expected = signing::digest_length(&form.algorithm)?;
    let bytes = match form.signature.encoding {
        Encoding::Hex => text.len() / 2,
        Encoding::Base64 | Encoding::Base64Url => text.trim_end_matches('=').len() * 3 / 4,
        Encoding::Base64Hex => text.trim_end_matches('=').len() * 3 / 8,
        Encoding::Text => return None,
    };
    let other = match bytes {
        _ if bytes == expected => return None,
        16 => "MD5",
        20 => "SHA-1",
        32 => "SHA-256",
        48 => "SHA-384",
        64 => "SHA-512",
        _ => "no digest this gateway knows",
    };
    let advice = format!(
        "the signature has {bytes} bytes where this sender's has {expected}; that is the length of {other}"
    );
    Some(("signature_length", advice))
}

/// The sender signs the URL and nobody said which it called.
fn url_unknown(question: &Question<'_>) -> Hint {
    let signs_url = url::signs(&Attempt::of(question), |part| *part == Part::Url);
    (signs_url && question.head.origin.is_none()).then(|| {
        let advice =
            "this sender signs the URL it called: give it with --url, and set `public_url` on the route";
        ("url_unknown", advice.to_owned())
    })
}

fn nothing_fits(question: &Question<'_>) -> String {
    let secrets = match question.secrets.len() {
        1 => "the secret".to_owned(),
        count => format!("any of the {count} secrets"),
    };
    format!(
        "none of the usual mistakes alone or in pairs makes this verify with {secrets}: most likely it was signed with \
         another secret (compare it with the sender's settings), or the body was changed in content"
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Case;

    #[test]
    fn each_hint_is_given_for_its_sign() {
        let forged = || Case::signed(b"{\"a\":1}").receives(b"{\"a\":2}");
        forged().header("content-length", "70").suspects("body_length", "says 70 bytes and the body has 7");
        forged().header("content-encoding", "gzip").suspects("body_decompressed", "plain");
        forged().receives(b"").suspects("body_consumed", "middleware");
        forged().writes(|_| "0".repeat(40)).suspects("signature_length", "SHA-1");
        forged().signs("{url}{body}").suspects("url_unknown", "--url");
        forged().suspects("nothing_fits", "another secret");
    }

    #[test]
    fn a_missing_header_names_whose_headers_are_there() {
        let lost = || Case::signed(b"{}").with_key(b"abc").and_secret(b"xyz").under("x-other");
        lost().other_sender("acme", "x-other").suspects("signature_header_missing", "`acme`");
        lost().suspects("signature_header_missing", "no secret configured");
    }
}
