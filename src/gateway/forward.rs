//! The way to the upstream and back: forward, keep what duplicates will be told, settle the claim.

use std::pin::pin;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::ending::{Ending, Stop};
use super::headers::Added;
use super::patience::Patience;
use super::record::Record;
use super::request::Request;
use super::respond::Passed;
use super::session::Head;
use super::signing;
use super::state::Gateway;
use super::upstream::{self, Answer, Outbound, UpstreamError};
use crate::admit::{Admitted, Reason};
use crate::clock;
use crate::dedupe::{self, Committed};
use crate::metrics::Operation;
use crate::time::UnixTime;
use crate::verify::{Event, Verified};

/// What goes to the upstream of a request.
#[derive(Clone, Copy)]
pub(super) struct Parcel<'a> {
    pub(super) head: &'a Head,
    pub(super) event: &'a Event,
    /// The bytes that were verified.
    pub(super) body: &'a [u8],
}

impl Gateway {
    /// Forwards, reads what has to be kept of the answer, and settles the claim before the sender is answered.
    pub(super) async fn forward(
        &self,
        request: &Request<'_>,
        permit: Admitted,
        Parcel { head, event, body }: Parcel<'_>,
        record: &mut Record,
        patience: &mut Patience,
    ) -> Result<Stop, Stop> {
        let route = &*request.route;
        record.attempt = permit.attempt();
        let verified = permit.proof().verified();
        let request_id = record.request_id.clone();
        let origin = record.origin.clone();
        let secret = verified.and_then(|verified| route.secret_names.get(verified.secret_index()));
        let host = request.host.as_bytes();
        let signature = signing::sign(route, &permit, record.key.as_ref(), event, body, clock::now);
        let passed_on = record.passed_on();
        let added = Added {
            host,
            provider: route.provider.as_deref().map_or("none", |provider| provider.name.as_str()),
            route: &route.name,
            request_id: &request_id,
            event_id: event.id.as_deref(),
            event_type: event.event_type.as_deref(),
            timestamp: verified.and_then(Verified::timestamp).map(UnixTime::seconds),
            attempt: permit.attempt(),
            secret: secret.map(String::as_str),
            signs: route.trust.signer.is_some(),
            signature: signature.as_ref(),
            trace: passed_on.as_ref().map(|(parent, state)| (parent.as_str(), *state)),
            verified: permit.proof().is_verified(),
            again: origin.as_deref().map(|origin| (origin.how, &*origin.id)),
            forwarded_for: &request.origin.forwarded_for,
            forwarded_proto: if request.https { "https" } else { "http" },
            forwarded_host: request.forwarded_host(head),
            trusted: request.origin.trusted,
        };
        let target = route.upstream_target(&request.target);
        let outbound = Outbound { head, target: &target, added: &added, body };

        let started = clock::monotonic();
        let outcome = {
            let exchange = pin!(async {
                let answer = upstream::send(&permit, &self.pool, &request.live.peer, &outbound).await?;
                take_in(answer, &self.pool).await
            });
            patience.within(route.timeout, exchange).await
        };
        let answered = record.answered(request.live, started);

        let refused = |reason, error: &UpstreamError| Ending::refuse(reason).because(error.to_string());
        match outcome {
            Some(Ok(passed)) => {
                record.upstream_status = Some(passed.status.as_u16());
                self.settle(permit, &passed, answered, record).await;
                Ok(Box::new(Ending::Pass(passed)))
            }
            Some(Err(error)) => {
                self.give_back(permit, answered, record).await;
                let reason = match error {
                    UpstreamError::Unreachable(_) => Reason::UpstreamUnreachable,
                    UpstreamError::Failed(_) => Reason::UpstreamFailed,
                };
                Err(refused(reason, &error))
            }
            None => {
                self.give_back(permit, answered, record).await;
                Err(Ending::refuse(Reason::UpstreamTimeout))
            }
        }
    }

    /// The upstream accepted (2xx): remember it, with the answer if it is short. Otherwise the event is free again.
    async fn settle(&self, permit: Admitted, passed: &Passed, answered: Instant, record: &mut Record) {
        if !passed.status.is_success() {
            return self.give_back(permit, answered, record).await;
        }
        // An answer in a coding is worth nothing without the line that names it; copies get our own then.
        let plain =
            passed.fields.all("content-encoding").all(|coding| coding.eq_ignore_ascii_case(b"identity"));
        let kept = (plain && passed.rest.is_none()).then(|| dedupe::Answer {
            status: passed.status.as_u16(),
            content_type: passed.fields.value("content-type"),
            body: passed.start.clone(),
        });
        // A store that fails now changes nothing for the sender: the upstream has accepted the event.
        let committed = permit.commit(&self.stores, clock::steady(), kept).await;
        self.metrics.store(Operation::Commit, answered.elapsed());
        match committed {
            Ok(Committed::Yes) => {}
            Ok(Committed::TooLate) => {
                record.note("the lease was over before the commit; a copy may have gone through")
            }
            Err(error) => record.store_failed(self, Operation::Commit, &error),
        }
    }

    /// The claim that was held until `answered` ends.
    pub(super) async fn give_back(&self, permit: Admitted, answered: Instant, record: &mut Record) {
        let released = permit.release(&self.stores, clock::steady()).await;
        self.metrics.store(Operation::Release, answered.elapsed());
        if let Err(error) = released {
            record.store_failed(self, Operation::Release, &error);
        }
    }
}

/// Reads an answer up to what is kept for duplicates; a longer one goes on as it comes.
async fn take_in(answer: Answer, pool: &upstream::Pool) -> Result<Passed, UpstreamError> {
    let Answer { status, fields, mut body } = answer;
    let mut start = BytesMut::new();
    let mut only: Option<Bytes> = None;
    loop {
        let Some(piece) = body.next().await? else {
            body.release(pool).await;
            let start = only.unwrap_or_else(|| start.freeze());
            return Ok(Passed { status, fields, start, rest: None });
        };
        match only.take() {
            None if start.is_empty() => only = Some(piece),
            first => {
                start.extend_from_slice(&first.unwrap_or_default());
                start.extend_from_slice(&piece);
            }
        }
        if start.len().max(only.as_ref().map_or(0, Bytes::len)) > dedupe::Answer::MAX_BODY {
            let start = only.unwrap_or_else(|| start.freeze());
            return Ok(Passed { status, fields, start, rest: Some(body) });
        }
    }
}
