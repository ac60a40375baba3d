//! Mistakes about the body: the bytes that arrived are not the bytes that were signed.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Question;
use super::attempt::Attempt;
use super::hypothesis::Undone;
use super::json_style::STYLES;
use super::json_text::Json;

const RAW: &str = "verify the raw bytes, before any framework parses them";

/// A newline at the end that was not signed, or a signed one that got lost.
pub(super) fn newline<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let body = &attempt.body;
    let mut undone = Vec::new();
    for (end, name) in [("\r\n", "CR LF"), ("\n", "a newline")] {
        if let Some(shorter) = body.strip_suffix(end.as_bytes()) {
            let advice = format!(
                "the body ends with {name} that was not signed; an editor, `echo` or `curl -d @file` adds one: \
                 keep the bytes as they came"
            );
            undone.push(Undone::new(attempt.with_body(shorter.to_vec()), advice));
        }
        let longer = [body, end.as_bytes()].concat();
        let advice = format!(
            "{name} at the end was signed and is not in the body; something trimmed it: keep the bytes as they came"
        );
        undone.push(Undone::new(attempt.with_body(longer), advice));
    }
    undone
}

/// JSON that was parsed and written anew, by the sender before signing or by something in between.
pub(super) fn reserialised<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let Some(json) = Json::parse(&attempt.body) else { return Vec::new() };
    let mut undone: Vec<Undone<'q>> = Vec::new();
    for style in STYLES {
        let text = json.write(style);
        if text.as_bytes() == &*attempt.body {
            continue;
        }
        let advice = format!(
            "what was signed is this JSON as {} writes it; it was re-serialised between signing and here: {RAW}, \
             and let the sender sign the very text it sends",
            style.writer
        );
        undone.push(Undone::new(attempt.with_body(text), advice));
    }
    undone
}

/// Line ends changed by a file transfer, an editor or `git`'s autocrlf.
pub(super) fn line_endings<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let Ok(text) = std::str::from_utf8(&attempt.body) else { return Vec::new() };
    let unix = text.replace("\r\n", "\n");
    let windows = unix.replace('\n', "\r\n");
    [(unix, "LF", "CR LF"), (windows, "CR LF", "LF")]
        .into_iter()
        .filter(|(changed, ..)| changed != text)
        .map(|(changed, signed, here)| {
            let advice = format!(
                "it was signed with {signed} at the ends of lines, here they are {here}; an editor, a transfer in \
                 text mode or git's autocrlf changed them: keep the bytes as they came"
            );
            Undone::new(attempt.with_body(changed), advice)
        })
        .collect()
}

/// Whitespace or a byte order mark around the content.
pub(super) fn whitespace<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let body = &*attempt.body;
    let mut undone = Vec::new();
    let mut push = |changed: &[u8], advice: &str| {
        if changed != body {
            undone.push(Undone::new(attempt.with_body(changed.to_vec()), advice));
        }
    };
    push(
        body.trim_ascii(),
        "whitespace around the body was not signed; it was added after signing: keep the bytes as they came",
    );
    push(
        body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body),
        "the body begins with a byte order mark (EF BB BF) that was not signed; an editor added it",
    );
    push(
        &[b"\xef\xbb\xbf", body].concat(),
        "a byte order mark (EF BB BF) was signed and is not in the body; something decoded the text: keep the bytes as \
         they came",
    );
    undone
}

/// Signed before compression, or after decompression.
pub(super) fn compressed<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    use super::inflate::inflate;
    let advice = "the signature is over the decompressed body and this one is compressed; a proxy compressed it on the \
                  way, or this sender signs before it compresses: decompress it before verifying";
    inflate(&attempt.body).map(|plain| Undone::new(attempt.with_body(plain), advice)).into_iter().collect()
}

/// The body wrapped once more: base64 as serverless platforms hand it over, or a JSON text that holds the JSON.
pub(super) fn encoded<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let mut undone = Vec::new();
    if let Ok(decoded) = STANDARD.decode(attempt.body.trim_ascii()) {
        undone.push(Undone::new(
            attempt.with_body(decoded),
            "the body is base64 of what was signed; serverless platforms hand bodies over like that \
             (`isBase64Encoded`): decode it first",
        ));
    }
    if let Some(Json::Text(inner)) = Json::parse(&attempt.body) {
        undone.push(Undone::new(
            attempt.with_body(inner),
            "the body is a JSON text that holds the JSON that was signed; it was serialised twice: send it once",
        ));
    }
    undone
}

/// Text converted between UTF-8 and Latin-1.
pub(super) fn charset<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let body = &*attempt.body;
    if body.is_ascii() {
        return Vec::new();
    }
    let mut undone = Vec::new();
    if let Some(latin) = std::str::from_utf8(body).ok().and_then(to_latin1) {
        undone.push(Undone::new(
            attempt.with_body(latin),
            "it was signed as other bytes: this UTF-8 is those bytes read as Latin-1 and written anew; something \
             decoded the body as text: keep the bytes as they came",
        ));
    }
    let utf8: String = body.iter().map(|&byte| char::from(byte)).collect();
    undone.push(Undone::new(
        attempt.with_body(utf8),
        "it was signed as UTF-8 and arrived as Latin-1; something converted the text: keep the bytes as they came",
    ));
    undone
}

