//! The text form of a handshake's answer: literal text with values of the request and MACs of them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::verify::Locator;

use super::challenge::Request;

/// What a handshake is answered with, such as `{query:hub.challenge}`.
///
/// A brace begins a placeholder only where a known word and a colon follow it, so JSON is written as it is.
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
}

const WORDS: [&str; 7] = ["header", "query", "form", "json", "json_text", "hmac_hex", "hmac_base64"];

impl AnswerTemplate {
    /// The text, or `None` if the request lacks a value or its value may not be echoed.
    pub(super) fn fill(&self, request: &Request<'_>, inside_json: bool) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Value(at) if inside_json => {
                    let quoted = serde_json::to_string(&request.echo(at)?).ok()?;
                    text.push_str(quoted.strip_prefix('"')?.strip_suffix('"')?);
                }
                Part::Value(at) => text.push_str(&request.echo(at)?),
                Part::JsonText(at) => text.push_str(&serde_json::to_string(&request.echo(at)?).ok()?),
                Part::HmacHex(at) => text.push_str(&hex::encode(request.mac(at)?)),
                Part::HmacBase64(at) => text.push_str(&STANDARD.encode(request.mac(at)?)),
            }
        }
        Some(text)
    }

    /// Whether it holds a MAC, which only a keyed scheme and a verified request can give.
    #[must_use]
    pub fn needs_mac(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::HmacHex(_) | Part::HmacBase64(_)))
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
            match placeholder(from) {
                Some((word, argument, after)) => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(part(word, argument)?);
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

/// `word:argument}rest`, where the word is a known one.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (word, rest) = text.split_once(':')?;
    let (argument, rest) = rest.split_once('}')?;
    WORDS.contains(&word).then_some((word, argument, rest))
}

fn part(word: &str, argument: &str) -> Result<Part, AnswerError> {
    let locator = |text: &str| text.parse::<Locator>().map_err(|error| AnswerError(error.to_string()));
    Ok(match word {
        "json_text" if argument.starts_with('/') => Part::JsonText(locator(&format!("json:{argument}"))?),
        "json_text" => Part::JsonText(locator(argument)?),
        "hmac_hex" => Part::HmacHex(locator(argument)?),
        "hmac_base64" => Part::HmacBase64(locator(argument)?),
        _ => Part::Value(locator(&format!("{word}:{argument}"))?),
    })
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
    }

    #[test]
    fn a_placeholder_that_names_no_place_is_refused() {
        assert!("{query:}".parse::<AnswerTemplate>().is_err());
        assert!("{hmac_hex:challenge}".parse::<AnswerTemplate>().is_err());
    }
}
