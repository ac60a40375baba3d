//! Deliveries that come again without their sender: refused ones released once what was wrong is mended, and verified ones
//! delivered once more.
//!
//! Both take the way of a live request through the same functions: only what verifies, or did verify, makes a proof, only a
//! proof makes a permit, and only a permit opens the way to the upstream.

use std::sync::Arc;

use super::client::Origin as ClientOrigin;
use super::ending::{self, Ending, Stop};
use super::fetched::Arrived;
use super::forward::Parcel;
use super::live::Live;
use super::names::Names;
use super::patience::Patience;
use super::record::Record;
use super::request::Request;
use super::session::Head;
use super::state::{Gateway, Phase};
use super::{kept, record};
use crate::admit::{Admitted, Proof, Reason};
use crate::catalog;
use crate::clock;
use crate::journal::{Again, DedupeVerdict, Found, Kept};
use crate::routes::MethodUse;
use crate::verify::{self, Rejection, Verified};

/// Why a delivery was not tried again, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotPossible {
    /// For what it is.
    Ever(String),
    /// For what goes on here just now, in one word, too. So it is with whatever comes after it.
    Now(&'static str, String),
}

/// What came of a delivery that was tried again.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    /// The journal's entry of it.
    pub(crate) id: String,
    /// What became of it.
    pub(crate) reason: Reason,
    /// The status that a sender would have been told.
    pub(crate) status: u16,
    /// The exact reason.
    pub(crate) why: Option<String>,
}

impl Tried {
    /// Whether the upstream has accepted the event, now or before.
    pub(crate) fn is_accepted(&self) -> bool {
        match self.reason {
            Reason::Forwarded => (200..300).contains(&self.status),
            reason => reason == Reason::Duplicate,
        }
    }
}

/// Who releases on a route; until it is dropped nobody else does, so that the order holds.
pub(crate) struct Releasing {
    gateway: Arc<Gateway>,
    route: String,
}

impl Drop for Releasing {
    fn drop(&mut self) {
        self.gateway.releasing.lock().remove(&self.route);
    }
}

impl Gateway {
    /// The right to release on this route; `None` while somebody else does.
    pub(crate) fn releasing(self: &Arc<Self>, route: &str) -> Option<Releasing> {
        let taken = self.releasing.lock().insert(route.to_owned());
        taken.then(|| Releasing { gateway: Arc::clone(self), route: route.to_owned() })
    }

    /// Verifies a refused delivery under the configuration in force, as of the time when it was received, and forwards it if
    /// it verifies now. A copy that was accepted meanwhile makes it a duplicate.
    pub(crate) async fn release(
        self: &Arc<Self>,
        _right: &Releasing,
        found: &Found,
    ) -> Result<Tried, NotPossible> {
        if let Some(why) = found.why_not_releasable() {
            return Err(NotPossible::Ever(why.to_owned()));
        }
        self.again(found, Again::Release).await
    }

    /// Sends a delivery that verified then to the upstream once more, past the dedupe store on purpose.
    pub(crate) async fn redeliver(self: &Arc<Self>, found: &Found) -> Result<Tried, NotPossible> {
        if let Some(why) = found.why_not_redeliverable() {
            return Err(NotPossible::Ever(why.to_owned()));
        }
        self.again(found, Again::Redelivery).await
    }

    async fn again(self: &Arc<Self>, found: &Found, how: Again) -> Result<Tried, NotPossible> {
        if self.phase() != Phase::Serving {
            let why = "the gateway is shutting down".to_owned();
            return Err(NotPossible::Now(Reason::Draining.word(), why));
        }
        let (journal, entry) = (self.journal.clone(), Arc::clone(&found.entry));
        let kept = tokio::task::spawn_blocking(move || journal.request(&entry)).await;
        let kept = kept.unwrap_or_else(|error| Err(error.to_string())).map_err(|error| {
            let why = format!("the journal's file cannot be read now ({error}); try again");
            NotPossible::Now("journal_unavailable", why)
        })?;
        let kept = kept.ok_or_else(|| NotPossible::Ever("its body is not to be had any more".to_owned()))?;
        let live = self.live();
        let _in_flight = self.begin();
        let mut record = Record::begin(self);
        record.made_from(found, how);
        let told = Box::pin(self.retell(&live, found, &kept, how, &mut record)).await;
        let (Ok(ending) | Err(ending)) = told;
        let tried = record.of_ending(*ending);
        record.finish_with(self, &live, None);
        Ok(tried)
    }

