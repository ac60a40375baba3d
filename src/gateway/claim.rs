//! Once per event: the claim of a request that may go on.

use super::ending::{self, Ending, Stop};
use super::record::Record;
use super::request::Request;
use super::state::Gateway;
use crate::admit::{self, Admission, Admitted, Proof, Reason, StoreFailure};
use crate::clock;
use crate::journal::DedupeVerdict;
use crate::metrics::Operation;
use crate::routes::Mode;
use crate::verify::{EventKey, MissingPart};

impl Gateway {
    /// Claims the event for this request, waits for a copy in flight, or answers what the first one got.
    pub(super) async fn claim(
        &self,
        request: &Request<'_>,
        proof: Proof,
        key: Option<Result<EventKey, MissingPart>>,
        record: &mut Record,
    ) -> Result<Admitted, Stop> {
        let route = &*request.route;
        let (Some(dedupe), Some(key)) = (&route.dedupe, key) else {
            record.verdict = DedupeVerdict::Off;
            return Ok(Admitted::unclaimed(proof));
        };
        let key = match key {
            Ok(key) => key,
            Err(missing) if route.mode == Mode::Shadow => {
                record.shadow(Reason::EventIdMissing, missing.to_string());
                return Ok(Admitted::unclaimed(proof));
            }
            Err(missing) => return Err(Ending::refuse(Reason::EventIdMissing).because(missing.to_string())),
        };
        record.key = Some(key);
        let started = clock::monotonic();
        let (admission, failure) =
            admit::admit(&self.stores, proof, key, dedupe, route.timeout, clock::steady, tokio::time::sleep)
                .await;
        record.claimed(self, started);
        record.verdict = match &admission {
            Admission::Admitted(permit) if permit.is_claimed() => DedupeVerdict::New,
            Admission::Duplicate { .. } => DedupeVerdict::Duplicate,
            Admission::Later(Reason::InFlight) => DedupeVerdict::InFlight,
            Admission::Admitted(_) | Admission::Later(_) => DedupeVerdict::Failed,
        };
        if let Some(StoreFailure { waiting, error }) = &failure {
            let operation = if *waiting { Operation::Wait } else { Operation::Claim };
            record.store_failed(self, operation, error);
        }
        match admission {
            Admission::Admitted(permit) => Ok(permit),
            Admission::Duplicate { answer, attempt } => {
                record.attempt = attempt;
                Err(ending::duplicate(route, answer))
            }
            Admission::Later(reason) => Err(Ending::refuse(reason)),
        }
    }
}
