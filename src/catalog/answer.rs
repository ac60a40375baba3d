//! The text form of a handshake's answer: literal text with values of the request and MACs or digests of them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::verify::Locator;

use super::challenge::Request;

/// What a handshake is answered with, such as `{query:hub.challenge}`.
///
/// A brace begins a placeholder only where a known word and a colon follow it (or it is `{token}` or `{url}`), so JSON
/// is written as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerTemplate {
    parts: Vec<Part>,
}

/// Why a text is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerError(String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// `{header:NAME}`, `{query:NAME}`, `{form:NAME}`, `{json:/POINTER}`: the value; inside JSON its text without quotes.
    Value(Locator),
    /// `{json_text:LOCATOR}` or `{json_text:/POINTER}`: the value as a JSON text, quotes included.
    JsonText(Locator),
    /// `{hmac_hex:LOCATOR}`: the MAC of the value under the secret that verified the request, in lower case hex.
    HmacHex(Locator),
    /// `{hmac_base64:LOCATOR}`: the same in base64.
    HmacBase64(Locator),
    /// `{sha256_hex:LOCATOR+token+url}`: the SHA-256 of these one after the other, in lower case hex.
    Sha256Hex(Vec<Ingredient>),
    /// `{sha256_base64:…}`: the same in base64.
    Sha256Base64(Vec<Ingredient>),
    /// `{token}`: the route's `verify_token`.
    Token,
    /// `{url}`: the URL under which the sender knows the route, without a query.
    Url,
}

/// What a digest is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ingredient {
    Value(Locator),
    Token,
    Url,
}

const WORDS: [&str; 9] = [
    "header",
    "query",
    "form",
    "json",
    "json_text",
    "hmac_hex",
    "hmac_base64",
    "sha256_hex",
    "sha256_base64",
];

impl AnswerTemplate {
    /// The text, or `None` if the request lacks a value or its value may not be echoed.
    pub(super) fn fill(&self, request: &Request<'_>, inside_json: bool) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Value(at) => push(&mut text, &request.echo(at)?, inside_json)?,
                Part::JsonText(at) => text.push_str(&serde_json::to_string(&request.echo(at)?).ok()?),
                Part::HmacHex(at) => text.push_str(&hex::encode(request.mac(at)?)),
                Part::HmacBase64(at) => text.push_str(&STANDARD.encode(request.mac(at)?)),
                Part::Sha256Hex(of) => text.push_str(&hex::encode(sha256(of, request)?)),
                Part::Sha256Base64(of) => text.push_str(&STANDARD.encode(sha256(of, request)?)),
                Part::Token => push(&mut text, std::str::from_utf8(request.token()?).ok()?, inside_json)?,
                Part::Url => push(&mut text, &request.url()?, inside_json)?,
            }
        }
        Some(text)
    }

    /// Whether it holds a MAC, which only a keyed scheme can give, and not to anyone who asks for anything.
    #[must_use]
    pub fn needs_mac(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::HmacHex(_) | Part::HmacBase64(_)))
    }

    /// Whether it holds the route's token as it is.
    #[must_use]
    pub fn shows_token(&self) -> bool {
        self.parts.contains(&Part::Token)
    }

    /// Whether it cannot be written without the route's token.
    #[must_use]
    pub fn needs_token(&self) -> bool {
        self.shows_token() || self.ingredients().any(|one| *one == Ingredient::Token)
    }

    /// Whether it cannot be written without the route's URL.
    #[must_use]
    pub fn needs_url(&self) -> bool {
        self.parts.contains(&Part::Url) || self.ingredients().any(|one| *one == Ingredient::Url)
    }

    /// Whether it repeats words of the asker.
    #[must_use]
    pub fn echoes(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Value(_) | Part::JsonText(_)))
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Every place of the request it needs.
    pub(super) fn places(&self) -> impl Iterator<Item = &Locator> {
        let own = self.parts.iter().filter_map(|part| match part {
            Part::Value(at) | Part::JsonText(at) | Part::HmacHex(at) | Part::HmacBase64(at) => Some(at),
            Part::Literal(_) | Part::Sha256Hex(_) | Part::Sha256Base64(_) | Part::Token | Part::Url => None,
        });
        own.chain(self.ingredients().filter_map(|one| match one {
            Ingredient::Value(at) => Some(at),
            Ingredient::Token | Ingredient::Url => None,
        }))
    }

    fn ingredients(&self) -> impl Iterator<Item = &Ingredient> {
        self.parts.iter().flat_map(|part| match part {
            Part::Sha256Hex(of) | Part::Sha256Base64(of) => of.as_slice(),
            _ => &[],
        })
    }
}

