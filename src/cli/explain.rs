//! `sealpost explain`: reads a captured delivery and prints why it verifies or not.

use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::catalog::Provider;
use crate::explain::{Explanation, Question, Sender, explain};
use crate::secret::NamedSecret;
use crate::verify::{Head, verify};

use super::args::ExplainArguments;
use super::known::{self, Known, KnownRoute};
use super::output::{Failure, Outcome, Paint, complain, print, print_json};
use super::plain::plain;
use super::signing::{origin_of, read_body, target_of, time};

/// Prints the explanation.
pub(super) fn execute(arguments: &ExplainArguments) -> Outcome {
    let known = Known::read(arguments.config.as_deref())?;
    let route = arguments.route.as_deref().map(|name| known.route(name)).transpose()?;
    let name =
        arguments.provider.as_deref().or(route.map(|route| route.provider.as_str())).unwrap_or_default();
    let mut settings = arguments.settings.clone();
    settings.extend(route.into_iter().flat_map(|route| route.settings.iter().cloned()));
    let sender = known.provider(name)?;
    let provider = known::with_settings(&sender.with_shown_settings(&settings), &settings)?;
    let secrets = secrets(arguments, route, &provider)?;
    let headers = read_headers(&arguments.headers)?;
    let body = read_body(&arguments.body)?;
    let url = arguments.url.as_deref().or(route.and_then(|route| route.public_url.as_deref()));
    let all = known.all();
    let others: Vec<_> =
        all.iter().map(|other| Sender { name: &other.name, scheme: &other.scheme }).collect();
    let question = Question {
        sender: Sender { name: &provider.name, scheme: &provider.scheme },
        secrets: &secrets,
        head: Head {
            method: &arguments.method.to_ascii_uppercase(),
            target: url.map_or("/", target_of),
            origin: url.and_then(origin_of),
            headers: &headers,
        },
        body: &body,
        tolerance: route.and_then(|route| route.tolerance).unwrap_or(provider.tolerance),
        now: time(arguments.now)?,
        other_senders: &others,
        other_secrets: &other_secrets(&known, route),
    };
    let explanation = held_against_questions(explain(&question), &provider, &question);
    if arguments.json {
        print_json(&explanation)?;
    } else {
        let told = serde_json::to_value(&explanation).map_err(|error| Failure::Failed(error.to_string()))?;
        print(&show(&told, Paint::stdout()))?;
    }
    if explanation.verified { Ok(()) } else { Err(Failure::No) }
}

/// What anyone can have signed is refused although it verifies.
fn held_against_questions(
    explanation: Explanation,
    provider: &Provider,
    question: &Question<'_>,
) -> Explanation {
    let refused = explanation.verified.then(|| {
        let keys = provider.scheme.prepare(question.secrets).ok()?;
        let (head, body) = (&question.head, question.body);
        let verified = verify(&provider.scheme, &keys, head, body, question.tolerance, question.now).ok()?;
        provider.hold_against_questions(&verified, head, body).err()
    });
    match refused.flatten() {
        Some(rejection) => Explanation {
            verified: false,
            reason: rejection.word(),
            detail: rejection.to_string(),
            ..explanation
        },
        None => explanation,
    }
}

fn secrets(
    arguments: &ExplainArguments,
    route: Option<&KnownRoute>,
    provider: &Provider,
) -> Result<Vec<NamedSecret>, Failure> {
    let mut secrets = arguments.secrets.iter().map(known::secret).collect::<Result<Vec<_>, _>>()?;
    if let Some(route) = route {
        secrets.extend(route.secrets.iter().cloned());
        for why in &route.unreadable {
            complain(&format!("sealpost: a secret of route `{}` is left out: {why}\n", route.name));
        }
    }
    if secrets.is_empty() {
        let what = match provider.keys {
            Some(_) => {
                "nothing is fetched here; give the sender's published key or key set: --secret file:PATH"
            }
            None => "there is no secret to verify with; give --secret env:NAME or file:PATH",
        };
        return Err(Failure::Failed(what.to_owned()));
    }
    Ok(secrets)
}

fn other_secrets(known: &Known, route: Option<&KnownRoute>) -> Vec<NamedSecret> {
    let others = known.routes.iter().filter(|other| route.is_none_or(|route| route.name != other.name));
    others
        .flat_map(|other| {
            let name = |secret: &NamedSecret| format!("secret `{}` of route `{}`", secret.name, other.name);
            other.secrets.iter().map(move |named| NamedSecret::new(name(named), named.secret.clone()))
        })
        .collect()
}

/// Reads `Name: value` lines; a request line above them and `<`-marked lines of `curl -v` are understood as well.
fn read_headers(path: &Path) -> Result<HeaderMap, Failure> {
    let text = known::read_text(path)?;
    let mut headers = HeaderMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start_matches(['>', '<', '*', ' ', '\t']).trim_end();
        if line.is_empty() || (index == 0 && is_request_line(line)) {
            continue;
        }
        let wrong = || {
            let place = format!("{}:{}", path.display(), index + 1);
            Failure::Failed(format!("{place}: this is not a `Name: value` line"))
        };
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
        headers.append(name, HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| wrong())?);
    }
    Ok(headers)
}

fn is_request_line(line: &str) -> bool {
    line.split(' ').count() == 3 && line.contains(" HTTP/")
}

/// An explanation, as the admin API tells it too, for people.
pub(super) fn show(explanation: &Value, paint: Paint) -> String {
    let text = |value: &Value, key: &str| plain(value[key].as_str().unwrap_or_default());
    let list = |key: &str| explanation[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let detail = text(explanation, "detail");
    let mut out = match explanation["verified"].as_bool() {
        Some(true) => format!("{}: {detail}\n", paint.good("verified")),
        _ => format!("{}: {} ({detail})\n", paint.bad("not verified"), text(explanation, "reason")),
    };
    out.push('\n');
    for fact in list("facts") {
        let about = format!("{:<9}", text(fact, "about"));
        out.push_str(&format!("  {}  {}\n", paint.faint(&about), text(fact, "text")));
    }
    let likely = list("likely");
    if likely.is_empty() {
        return out;
    }
    let proven = likely.iter().any(|mistake| mistake["proven"] == true);
    let heading = match (proven, explanation["together"] == true) {
        (true, true) => "These mistakes together explain it; with them undone it verifies:",
        (true, false) if likely.len() > 1 => "Any of these mistakes explains it; with it undone it verifies:",
        (true, false) => "This mistake explains it; with it undone it verifies:",
        (false, _) => "Nothing that was tried makes it verify. What stands out:",
    };
    out.push_str(&format!("\n{}\n", paint.strong(heading)));
    for mistake in likely {
        let (word, advice) = (text(mistake, "mistake"), text(mistake, "advice"));
        out.push_str(&format!("  {}  {advice}\n", paint.caution(&word)));
    }
    out
}
