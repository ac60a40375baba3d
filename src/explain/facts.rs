//! What can be seen of a delivery without any secret: shapes and lengths, never a value that may be one.

use crate::time::Distance;
use crate::verify::{
    Algorithm, Alternative, Encoding, Layout, Location, TimeUnit, TimestampSource, header_text,
};

use super::timing::show;
use super::{Fact, Question};

/// The delivery's facts, in the order in which to read them.
pub(super) fn delivery(question: &Question<'_>) -> Vec<Fact> {
    let mut facts = vec![Fact { about: "sender", text: sender(question) }];
    let mut seen = Vec::new();
    for form in &question.sender.scheme.alternatives {
        if !seen.contains(&&form.signature.location) {
            seen.push(&form.signature.location);
            facts.push(Fact { about: "signature", text: signature(question, form) });
        }
    }
    if let Some(text) = question.sender.scheme.alternatives.iter().find_map(|form| sent(question, form)) {
        facts.push(Fact { about: "sent", text });
    }
    facts.push(Fact { about: "body", text: body(question) });
    let names: Vec<_> = question.secrets.iter().map(|named| format!("`{}`", named.name)).collect();
    facts.push(Fact { about: "secrets", text: format!("{} given: {}", names.len(), names.join(", ")) });
    facts
}

/// What a signature's text looks like, without the text.
pub(super) fn shape(text: &str) -> String {
    let length = text.len();
    if text.is_empty() {
        return "empty".to_owned();
    }
    if length < 20 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("{length} digits");
    }
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let case = if text.bytes().any(|byte| byte.is_ascii_uppercase()) { "upper-case " } else { "" };
        return format!("{length} {case}hex digits ({} bytes)", length / 2);
    }
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    if text.bytes().all(base64) {
        let bytes = text.trim_end_matches('=').len() * 3 / 4;
        return format!("{length} characters of base64 ({bytes} bytes)");
    }
    format!("{length} characters")
}

/// The name of an algorithm in the provider language.
pub(super) fn algorithm(algorithm: &Algorithm) -> &'static str {
    let same = |word: &&&str| word.parse::<Algorithm>().is_ok_and(|other| other == *algorithm);
    match algorithm {
        Algorithm::Jwt(_) => "jwt",
        Algorithm::JwsDetached(_) => "jws-detached",
        Algorithm::HttpMessage(_) => "http-message-signature",
        _ => Algorithm::WORDS.iter().find(same).copied().unwrap_or("its algorithm"),
    }
}

fn sender(question: &Question<'_>) -> String {
    let name = question.sender.name;
    let Some(form) = question.sender.scheme.alternatives.first() else {
        return format!("`{name}` has no way of signing");
    };
    let encoding = match form.signature.encoding {
        Encoding::Hex => " in hex",
        Encoding::Base64 => " in base64",
        Encoding::Base64Url => " in base64url",
        Encoding::Base64Hex => " in base64 of hex",
        Encoding::Text => "",
    };
    let over = form.signed.first().map_or_else(String::new, |signed| format!(" over `{signed}`"));
    let prefix = match &*form.signature.prefix {
        "" => String::new(),
        prefix => format!(" after `{prefix}`"),
    };
    format!(
        "`{name}` sends {}{encoding}{over}{prefix}, at {}",
        algorithm(&form.algorithm),
        form.signature.location
    )
}

fn signature(question: &Question<'_>, form: &Alternative) -> String {
    let Location::Header(name) = &form.signature.location else {
        return format!("looked for at {}", form.signature.location);
    };
    let values: Vec<_> = question.head.headers.values(name).collect();
    match values.as_slice() {
        [] => format!("`{name}` is not there"),
        [value] => match header_text(value) {
            Some(text) => format!("`{name}` is there: {}", text_shape(text, form)),
            None => format!("`{name}` is there and is not ASCII"),
        },
        many => format!("`{name}` is there {} times", many.len()),
    }
}

fn text_shape(text: &str, form: &Alternative) -> String {
    // A token is the secret itself; even its form says too much.
    if matches!(
        form.algorithm,
        Algorithm::Token | Algorithm::Basic | Algorithm::Jwt(_) | Algorithm::JwsDetached(_)
    ) {
        return format!("{} characters", text.len());
    }
    let items = |separator: char, split: char| {
        let items: Vec<_> = text
            .split(separator)
            .map(|item| match item.trim().split_once(split) {
                Some((name, value)) if name.len() <= 8 => format!("{name}{split}{}", shape(value)),
                _ => shape(item.trim()),
            })
            .take(8)
            .collect();
        items.join("; ")
    };
    match &form.signature.layout {
        Layout::Pairs(pairs) => items(pairs.separators.chars().next().unwrap_or(','), pairs.mark),
        Layout::Versioned { separator, .. } => items(*separator, ','),
        Layout::List { separator } | Layout::Positional { separator } => items(*separator, '\0'),
        Layout::Single => match text.strip_prefix(&*form.signature.prefix) {
            Some(rest) if !form.signature.prefix.is_empty() => {
                format!("`{}` and {}", form.signature.prefix, shape(rest))
            }
            _ => shape(text),
        },
    }
}

