//! Running hashes: one for each way in which each secret can be a key, fed together and compared at the end.

use smallvec::{SmallVec, smallvec};
use subtle::Choice;

use crate::secret::Secret;

use super::content::SecretSink;
use super::keys::Key;
use super::mac::{Sink, State};
use super::signature::Candidates;
use super::verdict::any_equal;

/// A running hash, with the secret that a plain digest's template writes.
pub(crate) struct Run<'s> {
    pub(crate) state: State,
    /// The index of the key that it belongs to.
    key: usize,
    pub(crate) secret: Option<&'s Secret>,
}

/// Two secrets, as during a rotation, need no allocation.
pub(crate) type Runs<'s> = SmallVec<[Run<'s>; 2]>;

/// The hashes of these keys before anything; none for keys that do not hash.
pub(crate) fn start(keys: &[Key]) -> Runs<'_> {
    let mut runs = Runs::new();
    for (index, key) in keys.iter().enumerate() {
        match key {
            Key::Mac(states) => {
                runs.extend(states.iter().map(|state| Run {
                    state: state.clone(),
                    key: index,
                    secret: None,
                }));
            }
            Key::Digest { start, secret } => {
                runs.push(Run { state: start.clone(), key: index, secret: Some(secret) });
            }
            Key::Public(_) | Key::Roots(_) | Key::Token(_) | Key::JwtMac(_) => {}
        }
    }
    runs
}

/// For each secret, whether any of the signatures is its own.
pub(crate) fn compare(
    runs: Runs<'_>,
    secrets: usize,
    candidates: &Candidates,
) -> impl Iterator<Item = Choice> + use<> {
    let mut matched: SmallVec<[Choice; 2]> = smallvec![Choice::from(0); secrets];
    for run in runs {
        if let Some(matched) = matched.get_mut(run.key) {
            *matched |= any_equal(&run.state.finish(), candidates);
        }
    }
    matched.into_iter()
}

impl Sink for Runs<'_> {
    fn write(&mut self, bytes: &[u8]) {
        for run in self {
            run.state.write(bytes);
        }
    }
}

impl SecretSink for Runs<'_> {
    fn write_secret(&mut self) {
        for run in self {
            if let Some(secret) = run.secret {
                run.state.write(secret.expose());
            }
        }
    }
}
