//! Mistakes about the secret: not the bytes that the signer used.

use crate::verify::{Algorithm, KeyEncoding};

use super::Question;
use super::attempt::Attempt;
use super::hypothesis::Undone;

/// Whitespace around it, most often the newline of a file.
pub(super) fn whitespace<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let trimmed = attempt.with_secrets(|secret| different(secret, secret.trim_ascii()));
    let longer = |end: &'static [u8]| attempt.with_secrets(move |secret| Some([secret, end].concat()));
    let undone = [
        (trimmed, "the secret has whitespace around it that does not belong to it; store it without"),
        (
            longer(b"\n"),
            "the signer's secret ends with a newline (`echo` without -n writes one); store it there without",
        ),
        (longer(b"\r\n"), "the signer's secret ends with CR LF, a file's line end; store it there without"),
    ];
    collect(undone)
}

/// Quotes that a .env file or a YAML file was meant to take off.
pub(super) fn quoted<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let unquoted = attempt.with_secrets(|secret| {
        let secret = secret.trim_ascii();
        let inner = |quote: &[u8]| secret.strip_prefix(quote)?.strip_suffix(quote).map(<[u8]>::to_vec);
        inner(b"\"").or_else(|| inner(b"'")).or_else(|| inner(b"`"))
    });
    let quoted =
        |quote: &'static [u8]| attempt.with_secrets(move |secret| Some([quote, secret, quote].concat()));
    let signer =
        "the signer's secret has quotes around it; Docker's --env-file keeps them: store it there without";
    collect([
        (
            unquoted,
            "the secret has quotes around it; Docker's --env-file keeps them, for one: store it without",
        ),
        (quoted(b"\""), signer),
        (quoted(b"'"), signer),
    ])
}

/// A line of a .env file in place of its value.
pub(super) fn assignment<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let value = attempt.with_secrets(|secret| {
        let at = secret.iter().position(|&byte| byte == b'=')?;
        let (name, value) = secret.split_at_checked(at)?;
        let name = name.strip_prefix(b"export ").unwrap_or(name);
        let is_name =
            name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') && !name.is_empty();
        let value = value.get(1..)?.trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        (is_name && !value.is_empty()).then(|| value.to_vec())
    });
    collect([(value, "the secret holds a whole `NAME=value` line; store the value alone")])
}

/// `\n` written out, as variables hold PEM keys.
pub(super) fn escaped<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let unescaped = attempt.with_secrets(|secret| {
        let text = std::str::from_utf8(secret).ok()?;
        text.contains("\\n").then(|| text.replace("\\r\\n", "\n").replace("\\n", "\n").into_bytes())
    });
    collect([(
        unescaped,
        "the secret holds `\\n` as two characters in place of line ends; use file:PATH for a key in PEM",
    )])
}

/// Decoded or not, against what this sender does.
pub(super) fn decoding<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let mut undone = Vec::new();
    for (encoding, how) in [
        (KeyEncoding::Utf8, "as text, not decoded"),
        (KeyEncoding::Base64, "decoded from base64"),
        (KeyEncoding::Hex, "decoded from hex"),
    ] {
        for prefix in [None, Some("whsec_"), Some("whsec-")] {
            let changed = attempt.with_forms(|form| {
                if matches!(form.algorithm, Algorithm::Hmac(_) | Algorithm::Digest(_))
                    && form.key.encoding != encoding
                {
                    form.key.encoding = encoding;
                    form.key.strip_prefix = prefix.map(str::to_owned);
                }
            });
            let without = prefix.map_or(String::new(), |prefix| format!(" without `{prefix}`"));
            let should = match attempt.scheme.alternatives.first().map(|form| form.key.encoding) {
                Some(KeyEncoding::Base64) => "decodes its secret from base64",
                Some(KeyEncoding::Hex) => "decodes its secret from hex",
                _ => "uses its secret as text",
            };
            let advice = format!(
                "the signer used this secret {how}{without}; this sender {should}: correct the signer, or describe it \
                 under `providers:` with its own `key:`"
            );
            undone.extend(changed.map(|changed| Undone::new(changed, advice)));
        }
    }
    undone
}

