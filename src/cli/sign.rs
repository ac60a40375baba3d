//! `sealpost sign`: the headers a sender would send, as lines, as a curl command or as JSON.

use std::path::Path;

use super::args::{SignArguments, SignFormat};
use super::output::{Failure, Outcome, print, print_json};
use super::signing::{Delivery, prepare};

/// Prints the signed delivery.
pub(super) fn execute(arguments: &SignArguments) -> Outcome {
    let url = match (&arguments.url, arguments.format) {
        (Some(url), _) => url.as_str(),
        (None, SignFormat::Curl) => return Err(Failure::Usage("--format curl needs --url".to_owned())),
        (None, _) => "http://localhost/",
    };
    let delivery = prepare(&arguments.signing, url, None, &[])?;
    match arguments.format {
        SignFormat::Headers => print(
            &delivery.added.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>(),
        ),
        SignFormat::Curl => print(&curl(&delivery, arguments.signing.body.as_deref())?),
        SignFormat::Json => print_json(&serde_json::json!({
            "method": delivery.method,
            "url": arguments.url.as_ref().map(|_| delivery.url.as_str()),
            "headers": delivery.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect::<serde_json::Map<_, _>>(),
            "body": body_as_json(&delivery.body),
        })),
    }
}

/// A body that is text as text, any other as base64 in an object that says so.
fn body_as_json(body: &[u8]) -> serde_json::Value {
    use base64::Engine;
    match std::str::from_utf8(body) {
        Ok(text) => text.into(),
        Err(_) => serde_json::json!({ "base64": base64::engine::general_purpose::STANDARD.encode(body) }),
    }
}

fn curl(delivery: &Delivery, file: Option<&Path>) -> Result<String, Failure> {
    let mut lines = vec![format!("curl -i -X {}", quote(&delivery.method))];
    lines.extend(
        delivery.headers.iter().map(|(name, value)| format!("-H {}", quote(&format!("{name}: {value}")))),
    );
    // `--data-binary` alone sends the bytes as they are; `-d` drops newlines.
    match (std::str::from_utf8(&delivery.body), file.filter(|path| *path != Path::new("-"))) {
        _ if delivery.body.is_empty() => {}
        (_, Some(path)) => lines.push(format!("--data-binary {}", quote(&format!("@{}", path.display())))),
        (Ok(text), None) => lines.push(format!("--data-binary {}", quote(text))),
        (Err(_), None) => {
            return Err(Failure::Failed(
                "a body that is not text must come from a file for --format curl".to_owned(),
            ));
        }
    }
    lines.push(quote(&delivery.url));
    Ok(lines.join(" \\\n  ") + "\n")
}

/// One word of a POSIX shell.
fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !text.is_empty() && !text.starts_with('@') && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for (text, quoted) in
            [("a-b", "a-b"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''"), ("$x", "'$x'")]
        {
            assert_eq!(quote(text), quoted);
        }
    }
}
