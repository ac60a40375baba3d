//! A signed template in words: `{timestamp}.{body}` is the send time, a dot and the body.

use crate::verify::{Alternative, BodyForm, Encoding, Filter, Part, Sha, Template};

use super::Sender;
use super::words::{code, literal, places};

impl Sender {
    /// What the template stands for.
    pub(super) fn template(&self, template: &Template, form: &Alternative) -> String {
        if let Some((values, separator)) = joined(template.parts()) {
            let values: Vec<String> = values.into_iter().map(|part| self.part(part, form)).collect();
            return format!("{}, joined by {}", places(&values, "and"), literal(separator));
        }
        let parts: Vec<String> = template.parts().iter().map(|part| self.part(part, form)).collect();
        places(&parts, "and")
    }

    fn part(&self, part: &Part, form: &Alternative) -> String {
        match part {
            Part::Literal(text) => literal(text),
            Part::Body if form.body == BodyForm::Decoded => "the body after decompression".to_owned(),
            Part::Body => "the body".to_owned(),
            Part::BodyDigest(sha, encoding) => {
                format!("the body's {} in {}", digest(*sha), written(*encoding))
            }
            Part::Timestamp => "the send time".to_owned(),
            Part::Header(name) => format!("the header {}", code(&self.header(name))),
            Part::Pair(name) => format!("the signature's own item {}", code(name)),
            Part::Method => "the method".to_owned(),
            Part::Url => "the whole URL".to_owned(),
            Part::UrlWithoutQuery => "the URL without its query".to_owned(),
            Part::Target => "path and query".to_owned(),
            Part::Path => "the path".to_owned(),
            Part::Query => "the query".to_owned(),
            Part::QueryParameter(name) => format!("the query parameter {}", code(name)),
            Part::FormSorted => "the form's fields with their values, sorted by name".to_owned(),
            Part::FormField(name) => format!("the form field {}", code(name)),
            Part::Json(pointer) => format!("{} of the JSON body", code(&pointer.to_string())),
            Part::JsonRaw(pointer) => format!("the bytes of {} in the JSON body", code(&pointer.to_string())),
            Part::Setting(name) => format!("the setting {}", code(name)),
            Part::JwsHeaders(member) => {
                format!("the headers that {} of the token's own header lists", code(member))
            }
            Part::Secret => "the secret".to_owned(),
            Part::Filtered(part, filters) => {
                filters.iter().fold(self.part(part, form), |text, filter| filtered(&text, *filter))
            }
            Part::Optional(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.part(part, form)).collect();
                match parts.as_slice() {
                    [one] => one.clone(),
                    parts => format!("({})", places(parts, "and")),
                }
            }
        }
    }
}

/// The values of a template that has the same text between each two of at least three.
fn joined(parts: &[Part]) -> Option<(Vec<&Part>, &str)> {
    let is_literal = |part: &Part| matches!(part, Part::Literal(_));
    let separator = match parts.get(1)? {
        Part::Literal(text) => text.as_str(),
        _ => return None,
    };
    let alternate = parts.iter().enumerate().all(|(index, part)| match part {
        Part::Literal(text) => index % 2 == 1 && text == separator,
        _ => index.is_multiple_of(2),
    });
    let whole = alternate && parts.len() >= 5 && !parts.len().is_multiple_of(2);
    whole.then(|| (parts.iter().filter(|part| !is_literal(part)).collect(), separator))
}

/// The name of a digest.
pub(super) fn digest(sha: Sha) -> &'static str {
    match sha {
        Sha::Md5 => "MD5",
        Sha::Sha1 => "SHA-1",
        Sha::Sha256 => "SHA-256",
        Sha::Sha384 => "SHA-384",
        Sha::Sha512 => "SHA-512",
    }
}

/// The name of an encoding.
pub(super) fn written(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Hex => "hex",
        Encoding::Base64 => "base64",
        Encoding::Base64Url => "base64url",
        Encoding::Base64Hex => "base64 of its hex",
        Encoding::Text => "plain text",
    }
}

fn filtered(value: &str, filter: Filter) -> String {
    match filter {
        Filter::Lower => format!("{value} in lower case"),
        Filter::JsonString => format!("{value} as a JSON text in quotes"),
        Filter::JsonAscii => format!("{value} with everything outside ASCII as `\\uXXXX`"),
        Filter::Crc32 => format!("the CRC-32 of {value}"),
        Filter::Sha256Hex => format!("the SHA-256 of {value} in hex"),
        Filter::Base64 => format!("{value} in base64"),
        Filter::Base64Url => format!("{value} in base64url"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_told_in_words() {
        let told = |name: &str| {
            let sender = Sender::find(name).unwrap();
            let form = sender.provider.scheme.alternatives.first().unwrap().clone();
            sender.template(form.signed.first().unwrap(), &form)
        };
        assert_eq!(told("stripe"), "the send time, a dot and the body");
        assert_eq!(told("svix"), "the header `svix-id`, the send time and the body, joined by a dot");
        assert_eq!(told("slack"), "`v0:`, the send time, a colon and the body");
        assert_eq!(
            told("quicknode"),
            "the header `X-QN-Nonce`, the send time and the body after decompression"
        );
    }
}
