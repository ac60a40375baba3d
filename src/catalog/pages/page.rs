//! The page of one sender and the index of all, as Markdown.

use crate::catalog::{Confidence, Origin, Row, names};
use crate::verify::Locator;

use super::Sender;
use super::key::Kind;
use super::setup::HOST;
use super::words::{cell, code, list, sentence};

impl Sender {
    /// The page for `docs/providers`.
    #[must_use]
    pub fn page(&self) -> String {
        let provider = &self.provider;
        let docs = match provider.docs.as_str() {
            "" => "It publishes no page on its webhooks.".to_owned(),
            docs => format!("[Its own documentation]({docs})."),
        };
        let mut page = format!("# {}\n\n`provider: {}`. {docs}\n", provider.title, provider.name);
        page.push_str(&format!("\n## Set it up\n\n{}", self.set_up()));
        page.push_str(&format!("\n## How it signs\n\n{}", self.how_it_signs()));
        page.push_str(&format!("\n## Events and retries\n\n{}", self.events_and_retries()));
        page.push_str(&format!("\n## What the gateway answers\n\n{}", self.what_is_answered()));
        let notes: Vec<String> = self.other_notes().map(|note| format!("* {}\n", sentence(note))).collect();
        if !notes.is_empty() {
            page.push_str(&format!("\n## Good to know\n\n{}", notes.concat()));
        }
        if let Some(trial) = self.trial() {
            page.push_str("\n## Try it\n\n");
            page.push_str(&self.before_the_trial(trial.needs_pair()));
            page.push_str(&format!("```sh\n{}```\n", self.commands(&trial)));
            if provider.dedupe {
                page.push_str("\nIf the upstream answers the first with a 2xx, the second is a duplicate and does not reach it.\n");
            }
        }
        page.push_str(&format!("\n## How sure this is\n\n{}\n", self.how_sure()));
        page
    }

    fn set_up(&self) -> String {
        let url = code(&format!("{HOST}{}", self.path()));
        let mut steps = vec![format!("Give {} the URL {url}, with your own host name.", self.who())];
        let key = self.key();
        let reference = self.reference();
        let place = match reference.strip_prefix("file:") {
            _ if self.provider.keys.is_some() => String::new(),
            Some(file) => format!("Here it stands in the file {} beside `gateway.yaml`.", code(file)),
            None => format!("Here it stands in the variable {}.", code(&self.variable())),
        };
        steps.push(format!("{key} {place}").trim_end().to_owned());
        if self.asks_for_token() {
            let variable = code(&self.token_variable());
            steps.push(format!(
                "Choose a random verify token, enter it at the sender as well, and put it into {variable}."
            ));
        }
        if self.needs_url() {
            let why = if self.provider.scheme.signs_url() { "what is signed" } else { "its handshake" };
            steps.push(format!(
                "The URL is part of {why}. Write scheme and host as the sender knows them into `public_url` ({HOST} here)."
            ));
        }
        steps.push("Write the route:".to_owned());
        let steps: String = steps
            .iter()
            .enumerate()
            .map(|(index, step)| format!("{}. {step}\n", index.saturating_add(1)))
            .collect();
        format!("{steps}\n```yaml\n{}```\n", self.route())
    }

    fn how_it_signs(&self) -> String {
        let mut text = String::from("| where | what stands there |\n|---|---|\n");
        for (place, what) in self.carried() {
            let place = place.strip_prefix("the ").unwrap_or(&place);
            text.push_str(&format!("| {} | {} |\n", cell(place), cell(&what)));
        }
        text.push('\n');
        let (forms, common) = self.signed();
        match forms.as_slice() {
            [one] => {
                text.push_str(
                    &[one].into_iter().chain(&common).map(String::as_str).collect::<Vec<_>>().join(" "),
                );
            }
            several => {
                text.push_str("There are several forms; the first whose condition holds is used.\n\n");
                text.push_str(&several.iter().map(|one| format!("* {one}\n")).collect::<String>());
                text.push_str(&format!("\n{}", common.join(" ")));
            }
        }
        text = format!("{}\n\n{}\n", text.trim_end(), self.window());
        text
    }

    fn events_and_retries(&self) -> String {
        let mut lines = vec![self.names(), self.remembered(), self.retries(), self.patience()];
        lines.extend(self.store());
        lines.into_iter().map(|line| format!("* {line}\n")).collect()
    }

