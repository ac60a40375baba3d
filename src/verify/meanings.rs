//! What the words of the provider language mean, in one list each: error messages, the JSON Schema and the reference in
//! `docs/` are made from them, and a test holds each list to what the reader understands.

/// A word as it is written, and what it means.
pub type Meaning = (&'static str, &'static str);

/// What may stand in a template's braces.
pub const PLACEHOLDERS: &[Meaning] = &[
    ("body", "the body, byte for byte"),
    ("body_sha256_hex", "a digest of the body; also `sha1` and `sha512`, each in `hex` or `base64`"),
    ("timestamp", "the send time exactly as it was received"),
    ("header:NAME", "the value of a header"),
    ("pair:NAME", "an item of the signature's own text, where that is made of `pairs`"),
    ("method", "the method, upper case"),
    ("url", "scheme, host, path and query as the sender sees them"),
    ("url_without_query", "the same up to the query"),
    ("target", "path and query as they stand in the request line"),
    ("path", "the path"),
    ("query", "the query without `?`, as it was received; nothing if there is none"),
    ("query:NAME", "one parameter of the query, decoded"),
    (
        "form_sorted",
        "every field of the form, its name and then its value, sorted by name; equal values of a name once",
    ),
    ("form:NAME", "one field of the form, decoded"),
    ("json:/POINTER", "a text, number or boolean of the JSON body, texts unescaped and numbers as received"),
    ("json_raw:/POINTER", "any value of the JSON body, in the bytes in which it stands there"),
    ("setting:NAME", "a value that the route gives under `settings`"),
    (
        "jws_headers:MEMBER",
        "`Name: value` and a line feed for each header that this member of a detached JWS's own header lists",
    ),
    ("secret", "the secret itself; for plain digests only"),
];

/// How a place of a delivery is written where a signature, a digest or a part of an event is looked for.
pub const PLACES: &[Meaning] = &[
    ("header:NAME", "a header"),
    ("query:NAME", "a parameter of the query"),
    ("form:NAME", "a field of a form body"),
    (
        "json:/POINTER",
        "a value of the JSON body (a JSON Pointer, RFC 6901); a step `*` stands for every element of a list",
    ),
];

/// What an event's id, type and key may name beside [`PLACES`].
pub const PLACES_OF_EVENTS: &[Meaning] = &[
    (
        "claim:/POINTER",
        "a value in the claims of the token; behind a `#` a further pointer leads into the JSON text that stands there",
    ),
    ("body", "the whole body, by its SHA-256"),
    ("signed", "the bytes that were signed, by their SHA-256"),
    ("PLACE|PLACE", "the first of these that is there"),
];

/// What `algorithm` may say.
pub const ALGORITHMS: &[Meaning] = &[
    ("hmac-sha1", "HMAC (RFC 2104) with SHA-1"),
    ("hmac-sha256", "HMAC with SHA-256"),
    ("hmac-sha384", "HMAC with SHA-384"),
    ("hmac-sha512", "HMAC with SHA-512"),
    ("md5", "a plain MD5 digest over a template that holds `{secret}`"),
    ("sha1", "the same with SHA-1"),
    ("sha256", "the same with SHA-256"),
    ("sha384", "the same with SHA-384"),
    ("sha512", "the same with SHA-512"),
    ("ed25519", "Ed25519 (RFC 8032); the secret of the route is the sender's public key"),
    ("ecdsa-p256-sha256", "ECDSA on P-256 with SHA-256, the signature in DER; a public key"),
    ("ecdsa-p256-sha256-fixed", "the same, the signature being r and s, 32 bytes each"),
    ("ecdsa-p256-sha1", "ECDSA on P-256 with SHA-1, in DER"),
    ("ecdsa-p384-sha384", "ECDSA on P-384 with SHA-384, in DER"),
    ("ecdsa-p384-sha384-fixed", "the same, the signature being r and s, 48 bytes each"),
    ("ecdsa-p521-sha512", "ECDSA on P-521 with SHA-512, in DER"),
    ("ecdsa-p521-sha512-fixed", "the same, the signature being r and s, 66 bytes each"),
    ("rsa-pkcs1-sha1", "RSA PKCS#1 v1.5 with SHA-1; a public key of at least 2048 bits"),
    ("rsa-pkcs1-sha256", "the same with SHA-256"),
    ("rsa-pkcs1-sha384", "the same with SHA-384"),
    ("rsa-pkcs1-sha512", "the same with SHA-512"),
    ("rsa-pss-sha256", "RSA-PSS with SHA-256 and a salt as long as the digest; a public key"),
    ("rsa-pss-sha384", "the same with SHA-384"),
    ("rsa-pss-sha512", "the same with SHA-512"),
    ("token", "nothing is signed: the secret itself is sent and compared in constant time"),
    ("basic", "HTTP Basic; the secret is `user:password`"),
    ("jwt", "a signed token (RFC 7515); `jwt` says what it must be"),
    (
        "jws-detached",
        "a signed token without its payload (RFC 7515, appendix F) over `signed`; `jws` says what it must be",
    ),
    (
        "http-message-signature",
        "HTTP Message Signatures (RFC 9421) with a digest of the body (RFC 9530); `http_message` says what it must be",
    ),
];

