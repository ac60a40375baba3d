//! Whether a sender will come again after an answer, and when, as far as the catalogue knows it.

use std::time::Duration;

use crate::catalog::Retry;

/// Whether the sender tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retries {
    /// It says so.
    Yes,
    /// It does not, or this was its last attempt.
    No,
    /// Nobody knows.
    Unknown,
}

impl Retries {
    /// The stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// What a sender with this schedule does after an answer of this status to its attempt (as counted here, 0 for unknown),
/// and how long it waits first, if that is known.
#[must_use]
pub fn after(retry: Option<&Retry>, status: u16, attempt: u32) -> (Retries, Option<Duration>) {
    if (200..300).contains(&status) {
        return (Retries::No, None);
    }
    let Some(retry) = retry else { return (Retries::Unknown, None) };
    if retry.never {
        return (Retries::No, None);
    }
    if retry.on.is_empty() {
        // A schedule without its causes: nobody has one and retries on nothing, but on what is not said.
        return (Retries::Unknown, None);
    }
    let asks = retry.on.iter().any(|cause| match cause.as_str() {
        "failure" => true,
        "4xx" => (400..500).contains(&status),
        "5xx" => (500..600).contains(&status),
        // An answer that came too late for the sender, as a gateway says it.
        "timeout" => status == 0 || status == 504 || status == 408,
        other => other.parse() == Ok(status),
    });
    if !asks {
        return (Retries::No, None);
    }
    let made = usize::try_from(attempt.max(1)).unwrap_or(usize::MAX);
    match retry.delays.get(made - 1) {
        Some(delay) => (Retries::Yes, Some(*delay)),
        // It has made every attempt of its schedule.
        None if !retry.delays.is_empty() && attempt > 0 => (Retries::No, None),
        None => (Retries::Yes, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(on: &[&str], delays: &[u64]) -> Retry {
        Retry {
            on: on.iter().map(|cause| (*cause).to_owned()).collect(),
            delays: delays.iter().map(|delay| Duration::from_secs(*delay)).collect(),
            ..Retry::default()
        }
    }

    #[test]
    fn a_sender_comes_again_as_its_catalogue_entry_says() {
        let minute = Some(Duration::from_secs(60));
        for (on, delays, status, attempt, expected) in [
            (&["failure"][..], &[60, 120][..], 401, 0, (Retries::Yes, minute)),
            (&["failure"], &[60, 120], 502, 1, (Retries::Yes, minute)),
            (&["failure"], &[60, 120], 502, 3, (Retries::No, None)),
            (&["failure"], &[60], 200, 1, (Retries::No, None)),
            (&["5xx", "429"], &[60], 401, 0, (Retries::No, None)),
            (&["5xx", "429"], &[60], 429, 1, (Retries::Yes, minute)),
            (&["5xx", "timeout"], &[], 504, 1, (Retries::Yes, None)),
            (&[], &[], 500, 1, (Retries::Unknown, None)),
        ] {
            assert_eq!(
                after(Some(&retry(on, delays)), status, attempt),
                expected,
                "{on:?} {status} {attempt}"
            );
        }
        assert_eq!(after(Some(&Retry { never: true, ..Retry::default() }), 500, 1).0, Retries::No);
        assert_eq!(after(None, 500, 1).0, Retries::Unknown);
    }
}
