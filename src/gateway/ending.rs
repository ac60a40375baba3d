//! How an exchange ends: with an answer of our own, or with the upstream's.

use http::header::{ALLOW, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue};

use super::record::Record;
use super::respond::{self, Passed, Reply};
use super::session::Session;
use super::state::Gateway;
use crate::admit::Reason;
use crate::catalog::ChallengeAnswer;
use crate::dedupe;
use crate::routes::Route;

/// Tells a duplicate's answer from a first one.
const RESULT: HeaderName = HeaderName::from_static("sealpost-result");

/// An ending reached before the end of the story.
pub(super) type Stop = Box<Ending>;

/// How an exchange ends.
#[expect(clippy::large_enum_variant, reason = "it is boxed wherever it goes, see `Stop`")]
pub(super) enum Ending {
    /// With an answer of our own.
    Reply { reason: Reason, reply: Reply, why: Option<String> },
    /// With the upstream's.
    Pass(Passed),
}

impl Ending {
    pub(super) fn refuse(reason: Reason) -> Stop {
        Self::with_status(reason, reason.status())
    }

    pub(super) fn with_status(reason: Reason, status: u16) -> Stop {
        Self::reply(reason, Reply::refusal(reason, status))
    }

    /// With this answer.
    pub(super) fn reply(reason: Reason, reply: Reply) -> Stop {
        Box::new(Self::Reply { reason, reply, why: None })
    }

    /// Adds a header to an answer of our own.
    pub(super) fn with(mut self: Box<Self>, name: HeaderName, value: HeaderValue) -> Stop {
        if let Self::Reply { reply, .. } = &mut *self {
            reply.fields.push((name, value));
        }
        self
    }

    /// Adds the reason in words, for the log only.
    pub(super) fn because(mut self: Box<Self>, cause: impl Into<String>) -> Stop {
        if let Self::Reply { why, .. } = &mut *self {
            *why = Some(cause.into());
        }
        self
    }

    /// Whether it is an answer of our own for this reason.
    pub(super) fn is(&self, wanted: Reason) -> bool {
        matches!(self, Self::Reply { reason, .. } if *reason == wanted)
    }

    /// Answers the sender.
    ///
    /// # Errors
    /// When the sender is gone and the connection with it.
    pub(super) async fn send(
        self,
        session: &mut Session,
        gateway: &Gateway,
        record: &mut Record,
    ) -> Result<(), ()> {
        match self {
            Self::Reply { reason, reply, why } => {
                record.ended(reason, reply.status, why);
                if reason == Reason::BadRequest {
                    // Where such a request ends is anybody's guess: nothing after it is taken for the next one.
                    session.close_after();
                }
                record.sent = respond::reply(session, &reply).await.map_err(|_| record.sender_gone())?;
            }
            Self::Pass(passed) => {
                record.ended(Reason::Forwarded, passed.status.as_u16(), None);
                record.sent = respond::pass_on(session, &gateway.pool, passed, record.patience())
                    .await
                    .map_err(|_| record.sender_gone())?;
            }
        }
        Ok(())
    }
}

/// 405 with the methods that are served.
pub(super) fn method_not_allowed(allow: &str) -> Stop {
    let reply = Reply::refusal(Reason::MethodNotAllowed, 405);
    let reply = match HeaderValue::from_str(allow) {
        Ok(allow) => reply.with(ALLOW, allow),
        Err(_) => reply,
    };
    Ending::reply(Reason::MethodNotAllowed, reply)
}

/// The answer to the sender's handshake.
pub(super) fn challenge(answer: ChallengeAnswer) -> Stop {
    if answer.refused {
        let ending = Ending::with_status(Reason::SignatureMismatch, answer.status);
        return ending.because("the handshake's token is another one");
    }
    let mut reply = Reply {
        status: answer.status,
        content_type: answer.content_type.and_then(|value| HeaderValue::from_str(&value).ok()),
        fields: Vec::new(),
        body: answer.body.into(),
    };
    // Every answer of ours says `nosniff` already.
    for (name, value) in answer.headers.into_iter().filter(|(name, _)| name != X_CONTENT_TYPE_OPTIONS) {
        reply = reply.with(name, value);
    }
    Ending::reply(Reason::Challenge, reply)
}

/// The answer a provider insists on, or our own one-line JSON.
fn received(route: &Route, status: &'static str) -> Reply {
    match route.provider.as_deref().and_then(|provider| provider.reply.as_ref()) {
        Some(reply) => Reply {
            status: reply.status,
            content_type: reply.content_type.as_deref().and_then(|value| HeaderValue::from_str(value).ok()),
            fields: Vec::new(),
            body: reply.body.clone().into(),
        },
        None => Reply::json(200, format!("{{\"received\":true,\"status\":\"{status}\"}}")),
    }
}

/// The route does not want this event.
pub(super) fn filtered(route: &Route) -> Stop {
    Ending::reply(Reason::Filtered, received(route, "filtered"))
}

/// The event was accepted before.
pub(super) fn duplicate(route: &Route, answer: Option<dedupe::Answer>) -> Stop {
    let reply = match answer {
        Some(answer) => Reply {
            status: answer.status,
            content_type: answer.content_type,
            fields: Vec::new(),
            body: answer.body,
        },
        None => received(route, "duplicate"),
    };
    let reply = reply.with(RESULT, HeaderValue::from_static("duplicate"));
    Ending::reply(Reason::Duplicate, reply)
}
