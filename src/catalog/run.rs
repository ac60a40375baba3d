//! Runs vectors: each as written, and from every accepted one the refusals that any scheme owes.

use crate::secret::{NamedSecret, Secret};
use crate::time::UnixTime;
use crate::verify::{self, Head, Keys, Verified};

use super::challenge::challenge;
use super::derive;
use super::provider::Provider;
use super::vectors::{Expect, Vector, Vectors};

/// What became of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorResult {
    /// The vector's name.
    pub vector: String,
    /// What was checked.
    pub check: String,
    /// What went wrong; `None` if all is well.
    pub problem: Option<String>,
}

impl VectorResult {
    /// Whether all is well.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problem.is_none()
    }

    pub(super) fn new(vector: &str, check: impl Into<String>, problem: Option<String>) -> Self {
        Self { vector: vector.to_owned(), check: check.into(), problem }
    }
}

/// Runs the vectors of a sender.
///
/// From each accepted one follow, without being written: a changed body, another secret, a second secret beside the
/// right one, a missing, empty, truncated, lengthened and repeated signature, and both edges of the time window.
/// Every form of the scheme must be shown by at least one accepted vector. An unexpected acceptance is a failure like any other.
#[must_use]
pub fn run_vectors(provider: &Provider, vectors: &Vectors) -> Vec<VectorResult> {
    let mut results = Vec::new();
    let mut shown = vec![false; provider.scheme.alternatives.len()];
    for vector in &vectors.list {
        let filled = match provider.with_settings(&vector.settings) {
            Ok(filled) => filled,
            Err(errors) => {
                let problem = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                results.push(VectorResult::new(&vector.name, "settings", Some(problem)));
                continue;
            }
        };
        let trial = Trial::of(&filled, vector);
        match &vector.expect {
            Expect::Accepted => {
                let outcome = trial.run();
                results.push(VectorResult::new(&vector.name, "accepted", accepted(&trial, &outcome, vector)));
                if let Ok(verified) = outcome {
                    if let Some(form) = shown.get_mut(verified.form().0) {
                        *form = true;
                    }
                    derive::refusals(&trial, &verified, &mut results);
                }
            }
            Expect::Refused(word) => {
                let problem = match trial.run() {
                    Ok(_) => Some("it was accepted".to_owned()),
                    Err(refused) if refused.word == word.as_str() => None,
                    Err(refused) => Some(format!("it was refused as {refused}")),
                };
                let answered = trial.challenge(None, vector.verify_token.as_ref());
                let problem = problem.or(answered
                    .filter(|answer| !answer.refused)
                    .map(|_| "it was answered as a handshake".to_owned()));
                results.push(VectorResult::new(&vector.name, format!("refused as {word}"), problem));
            }
            Expect::Challenge { .. } => {
                results.push(VectorResult::new(&vector.name, "answered", answered(&trial, vector)));
            }
        }
    }
    for (index, shown) in shown.iter().enumerate() {
        let problem = (!shown).then(|| "no vector shows that it accepts anything".to_owned());
        results.push(VectorResult::new(&provider.name, format!("form {} is shown", index + 1), problem));
    }
    results
}

/// A delivery that can be tried, and changed and tried again.
#[derive(Clone)]
pub(super) struct Trial<'p> {
    pub(super) provider: &'p Provider,
    pub(super) vector: &'p Vector,
    pub(super) secrets: Vec<Secret>,
    pub(super) delivery: Vector,
}

/// Why a trial was not accepted: the word, and the facts.
pub(super) struct Refused {
    pub(super) word: &'static str,
    facts: String,
}

impl<'p> Trial<'p> {
    fn of(provider: &'p Provider, vector: &'p Vector) -> Self {
        Self { provider, vector, secrets: vec![vector.secret.clone()], delivery: vector.clone() }
    }

