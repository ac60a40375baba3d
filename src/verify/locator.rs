//! Where in a delivery a value stands: a header, a query parameter, a form field, a place in the JSON body.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use http::HeaderName;

use super::claim_path::ClaimPath;
use super::meanings;

/// One place of a delivery from which one text can be read.
///
/// Text form: `header:NAME`, `query:NAME`, `form:NAME`, `json:/pointer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A request header.
    Header(HeaderName),
    /// Any of several request headers; those that are there count as one list, separated by commas.
    Headers(Vec<HeaderName>),
    /// Every request header that has this name and a number behind it, as one list too.
    Numbered(String),
    /// A parameter of the target's query, percent-decoded.
    Query(String),
    /// A field of an `application/x-www-form-urlencoded` body, percent-decoded.
    Form(String),
    /// A scalar in the JSON body.
    Json(Pointer),
    /// The whole body.
    Body,
}

/// Where a part of an event's identity comes from.
///
/// Text form: that of [`Location`], or `claim:/pointer`, or `body`, or `signed`, or several joined by `|` (the first present counts).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locator {
    /// A request header.
    Header(HeaderName),
    /// A parameter of the target's query.
    Query(String),
    /// A field of a form body.
    Form(String),
    /// A scalar in the JSON body, or every scalar that a `*` reaches.
    Json(Pointer),
    /// `claim:/pointer`: a scalar in the claims of the JWT.
    Claim(ClaimPath),
    /// The SHA-256 of the raw body.
    Body,
    /// The SHA-256 of the bytes that were signed (without the secret, where the template holds it).
    Signed,
    /// The first of these that is present.
    AnyOf(Vec<Locator>),
}

/// A JSON pointer (RFC 6901) with one addition: a step `*` stands for every element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    steps: Vec<Step>,
}

/// One step of a [`Pointer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The member of this name, or the element of this index.
    Key(String),
    /// Every element of a list.
    Every,
}

/// Why a text is no locator, location or pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatorError {
    text: String,
    why: Cow<'static, str>,
}

impl Pointer {
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether it leads to the same place as the other one, or to a place inside of that.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.steps.starts_with(&other.steps)
    }

    /// Whether it may lead to the same place as the other one, or to a place inside of that: a `*` stands for any name, and names
    /// count in either letter case, as where values are blacked out.
    #[must_use]
    pub fn may_be_within(&self, other: &Self) -> bool {
        self.steps.len() >= other.steps.len()
            && self.steps.iter().zip(&other.steps).all(|steps| match steps {
                (Step::Key(one), Step::Key(other)) => one.eq_ignore_ascii_case(other),
                _ => true,
            })
    }

    /// The elements that its last `*` stands for.
    pub(crate) fn elements(&self) -> Self {
        let last = self.steps.iter().rposition(|step| *step == Step::Every).unwrap_or(self.steps.len());
        Self { steps: self.steps.iter().take(last.saturating_add(1)).cloned().collect() }
    }

    /// Whether a `*` makes it stand for several values.
    #[must_use]
    pub fn is_many(&self) -> bool {
        self.steps.contains(&Step::Every)
    }
}

impl FromStr for Pointer {
    type Err = LocatorError;

    fn from_str(text: &str) -> Result<Self, LocatorError> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(LocatorError::new(text, "a JSON pointer starts with `/`"));
        };
        let steps = rest.split('/').map(|step| match step {
            "*" => Ok(Step::Every),
            step => unescape(step).map(Step::Key).ok_or_else(|| {
                LocatorError::new(text, "`~` in a JSON pointer is written `~0`, and `/` `~1`")
            }),
        });
        Ok(Self { steps: steps.collect::<Result<_, _>>()? })
    }
}

impl FromStr for Location {
    type Err = LocatorError;

