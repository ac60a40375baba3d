//! The text form of what a sender signs: literal text with `{placeholders}`.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;
use smallvec::{SmallVec, smallvec};

use super::filter::{self, Filter};
use super::locator::Pointer;
use super::meanings;
use super::scheme::{Encoding, Sha};

/// What a sender signs, such as `{timestamp}.{body}`. Literal braces are doubled: `{{`, `}}`.
///
/// A placeholder may be followed by filters, `{query:data.id|lower}`, and a piece that falls away as a whole when a
/// value in it is not there stands in `{[` and `]}`: `{[id:{query:id};]}`.
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
    /// `{target}`: path and query as they stand in the request line.
    Target,
    /// `{url_without_query}`: origin and path as the sender sees them.
    UrlWithoutQuery,
    /// `{query:NAME}`: a parameter of the query, decoded.
    QueryParameter(String),
    /// `{form_sorted}`: Twilio's: every field's name and value, sorted by name, equal values of a name once.
    FormSorted,
    /// `{form:NAME}`: a field of a form body, decoded.
    FormField(String),
    /// `{json:/pointer}`: a scalar of the JSON body; texts unescaped, numbers as received.
    Json(Pointer),
    /// `{json_raw:/pointer}`: the bytes of any JSON value as they stand in the body.
    JsonRaw(Pointer),
    /// `{setting:NAME}`: a value that the route gives under `settings` and that is no secret.
    Setting(String),
    /// `{jws_headers:MEMBER}`: `Name: value` and a line feed for each header that this member of a detached JWS's own
    /// header lists.
    JwsHeaders(String),
    /// `{secret}`: the key itself, only for plain digests.
    Secret,
    /// `{SOURCE|filter|…}`: a value that the sender changes before it signs it.
    Filtered(Box<Part>, Vec<Filter>),
    /// `{[…]}`: left out as a whole when a value in it is not there.
    Optional(Vec<Part>),
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
        self.leaves().any(|part| matches!(part, Part::Body | Part::BodyDigest(..) | Part::FormSorted))
    }

    /// The same with the values of its settings in their places; a setting without a value stays.
    #[must_use]
    pub fn with_settings(&self, value: &dyn Fn(&str) -> Option<Part>) -> Self {
        Self { parts: self.parts.iter().map(|part| part.with_settings(value)).collect() }
    }

    /// Its parts without the filters and brackets around them, in order.
    pub fn leaves(&self) -> impl Iterator<Item = &Part> {
        Leaves(smallvec![self.parts.iter()])
    }
}

impl Part {
    fn with_settings(&self, value: &dyn Fn(&str) -> Option<Part>) -> Self {
        match self {
            Self::Setting(name) => value(name).unwrap_or_else(|| self.clone()),
            Self::Filtered(part, filters) => {
                Self::Filtered(Box::new(part.with_settings(value)), filters.clone())
            }
            Self::Optional(parts) => {
                Self::Optional(parts.iter().map(|part| part.with_settings(value)).collect())
            }
            part => part.clone(),
        }
    }
}

/// Walks into filters and brackets. One level of either needs no allocation.
struct Leaves<'t>(SmallVec<[std::slice::Iter<'t, Part>; 3]>);

impl<'t> Iterator for Leaves<'t> {
    type Item = &'t Part;

    fn next(&mut self) -> Option<&'t Part> {
        loop {
            match self.0.last_mut()?.next() {
                None => {
                    self.0.pop();
                }
                Some(Part::Optional(parts)) => self.0.push(parts.iter()),
                Some(Part::Filtered(part, _)) => self.0.push(std::slice::from_ref(&**part).iter()),
                Some(leaf) => return Some(leaf),
            }
        }
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let (parts, rest) = parse(text, false)?;
        if !rest.is_empty() {
            return Err(error("`]}` closes nothing"));
        }
        if parts.is_empty() {
            return Err(error("a template cannot be empty"));
        }
        Ok(Self { parts })
    }
}

