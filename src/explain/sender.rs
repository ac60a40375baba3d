//! Another sender than the one expected.

use std::borrow::Cow;

use super::Question;
use super::attempt::Attempt;
use super::hypothesis::Undone;

/// Every other sender, with the secrets given and with those of other routes.
pub(super) fn other<'q>(attempt: &Attempt<'q>, question: &Question<'q>) -> Vec<Undone<'q>> {
    let with = |scheme, secrets| Attempt { scheme: Cow::Borrowed(scheme), secrets, ..attempt.clone() };
    let mut fitting: Vec<(&str, Attempt<'q>)> = Vec::new();
    for sender in question.other_senders.iter().filter(|sender| sender.scheme != question.sender.scheme) {
        let own = with(sender.scheme, attempt.secrets.clone());
        let foreign = with(sender.scheme, Cow::Borrowed(question.other_secrets));
        fitting.extend(
            [own, foreign].into_iter().find(|try_| try_.judge(None).is_ok()).map(|fits| (sender.name, fits)),
        );
    }
    let names: Vec<_> = fitting.iter().map(|(name, _)| format!("`{name}`")).collect();
    let Some((_, first)) = fitting.into_iter().next() else { return Vec::new() };
    let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let more = match names.len().saturating_sub(5) {
        0 => String::new(),
        more => format!(" and {more} more that sign alike"),
    };
    let advice = format!(
        "it verifies as a delivery of {shown}{more}: set the route's provider to the one that sends it"
    );
    vec![Undone::new(first, advice)]
}

#[cfg(test)]
mod tests {
    use super::super::testing::Case;

    #[test]
    fn a_delivery_of_another_sender() {
        Case::signed(b"{}").under("x-other").other_sender("acme", "x-other").is("other_sender", "`acme`");
    }
}