/// A form with one field that holds JSON, of which the other half was signed.
pub(super) fn form<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let body = &*attempt.body;
    if let Some(value) = body.strip_prefix(b"payload=") {
        let decoded = percent_encoding::percent_decode(&value.iter().map(plus_to_space).collect::<Vec<_>>())
            .collect::<Vec<u8>>();
        let advice = "what was signed is the JSON inside the form's `payload` field, here the whole form was taken: set \
                      the sender's content type to application/json";
        return vec![Undone::new(attempt.with_body(decoded), advice)];
    }
    let spaces: [fn(&[u8]) -> String; 2] = [form_encode, percent_encode];
    spaces
        .iter()
        .map(|encode| {
            let advice = "what was signed is a form whose `payload` field holds this JSON; a framework took it out: verify \
                          the whole form as it came, or set the sender's content type to application/json";
            Undone::new(attempt.with_body(format!("payload={}", encode(body))), advice)
        })
        .collect()
}

/// The signature is over no body, or over what JavaScript makes of a parsed one.
pub(super) fn not_signed<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let candidates: [(&str, &str); 4] = [
        (
            "",
            "the signature is over an empty body; the signer's body was consumed before it signed, or it signs none",
        ),
        (
            "[object Object]",
            "what was signed is the text `[object Object]`; JavaScript made that of a parsed body",
        ),
        ("{}", "what was signed is `{}`; the signer's body had not been read when it signed"),
        ("null", "what was signed is `null`; the signer's body had not been read when it signed"),
    ];
    candidates
        .into_iter()
        .filter(|(signed, _)| signed.as_bytes() != &*attempt.body)
        .map(|(signed, advice)| {
            Undone::new(attempt.with_body(signed), format!("{advice}: sign the raw bytes that are sent"))
        })
        .collect()
}

fn to_latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

fn plus_to_space(byte: &u8) -> u8 {
    if *byte == b'+' { b' ' } else { *byte }
}

fn form_encode(bytes: &[u8]) -> String {
    percent_encode(bytes).replace("%20", "+")
}

fn percent_encode(bytes: &[u8]) -> String {
    const KEEP: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');
    Cow::from(percent_encoding::percent_encode(bytes, KEEP)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Case, SIGNED_JSON};

    #[test]
    fn a_newline_more_or_less() {
        Case::signed(b"{}").receives(b"{}\n").is("body_newline", "was not signed");
        Case::signed(b"{}").receives(b"{}\r\n").is("body_newline", "CR LF");
        Case::signed(b"{}\n").receives(b"{}").is("body_newline", "something trimmed it");
    }

    #[test]
    fn json_that_was_written_anew_names_the_writer() {
        let sent = SIGNED_JSON.as_bytes();
        Case::signed(br#"{"id":"e<1","n":1}"#)
            .receives(br#"{"id": "e<1", "n": 1.0}"#)
            .is("body_reserialised", "JSON.stringify");
        Case::signed(br#"{"id": "e\u00e9", "n": 1.0}"#)
            .receives(r#"{"id":"eé","n":1.0}"#.as_bytes())
            .is("body_reserialised", "json.dumps (Python)");
        Case::signed(br#"{"id":"\u003c\u0026","n":1}"#)
            .receives(br#"{"id":"<&","n":1}"#)
            .is("body_reserialised", "Go");
        Case::signed(br#"{"url":"http:\/\/a"}"#)
            .receives(br#"{"url":"http://a"}"#)
            .is("body_reserialised", "PHP");
        Case::signed(sent).receives(sent).verifies();
    }

    #[test]
    fn line_ends_changed_on_the_way() {
        Case::signed(b"{\n}").receives(b"{\r\n}").is("body_line_endings", "signed with LF");
        Case::signed(b"a\r\nb").receives(b"a\nb").is("body_line_endings", "signed with CR LF");
    }

    #[test]
    fn whitespace_and_a_byte_order_mark() {
        Case::signed(b"x").receives(b" x  ").is("body_whitespace", "around");
        Case::signed(b"x").receives(b"\xef\xbb\xbfx").is("body_whitespace", "begins with a byte order mark");
        Case::signed(b"\xef\xbb\xbfx").receives(b"x").is("body_whitespace", "was signed");
    }

    #[test]
    fn a_body_that_was_compressed_on_the_way() {
        Case::signed(b"{\"id\":1}")
            .receives(&super::super::testing::gzip(b"{\"id\":1}"))
            .is("body_compressed", "decompress");
    }

    #[test]
    fn a_body_wrapped_once_more() {
        Case::signed(b"{\"id\":1}").receives(b"eyJpZCI6MX0=").is("body_encoded", "isBase64Encoded");
        Case::signed(b"{\"id\":1}").receives(br#""{\"id\":1}""#).is("body_encoded", "serialised twice");
    }

    #[test]
    fn text_converted_between_charsets() {
        Case::signed(b"\xe9").receives("é".as_bytes()).is("body_charset", "Latin-1");
        Case::signed("é".as_bytes()).receives(b"\xe9").is("body_charset", "signed as UTF-8");
    }

    #[test]
    fn a_form_and_the_json_in_it() {
        Case::signed(b"payload=%7B%22a%22%3A+1%7D").receives(br#"{"a": 1}"#).is("body_form", "whole form");
        Case::signed(br#"{"a": 1}"#)
            .receives(b"payload=%7B%22a%22%3A+1%7D")
            .is("body_form", "inside the form");
    }

    #[test]
    fn nothing_or_an_object_was_signed() {
        Case::signed(b"").receives(b"{\"id\":1}").is("body_not_signed", "empty body");
        Case::signed(b"[object Object]").receives(b"{\"id\":1}").is("body_not_signed", "[object Object]");
    }
}