fn body(question: &Question<'_>) -> String {
    let body = question.body;
    let kind = match body {
        [] => "empty",
        [0x1f, 0x8b, ..] => "gzip",
        [b'{' | b'[', ..] if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() => "JSON",
        _ if std::str::from_utf8(body).is_ok() => "text",
        _ => "not text",
    };
    let end = match body {
        [.., b'\r', b'\n'] => ", ends with CR LF",
        [.., b'\n'] => ", ends with a newline",
        _ => "",
    };
    format!("{} bytes, {kind}{end}", body.len())
}

/// Whether it could be a date in words: RFC 3339 and RFC 2822 write no longer words than names of months and days.
fn is_date_like(text: &str) -> bool {
    let longest = text.split(|c: char| !c.is_ascii_alphabetic()).map(str::len).max().unwrap_or(0);
    longest <= 4 && text.len() <= 40 && text.contains(':')
}

fn sent(question: &Question<'_>, form: &Alternative) -> Option<String> {
    let timestamp = form.timestamp.as_ref()?;
    let header = |name| question.head.headers.text(name);
    let text = match (&timestamp.source, &form.signature.location, &form.signature.layout) {
        (TimestampSource::Header(name), ..) => header(name)?,
        (TimestampSource::Signature, Location::Header(name), Layout::Pairs(pairs)) => {
            let wanted = pairs.timestamp.as_deref()?;
            let items = header(name)?.split(|character| pairs.separators.contains(character));
            let mut items = items.filter_map(|item| item.trim().split_once(pairs.mark));
            items.find(|(name, _)| *name == wanted)?.1
        }
        _ => return None,
    };
    let seconds = match timestamp.unit {
        TimeUnit::Seconds => text.parse().ok(),
        TimeUnit::Milliseconds => text.parse::<i64>().ok().map(|millis| millis.div_euclid(1000)),
        TimeUnit::Rfc3339 | TimeUnit::Rfc2822 => None,
    };
    let shown: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
    let Some(sent) = seconds.and_then(crate::time::UnixTime::from_seconds) else {
        // What is no time may be anything, a secret too that stands in the wrong place.
        let in_words = matches!(timestamp.unit, TimeUnit::Rfc3339 | TimeUnit::Rfc2822);
        return Some(if in_words && is_date_like(&shown) { format!("`{shown}`") } else { shape(text) });
    };
    let date = chrono::DateTime::from_timestamp(sent.seconds(), 0)
        .map_or_else(String::new, |date| format!(", {}", date.format("%Y-%m-%d %H:%M:%S UTC")));
    let apart = match sent.distance_from(question.now) {
        Distance::Past(apart) => format!("{} ago", show(apart)),
        Distance::Future(apart) => format!("{} ahead", show(apart)),
    };
    Some(format!("`{shown}`{date}, {apart}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_be_a_date_is_taken_for_one() {
        for text in ["Sat, 21 Nov 2026 22:00:00 GMT", "2026-11-21T22:00:00.5Z", "2026-11-21 22:00:00+01:00"] {
            assert!(is_date_like(text), "{text}");
        }
        for text in ["correct-horse-battery-staple", "sk_live_4242", "whsec_MfKQ9r8GKYqr:TwjU", ""] {
            assert!(!is_date_like(text), "{text}");
        }
    }

    #[test]
    fn shapes_tell_lengths_and_no_values() {
        assert_eq!(shape("1700000000"), "10 digits");
        assert_eq!(shape("00ff"), "4 hex digits (2 bytes)");
        assert_eq!(shape("00FF"), "4 upper-case hex digits (2 bytes)");
        assert_eq!(shape("aGVsbG8="), "8 characters of base64 (5 bytes)");
        assert_eq!(shape("hello world"), "11 characters");
    }

    #[test]
    fn algorithms_have_their_names_of_the_provider_language() {
        for word in Algorithm::WORDS {
            assert_eq!(algorithm(&word.parse().unwrap()), *word);
        }
    }
}
