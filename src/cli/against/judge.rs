//! What a configuration would decide of a delivery that a journal kept: the steps of an exchange without its sockets, its store
//! and its upstream, with the time of reception for the present.

use crate::admit::Reason;
use crate::catalog::{self, Provider};
use crate::config::Config;
use crate::journal::redact::REDACTED;
use crate::journal::{Recorded, RecordedRequest};
use crate::routes::{Found, MethodUse, Mode, Route, path_problem};
use crate::verify::{self, Head, Rejection};

/// What was decided, as far as a configuration decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Decision {
    /// Why it would not go to the upstream; `None` if it would, but for the dedupe store.
    reason: Option<Reason>,
    /// It goes all the same, and the reason is counted.
    shadow: bool,
}

impl Decision {
    const LET_THROUGH: Self = Self { reason: None, shadow: false };

    const fn of(reason: Reason) -> Self {
        Self { reason: Some(reason), shadow: false }
    }

    /// What was decided then, or why that does not depend on a configuration.
    pub(super) fn then(recorded: &Recorded) -> Result<Self, &'static str> {
        let reason = match recorded.reason {
            Reason::Overloaded | Reason::Draining | Reason::BodyTimeout => {
                return Err("ended by a limit, a shutdown or a slow sender");
            }
            Reason::BadRequest => return Err("was no HTTP that is taken"),
            Reason::Forwarded
            | Reason::Duplicate
            | Reason::InFlight
            | Reason::StoreUnavailable
            | Reason::UpstreamUnreachable
            | Reason::UpstreamFailed
            | Reason::UpstreamTimeout => None,
            reason => Some(reason),
        };
        Ok(Self { reason, shadow: recorded.shadow })
    }

    /// In words.
    pub(super) fn word(self) -> String {
        let word = self.reason.map_or("let_through", Reason::word);
        if self.shadow { format!("{word} (shadow)") } else { word.to_owned() }
    }
}

/// What would be decided now.
#[derive(Debug)]
pub(super) struct Judged<'c> {
    pub(super) decision: Decision,
    /// The exact reason.
    pub(super) why: Option<String>,
    pub(super) route: Option<&'c Route>,
}

impl<'c> Judged<'c> {
    fn of(reason: Reason, route: Option<&'c Route>, why: impl Into<Option<String>>) -> Self {
        Self { decision: Decision::of(reason), why: why.into(), route }
    }
}

/// The journal cuts paths that are longer than 512 bytes.
const SURELY_WHOLE: usize = 500;

/// Decides anew, or says why that cannot be done.
pub(super) fn judge<'c>(config: &'c Config, recorded: &Recorded) -> Result<Judged<'c>, &'static str> {
    let (Some(method), Some(request)) = (&recorded.method, &recorded.request) else {
        return without_request(config, recorded);
    };
    if let Some(problem) = path_problem(&request.target) {
        return Ok(Judged::of(Reason::BadRequest, None, problem.to_string()));
    }
    let path = request.target.split_once('?').map_or(&*request.target, |(path, _)| path);
    let route = match config.routes.find(Some(&request.host), path, method.as_str()) {
        Found::Route(route) => &**route,
        Found::None => return Ok(Judged::of(Reason::NoRoute, None, None)),
        Found::MethodNotAllowed { route, allow } => {
            return Ok(Judged::of(Reason::MethodNotAllowed, Some(route), format!("it takes {allow}")));
        }
    };
    let length = u64::try_from(request.body.len()).unwrap_or(u64::MAX);
    if length > route.body && !request.redacted {
        return Ok(Judged::of(
            Reason::BodyTooLarge,
            Some(route),
            format!("the route takes {} bytes", route.body),
        ));
    }
    let judged = on_route(route, recorded, request, method.as_str())?;
    // Of a request that is not whole only a good proof says anything.
    let certain = !request.redacted || judged.decision.reason.is_none_or(|reason| reason == Reason::Filtered);
    if certain { Ok(judged) } else { Err("is not whole in the export (something in it is redacted)") }
}

/// Without host, headers and body one thing is certain: that no route takes the path, whatever the host.
fn without_request<'c>(config: &'c Config, recorded: &Recorded) -> Result<Judged<'c>, &'static str> {
    let Some(path) = &recorded.path else { return Err("was no HTTP that is taken") };
    // The end of a long one is not there.
    let taken = path.len() > SURELY_WHOLE
        || config.routes.iter().any(|route| {
            let host = route.host.as_ref().map(ToString::to_string);
            !matches!(config.routes.find(host.as_deref(), path, "POST"), Found::None)
        });
    if taken { Err("was kept without headers and body") } else { Ok(Judged::of(Reason::NoRoute, None, None)) }
}