/// Reads parts up to the end of the text or, inside brackets, up to `]}`. Gives what follows.
fn parse(text: &str, bracketed: bool) -> Result<(Vec<Part>, &str), TemplateError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(position) = rest.find(['{', '}', ']']) {
        let (before, from) = rest.split_at(position);
        literal.push_str(before);
        if let Some(after) = from.strip_prefix("]}").filter(|_| bracketed) {
            push_literal(&mut parts, &mut literal);
            return Ok((parts, after));
        }
        if let Some(after) = from.strip_prefix(']') {
            literal.push(']');
            rest = after;
        } else if let Some(after) = from.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            literal.push('}');
            rest = after;
        } else if let Some(after) = from.strip_prefix("{[") {
            if bracketed {
                return Err(error("`{[` inside `{[`: one level is all there is"));
            }
            push_literal(&mut parts, &mut literal);
            let (inside, after) = parse(after, true)?;
            parts.push(Part::Optional(inside));
            rest = after;
        } else if let Some((name, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) {
            push_literal(&mut parts, &mut literal);
            parts.push(filtered(name)?);
            rest = after;
        } else {
            return Err(error("a brace stands alone; a literal one is doubled"));
        }
    }
    if bracketed {
        return Err(error("`{[` needs a `]}` after it"));
    }
    literal.push_str(rest);
    push_literal(&mut parts, &mut literal);
    Ok((parts, ""))
}

fn push_literal(parts: &mut Vec<Part>, literal: &mut String) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
}

fn filtered(text: &str) -> Result<Part, TemplateError> {
    let mut words = text.split('|');
    let source = placeholder(words.next().unwrap_or_default())?;
    let filters: Vec<Filter> = words
        .map(|word| word.trim().parse())
        .collect::<Result<_, _>>()
        .map_err(|unknown: super::scheme::UnknownWord| TemplateError { why: format!("filter {unknown}") })?;
    match (&source, filters.is_empty()) {
        (_, true) => Ok(source),
        // A filter would need a copy of the secret, and no sender asks for one.
        (Part::Secret, false) => Err(error("{secret} takes no filter")),
        (_, false) => Ok(Part::Filtered(Box::new(source), filters)),
    }
}

fn error(why: &str) -> TemplateError {
    TemplateError { why: why.to_owned() }
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
            Self::Target => f.write_str("{target}"),
            Self::UrlWithoutQuery => f.write_str("{url_without_query}"),
            Self::JsonRaw(pointer) => write!(f, "{{json_raw:{pointer}}}"),
            Self::Setting(name) => write!(f, "{{setting:{name}}}"),
            Self::JwsHeaders(member) => write!(f, "{{jws_headers:{member}}}"),
            Self::Filtered(part, filters) => {
                let source = part.to_string();
                f.write_str(source.strip_suffix('}').unwrap_or(&source))?;
                filters.iter().try_for_each(|filter| write!(f, "|{}", filter::word(*filter)))?;
                f.write_str("}")
            }
            Self::Optional(parts) => {
                f.write_str("{[")?;
                parts.iter().try_for_each(|part| part.fmt(f))?;
                f.write_str("]}")
            }
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
        ("target", _) => Part::Target,
        ("url_without_query", _) => Part::UrlWithoutQuery,
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
        (_, Some(("json", argument))) => Part::Json(pointer(argument)?),
        (_, Some(("json_raw", argument))) => Part::JsonRaw(pointer(argument)?),
        (_, Some(("setting", argument))) => Part::Setting(argument.to_owned()),
        (_, Some(("jws_headers", argument))) => Part::JwsHeaders(argument.to_owned()),
        _ => {
            let known = meanings::enumerated(meanings::PLACEHOLDERS, "and");
            return Err(TemplateError { why: format!("`{{{name}}}` is no placeholder; there are {known}") });
        }
    })
}

fn pointer(text: &str) -> Result<Pointer, TemplateError> {
    text.parse().map_err(|error| TemplateError { why: format!("{error}") })
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
            "{[id:{query:data.id|lower};]}[{body|json_string|sha256_hex}]{json_raw:/a}{setting:n}{target}{url_without_query}",
        ] {
            assert_eq!(text.parse::<Template>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_lonely_brace_and_an_unknown_placeholder_are_refused() {
        for text in [
            "{",
            "}",
            "{body",
            "body}",
            "{bodi}",
            "{header:}",
            "{header:a b}",
            "{json:id}",
            "{}",
            "",
            "{[a",
            "{[{[a]}]}",
            "{body|upper}",
            "{secret|lower}",
            "{body|}",
        ] {
            assert!(text.parse::<Template>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_body_itself_or_its_digest_covers_it() {
        assert!("{body}".parse::<Template>().unwrap().covers_body());
        assert!("{body_sha256_hex}".parse::<Template>().unwrap().covers_body());
        assert!("{timestamp}{body|crc32}".parse::<Template>().unwrap().covers_body());
        assert!(!"{timestamp}{json:/token}".parse::<Template>().unwrap().covers_body());
    }
}
