//! Secret bytes: never printed, overwritten when dropped.

mod lifetime;

use std::fmt;

use zeroize::Zeroizing;

pub use lifetime::{Lifetime, OutOfTime, end, first_moment, shown};

/// The bytes of a secret as the operator stored them, before any decoding a sender asks for.
///
/// `Debug` shows nothing of it and there is no `Display`, so it cannot reach a log by accident.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves. Whoever calls this must not print them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is nothing in it. An empty secret must never verify anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A secret with the name under which metrics, logs and the `sealpost-secret` header speak of it.
#[derive(Clone, Debug)]
pub struct NamedSecret {
    /// The operator's name for it, otherwise its index in the route's list (`0`, `1`, …).
    pub name: String,
    /// The secret.
    pub secret: Secret,
    /// When it counts.
    pub lifetime: Lifetime,
}

impl NamedSecret {
    /// A secret that always counts.
    #[must_use]
    pub fn new(name: impl Into<String>, secret: Secret) -> Self {
        Self { name: name.into(), secret, lifetime: Lifetime::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_it() {
        let secret = NamedSecret::new("old", Secret::new(b"hunter2".to_vec()));
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