    fn what_is_answered(&self) -> String {
        let mut text = String::new();
        let handshakes = self.handshakes();
        if !handshakes.is_empty() {
            text.push_str(match handshakes.len() {
                1 => "A handshake, which never reaches the upstream",
                _ => "Handshakes, which never reach the upstream",
            });
            let filled = ["{header:", "{query:", "{form:", "{json", "{hmac"];
            if handshakes.iter().any(|one| filled.iter().any(|word| one.contains(word))) {
                text.push_str(" (braces stand for what the request carries)");
            }
            text.push_str(":\n\n");
            for handshake in handshakes {
                text.push_str(&format!("* {handshake}\n"));
            }
            text.push('\n');
        }
        text.push_str(&format!("{}\n", self.refusal()));
        if let Some(reply) = self.reply() {
            text.push_str(&format!("{reply}\n"));
        }
        text
    }

    fn before_the_trial(&self, pair: bool) -> String {
        match (self.kind(), pair) {
            (Kind::PublicKey, true) => format!(
                "Only {} can sign with its own key, so a trial needs a pair of its own: write `secrets: [file:trial.pub.pem]` on \
                 the route for as long as you try.\n\n",
                self.who()
            ),
            _ => String::new(),
        }
    }

    /// How sure the entry is, and where its test deliveries come from.
    pub(super) fn how_sure(&self) -> String {
        let meaning = match self.provider.confidence {
            Confidence::Verified => {
                "Verified: it was run against the sender's own code or an answer it publishes"
            }
            Confidence::Documented => "Documented: the sender's own documents or source were read",
            Confidence::SecondHand => {
                "Second-hand: others' readings of the sender's documents; try it with a real delivery first"
            }
            Confidence::Own => "An entry of your own",
        };
        let source = match self.provider.source.as_str() {
            "" => String::new(),
            source => format!(" Source: {}.", source.trim_end_matches('.')),
        };
        format!("{meaning}.{source} {}", self.origins())
    }

    /// Where its test deliveries come from.
    pub(super) fn origins(&self) -> String {
        let count = |origin: Origin| {
            let all = self.vectors.list.iter().filter(|vector| vector.origin == origin);
            u64::try_from(all.count()).unwrap_or(u64::MAX)
        };
        let kinds = [
            (count(Origin::Published), "published by the sender"),
            (count(Origin::Sdk), "made or accepted by its SDK"),
            (count(Origin::Computed), "computed from the description"),
        ];
        let told: Vec<String> = kinds
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let all = kinds.iter().fold(0_u64, |sum, (count, _)| sum.saturating_add(*count));
        let deliveries = if all == 1 { "one delivery".to_owned() } else { format!("{all} deliveries") };
        match told.as_slice() {
            [_] => {
                let what = kinds.iter().find(|(count, _)| *count > 0).map_or("", |(_, what)| what);
                format!("It is tested with {deliveries}, {what}.")
            }
            told => format!("It is tested with {deliveries}: {}.", list(told, "and")),
        }
    }

    /// The key in short, for one cell of a table.
    fn key_in_short(&self) -> String {
        if !self.provider.dedupe {
            return "none".to_owned();
        }
        let part = |at: &Locator| cell(&code(&at.to_string()));
        self.provider.event.key.iter().map(part).collect::<Vec<_>>().join(" + ")
    }
}

/// The index of all pages.
#[must_use]
pub fn index() -> String {
    let senders: Vec<Sender> = names().filter_map(Sender::find).collect();
    let mut page = format!(
        "# Senders\n\n{} senders, each with a page: what to enter there, the route to write, how it signs, how it \
         retries. A sender that is missing takes [a few lines of YAML](../provider-language.md).\n\n\
         *Key* is what tells two events apart, *retries* is how long or how often the sender tries again, and *sure* is where \
         the entry comes from: run against the sender's own code (verified), read in its documents (documented), or read by \
         others (second-hand).\n\n\
         | sender | name | proof | key | retries | sure |\n|---|---|---|---|---|---|\n",
        senders.len()
    );
    for sender in &senders {
        let Row { name, title, proof, confidence, .. } = Row::of(&sender.provider);
        page.push_str(&format!(
            "| [{}]({name}.md) | `{name}` | {} | {} | {} | {} |\n",
            cell(&title),
            cell(&proof),
            sender.key_in_short(),
            sender.retry_in_short(),
            confidence.word()
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sender_has_a_page_and_a_line() {
        let index = index();
        for name in names() {
            let page = Sender::find(name).unwrap().page();
            assert!(index.contains(&format!("]({name}.md)")), "{name}");
            for heading in ["## Set it up", "## How it signs", "## Events and retries", "## How sure this is"]
            {
                assert!(page.contains(heading), "{name}: {heading}");
            }
            for slip in ["..", "  ", " .\n", " . ", " ,", "the the", "; ;"] {
                let prose = prose(&page);
                assert!(!prose.contains(slip), "{name}: {slip:?} in {prose}");
            }
        }
    }

    /// A page without its code, where anything may stand.
    fn prose(page: &str) -> String {
        let outside: String = page.split("```").step_by(2).collect();
        outside.split('`').step_by(2).collect::<Vec<_>>().join("x")
    }
}
