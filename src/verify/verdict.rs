//! Which of all the comparisons came out equal, kept so that none of them is left out or shows in the time taken.

use smallvec::SmallVec;
use subtle::{Choice, ConstantTimeEq};

use super::encoding::Bytes;
use super::rejection::Rejection;

/// The outcome of every comparison made so far.
#[derive(Default)]
pub(crate) struct Verdict {
    /// How many signatures were compared.
    pub(crate) signatures: usize,
    comparisons: SmallVec<[Comparison; 2]>,
}

struct Comparison {
    equal: Choice,
    template: usize,
    secret: usize,
}

impl Verdict {
    /// What came of one template: for each secret in order, whether any of the signatures fits.
    pub(crate) fn new(signatures: usize, template: usize, matched: impl Iterator<Item = Choice>) -> Self {
        let comparisons = matched.enumerate().map(|(secret, equal)| Comparison { equal, template, secret });
        Self { signatures, comparisons: comparisons.collect() }
    }

    /// Adds the comparisons of another template.
    pub(crate) fn or(mut self, other: Self) -> Self {
        self.comparisons.extend(other.comparisons);
        Self { signatures: self.signatures.max(other.signatures), ..self }
    }

    /// Lets only match what matches in both. The other one is of the same templates and secrets.
    pub(crate) fn both(mut self, other: &Self) -> Self {
        for comparison in &mut self.comparisons {
            let same =
                |one: &&Comparison| (one.template, one.secret) == (comparison.template, comparison.secret);
            comparison.equal &= other.comparisons.iter().find(same).map_or(Choice::from(0), |one| one.equal);
        }
        Self { signatures: self.signatures.saturating_add(other.signatures), ..self }
    }

    /// Lets nothing match unless this holds as well.
    pub(crate) fn and(mut self, condition: Choice) -> Self {
        for comparison in &mut self.comparisons {
            comparison.equal &= condition;
        }
        self
    }

    /// The template and the secret of the first match among the secrets that count. To be asked only when everything
    /// was compared.
    pub(crate) fn matched(&self, counts: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
        let matched = |one: &&Comparison| bool::from(one.equal) && counts(one.secret);
        let first = self.comparisons.iter().find(matched)?;
        Some((first.template, first.secret))
    }
}

/// Whether any of the signatures is this one. All are compared.
pub(crate) fn any_equal(expected: &[u8], candidates: &[Bytes]) -> Choice {
    candidates.iter().fold(Choice::from(0), |any, candidate| any | expected.ct_eq(candidate))
}

/// Does everything, and fails with the first failure only if nothing succeeded.
pub(crate) fn any_success(
    mut attempts: impl Iterator<Item = Result<(), Rejection>>,
) -> Result<(), Rejection> {
    let nothing = Err(Rejection::SignatureMalformed { what: "the scheme does not say what is signed" });
    let first = attempts.next().unwrap_or(nothing);
    attempts.fold(first, |so_far, attempt| if so_far.is_ok() { so_far } else { attempt.or(so_far) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices<const N: usize>(bits: [u8; N]) -> impl Iterator<Item = Choice> {
        bits.into_iter().map(Choice::from)
    }

    #[test]
    fn the_first_match_counts_and_a_failed_condition_undoes_all() {
        let verdict = Verdict::new(1, 0, choices([0, 0])).or(Verdict::new(2, 1, choices([0, 1])));
        assert_eq!(verdict.matched(|_| true), Some((1, 1)));
        assert_eq!(verdict.signatures, 2);
        assert_eq!(verdict.and(Choice::from(0)).matched(|_| true), None);
        assert_eq!(Verdict::default().matched(|_| true), None);
    }

    #[test]
    fn both_must_match_with_the_same_secret() {
        let two =
            |first, second| Verdict::new(1, 0, choices(first)).both(&Verdict::new(1, 0, choices(second)));
        assert_eq!(two([0, 1], [1, 1]).matched(|_| true), Some((0, 1)));
        assert_eq!(two([0, 1], [1, 0]).matched(|_| true), None);
        assert_eq!(two([1, 1], [0, 0]).matched(|_| true), None);
    }

    #[test]
    fn one_success_is_enough_and_otherwise_the_first_failure_is_told() {
        let fail = |what| Err(Rejection::SignatureMalformed { what });
        assert_eq!(any_success([fail("a"), Ok(()), fail("b")].into_iter()), Ok(()));
        assert_eq!(any_success([fail("a"), fail("b")].into_iter()), fail("a"));
        assert!(any_success([].into_iter()).is_err());
    }

    #[test]
    fn any_of_the_signatures_may_be_equal() {
        let candidates = [Bytes::from_slice(b"ab"), Bytes::from_slice(b"cd"), Bytes::from_slice(b"cde")];
        assert!(bool::from(any_equal(b"cd", &candidates)));
        assert!(!bool::from(any_equal(b"c", &candidates)));
        assert!(!bool::from(any_equal(b"cd", &[])));
    }
}
