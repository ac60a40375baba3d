//! What a sender's events are called, under which key they are remembered and why, and what its retries look like.

use std::time::Duration;

use crate::catalog::OnStoreError;
use crate::catalog::defaults::horizon;
use crate::catalog::signed::is_unsigned;
use crate::verify::Locator;

use super::Sender;
use super::words::{self, code, counted, list, places, sentence, span};

impl Sender {
    /// The event's id and type.
    pub(super) fn names(&self) -> String {
        let event = &self.provider.event;
        let (id, whose) = match event.id.as_slice() {
            [] => ("Events carry no id".to_owned(), "their"),
            ids => (format!("The event's id is {}", self.first_of(ids)), "its"),
        };
        match event.event_type.as_slice() {
            [] => format!("{id}. Events carry no type, so a route cannot filter by it."),
            types => {
                format!(
                    "{id}; {whose} type, by which a route's `events` filter, is {}.",
                    self.first_of(types)
                )
            }
        }
    }

    /// What Sealpost takes as the key, and why.
    pub(super) fn remembered(&self) -> String {
        let provider = &self.provider;
        if !provider.dedupe {
            return "Its events cannot be told apart, so nothing is remembered, and a retry is forwarded again."
                .to_owned();
        }
        let parts: Vec<String> = provider.event.key.iter().map(|at| self.key_part(at)).collect();
        format!(
            "Events are told apart by {}. {} An accepted event is remembered for {}.",
            places(&parts, "and"),
            self.why(),
            span(provider.dedupe_ttl)
        )
    }

    /// A part of the key; that the body stands in for what is missing is said once for all parts.
    fn key_part(&self, at: &Locator) -> String {
        match at {
            Locator::AnyOf(any) => {
                let places: Vec<String> =
                    any.iter().filter(|one| **one != Locator::Body).map(|one| self.place(one)).collect();
                words::places(&places, "or")
            }
            Locator::Json(pointer) if pointer.is_many() => {
                format!("all {} of the JSON body", code(&pointer.to_string()))
            }
            one => self.place(one),
        }
    }

    fn why(&self) -> String {
        let provider = &self.provider;
        let key = &provider.event.key;
        let falls_back =
            key.iter().any(|at| matches!(at, Locator::AnyOf(any) if any.contains(&Locator::Body)));
        let mut why = if self.signs_nothing() {
            "Nothing is signed, so whoever has the secret can send anything.".to_owned()
        } else if key.iter().any(|at| is_unsigned(provider, at)) {
            "Not all of that is signed, so a captured delivery could be changed there and come again."
                .to_owned()
        } else if *key == [Locator::Body] && !provider.event.id.is_empty() && !provider.id_signed {
            "The id is not signed, so a captured delivery could come back under a new one; its body could not."
                .to_owned()
        } else if provider.scheme.alternatives.iter().any(|form| form.unsigned_body) {
            "That is signed, so no second event can come under a captured signature; what the first one says is not proven."
                .to_owned()
        } else {
            "That is signed, so a captured delivery cannot come back as another event.".to_owned()
        };
        if falls_back {
            why.push_str(" A delivery without it is told apart by its body.");
        }
        why
    }

    /// What a retry looks like.
    pub(super) fn retries(&self) -> String {
        let retry = &self.provider.retry;
        let who = self.who();
        if retry.never {
            return sentence(&format!("{who} never tries again by itself"));
        }
        let mut text = if !retry.delays.is_empty() {
            format!("{who} tries again {}", schedule(&retry.delays))
        } else if let Some(span_) = retry.span {
            format!("{who} goes on trying for {}", span(span_))
        } else {
            format!("when and how often {who} tries again is not known")
        };
        let on: Vec<String> = retry.on.iter().map(|on| reason(on)).collect();
        match retry.on.as_slice() {
            [] => {}
            [one] if one == "failure" => {
                let or = if text.starts_with("when") {
                    ", only that it does so after anything but a 2xx"
                } else {
                    ", whenever the answer is not a 2xx"
                };
                text.push_str(or);
            }
            _ => text.push_str(&format!("; only {} makes it do so", list(&on, "or"))),
        }
        sentence(&text)
    }

    /// How long the sender waits, and what the upstream gets of that.
    pub(super) fn patience(&self) -> String {
        let who = self.who();
        let upstream = span(self.provider.upstream_timeout);
        match self.provider.retry.timeout {
            Some(timeout) => sentence(&format!(
                "{who} waits {} for an answer; the upstream gets {upstream}, unless the route's `timeout` says otherwise",
                span(timeout)
            )),
            None => sentence(&format!(
                "how long {who} waits for an answer is not known; the upstream gets {upstream}, unless the route's `timeout` \
                 says otherwise"
            )),
        }
    }

