//! Names of traces and spans: unguessable and unique, without asking the system for randomness each time.

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use super::context::{SpanId, TraceId};

/// A secret of this process and a count; each name is a hash of the two.
#[derive(Debug)]
pub(super) struct Ids {
    key: [u8; 32],
    count: AtomicU64,
}

/// What a request's span needs.
pub(super) struct Drawn {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    /// Decides whether the trace is recorded. No sender can choose it, as it could the trace's name.
    pub(super) die: u64,
}

impl Ids {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        if getrandom::fill(&mut key).is_err() {
            // Names are then unique on this machine for as long as its process ids are.
            key.iter_mut().zip(std::process::id().to_be_bytes()).for_each(|(byte, id)| *byte = id);
        }
        Self { key, count: AtomicU64::new(0) }
    }

    /// A new trace and its first span.
    pub(super) fn draw(&self) -> Drawn {
        let hash = self.hash();
        let mut drawn = Drawn { trace: [0; 16], span: [0; 8], die: 0 };
        let mut die = [0; 8];
        let rest = fill(&mut drawn.trace, &hash);
        let rest = fill(&mut drawn.span, rest);
        fill(&mut die, rest);
        drawn.die = u64::from_be_bytes(die);
        drawn
    }

    /// A further span.
    pub(super) fn span(&self) -> SpanId {
        let mut span = [0; 8];
        fill(&mut span, &self.hash());
        span
    }

    fn hash(&self) -> [u8; 32] {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        Sha256::new().chain_update(self.key).chain_update(count.to_be_bytes()).finalize().into()
    }
}

/// Fills `name` from the front of `from` and returns the rest. All zeros, which names nothing, is as likely as never.
fn fill<'f>(name: &mut [u8], from: &'f [u8]) -> &'f [u8] {
    let (front, rest) = from.split_at(name.len().min(from.len()));
    name.iter_mut().zip(front).for_each(|(byte, random)| *byte = *random);
    rest
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_are_alike() {
        let (one, other) = (Ids::new(), Ids::new());
        let mut seen = HashSet::new();
        for ids in [&one, &other] {
            for _ in 0..1000 {
                let drawn = ids.draw();
                assert!(seen.insert(drawn.trace[..8].to_vec()) && seen.insert(drawn.span.to_vec()));
                assert!(seen.insert(drawn.die.to_be_bytes().to_vec()) && seen.insert(ids.span().to_vec()));
            }
        }
    }
}