    pub(super) fn run(&self) -> Result<Verified, Refused> {
        let keys = self.keys()?;
        let (head, body) = (self.head(), &self.delivery.body);
        verify::verify(&self.provider.scheme, &keys, &head, body, self.provider.tolerance, self.delivery.now)
            .and_then(|verified| {
                self.provider.hold_against_questions(&verified, &head, body).map(|()| verified)
            })
            .map_err(|rejection| Refused { word: rejection.word(), facts: rejection.to_string() })
    }

    fn head(&self) -> Head<'_> {
        Head {
            method: &self.delivery.method,
            target: &self.delivery.target,
            origin: self.delivery.origin_url.as_deref(),
            headers: &self.delivery.headers,
        }
    }

    fn keys(&self) -> Result<Keys, Refused> {
        let named = self.secrets.iter().enumerate();
        let named: Vec<_> =
            named.map(|(index, secret)| NamedSecret::new(index.to_string(), secret.clone())).collect();
        self.provider.scheme.prepare(&named).map_err(|errors| Refused {
            word: "key",
            facts: errors
                .iter()
                .map(|(index, error)| format!("secret {index}: {error}"))
                .collect::<Vec<_>>()
                .join("; "),
        })
    }

    fn challenge(&self, matched: Option<usize>, token: Option<&Secret>) -> Option<super::ChallengeAnswer> {
        let keys = self.keys().ok()?;
        let tokens = [NamedSecret::new("token", token.unwrap_or(&self.delivery.secret).clone())];
        challenge(
            self.provider,
            &self.head(),
            Some(&self.delivery.body),
            matched,
            &keys,
            &tokens,
            UnixTime::from_millis(0),
        )
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.word, self.facts)
    }
}

fn accepted(trial: &Trial<'_>, outcome: &Result<Verified, Refused>, vector: &Vector) -> Option<String> {
    let verified = match outcome {
        Ok(verified) => verified,
        Err(refused) => return Some(format!("it was refused as {refused}")),
    };
    let (provider, head, body) = (trial.provider, trial.head(), &trial.delivery.body);
    if !provider.methods.contains(&vector.method) {
        return Some(format!("{} is not among the sender's methods", vector.method));
    }
    let event = verify::event(&provider.event, &provider.scheme, &head, body);
    for (what, wanted, found) in
        [("id", &vector.id, &event.id), ("type", &vector.event_type, &event.event_type)]
    {
        if wanted.is_some() && wanted != found {
            return Some(format!("its {what} was read as {found:?}"));
        }
    }
    let key = verify::event_key("vectors", &provider.event.key, &provider.scheme, verified, &head, body);
    key.err().map(|missing| missing.to_string())
}

fn answered(trial: &Trial<'_>, vector: &Vector) -> Option<String> {
    let Expect::Challenge { status, content_type, headers, body } = &vector.expect else { return None };
    let token = vector.verify_token.as_ref();
    let before = trial.challenge(None, token);
    let (given, verified) = match before {
        Some(answer) => (Some(answer), false),
        None => match trial.run() {
            Ok(verified) => (trial.challenge(Some(verified.secret_index()), token), true),
            Err(refused) => return Some(format!("it was refused as {refused}")),
        },
    };
    let Some(given) = given else { return Some("it was not recognised as a handshake".to_owned()) };
    if (given.status, &given.content_type, given.body.as_slice()) != (*status, content_type, body.as_bytes())
    {
        let text = String::from_utf8_lossy(&given.body);
        return Some(format!("the answer was {} {:?} {text:?}", given.status, given.content_type));
    }
    for (name, value) in headers {
        if !given.headers.contains(&(name.clone(), value.clone())) {
            return Some(format!("the answer lacks {name}: {value:?}; it has {:?}", given.headers));
        }
    }
    // An unsigned handshake with a token must not be answered without it.
    let asks_token = trial.provider.challenges.iter().any(|challenge| challenge.token.is_some());
    if !verified && asks_token && !given.refused {
        let other = trial.challenge(None, Some(&Secret::new(b"another".to_vec())));
        if other.is_some_and(|other| !other.refused) {
            return Some("it was answered to a wrong token".to_owned());
        }
    }
    None
}