/// What `jwt.algorithms` may list.
pub const JWT_ALGORITHMS: &[Meaning] = &[
    ("HS256", "HMAC with SHA-256"),
    ("HS384", "HMAC with SHA-384"),
    ("HS512", "HMAC with SHA-512"),
    ("RS256", "RSA PKCS#1 v1.5 with SHA-256"),
    ("RS384", "RSA PKCS#1 v1.5 with SHA-384"),
    ("RS512", "RSA PKCS#1 v1.5 with SHA-512"),
    ("PS256", "RSA-PSS with SHA-256"),
    ("PS384", "RSA-PSS with SHA-384"),
    ("PS512", "RSA-PSS with SHA-512"),
    ("ES256", "ECDSA on P-256 with SHA-256"),
    ("ES384", "ECDSA on P-384 with SHA-384"),
    ("ES512", "ECDSA on P-521 with SHA-512"),
    ("EdDSA", "Ed25519"),
];

/// What `jws.b64` may say: whether the payload is signed in base64url.
pub const JWS_PAYLOADS: &[Meaning] = &[
    ("true", "it is, and a header that says otherwise is refused"),
    ("false", "it is signed as it is (RFC 7797), and the header must say so"),
    ("header", "as the header says"),
];

/// What a digest may be.
pub const DIGESTS: &[Meaning] =
    &[("sha1", "20 bytes"), ("sha256", "32 bytes"), ("sha384", "48 bytes"), ("sha512", "64 bytes")];

/// How the bytes of a signature or digest may be written.
pub const ENCODINGS: &[Meaning] = &[
    ("hex", "hexadecimal, all lower case or all upper case"),
    ("base64", "base64 with `+` and `/`, padded or not"),
    ("base64url", "base64 with `-` and `_`, padded or not"),
    ("base64_hex", "base64 of the hexadecimal text"),
    ("text", "the text itself: tokens, Basic, JWT"),
];

/// How a secret may be written.
pub const KEY_ENCODINGS: &[Meaning] = &[
    ("utf8", "its own characters are the key; nothing is decoded"),
    ("base64", "base64 with `+` and `/`, padded or not"),
    ("hex", "hexadecimal"),
];

/// Which bytes `{body}` may mean.
pub const BODY_FORMS: &[Meaning] = &[
    ("wire", "the body as it came over the wire"),
    ("decoded", "the body after its `Content-Encoding` (gzip or deflate) was undone"),
];

/// How a send time may be written.
pub const TIME_UNITS: &[Meaning] = &[
    ("seconds", "decimal digits, seconds since 1970"),
    ("milliseconds", "decimal digits, milliseconds since 1970"),
    ("rfc3339", "`2026-03-18T10:30:00.123Z`; without an offset it is UTC"),
    ("rfc2822", "`Wed, 18 Mar 2026 10:30:00 GMT`"),
];

/// What may follow a `|` in a placeholder.
pub const FILTERS: &[Meaning] = &[
    ("lower", "ASCII letters in lower case"),
    ("json_string", "as a JSON text with its quotes, escaped as `JSON.stringify` does"),
    ("json_ascii", "everything outside printable ASCII as `\\uXXXX`"),
    ("crc32", "the CRC-32 as a decimal number"),
    ("sha256_hex", "the SHA-256 in lower case hex"),
    ("base64", "base64 with padding"),
    ("base64url", "base64url without padding"),
];

/// The words of a list as a sentence names them: `a, b and c`.
pub(crate) fn enumerated(list: &[Meaning], conjunction: &str) -> String {
    let words: Vec<&str> = list.iter().map(|(word, _)| *word).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {conjunction} {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Algorithm, BodyForm, Encoding, Filter, JwsPayload, JwtAlgorithm, KeyEncoding, Location, Locator, Sha,
        Template, TimeUnit,
    };
    use super::*;

    #[test]
    fn every_word_the_reader_understands_has_a_meaning_and_no_other() {
        for (meanings, understood) in [
            (ALGORITHMS, Algorithm::WORDS),
            (JWT_ALGORITHMS, JwtAlgorithm::WORDS),
            (JWS_PAYLOADS, JwsPayload::WORDS),
            (DIGESTS, Sha::WORDS),
            (ENCODINGS, Encoding::WORDS),
            (KEY_ENCODINGS, KeyEncoding::WORDS),
            (BODY_FORMS, BodyForm::WORDS),
            (TIME_UNITS, TimeUnit::WORDS),
            (FILTERS, Filter::WORDS),
        ] {
            let explained: Vec<&str> = meanings.iter().map(|(word, _)| *word).collect();
            assert_eq!(explained, understood);
        }
    }

    #[test]
    fn every_placeholder_and_place_is_one() {
        let example = |word: &str| {
            word.replace("NAME", "n").replace("MEMBER", "n").replace("POINTER", "p").replace("PLACE", "body")
        };
        for (word, _) in PLACEHOLDERS {
            assert!(format!("{{{}}}", example(word)).parse::<Template>().is_ok(), "{word}");
        }
        for (word, _) in PLACES {
            assert!(example(word).parse::<Location>().is_ok(), "{word}");
        }
        for (word, _) in PLACES.iter().chain(PLACES_OF_EVENTS) {
            assert!(example(word).parse::<Locator>().is_ok(), "{word}");
        }
        assert!("body".parse::<Location>().is_err());
    }
}
