//! Why a captured delivery verifies or not, and which mistake is likely.
//!
//! The verdict is that of [`verify`](crate::verify::verify). When it is no, every known mistake is made on purpose:
//! each hypothesis changes one thing (the body, a secret, the header, the way of signing, the
//! sender, the URL) and verifies again. What then verifies is not a guess but a proof; what cannot be tried is
//! reported as a suspicion. No secret and no expected signature is ever part of an explanation.

mod attempt;
mod body;
mod facts;
mod header;
mod hypothesis;
mod inflate;
mod json_style;
mod json_text;
mod search;
mod secrets;
mod sender;
mod signing;
mod suspicion;
#[cfg(test)]
mod testing;
mod timing;
mod url;

use serde::Serialize;

use crate::secret::{NamedSecret, OutOfTime, shown};
use crate::time::{Tolerance, UnixTime};
use crate::verify::{Head, Rejection, Scheme};

use attempt::{Attempt, Fit};

/// A captured delivery and what it is held against.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The sender it should come from.
    pub sender: Sender<'a>,
    /// The secrets of which one should fit.
    pub secrets: &'a [NamedSecret],
    /// The delivery without its body.
    pub head: Head<'a>,
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// The accepted age of the signed send time; `None` accepts any.
    pub tolerance: Option<Tolerance>,
    /// When it arrived.
    pub now: UnixTime,
    /// Whom else it may come from.
    pub other_senders: &'a [Sender<'a>],
    /// Secrets of other routes, with names that say whose they are.
    pub other_secrets: &'a [NamedSecret],
}

/// A sender by name.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// Its name in the catalogue or in the configuration.
    pub name: &'a str,
    /// How it signs.
    pub scheme: &'a Scheme,
}

/// What became of a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether the gateway would let it through.
    pub verified: bool,
    /// The stable word: `verified`, `secret_unusable`, or that of the [`Rejection`].
    pub reason: &'static str,
    /// The reason in one sentence, with its facts.
    pub detail: String,
    /// The name of the secret that fits.
    pub secret: Option<String>,
    /// What was seen, in the order in which to read it.
    pub facts: Vec<Fact>,
    /// The likely mistakes, best first.
    pub likely: Vec<Mistake>,
    /// Whether only all of the proven mistakes together explain it.
    pub together: bool,
}

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What it is about.
    pub about: &'static str,
    /// What was seen.
    pub text: String,
}

/// A mistake that explains the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// A stable word for it, such as `body_reserialised`.
    pub mistake: &'static str,
    /// What is wrong and what to do.
    pub advice: String,
    /// Whether undoing it makes the delivery verify; otherwise it is a suspicion.
    pub proven: bool,
}

/// Explains a captured delivery.
#[must_use]
pub fn explain(question: &Question<'_>) -> Explanation {
    let attempt = Attempt::of(question);
    let mut facts = facts::delivery(question);
    let rejection = match attempt.judge(question.tolerance) {
        Ok(Fit { secret, .. }) => {
            facts.push(Fact { about: "secret", text: format!("`{secret}` fits") });
            return Explanation {
                verified: true,
                reason: "verified",
                detail: "the signature is right and its time is accepted".to_owned(),
                secret: Some(secret),
                facts,
                likely: Vec::new(),
                together: false,
            };
        }
        Err(rejection) => rejection,
    };
    if let Some(mistake) = rejection.out_of_time() {
        return Explanation { likely: vec![mistake], ..refused(&rejection, facts) };
    }
    let mut found = search::search(question, attempt, rejection.is_about_time());
    if found.mistakes.iter().all(|mistake| !mistake.proven) {
        found.mistakes.extend(suspicion::suspicions(question));
    }
    Explanation { likely: found.mistakes, together: found.together, ..refused(&rejection, facts) }
}

fn refused(rejection: &Refused, facts: Vec<Fact>) -> Explanation {
    Explanation {
        verified: false,
        reason: rejection.word(),
        detail: rejection.to_string(),
        secret: None,
        facts,
        likely: Vec::new(),
        together: false,
    }
}

/// Why an attempt is refused: by the verification, or already because no secret can be a key.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The verification says so.
    Rejected(Rejection),
    /// These secrets cannot be keys of this sender: name and why.
    Unusable(Vec<(String, String)>),
}

impl Refused {
    fn word(&self) -> &'static str {
        match self {
            Self::Rejected(rejection) => rejection.word(),
            Self::Unusable(_) => "secret_unusable",
        }
    }

    /// The mistake, if the signature is right and only its secret does not count at the time. Nothing needs to be tried then.
    fn out_of_time(&self) -> Option<Mistake> {
        let Self::Rejected(Rejection::SecretOutOfTime { name, when }) = self else { return None };
        let (mistake, advice) = match when {
            OutOfTime::After(end) => (
                "secret_ended",
                format!(
                    "the sender still signs with `{name}`, which counted until {}: make it sign with the new secret, or move \
                     the old one's `not_after`",
                    shown(*end)
                ),
            ),
            OutOfTime::Before(begin) => (
                "secret_not_begun",
                format!(
                    "the sender signs with `{name}` already, which counts from {} on: move its `not_before`",
                    shown(*begin)
                ),
            ),
        };
        Some(Mistake { mistake, advice, proven: true })
    }

    fn is_about_time(&self) -> bool {
        matches!(
            self,
            Self::Rejected(Rejection::TimestampTooOld { .. } | Rejection::TimestampInFuture { .. })
        )
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Unusable(secrets) => {
                let each: Vec<_> =
                    secrets.iter().map(|(name, why)| format!("secret `{name}`: {why}")).collect();
                f.write_str(&each.join("; "))
            }
        }
    }
}