fn on_route<'c>(
    route: &'c Route,
    recorded: &Recorded,
    request: &RecordedRequest,
    method: &str,
) -> Result<Judged<'c>, &'static str> {
    let Some(provider) = route.provider.as_deref() else { return after_proof(route, None, request) };
    let origin = route
        .public_url
        .clone()
        .unwrap_or_else(|| format!("{}://{}", if request.https { "https" } else { "http" }, request.host));
    let signs_url = provider.scheme.signs_url() || provider.answers_with_url();
    let head = Head {
        method,
        target: &request.target,
        origin: signs_url.then_some(origin.as_str()),
        headers: &request.headers,
    };
    let body = &*request.body;
    let asks = |body: Option<&[u8]>, matched: Option<usize>| {
        catalog::challenge(
            provider,
            &head,
            body,
            matched,
            &route.keys,
            &route.verify_tokens,
            recorded.received,
        )
        .is_some()
    };
    if asks(None, None) || asks(Some(body), None) {
        return Ok(Judged::of(Reason::Challenge, Some(route), None));
    }
    if route.accepts_method(method) == MethodUse::ChallengeOnly {
        return Ok(Judged::of(Reason::MethodNotAllowed, Some(route), format!("it takes {}", route.allow())));
    }
    let verdict =
        verify::verify(&provider.scheme, &route.keys, &head, body, route.tolerance, recorded.received)
            .and_then(|verified| provider.hold_against_questions(&verified, &head, body).map(|()| verified));
    if let Some(source) = &route.key_source {
        // Whatever else is wrong is said before a key is asked for.
        match &verdict {
            Ok(_) | Err(Rejection::SignatureMismatch { .. }) => {
                if let Err(rejection) = source.wanted(&provider.scheme, &head, body) {
                    return Ok(rejected(route, &rejection));
                }
                return Err("comes on a route whose keys are fetched, which is not done here");
            }
            Err(_) => {}
        }
    }
    match verdict {
        Err(rejection) => Ok(rejected(route, &rejection)),
        Ok(verified) if asks(Some(body), Some(verified.secret_index())) => {
            Ok(Judged::of(Reason::Challenge, Some(route), None))
        }
        Ok(verified) => after_proof(route, Some((provider, &verified, &head)), request),
    }
}

fn rejected<'c>(route: &'c Route, rejection: &Rejection) -> Judged<'c> {
    let shadow = route.mode == Mode::Shadow;
    if !shadow && route.keys.is_empty() && route.key_source.is_none() {
        return Judged::of(Reason::KeysUnavailable, Some(route), "the route has no secret yet".to_owned());
    }
    let mut judged = Judged::of(Reason::from(rejection), Some(route), rejection.to_string());
    judged.decision.shadow = shadow;
    judged
}

/// The event filter, and whether there is a key to remember the event by.
fn after_proof<'c>(
    route: &'c Route,
    proof: Option<(&Provider, &verify::Verified, &Head<'_>)>,
    request: &RecordedRequest,
) -> Result<Judged<'c>, &'static str> {
    let event = proof
        .map(|(provider, _, head)| verify::event(&provider.event, &provider.scheme, head, &request.body));
    let event_type = event.as_ref().and_then(|event| event.event_type.as_deref());
    if request.redacted && route.events.patterns().is_some() && event_type == Some(REDACTED) {
        return Err("is not whole in the export (something in it is redacted)");
    }
    if !route.events.wants(event_type) {
        let why = event_type
            .map_or_else(|| "it has no event type".to_owned(), |kind| format!("its type is {kind}"));
        return Ok(Judged::of(Reason::Filtered, Some(route), why));
    }
    if let (Some((provider, verified, head)), Some(dedupe)) = (proof, &route.dedupe)
        && let Err(missing) =
            verify::event_key(&route.name, &dedupe.key, &provider.scheme, verified, head, &request.body)
    {
        let mut judged = Judged::of(Reason::EventIdMissing, Some(route), missing.to_string());
        judged.decision.shadow = route.mode == Mode::Shadow;
        return Ok(judged);
    }
    Ok(Judged { decision: Decision::LET_THROUGH, why: None, route: Some(route) })
}