impl FromStr for AnswerTemplate {
    type Err = AnswerError;

    fn from_str(text: &str) -> Result<Self, AnswerError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, from)) = rest.split_once('{') {
            literal.push_str(before);
            let found = match bare(from) {
                Some((part, after)) => Some((part, after)),
                None => match placeholder(from) {
                    Some((word, argument, after)) => Some((part(word, argument)?, after)),
                    None => None,
                },
            };
            match found {
                Some((part, after)) => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(part);
                    rest = after;
                }
                None => {
                    literal.push('{');
                    rest = from;
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AnswerError {}

/// Appends a text so that it cannot end the JSON text it stands in.
fn push(text: &mut String, value: &str, inside_json: bool) -> Option<()> {
    if inside_json {
        let quoted = serde_json::to_string(value).ok()?;
        text.push_str(quoted.strip_prefix('"')?.strip_suffix('"')?);
    } else {
        text.push_str(value);
    }
    Some(())
}

fn sha256(of: &[Ingredient], request: &Request<'_>) -> Option<[u8; 32]> {
    let mut hash = Sha256::new();
    for one in of {
        match one {
            Ingredient::Value(at) => hash.update(request.echo(at)?),
            Ingredient::Token => hash.update(request.token()?),
            Ingredient::Url => hash.update(request.url()?),
        }
    }
    Some(hash.finalize().into())
}

/// `token}rest` or `url}rest`.
fn bare(text: &str) -> Option<(Part, &str)> {
    let (word, rest) = text.split_once('}')?;
    match word {
        "token" => Some((Part::Token, rest)),
        "url" => Some((Part::Url, rest)),
        _ => None,
    }
}

/// `word:argument}rest`, where the word is a known one.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (word, rest) = text.split_once(':')?;
    let (argument, rest) = rest.split_once('}')?;
    WORDS.contains(&word).then_some((word, argument, rest))
}

fn part(word: &str, argument: &str) -> Result<Part, AnswerError> {
    Ok(match word {
        "json_text" if argument.starts_with('/') => Part::JsonText(locator(&format!("json:{argument}"))?),
        "json_text" => Part::JsonText(locator(argument)?),
        "hmac_hex" => Part::HmacHex(locator(argument)?),
        "hmac_base64" => Part::HmacBase64(locator(argument)?),
        "sha256_hex" => Part::Sha256Hex(ingredients(argument)?),
        "sha256_base64" => Part::Sha256Base64(ingredients(argument)?),
        _ => Part::Value(locator(&format!("{word}:{argument}"))?),
    })
}

fn locator(text: &str) -> Result<Locator, AnswerError> {
    text.parse::<Locator>().map_err(|error| AnswerError(error.to_string()))
}

fn ingredients(text: &str) -> Result<Vec<Ingredient>, AnswerError> {
    let ingredient = |one: &str| match one {
        "token" => Ok(Ingredient::Token),
        "url" => Ok(Ingredient::Url),
        _ => locator(one).map(Ingredient::Value),
    };
    text.split('+').map(ingredient).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> AnswerTemplate {
        text.parse().unwrap()
    }

    #[test]
    fn braces_of_json_are_literal() {
        assert_eq!(parse(r#"{"type":1}"#).parts, [Part::Literal(r#"{"type":1}"#.into())]);
        assert_eq!(
            parse(r#"{"a":{json_text:/b},"c":"{hmac_hex:json:/b}"}"#).parts,
            [
                Part::Literal(r#"{"a":"#.into()),
                Part::JsonText("json:/b".parse().unwrap()),
                Part::Literal(r#","c":""#.into()),
                Part::HmacHex("json:/b".parse().unwrap()),
                Part::Literal(r#""}"#.into()),
            ]
        );
        assert_eq!(
            parse("{sha256_hex:query:c+token+url}{token}").parts,
            [
                Part::Sha256Hex(vec![
                    Ingredient::Value("query:c".parse().unwrap()),
                    Ingredient::Token,
                    Ingredient::Url
                ]),
                Part::Token,
            ]
        );
    }

    #[test]
    fn a_placeholder_that_names_no_place_is_refused() {
        for text in ["{query:}", "{hmac_hex:challenge}", "{sha256_hex:query:c+}", "{sha256_hex:tokens}"] {
            assert!(text.parse::<AnswerTemplate>().is_err(), "{text}");
        }
    }
}
