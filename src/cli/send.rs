//! `sealpost send`: signs once, posts the same bytes as often as asked, and prints each answer.

use std::time::Duration;

use ureq::Agent;

use super::args::SendArguments;
use super::output::{Failure, Outcome, Paint, print};
use super::signing::{Delivery, prepare};

/// Longer than any sender waits.
const TIMEOUT: Duration = Duration::from_secs(60);

/// More of an answer is not shown.
const SHOWN: u64 = 64 * 1024;

/// Sends and prints.
pub(super) fn execute(arguments: &SendArguments) -> Outcome {
    let delivery =
        prepare(&arguments.signing, &arguments.url, arguments.public_url.as_deref(), &arguments.headers)?;
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        // A sender that follows redirects would post to where nobody told it to.
        .max_redirects(0)
        .timeout_global(Some(TIMEOUT))
        .allow_non_standard_methods(true)
        .build()
        .into();
    let paint = Paint::stdout();
    let mut all_well = true;
    for _ in 0..arguments.repeat {
        let answer = post(&agent, &delivery)?;
        all_well &= (200..300).contains(&answer.status);
        print(&show(&answer, paint))?;
    }
    if all_well { Ok(()) } else { Err(Failure::No) }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// The headers that tell what became of a delivery.
fn is_of_interest(name: &str) -> bool {
    name.starts_with("sealpost-") || matches!(name, "retry-after" | "location" | "allow" | "content-type")
}

fn post(agent: &Agent, delivery: &Delivery) -> Result<Answer, Failure> {
    let cannot = |why: String| Failure::Failed(format!("cannot send to {}: {why}", delivery.url));
    let mut request = http::Request::builder().method(delivery.method.as_str()).uri(&delivery.url);
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    let request = request.body(delivery.body.as_slice()).map_err(|error| cannot(error.to_string()))?;
    let mut response = agent.run(request).map_err(|error| cannot(error.to_string()))?;
    let headers = response.headers().iter().filter(|(name, _)| is_of_interest(name.as_str()));
    let headers = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let headers = headers.collect();
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let reader = response.body_mut().as_reader();
    std::io::Read::read_to_end(&mut std::io::Read::take(reader, SHOWN), &mut body)
        .map_err(|error| cannot(format!("the answer broke off: {error}")))?;
    Ok(Answer { status, headers, body })
}

fn show(answer: &Answer, paint: Paint) -> String {
    let reason = http::StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
    let status = format!("{} {}", answer.status, reason.unwrap_or(""));
    let status =
        if answer.status < 300 { paint.good(status.trim_end()) } else { paint.bad(status.trim_end()) };
    let headers: String = answer
        .headers
        .iter()
        .map(|(name, value)| paint.faint(&format!("  {name}: {}", printable(value))) + "\n")
        .collect();
    let body = printable(&String::from_utf8_lossy(&answer.body));
    let body = if body.trim().is_empty() { String::new() } else { format!("  {}\n", body.trim_end()) };
    format!("{status}\n{headers}{body}")
}

/// A stranger's text must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_cannot_steer_the_terminal() {
        let answer = Answer {
            status: 200,
            headers: vec![("sealpost-result".into(), "duplicate".into())],
            body: b"a\x1b[2Jb".to_vec(),
        };
        assert_eq!(show(&answer, Paint::plain()), "200 OK\n  sealpost-result: duplicate\n  a\u{fffd}[2Jb\n");
    }
}
