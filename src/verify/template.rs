//! The text form of what a sender signs: literal text with `{placeholders}`.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;

use super::locator::Pointer;
use super::scheme::{Encoding, Sha};

/// What a sender signs, such as `{timestamp}.{body}`. Literal braces are doubled: `{{`, `}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// One part of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text that stands there as it is.
    Literal(String),
    /// `{body}`: the body, byte for byte.
    Body,
    /// `{body_sha256_hex}`, `{body_sha1_base64}`, …: a digest of the body, hex in lower case.
    BodyDigest(Sha, Encoding),
    /// `{timestamp}`: the send time exactly as received.
    Timestamp,
    /// `{header:NAME}`: a header's value.
    Header(HeaderName),
    /// `{pair:NAME}`: the item of this name in the signature's own text.
    Pair(String),
    /// `{method}`: the method, upper case.
    Method,
    /// `{url}`: origin, path and query as the sender sees them.
    Url,
    /// `{path}`: the target up to the query.
    Path,
    /// `{query}`: the query without `?`, as received; nothing if there is none.
    Query,
    /// `{query:NAME}`: a parameter of the query, decoded.
    QueryParameter(String),
    /// `{form_sorted}`: Twilio's: every field's name and value, sorted by name, equal values of a name once.
    FormSorted,
    /// `{form:NAME}`: a field of a form body, decoded.
    FormField(String),
    /// `{json:/pointer}`: a scalar of the JSON body; texts unescaped, numbers as received.
    Json(Pointer),
    /// `{secret}`: the key itself, only for plain digests.
    Secret,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    why: String,
}

impl Template {
    /// Its parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether it holds the whole body or a digest of it.
    #[must_use]
    pub fn covers_body(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Body | Part::BodyDigest(..) | Part::FormSorted))
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(position) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(position);
            literal.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else if let Some((name, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) {
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(placeholder(name)?);
                rest = after;
            } else {
                return Err(TemplateError {
                    why: "a brace stands alone; a literal one is doubled".to_owned(),
                });
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        if parts.is_empty() {
            return Err(TemplateError { why: "a template cannot be empty".to_owned() });
        }
        Ok(Self { parts })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| part.fmt(f))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Self::Body => f.write_str("{body}"),
            Self::BodyDigest(sha, encoding) => {
                match DIGESTS.iter().find(|(_, s, e)| (s, e) == (sha, encoding)) {
                    Some((name, ..)) => write!(f, "{{{name}}}"),
                    None => write!(f, "{{body {sha:?} {encoding:?}}}"),
                }
            }
            Self::Timestamp => f.write_str("{timestamp}"),
            Self::Header(name) => write!(f, "{{header:{name}}}"),
            Self::Pair(name) => write!(f, "{{pair:{name}}}"),
            Self::Method => f.write_str("{method}"),
            Self::Url => f.write_str("{url}"),
            Self::Path => f.write_str("{path}"),
            Self::Query => f.write_str("{query}"),
            Self::QueryParameter(name) => write!(f, "{{query:{name}}}"),
            Self::FormSorted => f.write_str("{form_sorted}"),
            Self::FormField(name) => write!(f, "{{form:{name}}}"),
            Self::Json(pointer) => write!(f, "{{json:{pointer}}}"),
            Self::Secret => f.write_str("{secret}"),
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for TemplateError {}

const DIGESTS: [(&str, Sha, Encoding); 6] = [
    ("body_sha1_hex", Sha::Sha1, Encoding::Hex),
    ("body_sha1_base64", Sha::Sha1, Encoding::Base64),
    ("body_sha256_hex", Sha::Sha256, Encoding::Hex),
    ("body_sha256_base64", Sha::Sha256, Encoding::Base64),
    ("body_sha512_hex", Sha::Sha512, Encoding::Hex),
    ("body_sha512_base64", Sha::Sha512, Encoding::Base64),
];

fn placeholder(name: &str) -> Result<Part, TemplateError> {
    if let Some((_, sha, encoding)) = DIGESTS.iter().find(|(digest, ..)| *digest == name) {
        return Ok(Part::BodyDigest(*sha, *encoding));
    }
    let named = name.split_once(':').filter(|(_, argument)| !argument.is_empty());
    Ok(match (name, named) {
        ("body", _) => Part::Body,
        ("timestamp", _) => Part::Timestamp,
        ("method", _) => Part::Method,
        ("url", _) => Part::Url,
        ("path", _) => Part::Path,
        ("query", _) => Part::Query,
        ("form_sorted", _) => Part::FormSorted,
        ("secret", _) => Part::Secret,
        (_, Some(("header", argument))) => {
            let name = argument.parse();
            Part::Header(
                name.map_err(|_| TemplateError { why: format!("`{argument}` cannot be a header's name") })?,
            )
        }
        (_, Some(("pair", argument))) => Part::Pair(argument.to_owned()),
        (_, Some(("query", argument))) => Part::QueryParameter(argument.to_owned()),
        (_, Some(("form", argument))) => Part::FormField(argument.to_owned()),
        (_, Some(("json", argument))) => {
            Part::Json(argument.parse().map_err(|error| TemplateError { why: format!("{error}") })?)
        }
        _ => {
            return Err(TemplateError {
                why: format!(
                    "`{{{name}}}` is no placeholder; there are body, body_sha256_hex, timestamp, header:NAME, pair:NAME, \
                     method, url, path, query, query:NAME, form_sorted, form:NAME, json:/POINTER and secret"
                ),
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_survives_a_round_trip() {
        for text in [
            "{timestamp}.{body}",
            "v0:{timestamp}:{body}",
            "{method} {url}{form_sorted}",
            "{{\"id\":\"{json:/data/id}\"}}",
            "{header:webhook-id}.{timestamp}.{body_sha256_hex}{pair:n}{query:a}{form:b}{path}?{query}{secret}",
        ] {
            assert_eq!(text.parse::<Template>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_lonely_brace_and_an_unknown_placeholder_are_refused() {
        for text in ["{", "}", "{body", "body}", "{bodi}", "{header:}", "{header:a b}", "{json:id}", "{}", ""]
        {
            assert!(text.parse::<Template>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_body_itself_or_its_digest_covers_it() {
        assert!("{body}".parse::<Template>().unwrap().covers_body());
        assert!("{body_sha256_hex}".parse::<Template>().unwrap().covers_body());
        assert!(!"{timestamp}{json:/token}".parse::<Template>().unwrap().covers_body());
    }
}
