//! A sender's handshakes on their way through an exchange: answered here, never forwarded.

use super::body::Body;
use super::ending::{self, Ending, Stop};
use super::exchange::Exchange;
use super::first_contact::Taken;
use super::live::Live;
use super::patience::Patience;
use super::record::Record;
use super::request::Request;
use super::session::Session;
use crate::admit::Reason;
use crate::catalog;
use crate::clock;
use crate::routes::{MethodUse, Mode};
use crate::verify::{Rejection, Verified};

/// No sender's question is longer. It bounds what is read of a request whose head alone would have refused it.
const LONGEST_BODY: u64 = 16 * 1024;

impl Exchange {
    /// Ends the exchange with the answer to the sender's handshake, if this is one.
    pub(super) fn challenged(
        &self,
        session: &Session,
        request: &Request<'_>,
        body: Option<&Body>,
        verified: Option<&Verified>,
    ) -> Result<(), Stop> {
        let route = &*request.route;
        let Some(provider) = route.provider.as_deref() else { return Ok(()) };
        if provider.challenges.is_empty() {
            return Ok(());
        }
        let head = request.head(session);
        let answer = catalog::challenge(
            provider,
            &head,
            body.map(Body::as_slice),
            verified.map(Verified::secret_index),
            &route.keys,
            &route.verify_tokens,
            clock::now(),
        );
        match answer {
            Some(answer) => {
                if let Some(value) = &answer.revealed {
                    request.first_contact(value)?;
                }
                Err(ending::challenge(answer))
            }
            // A method that is only open for the handshake ends here if this is not one: it is never forwarded.
            None if route.accepts_method(head.method) == MethodUse::ChallengeOnly
                && (body.is_some() || !provider.may_ask_in_body(&head)) =>
            {
                Err(ending::method_not_allowed(&route.allow()))
            }
            None => Ok(()),
        }
    }

    /// What the head refuses may still be an unsigned question whose mark stands in its body: reads a little of it,
    /// answers, or refuses as before. In shadow mode the whole body is read anyway and looked at then.
    pub(super) async fn challenged_before_refusal(
        &self,
        session: &mut Session,
        live: &Live,
        request: &Request<'_>,
        rejection: &Rejection,
        record: &mut Record,
    ) -> Result<(), Stop> {
        let route = &*request.route;
        let may_ask = route
            .provider
            .as_deref()
            .is_some_and(|provider| provider.may_ask_in_body(&request.head(session)));
        if may_ask && route.mode == Mode::Enforce {
            let limit = LONGEST_BODY.min(route.body);
            if request.declared.is_none_or(|declared| declared <= limit) {
                let mut patience = Patience::default();
                match self.read_body(session, live, request, limit, &mut patience, |_| {}).await {
                    Ok(body) => {
                        record.received = body.length();
                        self.challenged(session, request, Some(&body), None)?;
                    }
                    Err(ending) if ending.is(Reason::BodyTooLarge) => {}
                    Err(ending) => return Err(ending),
                }
            }
        }
        self.rejected(route, rejection, record)
    }
}

impl Request<'_> {
    /// Keeps what a first contact brought and tells the operator.
    fn first_contact(&self, value: &str) -> Result<(), Stop> {
        let Some(contacts) = &self.live.first_contacts else { return Ok(()) };
        let route = &self.route;
        match contacts.take(value, self.origin.client, clock::now()) {
            Taken::Known => Ok(()),
            Taken::New => {
                tracing::warn!(
                    target: "sealpost::first_contact",
                    route = route.name,
                    provider = route.provider.as_deref().map(|provider| provider.name.as_str()),
                    client = self.origin.client.map(|client| client.to_string()),
                    value,
                    "a first contact brought this secret: if you have just created the webhook at the sender, put it \
                     into the route's `secrets`; otherwise it is a stranger's, leave it alone"
                );
                Ok(())
            }
            Taken::TooMany => {
                Err(Ending::refuse(Reason::Overloaded).because("too many first contacts in one minute"))
            }
        }
    }
}
