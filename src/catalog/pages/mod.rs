//! What is told of each sender, from its file and its vectors alone: its page in `docs/providers`, and what
//! `sealpost providers NAME` prints. Pure: whoever calls writes or prints it.

mod answers;
mod events;
mod facts;
mod forms;
mod key;
mod page;
mod setup;
mod signing;
mod template;
mod trial;
mod words;

use std::sync::Arc;

use http::HeaderName;

use crate::verify::{Alternative, Locator};
use crate::yaml::{self, Node, Problems, Value};

use super::vectors::{Expect, Vector, Vectors};
use super::{Provider, builtin};

pub use page::index;
pub use trial::Trial;

/// A sender of the catalogue with all that is known of it.
#[derive(Debug)]
pub struct Sender {
    /// The sender itself.
    pub provider: Arc<Provider>,
    /// Its file, for what reading it loses: how words and headers are written.
    text: &'static str,
    written: Node,
    vectors: Vectors,
}

impl Sender {
    /// The sender of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let provider = builtin::find(name)?;
        let text = builtin::text(name)?;
        let vectors = yaml::parse(builtin::vectors_text(name).unwrap_or_default()).ok();
        let vectors = vectors.map(|node| Vectors::read(&node, "", &mut Problems::new()));
        Some(Self { provider, text, written: yaml::parse(text).ok()?, vectors: vectors.unwrap_or_default() })
    }

    /// An accepted delivery that shows what its deliveries are like.
    #[must_use]
    pub fn example(&self) -> Option<&Vector> {
        self.vectors.list.iter().find(|vector| vector.expect == Expect::Accepted)
    }

    /// What it is called in a sentence.
    fn who(&self) -> String {
        let title = self.provider.title.split(" (").next().unwrap_or_default();
        let words: Vec<&str> = title.split(' ').collect();
        let is_name = |word: &&str| word.starts_with(char::is_uppercase) && !word.ends_with("hooks");
        match words.as_slice() {
            [one] => (*one).to_owned(),
            [first, second] if [first, second].into_iter().all(is_name) => title.to_owned(),
            _ => "the sender".to_owned(),
        }
    }

    /// The form of this index as it is written.
    fn form(&self, index: usize) -> &Node {
        let form = match self.written.get("alternatives").map(|node| &node.value) {
            Some(Value::List(forms)) => forms.get(index),
            _ => None,
        };
        form.unwrap_or(&self.written)
    }

    /// The forms, each as read and as written.
    fn forms(&self) -> impl Iterator<Item = (&Alternative, &Node)> {
        self.provider.scheme.alternatives.iter().enumerate().map(|(index, form)| (form, self.form(index)))
    }

    /// A header as the file writes it: reading it made it lower case.
    fn header(&self, name: &HeaderName) -> String {
        let wanted = name.as_str();
        let text = self.text.to_ascii_lowercase();
        let is_part =
            |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        let bytes = text.as_bytes();
        let found = text.match_indices(wanted).find(|(at, _)| {
            let before = at.checked_sub(1).and_then(|at| bytes.get(at));
            !is_part(before) && !is_part(bytes.get(at.saturating_add(wanted.len())))
        });
        let written = found.and_then(|(at, _)| self.text.get(at..at.saturating_add(wanted.len())));
        written.unwrap_or(wanted).to_owned()
    }

    /// A place of the delivery in words.
    fn place(&self, at: &Locator) -> String {
        match at {
            Locator::Header(name) => format!("the header {}", words::code(&self.header(name))),
            Locator::Query(name) => format!("the query parameter {}", words::code(name)),
            Locator::Form(name) => format!("the form field {}", words::code(name)),
            Locator::Json(pointer) => format!("{} of the JSON body", words::code(&pointer.to_string())),
            Locator::Body => "the body".to_owned(),
            Locator::Signed => "what is signed".to_owned(),
            Locator::Claim(path) => format!("{} of the token", words::code(&path.to_string())),
            Locator::AnyOf(any) => self.first_of(any),
        }
    }

    /// The first of several places, in words.
    fn first_of(&self, places: &[Locator]) -> String {
        const BODY: &str = " of the JSON body";
        let places: Vec<String> = places.iter().map(|one| self.place(one)).collect();
        match places.as_slice() {
            [one, other] => {
                let other =
                    if one.ends_with(BODY) { other.strip_suffix(BODY).unwrap_or(other) } else { other };
                format!("{one}, or where that is missing {other}")
            }
            [_, _, ..] => format!("the first of {} that is there", words::places(&places, "and")),
            few => few.concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_shown_as_their_sender_writes_them() {
        let github = Sender::find("github").unwrap();
        let shown = |name: &str| github.header(&name.parse().unwrap());
        assert_eq!(shown("x-hub-signature-256"), "X-Hub-Signature-256");
        assert_eq!(shown("x-github"), "x-github", "a part of another name is not the name");
    }

    #[test]
    fn only_a_short_name_is_used_in_sentences() {
        let who = |name: &str| Sender::find(name).unwrap().who();
        assert_eq!([who("github"), who("bella-baxter"), who("nylas")], ["GitHub", "Bella Baxter", "Nylas"]);
        assert_eq!([who("okta"), who("standard-webhooks")], ["the sender", "the sender"]);
    }
}
