//! Mistakes about the signature header: the right signature, written in another way or at another place.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use http::HeaderName;

use crate::verify::{Encoding, Layout, Location};

use super::Question;
use super::attempt::Attempt;
use super::hypothesis::Undone;

/// `sha256=` missing, doubled, or there where it should not be.
pub(super) fn prefix<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let mut undone = Vec::new();
    for name in attempt.signature_headers() {
        let prefix = expected_prefix(attempt, &name);
        rewrite(attempt, &name, &mut undone, |value| {
            let missing = (!prefix.is_empty()).then(|| {
                (
                    format!("{prefix}{value}"),
                    format!("the signature lacks its prefix `{prefix}`: let the sender write it"),
                )
            });
            let doubled = value
                .strip_prefix(&*prefix)
                .filter(|rest| !prefix.is_empty() && rest.starts_with(&*prefix))
                .map(|rest| {
                    (
                        rest.to_owned(),
                        format!("the prefix `{prefix}` stands there twice: let the sender write it once"),
                    )
                });
            // `sha256=…`, `v1,…` and `Bearer …`; base64 ends in `=`, so nothing of it is taken for a prefix.
            let other = value.split_once(['=', ',', ' ', ':']).filter(|(before, after)| {
                !before.is_empty() && before.len() <= 16 && after.trim_start_matches('=').len() > 16
            });
            let other = other.map(|(before, after)| {
                let wanted = if prefix.is_empty() { "none".to_owned() } else { format!("`{prefix}`") };
                (
                    format!("{prefix}{}", after.trim_start()),
                    format!(
                        "the signature has a prefix of {} characters where this sender writes {wanted}: correct the signer, \
                         or describe it under `providers:`",
                        before.chars().count() + 1
                    ),
                )
            });
            missing.into_iter().chain(doubled).chain(other).collect()
        });
    }
    undone
}

/// Hex for base64 and the other way round.
pub(super) fn encoding<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let expected = attempt.scheme.alternatives.first().map_or("hex", |form| name_of(form.signature.encoding));
    [Encoding::Hex, Encoding::Base64, Encoding::Base64Url]
        .into_iter()
        .filter_map(|encoding| {
            let changed = attempt.with_forms(|form| {
                if form.signature.encoding != Encoding::Text {
                    form.signature.encoding = encoding;
                }
            })?;
            let advice = format!(
                "the signature is written in {}, this sender writes {expected}: correct the signer",
                name_of(encoding)
            );
            Some(Undone::new(changed, advice))
        })
        .collect()
}

/// Base64 of the hex text in place of base64 of the bytes.
pub(super) fn encoded_twice<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let mut undone = Vec::new();
    for name in attempt.signature_headers() {
        let prefix = expected_prefix(attempt, &name);
        rewrite(attempt, &name, &mut undone, |value| {
            let text = value.strip_prefix(&*prefix).unwrap_or(value);
            let inner = [decode_base64(text), hex::decode(text).ok()]
                .into_iter()
                .flatten()
                .filter_map(|bytes| String::from_utf8(bytes).ok())
                .map(|inner| inner.trim().to_owned());
            let advice = "the signature was encoded twice (base64 or hex of the hex text, not of the bytes): encode the \
                          bytes of the digest";
            inner
                .flat_map(|inner| {
                    let bytes = hex::decode(&inner).ok().or_else(|| decode_base64(&inner));
                    let again = bytes.map(|bytes| [hex::encode(&bytes), STANDARD.encode(&bytes)]);
                    again.into_iter().flatten()
                })
                .map(|inner| (format!("{prefix}{inner}"), advice.to_owned()))
                .collect()
        });
    }
    undone
}

/// Quotes or spaces around it.
pub(super) fn quoted<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let mut undone = Vec::new();
    for name in attempt.signature_headers() {
        rewrite(attempt, &name, &mut undone, |value| {
            let bare: String = value.chars().filter(|c| !matches!(c, '"' | '\'' | ' ' | '\t')).collect();
            let advice = "the signature has quotes or spaces in it; let the sender write it without";
            if bare == value { Vec::new() } else { vec![(bare, advice.to_owned())] }
        });
    }
    undone
}

/// Hex in mixed letter case, or a prefix in the other case.
pub(super) fn case<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let mut undone = Vec::new();
    for name in attempt.signature_headers() {
        let prefix = expected_prefix(attempt, &name);
        rewrite(attempt, &name, &mut undone, |value| {
            let (head, rest) = value.split_at_checked(prefix.len()).unwrap_or(("", value));
            if !head.eq_ignore_ascii_case(&prefix) {
                return Vec::new();
            }
            let advice = "upper and lower case are mixed up in the signature's text; something changed its case: let the \
                          sender write lower-case hex and the prefix as documented";
            [rest.to_owned(), rest.to_ascii_lowercase()]
                .into_iter()
                .map(|rest| (format!("{prefix}{rest}"), advice.to_owned()))
                .filter(|(changed, _)| changed != value)
                .collect()
        });
    }
    undone
}

