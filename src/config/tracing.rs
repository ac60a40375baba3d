//! `tracing`: whether requests are traced, how many of them, and where their spans go.

use super::{Incoming, TracingConfig};
use crate::yaml::{Cursor, Fields, Problems, shortened};

/// Where a collector takes traces, below its address.
const PATH: &str = "/v1/traces";

/// Reads the section; `None` where there is none. `tracing: {}` alone passes traces on and names them in the log.
pub(super) fn tracing(fields: &mut Fields<'_, '_>) -> Option<TracingConfig> {
    let cursor = fields.optional("tracing")?;
    let mut fields = cursor.fields(fields.problems())?;
    let otlp = fields.optional("otlp").and_then(|cursor| collector(&cursor, fields.problems()));
    let sample = fields.optional("sample").and_then(|cursor| ratio(&cursor, fields.problems()));
    let service_name = fields.optional("service_name").and_then(|cursor| {
        let text = cursor.text(fields.problems())?;
        let fits = (1..=255).contains(&text.len()) && !text.chars().any(char::is_control);
        if !fits {
            cursor.report(fields.problems(), "a service's name has 1 to 255 bytes and no control characters");
        }
        fits.then(|| text.to_owned())
    });
    let incoming = match fields.word("incoming", &["continue", "link"]) {
        Some("link") => Incoming::Link,
        _ => Incoming::Continue,
    };
    fields.finish();
    Some(TracingConfig {
        otlp,
        sample: sample.unwrap_or(u64::MAX),
        service_name: service_name.unwrap_or_else(|| "sealpost".to_owned()),
        incoming,
    })
}

/// The URL that spans are posted to.
fn collector(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<String> {
    let text = cursor.text(problems)?;
    let url = text.trim_end_matches('/');
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let plain = |rest: &str| {
        !rest.is_empty()
            && rest.bytes().all(|byte| byte.is_ascii_graphic())
            && !rest.contains(['?', '#', '@'])
    };
    if !rest.is_some_and(plain) {
        let message = "write the collector's address for OTLP over HTTP, such as `http://127.0.0.1:4318`";
        cursor.report(problems, message);
        return None;
    }
    Some(if url.ends_with(PATH) { url.to_owned() } else { format!("{url}{PATH}") })
}

/// A part of one, as the part of all 64-bit numbers.
fn ratio(cursor: &Cursor<'_>, problems: &mut Problems) -> Option<u64> {
    let text = cursor.text(problems)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let written = !part.is_empty() && part.len() <= 9 && digits(part);
    let billionths = match (whole, written) {
        ("0", true) => format!("{part:0<9}").parse::<u64>().ok(),
        ("1", true) if part.bytes().all(|byte| byte == b'0') => return Some(u64::MAX),
        _ => None,
    };
    match billionths {
        Some(billionths) => Some((u64::MAX / 1_000_000_000).saturating_mul(billionths)),
        None => {
            let message = format!(
                "`{}` is no part of all requests; write a number from 0 to 1, such as `0.1`",
                shortened(text)
            );
            cursor.report(problems, message);
            None
        }
    }
}