/// A prefix such as `whsec_` that belongs to the key or does not.
pub(super) fn prefix<'q>(attempt: &Attempt<'q>, _: &Question<'q>) -> Vec<Undone<'q>> {
    let mut undone = collect([(
        attempt.with_forms(|form| form.key.strip_prefix = None),
        "the signer used the secret with its prefix, which this sender takes off: correct the signer",
    )]);
    for separator in ["_", "-"] {
        let stripped = attempt.with_secrets(|secret| {
            let text = std::str::from_utf8(secret).ok()?;
            let (_, rest) = text.split_once(separator)?;
            Some(rest.as_bytes().to_vec())
        });
        let advice = "the signer used the secret without the prefix before its first `_` or `-`; this sender uses all of it: \
                      correct the signer, or store the secret as the signer uses it";
        undone.extend(collect([(stripped, advice)]));
    }
    for prefix in ["whsec_", "whsec-"] {
        let added = attempt.with_secrets(|secret| Some([prefix.as_bytes(), secret].concat()));
        undone.extend(added.map(|added| {
            Undone::new(
                added,
                format!(
                    "the secret lacks its prefix `{prefix}`, which this sender signs with: store all of it"
                ),
            )
        }));
    }
    undone
}

/// A secret that belongs to another route.
pub(super) fn other<'q>(attempt: &Attempt<'q>, question: &Question<'q>) -> Vec<Undone<'q>> {
    question
        .other_secrets
        .iter()
        .map(|named| {
            let mut changed = attempt.clone();
            changed.secrets = vec![named.clone()].into();
            Undone::new(
                changed,
                format!("{} made this signature, none of those given: use it here", named.name),
            )
        })
        .collect()
}

fn different(secret: &[u8], changed: &[u8]) -> Option<Vec<u8>> {
    (secret != changed).then(|| changed.to_vec())
}

fn collect<'q, const N: usize>(attempts: [(Option<Attempt<'q>>, &str); N]) -> Vec<Undone<'q>> {
    attempts
        .into_iter()
        .filter_map(|(attempt, advice)| attempt.map(|attempt| Undone::new(attempt, advice)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Case;

    #[test]
    fn whitespace_around_the_secret() {
        Case::signed(b"{}").with_key(b"abc").and_secret(b"abc\n").is("secret_whitespace", "store it without");
        Case::signed(b"{}").with_key(b"abc\n").and_secret(b"abc").is("secret_whitespace", "signer's secret");
    }

    #[test]
    fn quotes_around_the_secret() {
        Case::signed(b"{}")
            .with_key(b"abc")
            .and_secret(b"\"abc\"")
            .is("secret_quoted", "the secret has quotes");
        Case::signed(b"{}")
            .with_key(b"'abc'")
            .and_secret(b"abc")
            .is("secret_quoted", "the signer's secret has quotes");
    }

    #[test]
    fn a_line_of_an_env_file() {
        Case::signed(b"{}").with_key(b"abc").and_secret(b"SECRET=abc").is("secret_assignment", "value alone");
        Case::signed(b"{}")
            .with_key(b"abc")
            .and_secret(b"export A_1=\"abc\"")
            .is("secret_assignment", "value alone");
    }

    #[test]
    fn line_ends_written_out() {
        Case::signed(b"{}").with_key(b"a\nb").and_secret(b"a\\nb").is("secret_escaped", "file:PATH");
    }

    #[test]
    fn decoded_where_it_is_text() {
        Case::signed(b"{}")
            .with_key(b"hello")
            .and_secret(b"aGVsbG8=")
            .is("secret_decoding", "decoded from base64");
        Case::signed(b"{}")
            .with_key(b"hello")
            .and_secret(b"68656c6c6f")
            .is("secret_decoding", "decoded from hex");
        Case::signed(b"{}")
            .with_key(b"hello")
            .and_secret(b"whsec_aGVsbG8=")
            .is("secret_decoding", "without `whsec_`");
    }

    #[test]
    fn text_where_it_is_decoded() {
        Case::signed(b"{}")
            .form(|form| form.key.encoding = crate::verify::KeyEncoding::Base64)
            .with_key(b"aGVsbG8=")
            .and_secret(b"aGVsbG8=")
            .is("secret_decoding", "as text");
    }

    #[test]
    fn a_prefix_too_few_or_too_many() {
        Case::signed(b"{}")
            .with_key(b"abc")
            .and_secret(b"whsec_abc")
            .is("secret_prefix", "without the prefix");
        Case::signed(b"{}").with_key(b"whsec-abc").and_secret(b"abc").is("secret_prefix", "lacks its prefix");
    }

    #[test]
    fn the_secret_of_another_route() {
        Case::signed(b"{}")
            .with_key(b"abc")
            .and_secret(b"xyz")
            .other_secret("route `billing`", b"abc")
            .is("other_secret", "route `billing`");
    }
}
