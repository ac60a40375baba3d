//! What the gateway answers itself: handshakes, refusals, and the reply that a sender insists on.

use crate::catalog::{Challenge, Expected};
use crate::verify::{Alphabet, Locator};
use crate::yaml::{Node, Value};

use super::Sender;
use super::words::{code, list, sentence};

impl Sender {
    /// Each handshake in a sentence or two.
    pub(super) fn handshakes(&self) -> Vec<String> {
        let written: &[Node] = match self.written.get("challenges").map(|node| &node.value) {
            Some(Value::List(items)) => items,
            _ => &[],
        };
        let challenges = &self.provider.challenges;
        challenges.iter().zip(written).map(|(challenge, node)| self.handshake(challenge, node)).collect()
    }

    fn handshake(&self, challenge: &Challenge, node: &Node) -> String {
        let marks: Vec<String> =
            challenge.when.iter().map(|(at, expected)| self.mark(at, expected)).collect();
        let mut text = format!("a {}", challenge.method);
        if !marks.is_empty() {
            text.push_str(&format!(" in which {}", list(&marks, "and")));
        }
        text.push_str(&format!(" is answered {}", self.answer(challenge, node)));
        let mut conditions = Vec::new();
        if challenge.signed {
            conditions.push("its signature is right".to_owned());
        }
        if let Some(token) = &challenge.token {
            conditions.push(format!("{} is the route's `verify_token`", self.place(token)));
        }
        if !conditions.is_empty() {
            text.push_str(&format!(", if {}", list(&conditions, "and")));
        }
        if let Some(question) = challenge.ask {
            text.push_str(&format!(
                "; what is asked may have {} {} at most, because anyone can ask",
                question.longest,
                asked(question.alphabet)
            ));
        }
        if challenge.public_token {
            text.push_str("; the `verify_token` in it is shown to whoever asks");
        }
        if let Some(status) = challenge.refusal {
            text.push_str(&format!("; a wrong token is answered {status}"));
        }
        let mut text = sentence(&text);
        if let Some(at) = &challenge.reveal {
            text.push_str(&format!(
                " It brings the secret, in {}; the gateway writes it to its log.",
                self.place(at)
            ));
        }
        text
    }

    fn mark(&self, at: &Locator, expected: &Expected) -> String {
        let place = self.place(at);
        match expected {
            Expected::Equals(text) => format!("{place} is {}", code(text)),
            Expected::Present => format!("{place} is there"),
            Expected::Absent => format!("{place} is missing"),
        }
    }

    fn answer(&self, challenge: &Challenge, node: &Node) -> String {
        let answer = &challenge.answer;
        let part = |key: &str| node.get("answer").and_then(|answer| answer.get(key));
        let body = part("body").and_then(Node::as_text).filter(|body| !body.is_empty());
        let mut text = match body {
            Some(body) => format!("{} with {}", answer.status, code(body)),
            None => format!("{} without a body", answer.status),
        };
        if let Some(Node { value: Value::Map(headers), .. }) = part("headers") {
            let headers: Vec<String> = headers
                .iter()
                .filter_map(|entry| Some(code(&format!("{}: {}", entry.key, entry.value.as_text()?))))
                .collect();
            text.push_str(&format!(" and the header {}", list(&headers, "and")));
        }
        text
    }

    /// The status of a refusal.
    pub(super) fn refusal(&self) -> String {
        format!(
            "Whatever does not verify is answered {}, the same for every reason; the reason is in the log.",
            self.provider.refusal_status
        )
    }

    /// The answer where the gateway answers in the upstream's place.
    pub(super) fn reply(&self) -> Option<String> {
        let reply = self.provider.reply.as_ref()?;
        let body = if reply.body.is_empty() { "an empty body".to_owned() } else { code(&reply.body) };
        Some(format!(
            "Where the gateway answers in the upstream's place (a filtered event, a copy whose first answer is no longer \
             there), it answers {} with {body}, as this sender wants it.",
            reply.status
        ))
    }
}

fn asked(alphabet: Alphabet) -> &'static str {
    match alphabet {
        Alphabet::Hex => "hex digits",
        Alphabet::Word => "letters, digits, `-` and `_`",
        Alphabet::Token => "letters, digits, `-`, `_`, `.` and `=`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_says_what_is_asked_what_it_must_prove_and_what_is_answered() {
        let told = |name: &str| Sender::find(name).unwrap().handshakes();
        assert_eq!(
            told("whatsapp-meta"),
            [
                "A GET in which the query parameter `hub.mode` is `subscribe` is answered 200 with `{query:hub.challenge}`, \
              if the query parameter `hub.verify_token` is the route's `verify_token`."
            ]
        );
        assert_eq!(told("trello"), ["A HEAD is answered 200 without a body."]);
        assert!(told("slack").concat().ends_with("if its signature is right."));
    }
}
