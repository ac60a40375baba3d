//! When each secret of a route counts. All are always tried; the time only decides which results are looked at.

use crate::secret::{Lifetime, NamedSecret, OutOfTime};
use crate::time::UnixTime;

use super::rejection::Rejection;
use super::verdict::Verdict;

/// The secrets' lifetimes, in their order; empty where none of them has a beginning or an end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lives(Box<[Life]>);

#[derive(Clone, Debug)]
struct Life {
    name: String,
    lifetime: Lifetime,
}

impl Lives {
    /// Those of these secrets.
    pub(crate) fn of(secrets: &[NamedSecret]) -> Self {
        if !secrets.iter().any(|secret| secret.lifetime.is_bounded()) {
            return Self::default();
        }
        Self(
            secrets.iter().map(|named| Life { name: named.name.clone(), lifetime: named.lifetime }).collect(),
        )
    }

    /// Whether the secret at this index counts at `now`.
    pub(crate) fn counts(&self, secret: usize, now: UnixTime) -> bool {
        self.out_of_time(secret, now).is_none()
    }

    fn out_of_time(&self, secret: usize, now: UnixTime) -> Option<(&Life, OutOfTime)> {
        let life = self.0.get(secret)?;
        life.lifetime.check(now).err().map(|out| (life, out))
    }

    /// The template and the secret that decide, of all that was compared. To be asked only when everything was.
    ///
    /// # Errors
    /// Nothing is equal, or only what a secret outside its time made.
    pub(crate) fn decide(
        &self,
        verdict: &Verdict,
        now: UnixTime,
        secrets: usize,
    ) -> Result<(usize, usize), Rejection> {
        // Both are asked whatever the first says: a forgery takes no longer way than what a secret made.
        let counting = verdict.matched(|secret| self.counts(secret, now));
        let any = verdict.matched(|_| true);
        if let Some(found) = counting {
            return Ok(found);
        }
        Err(match any.and_then(|(_, secret)| self.out_of_time(secret, now)) {
            Some((life, when)) => Rejection::SecretOutOfTime { name: life.name.clone(), when },
            None => Rejection::SignatureMismatch { signatures: verdict.signatures, secrets },
        })
    }
}

#[cfg(test)]
mod tests {
    use subtle::Choice;

    use super::*;
    use crate::secret::Secret;

    fn lives(until: [Option<i64>; 2]) -> Lives {
        let secrets = until.map(|until| NamedSecret {
            lifetime: Lifetime { from: None, until: until.map(UnixTime::from_millis) },
            ..NamedSecret::new("old", Secret::new(b"secret".to_vec()))
        });
        Lives::of(&secrets)
    }

    fn decide(lives: &Lives, equal: [u8; 2], now: i64) -> Result<usize, &'static str> {
        let verdict = Verdict::new(1, 0, equal.into_iter().map(Choice::from));
        let decided = lives.decide(&verdict, UnixTime::from_millis(now), 2);
        decided.map(|(_, secret)| secret).map_err(|rejection| match rejection {
            Rejection::SecretOutOfTime { .. } => "out of time",
            _ => "mismatch",
        })
    }

    #[test]
    fn a_secret_outside_its_time_does_not_count_and_another_one_does() {
        let first_ended = lives([Some(10), None]);
        assert_eq!(decide(&first_ended, [1, 0], 9), Ok(0));
        assert_eq!(decide(&first_ended, [1, 0], 10), Err("out of time"));
        assert_eq!(decide(&first_ended, [1, 1], 10), Ok(1));
        assert_eq!(decide(&first_ended, [0, 0], 10), Err("mismatch"));
        let unbounded = lives([None, None]);
        assert!(unbounded.0.is_empty());
        assert_eq!(decide(&unbounded, [0, 1], 10), Ok(1));
    }
}
