//! What is sent, what must come of it, and what did.

use std::time::Duration;

use super::receiver::{Arrival, Receiver};
use super::sender::{Answer, Delivery, Sender};

/// One delivery of the demonstration.
#[derive(Debug)]
pub(super) struct Scene {
    /// What was sent.
    pub(super) sent: &'static str,
    /// What must come of it.
    pub(super) promise: Promise,
    /// What the sender was told.
    pub(super) answer: Answer,
    /// What reached the receiver because of it.
    pub(super) arrivals: Vec<Arrival>,
    /// Whether what arrived is byte for byte what was sent.
    pub(super) same_bytes: bool,
    /// Why.
    pub(super) why: &'static str,
}

/// What must come of a delivery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    status: u16,
    /// The value of `sealpost-result`, where it matters.
    result: Option<&'static str>,
    /// How many copies reach the receiver, and with which attempt number.
    arrivals: usize,
    attempt: &'static str,
}

impl Scene {
    /// Whether it came out as it must.
    pub(super) fn is_as_promised(&self) -> bool {
        let promise = &self.promise;
        self.answer.status == promise.status
            && promise.result.is_none_or(|result| self.answer.result.as_deref() == Some(result))
            && self.arrivals.len() == promise.arrivals
            && self.arrivals.iter().all(|arrival| arrival.attempt == promise.attempt)
            && self.same_bytes
    }
}

/// Plays every scene in order.
pub(super) fn play(sender: &Sender, receiver: &Receiver) -> Result<Vec<Scene>, String> {
    let stage = Stage { sender, receiver };
    let fresh = Duration::ZERO;
    let mut scenes = Vec::new();

    let valid = sender.signed("evt-1", fresh)?;
    scenes.push(stage.scene("a valid delivery", &valid, ONCE, "signature and time are right")?);
    scenes.push(stage.scene(
        "the same delivery again",
        &valid,
        DUPLICATE,
        "evt-1 was accepted: it gets the first answer again",
    )?);

    let mut forged = sender.signed("evt-2", fresh)?;
    forged.body = String::from_utf8_lossy(&forged.body).replace("10.0", "0.01").into_bytes();
    scenes.push(stage.scene("a forged one: its body was changed", &forged, REFUSED, "signature_mismatch")?);

    let mut unsigned = sender.signed("evt-3", fresh)?;
    unsigned.headers.clear();
    scenes.push(stage.scene("one without a signature", &unsigned, REFUSED, "signature_missing")?);

    let stale = sender.signed("evt-4", Duration::from_secs(3600))?;
    scenes.push(stage.scene(
        "a stale one: rightly signed, an hour ago",
        &stale,
        REFUSED,
        "timestamp_too_old",
    )?);

    scenes.extend(stage.concurrent(&sender.signed("evt-5", fresh)?, "evt-5")?);

    receiver.fail("evt-6", 1);
    let retried = sender.signed("evt-6", fresh)?;
    scenes.push(stage.scene(
        "one while the receiver is broken",
        &retried,
        FAILED,
        "the receiver's own answer, so the sender retries",
    )?);
    scenes.push(stage.scene(
        "its retry",
        &retried,
        RETRIED,
        "evt-6 was not accepted before, so it goes through",
    )?);
    receiver.forget();
    Ok(scenes)
}

const ONCE: Promise = Promise { status: 200, result: None, arrivals: 1, attempt: "1" };
const DUPLICATE: Promise = Promise { status: 200, result: Some("duplicate"), arrivals: 0, attempt: "" };
const REFUSED: Promise = Promise { status: 401, result: None, arrivals: 0, attempt: "" };
const FAILED: Promise = Promise { status: 500, result: None, arrivals: 1, attempt: "1" };
const RETRIED: Promise = Promise { status: 200, result: None, arrivals: 1, attempt: "2" };

/// How long the second copy has to reach the gateway before the first is answered. Should it be late, it is a
/// duplicate all the same.
const HEAD_START: Duration = Duration::from_millis(100);

struct Stage<'s> {
    sender: &'s Sender,
    receiver: &'s Receiver,
}

impl Stage<'_> {
    fn scene(
        &self,
        sent: &'static str,
        delivery: &Delivery,
        promise: Promise,
        why: &'static str,
    ) -> Result<Scene, String> {
        let before = self.receiver.count();
        let answer = self.sender.post(delivery)?;
        Ok(Scene { sent, promise, why, answer, ..self.outcome(delivery, before) })
    }

    /// Two copies at once: the receiver holds its answer to the first until the second is on its way.
    fn concurrent(&self, delivery: &Delivery, event: &str) -> Result<[Scene; 2], String> {
        let before = self.receiver.count();
        self.receiver.hold(event);
        let (first, second) = std::thread::scope(|scope| {
            let first = scope.spawn(|| self.sender.post(delivery));
            let arrived = self.receiver.wait_beyond(before);
            let second = scope.spawn(|| self.sender.post(delivery));
            if arrived {
                std::thread::sleep(HEAD_START);
            }
            self.receiver.release();
            (first.join(), second.join())
        });
        let broken = |_| "a sender's thread ended early".to_owned();
        let (first, second) = (first.map_err(broken)??, second.map_err(broken)??);
        let outcome = self.outcome(delivery, before);
        let why = "it waited for the first and shares its answer";
        Ok([
            Scene {
                sent: "two copies at once: the first",
                promise: ONCE,
                answer: first,
                why: "claimed evt-5",
                ..outcome
            },
            Scene {
                sent: "                    the second",
                promise: DUPLICATE,
                answer: second,
                arrivals: Vec::new(),
                same_bytes: true,
                why,
            },
        ])
    }

    /// What has reached the receiver since; the rest of the scene is filled in by the caller.
    fn outcome(&self, delivery: &Delivery, before: usize) -> Scene {
        let arrivals = self.receiver.since(before);
        let same_bytes = arrivals.iter().all(|arrival| arrival.body == delivery.body);
        let answer = Answer { status: 0, result: None, body: String::new() };
        Scene { sent: "", promise: REFUSED, answer, arrivals, same_bytes, why: "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_fails_when_status_result_or_arrivals_differ() {
        let arrival = Arrival { event: "evt-1".into(), attempt: "1".into(), body: Vec::new() };
        let scene = |status, arrivals: Vec<Arrival>, same_bytes| Scene {
            sent: "",
            promise: ONCE,
            answer: Answer { status, result: None, body: String::new() },
            arrivals,
            same_bytes,
            why: "",
        };
        assert!(scene(200, vec![arrival.clone()], true).is_as_promised());
        assert!(!scene(401, vec![arrival.clone()], true).is_as_promised());
        assert!(!scene(200, vec![], true).is_as_promised());
        assert!(!scene(200, vec![arrival.clone(), arrival.clone()], true).is_as_promised());
        assert!(!scene(200, vec![arrival], false).is_as_promised());
    }
}