    fn from_str(text: &str) -> Result<Self, LocatorError> {
        let Some((kind, name)) = text.split_once(':') else {
            return Err(LocatorError::no_place(text));
        };
        if name.is_empty() {
            return Err(LocatorError::new(text, "the name after the colon is missing"));
        }
        match kind {
            "header" => name
                .parse()
                .map(Self::Header)
                .map_err(|_| LocatorError::new(text, "this cannot be a header's name")),
            "query" => Ok(Self::Query(name.to_owned())),
            "form" => Ok(Self::Form(name.to_owned())),
            "json" => name.parse().map(Self::Json),
            _ => Err(LocatorError::no_place(text)),
        }
    }
}

impl FromStr for Locator {
    type Err = LocatorError;

    fn from_str(text: &str) -> Result<Self, LocatorError> {
        if text.contains('|') {
            return text.split('|').map(|one| one.trim().parse()).collect::<Result<_, _>>().map(Self::AnyOf);
        }
        match text {
            "body" => Ok(Self::Body),
            "signed" => Ok(Self::Signed),
            _ if text.starts_with("claim:") => {
                text.strip_prefix("claim:").unwrap_or_default().parse().map(Self::Claim)
            }
            _ => match text.parse()? {
                Location::Header(name) => Ok(Self::Header(name)),
                Location::Query(name) => Ok(Self::Query(name)),
                Location::Form(name) => Ok(Self::Form(name)),
                Location::Json(pointer) => Ok(Self::Json(pointer)),
                // None has a text form.
                Location::Headers(_) | Location::Numbered(_) | Location::Body => {
                    Err(LocatorError::new(text, "one header at a time; join several with `|`"))
                }
            },
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| match step {
            Step::Every => f.write_str("/*"),
            Step::Key(key) => write!(f, "/{}", key.replace('~', "~0").replace('/', "~1")),
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Headers(names) => {
                let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
                write!(f, "header:{}", names.join(" or "))
            }
            Self::Numbered(prefix) => write!(f, "header:{prefix}*"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Form(name) => write!(f, "form:{name}"),
            Self::Json(pointer) => write!(f, "json:{pointer}"),
            Self::Body => f.write_str("the body"),
        }
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Form(name) => write!(f, "form:{name}"),
            Self::Json(pointer) => write!(f, "json:{pointer}"),
            Self::Claim(path) => write!(f, "claim:{path}"),
            Self::Body => f.write_str("body"),
            Self::Signed => f.write_str("signed"),
            Self::AnyOf(any) => {
                for (index, one) in any.iter().enumerate() {
                    write!(f, "{}{one}", if index == 0 { "" } else { "|" })?;
                }
                Ok(())
            }
        }
    }
}

impl LocatorError {
    fn new(text: &str, why: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.to_owned(), why: why.into() }
    }

    fn no_place(text: &str) -> Self {
        Self::new(text, format!("expected {}", meanings::enumerated(meanings::PLACES, "or")))
    }
}

impl fmt::Display for LocatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.text, self.why)
    }
}

impl std::error::Error for LocatorError {}

fn unescape(step: &str) -> Option<String> {
    let mut plain = String::with_capacity(step.len());
    let mut characters = step.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_form_survives_a_round_trip() {
        for text in [
            "header:x-github-delivery",
            "query:bodySHA256",
            "form:MessageSid",
            "json:/data/0/id",
            "json:/a~1b/c~0d/*/e",
            "claim:/data#/id",
            "body",
            "signed",
            "header:x-id|json:/id|body",
        ] {
            assert_eq!(text.parse::<Locator>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_place_is_refused_with_the_reason() {
        for text in ["", "id", "header:", "header:a b", "json:id", "json:", "json:/a~2", "cookie:a", "body|"]
        {
            assert!(text.parse::<Locator>().is_err(), "{text}");
        }
        let error = "json:id".parse::<Locator>().unwrap_err().to_string();
        assert_eq!(error, "`id`: a JSON pointer starts with `/`");
    }

    #[test]
    fn a_star_stands_for_several_values() {
        assert!("/events/*/id".parse::<Pointer>().unwrap().is_many());
        assert!(!"/events/0/id".parse::<Pointer>().unwrap().is_many());
    }
}
