//! Tries every hypothesis, then every two of them together, within a budget.

use super::attempt::Attempt;
use super::hypothesis::{ALL, Hypothesis, Undone};
use super::{Mistake, Question, timing};

/// What was found.
pub(super) struct Found {
    pub(super) mistakes: Vec<Mistake>,
    /// Whether only all proven mistakes together explain the verdict.
    pub(super) together: bool,
}

/// Looks for what makes the delivery verify. `about_time` says that the refusal names the time.
pub(super) fn search<'q>(question: &Question<'q>, attempt: Attempt<'q>, about_time: bool) -> Found {
    if about_time && attempt.judge(None).is_ok() {
        let mistakes = timing::mistakes(&attempt, question);
        return Found { mistakes, together: false };
    }
    let mut budget = Budget { left: BUDGET };
    let mut mistakes: Vec<Mistake> = Vec::new();
    let mut late = Vec::new();
    for hypothesis in ALL {
        if let Some(undone) = first_that_verifies(hypothesis, &attempt, question, &mut budget) {
            mistakes.push(proven(hypothesis, undone.advice));
            if late.is_empty() {
                late = timing::mistakes(&undone.attempt, question);
            }
        }
    }
    if !mistakes.is_empty() {
        // The first mistake hid that the time is wrong as well.
        let together = !late.is_empty();
        mistakes.append(&mut late);
        return Found { mistakes, together };
    }
    match two_at_once(question, &attempt, &mut budget) {
        Some(mistakes) => Found { mistakes, together: true },
        None => Found { mistakes: Vec::new(), together: false },
    }
}

/// 1 GiB of hashing, a few seconds at worst: a body at the default limit of 5 MiB is still tried in 200 ways.
const BUDGET: u64 = 1 << 30;

/// What a try costs beside its body: keys are prepared and headers copied.
const TRY: u64 = 16 * 1024;

struct Budget {
    left: u64,
}

impl Budget {
    fn take(&mut self, attempt: &Attempt<'_>) -> bool {
        let length = u64::try_from(attempt.body.len()).unwrap_or(u64::MAX);
        let cost = TRY.saturating_add(length);
        let enough = self.left >= cost;
        self.left = self.left.saturating_sub(cost);
        enough
    }
}

fn first_that_verifies<'q>(
    hypothesis: &Hypothesis,
    attempt: &Attempt<'q>,
    question: &Question<'q>,
    budget: &mut Budget,
) -> Option<Undone<'q>> {
    (hypothesis.undo)(attempt, question)
        .into_iter()
        .find(|undone| budget.take(&undone.attempt) && undone.attempt.judge(None).is_ok())
}

fn two_at_once<'q>(
    question: &Question<'q>,
    attempt: &Attempt<'q>,
    budget: &mut Budget,
) -> Option<Vec<Mistake>> {
    for (index, first) in ALL.iter().enumerate() {
        for undone in (first.undo)(attempt, question) {
            for second in ALL.iter().skip(index + 1) {
                if let Some(both) = first_that_verifies(second, &undone.attempt, question, budget) {
                    let mut mistakes = vec![proven(first, undone.advice), proven(second, both.advice)];
                    mistakes.extend(timing::mistakes(&both.attempt, question));
                    return Some(mistakes);
                }
                if budget.left == 0 {
                    return None;
                }
            }
        }
    }
    None
}

fn proven(hypothesis: &Hypothesis, advice: String) -> Mistake {
    Mistake { mistake: hypothesis.mistake, advice, proven: true }
}