    /// What happens while the store is away, where that is not the usual.
    pub(super) fn store(&self) -> Option<String> {
        match self.provider.on_store_error {
            OnStoreError::Refuse => None,
            OnStoreError::Memory => Some(
                "While the dedupe store is away, the gateway goes on from its own memory, because a refusal would lose the event."
                    .to_owned(),
            ),
            OnStoreError::Pass => {
                Some("While the dedupe store is away, deliveries are forwarded unchecked.".to_owned())
            }
        }
    }

    /// How the schedule adds up, for one line of a list.
    pub(super) fn retry_in_short(&self) -> String {
        let retry = &self.provider.retry;
        match (retry.never, retry.delays.len(), horizon(retry)) {
            (true, ..) => "never".to_owned(),
            (_, 0, Some(span_)) => format!("for {}", span(span_)),
            (_, 0, None) => "unknown".to_owned(),
            (_, count, _) => {
                let sum = retry.delays.iter().fold(Duration::ZERO, |sum, one| sum.saturating_add(*one));
                format!("{} in {}", counted(u64::try_from(count).unwrap_or(u64::MAX), "time"), rounded(sum))
            }
        }
    }
}

/// `at once, then after 1 minute and 5 minutes`. The same pause several times in a row is told once.
fn schedule(delays: &[Duration]) -> String {
    let at_once = delays.iter().take_while(|delay| delay.is_zero()).count();
    let mut groups: Vec<(Duration, u64)> = Vec::new();
    for delay in delays.iter().skip(at_once) {
        match groups.last_mut() {
            Some((last, count)) if last == delay => *count = count.saturating_add(1),
            _ => groups.push((*delay, 1)),
        }
    }
    let pauses: Vec<String> = groups
        .iter()
        .map(|(delay, count)| match count {
            1 => span(*delay),
            2 => format!("{} (twice)", span(*delay)),
            count => format!("{} ({count} times)", span(*delay)),
        })
        .collect();
    let pauses = list(&pauses, "and");
    match (at_once, delays.len()) {
        (0, 1) => format!("once, after {pauses}"),
        (0, _) => format!("after {pauses}, each counted from the attempt before"),
        (1, 1) => "once, right away".to_owned(),
        (1, _) => format!("right away and then after {pauses}"),
        (count, all) if count == all => format!("{count} times, right away"),
        (count, _) => format!("{count} times right away and then after {pauses}"),
    }
}

/// A sum of pauses in the largest unit of which it holds two.
fn rounded(sum: Duration) -> String {
    let seconds = sum.as_secs();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    match units.iter().find(|(unit, _)| seconds >= unit * 2) {
        Some((unit, name)) => counted((seconds + unit / 2) / unit, name),
        None => counted(seconds, "second"),
    }
}

fn reason(on: &str) -> String {
    match on {
        "failure" => "anything but a 2xx".to_owned(),
        "timeout" => "a timeout".to_owned(),
        "5xx" => "a 5xx".to_owned(),
        "4xx" => "a 4xx".to_owned(),
        status => status.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(name: &str) -> Sender {
        Sender::find(name).unwrap()
    }

    #[test]
    fn a_schedule_is_told_as_it_is() {
        assert_eq!(sender("github").retries(), "GitHub never tries again by itself.");
        assert_eq!(
            sender("stripe").retries(),
            "Stripe goes on trying for 3 days, whenever the answer is not a 2xx."
        );
        assert_eq!(
            sender("mcp-notify").retries(),
            "Mcp-notify tries again after 2 seconds, 4 seconds and 8 seconds, each counted from the attempt before; \
             only a 5xx or a timeout makes it do so."
        );
        assert_eq!(
            sender("okta").retries(),
            "The sender tries again once, right away; only a 5xx makes it do so."
        );
        assert!(sender("mailgun").retries().contains("after 10 minutes (twice), 15 minutes,"));
        assert!(sender("slack").retries().contains("right away and then after 1 minute and 5 minutes"));
        assert_eq!(sender("svix").retry_in_short(), "7 times in 28 hours");
    }

    #[test]
    fn the_key_is_explained() {
        let github = sender("github").remembered();
        assert!(
            github.starts_with("Events are told apart by the body. The id is not signed, so"),
            "{github}"
        );
        let stripe = sender("stripe").remembered();
        assert!(stripe.contains("by `/id` of the JSON body. That is signed, so"), "{stripe}");
        let gitlab = sender("gitlab").remembered();
        assert!(gitlab.contains("Nothing is signed, so"), "{gitlab}");
        assert!(sender("asana").names().starts_with("Events carry no id; their type,"));
        assert!(sender("doppler").remembered().contains("nothing is remembered"));
    }
}