    /// The story of [`super::exchange`] without a session. An `Err` is an ending too, reached early.
    async fn retell(
        &self,
        live: &Live,
        found: &Found,
        kept: &Kept,
        how: Again,
        record: &mut Record,
    ) -> Result<Stop, Stop> {
        let entry = &found.entry;
        let bad = |why: &str| Ending::refuse(Reason::BadRequest).because(why);
        let name = entry.about.route.as_deref().unwrap_or_default();
        let Some(route) = live.config.routes.iter().find(|route| route.name == name) else {
            return Err(
                Ending::refuse(Reason::NoRoute).because("its route is not in the configuration any more")
            );
        };
        record.route(route, live.of(route));
        let Some(route_live) = live.of(route) else { return Err(Ending::refuse(Reason::NoRoute)) };
        let method = entry.method.clone().ok_or_else(|| bad("its method is not known"))?;
        record.head(&method, &kept.target);
        if route.accepts_method(method.as_str()) != MethodUse::Delivery {
            return Err(ending::method_not_allowed(&route.allow()));
        }
        let head = kept::read(&method, kept).map_err(|_| bad("its head cannot be read any more"))?;
        let proto = if kept.https { "https" } else { "http" };
        let signed_origin = route_live
            .signs_url
            .then(|| route.public_url.clone().unwrap_or_else(|| format!("{proto}://{}", kept.host)));
        let request = Request {
            route: Arc::clone(route),
            live: route_live,
            target: kept.target.to_string(),
            host: kept.host.to_string(),
            https: kept.https,
            signed_origin,
            declared: u64::try_from(kept.body.len()).ok(),
            origin: ClientOrigin {
                client: entry.client,
                trusted: kept.trusted,
                forwarded_for: kept.forwarded_for.to_string(),
            },
        };

        let proof = match (how, self.verify_again(&request, &head, found, kept, record).await?) {
            (_, Some(Ok(verified))) => {
                let age = record::signature_age(&verified, entry.received);
                record.verified(&verified, age, clock::monotonic());
                Proof::of(verified)
            }
            (_, None) => Proof::without_provider(route).ok_or_else(|| bad("nothing proves it"))?,
            // Its secret may be gone by now; that it was right then is known.
            (Again::Redelivery, Some(Err(rejection))) => match entry.verified {
                Some(then) => Proof::of_before(then),
                None => return Err(refused(&rejection)),
            },
            (Again::Release, Some(Err(rejection))) => return Err(refused(&rejection)),
        };
        self.no_question(&request, &head, kept, proof.verified())?;
        let Names { event, key } = Names::of(route, &request.view(&head), &kept.body, &proof);
        record.event(&event);
        if how == Again::Release && !route.events.wants(event.event_type.as_deref()) {
            return Ok(ending::filtered(route));
        }
        let permit = match how {
            Again::Release => {
                let permit = self.claim(&request, proof, key, record).await?;
                // The store may have forgotten what the sender's own retry brought meanwhile; the journal remembers longer.
                if record.key.is_some_and(|key| self.journal.was_accepted(&key)) {
                    self.give_back(permit, clock::monotonic(), record).await;
                    record.verdict = DedupeVerdict::Duplicate;
                    return Err(ending::duplicate(route, None));
                }
                permit
            }
            Again::Redelivery => {
                record.verdict = DedupeVerdict::Off;
                // What we sign has the same id as the first time.
                record.key = entry.key;
                let before = u32::try_from(found.marks.len()).unwrap_or(u32::MAX);
                Admitted::redelivery(proof, entry.attempt.max(1).saturating_add(before).saturating_add(1))
            }
        };
        let parcel = Parcel { head: &head, event: &event, body: &kept.body };
        Box::pin(self.forward(&request, permit, parcel, record, &mut Patience::default())).await
    }

    /// What verification comes to now, with the time of reception for the present; `None` on a route without a provider.
    async fn verify_again(
        &self,
        request: &Request<'_>,
        head: &Head,
        found: &Found,
        kept: &Kept,
        record: &mut Record,
    ) -> Result<Option<Result<Verified, Rejection>>, Stop> {
        let route = &*request.route;
        let Some(provider) = route.provider.as_deref() else { return Ok(None) };
        let (view, received) = (request.view(head), found.entry.received);
        if let Some(keys) = &request.live.keys {
            let arrived = Arrived { at: clock::monotonic(), time: Some(received) };
            let verdict =
                self.verify_with_fetched_keys(head, request, keys, &kept.body, arrived, record).await?;
            // In shadow mode, where a missing key ends nothing, nothing is released without it either.
            return Ok(Some(verdict.ok_or_else(|| Ending::refuse(Reason::KeysUnavailable))?));
        }
        let verdict =
            verify::verify(&provider.scheme, &route.keys, &view, &kept.body, route.tolerance, received)
                .and_then(|verified| {
                    provider.hold_against_questions(&verified, &view, &kept.body).map(|()| verified)
                });
        Ok(Some(verdict))
    }

    /// A sender's question is answered and never forwarded; one that comes out of the journal is nobody's to answer.
    fn no_question(
        &self,
        request: &Request<'_>,
        head: &Head,
        kept: &Kept,
        verified: Option<&Verified>,
    ) -> Result<(), Stop> {
        let route = &*request.route;
        let Some(provider) = route.provider.as_deref().filter(|provider| !provider.challenges.is_empty())
        else {
            return Ok(());
        };
        let asked = |matched: Option<usize>| {
            let view = request.view(head);
            catalog::challenge(
                provider,
                &view,
                Some(&kept.body),
                matched,
                &route.keys,
                &route.verify_tokens,
                clock::now(),
            )
        };
        let question = asked(None).is_some()
            || verified.is_some_and(|verified| asked(Some(verified.secret_index())).is_some());
        if question {
            let ending = Ending::refuse(Reason::SignatureMismatch);
            return Err(
                ending.because("it is a question of the sender's, which is answered and not forwarded")
            );
        }
        Ok(())
    }
}

fn refused(rejection: &Rejection) -> Stop {
    Ending::refuse(Reason::from(rejection)).because(rejection.to_string())
}
