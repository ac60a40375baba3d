//! `sealpost deliveries ID`: all that is known of one delivery, and why it verifies or not.

use std::fmt::Write as _;

use serde_json::Value;

use super::ask::{Admin, place};
use super::rows;
use crate::cli::explain;
use crate::cli::output::{Outcome, Paint, print, print_json};
use crate::cli::plain::{exact_time, plain, plain_lines, took};

/// Prints it.
pub(super) fn show(admin: &Admin, id: &str, json: bool) -> Outcome {
    let (status, mut delivery) = admin.try_get(&place(id))?;
    if status != 200 {
        return Err(admin.refused(status, &delivery));
    }
    // What cannot be explained says why; that is no failure of this command.
    let (status, explained) = admin.try_get(&format!("{}/explain", place(id)))?;
    let explanation = match status {
        200 => Ok(explained),
        409 => Err(plain(explained["error"].as_str().unwrap_or_default())),
        _ => return Err(admin.refused(status, &explained)),
    };
    if json {
        delivery["explanation"] = explanation.unwrap_or(Value::Null);
        return print_json(&delivery);
    }
    let paint = Paint::stdout();
    let mut out = facts(&delivery, paint);
    later(&mut out, &delivery, paint);
    timeline(&mut out, &delivery, paint);
    request(&mut out, &delivery, paint);
    let _ = writeln!(out, "\n{}", paint.strong("Under the configuration in force"));
    match &explanation {
        Ok(explanation) => out.push_str(&explain::show(explanation, paint)),
        Err(why) => {
            let _ = writeln!(out, "  not to be explained: {why}");
        }
    }
    print(&out)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

fn facts(delivery: &Value, paint: Paint) -> String {
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{}  {value}", paint.faint(&format!("{name:<9}")));
    };
    let of = |key: &str| text(&delivery[key]);
    line("id", paint.strong(&of("id")));
    let result = rows::by_outcome(delivery, paint, &rows::result(delivery));
    line("verdict", format!("{result}, the sender was told {}", of("status")));
    if !delivery["why"].is_null() {
        line("why", of("why"));
    }
    line("time", exact_time(delivery["time"].as_i64().unwrap_or_default()));
    line("route", format!("{} ({})", of("route"), of("sender")));
    let bytes = of("received");
    line("request", format!("{} {} from {}, {bytes} bytes", of("method"), of("path"), of("client")));
    line("event", format!("{} {}, attempt {}", of("event_type"), of("event_id"), of("attempt")));
    let verified = match (delivery["verified"] == true, &delivery["secret"]) {
        (true, Value::Null) => "verified".to_owned(),
        (true, secret) => format!("verified with secret `{}`", text(secret)),
        (false, _) => "not verified".to_owned(),
    };
    let age = delivery["signature_age_ms"].as_i64();
    let age = age.map_or_else(String::new, |age| match age {
        ..0 => format!(", signed {:.1}s ahead of our clock", age.unsigned_abs() as f64 / 1e3),
        _ => format!(", signed {:.1}s before it came", age as f64 / 1e3),
    });
    line("signature", format!("{verified}{age}"));
    if !delivery["dedupe"]["verdict"].is_null() {
        let (verdict, key) = (&delivery["dedupe"]["verdict"], &delivery["dedupe"]["key"]);
        line("dedupe", format!("{}, key {}", text(verdict), text(key)));
    }
    if !delivery["upstream_us"].is_null() {
        let spent = took(delivery["upstream_us"].as_i64().unwrap_or_default());
        line("upstream", format!("{} after {spent}", text(&delivery["upstream_status"])));
    }
    let again = delivery["next_retry_at"].as_i64();
    let again = again.map_or_else(String::new, |at| format!(", expected at {}", exact_time(at)));
    line("retries", format!("{}{again}", of("retries")));
    if !delivery["body_sha256"].is_null() {
        line("sha256", of("body_sha256"));
    }
    line("config", of("config_hash"));
    if !delivery["origin"].is_null() {
        let origin = &delivery["origin"];
        line("origin", format!("{} of {}", text(&origin["kind"]), text(&origin["id"])));
    }
    let command = |what: &str| format!("sealpost {what} {}", of("id"));
    match (delivery["releasable"] == true, delivery["redeliverable"] == true) {
        (true, _) => line("again", command("release")),
        (false, true) => line("again", command("redeliver")),
        (false, false) if delivery["outcome"] == "accepted" || delivery["outcome"] == "answered" => {
            line("again", format!("no: {}", of("why_not_redeliverable")));
        }
        (false, false) => line("again", format!("no: {}", of("why_not_releasable"))),
    }
    out
}

fn entries(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn later(out: &mut String, delivery: &Value, paint: Paint) {
    for result in entries(&delivery["results"]) {
        let time = exact_time(result["time"].as_i64().unwrap_or_default());
        let [kind, id, reason, status] = ["kind", "id", "reason", "status"].map(|key| text(&result[key]));
        let _ = writeln!(out, "{}  {time} {kind} {id}: {reason} {status}", paint.faint("later    "));
    }
}

fn timeline(out: &mut String, delivery: &Value, paint: Paint) {
    let _ = writeln!(out, "\n{}", paint.strong("Timeline"));
    for moment in entries(&delivery["timeline"]) {
        let at = took(moment["at_us"].as_i64().unwrap_or_default());
        let _ = writeln!(out, "  {at:>8}  {}", text(&moment["event"]));
    }
}

fn request(out: &mut String, delivery: &Value, paint: Paint) {
    let request = &delivery["request"];
    if request.is_null() {
        let _ = writeln!(
            out,
            "\n{}\n  not kept; `journal: {{ bodies: refused }}` (or all) on the route keeps them from then on",
            paint.strong("Headers and body")
        );
        return;
    }
    let _ = writeln!(out, "\n{}", paint.strong("Headers"));
    let _ = writeln!(
        out,
        "  {} {}{}",
        text(&delivery["method"]),
        text(&request["origin"]),
        text(&request["target"])
    );
    for header in entries(&request["headers"]) {
        let _ = writeln!(out, "  {}: {}", paint.faint(&text(&header[0])), text(&header[1]));
    }
    let redacted: Vec<String> = entries(&request["redacted"]).iter().map(text).collect();
    if !redacted.is_empty() {
        let _ = writeln!(out, "  {}", paint.caution(&format!("redacted: {}", redacted.join(", "))));
    }
    let _ = writeln!(out, "\n{}", paint.strong("Body"));
    match request["body"].as_str() {
        Some("") => out.push_str("  empty\n"),
        Some(body) => plain_lines(body.strip_suffix('\n').unwrap_or(body)).for_each(|line| {
            let _ = writeln!(out, "  {line}");
        }),
        None => {
            let _ = writeln!(out, "  {} bytes that are no text", delivery["received"]);
        }
    }
    if request["body_truncated"] == true {
        let _ =
            writeln!(out, "  {}", paint.caution("only its beginning; /api/deliveries/ID/body has all of it"));
    }
}