/// The header several times, which is refused because nobody knows which one the sender wrote.
pub(super) fn repeated<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let mut undone = Vec::new();
    for name in attempt.signature_headers() {
        let values: Vec<_> = attempt.headers.get_all(&name).iter().cloned().collect();
        let joined = values.first().and_then(|value| value.to_str().ok()).filter(|_| values.len() == 1);
        let parts =
            joined.map(|value| value.split(',').map(str::trim).collect::<Vec<_>>()).unwrap_or_default();
        let texts: Vec<&str> = match values.len() {
            0 => continue,
            1 if parts.len() > 1 => parts,
            1 => continue,
            _ => values.iter().filter_map(|value| value.to_str().ok()).collect(),
        };
        let count = texts.len();
        undone.extend(texts.into_iter().take(8).filter_map(|text| {
            let advice = format!(
                "`{name}` stands there {count} times and one of them is right; a proxy or a second signer added to it: let \
                 only the sender write it"
            );
            Some(Undone::new(attempt.with_header(&name, text)?, advice))
        }));
    }
    undone
}

/// The signature under another header's name.
pub(super) fn elsewhere<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let mut undone = Vec::new();
    for name in attempt.signature_headers() {
        for (other, value) in attempt.headers.iter().take(64) {
            let Some(value) = value.to_str().ok().filter(|_| *other != name) else { continue };
            let advice = format!(
                "the signature stands in `{other}`, this sender puts it in `{name}`; if something renames headers on the \
                 way (CGI's HTTP_…, a proxy), undo that, otherwise choose the sender that uses `{other}`"
            );
            undone.extend(attempt.with_header(&name, value).map(|changed| Undone::new(changed, advice)));
        }
    }
    undone
}

/// Adds one try for each new value that `change` makes of the header's only one.
fn rewrite<'q>(
    attempt: &Attempt<'q>,
    name: &HeaderName,
    undone: &mut Vec<Undone<'q>>,
    change: impl Fn(&str) -> Vec<(String, String)>,
) {
    let Some(value) = attempt.headers.get(name).and_then(|value| value.to_str().ok()) else { return };
    for (changed, advice) in change(value) {
        undone.extend(attempt.with_header(name, &changed).map(|attempt| Undone::new(attempt, advice)));
    }
}

/// What stands before a signature in this header: a prefix, or a version with its comma.
fn expected_prefix(attempt: &Attempt<'_>, name: &HeaderName) -> String {
    attempt
        .scheme
        .alternatives
        .iter()
        .find(|form| form.signature.location == Location::Header(name.clone()))
        .map_or_else(String::new, |form| match &form.signature.layout {
            Layout::Versioned { versions, .. } => {
                versions.first().map_or_else(String::new, |v| format!("{v},"))
            }
            _ => form.signature.prefix.clone(),
        })
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|engine| engine.decode(text).ok())
}

fn name_of(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Hex => "hex",
        Encoding::Base64 => "base64",
        Encoding::Base64Url => "base64url",
        Encoding::Base64Hex => "base64 of hex",
        Encoding::Text => "plain text",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Case, base64};
    use super::*;

    #[test]
    fn a_prefix_missing_doubled_or_foreign() {
        let prefixed = || Case::signed(b"{}").form(|form| form.signature.prefix = "sha256=".into());
        prefixed().writes(|mac| hex::encode(mac)).is("signature_prefix", "lacks its prefix `sha256=`");
        prefixed()
            .writes(|mac| format!("sha256=sha256={}", hex::encode(mac)))
            .is("signature_prefix", "twice");
        Case::signed(b"{}")
            .writes(|mac| format!("sha256={}", hex::encode(mac)))
            .is("signature_prefix", "none");
        Case::signed(b"{}")
            .writes(|mac| format!("Bearer {}", hex::encode(mac)))
            .is("signature_prefix", "none");
    }

    #[test]
    fn hex_for_base64_and_the_other_way_round() {
        Case::signed(b"{}")
            .writes(base64)
            .is("signature_encoding", "written in base64, this sender writes hex");
        Case::signed(b"{}")
            .form(|form| form.signature.encoding = Encoding::Base64)
            .writes(|mac| hex::encode(mac))
            .is("signature_encoding", "written in hex, this sender writes base64");
    }

    #[test]
    fn base64_of_the_hex_text() {
        Case::signed(b"{}")
            .writes(|mac| base64(hex::encode(mac).as_bytes()))
            .is("signature_encoded_twice", "twice");
    }

    #[test]
    fn quotes_and_letter_case() {
        Case::signed(b"{}")
            .writes(|mac| format!("\"{}\"", hex::encode(mac)))
            .is("signature_quoted", "quotes");
        let mixed = |mac: &[u8]| {
            let hex = hex::encode(mac);
            let (left, right) = hex.split_at(32);
            format!("{}{}", left.to_uppercase(), right)
        };
        Case::signed(b"{}").writes(mixed).is("signature_case", "mixed");
        Case::signed(b"{}")
            .form(|form| form.signature.prefix = "sha256=".into())
            .writes(|mac| format!("SHA256={}", hex::encode(mac)))
            .is("signature_case", "prefix");
    }

    #[test]
    fn the_header_twice_or_under_another_name() {
        Case::signed(b"{}").header("x-signature", "0123").is("signature_repeated", "2 times");
        Case::signed(b"{}")
            .writes(|mac| format!("{0}, {0}", hex::encode(mac)))
            .is("signature_repeated", "2 times");
        Case::signed(b"{}").under("http_x_signature").is("signature_header", "stands in `http_x_signature`");
    }
}
