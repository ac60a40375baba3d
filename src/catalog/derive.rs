//! The refusals that every scheme owes, made from an accepted delivery by one small change each.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::secret::Secret;
use crate::time::UnixTime;
use crate::verify::{Alternative, Layout, Location, Subject, TimestampSource, Verified};

use super::derive_inside;
use super::run::{Trial, VectorResult};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Tries every change and records what became of it.
pub(super) fn refusals(trial: &Trial<'_>, verified: &Verified, results: &mut Vec<VectorResult>) {
    let Some(form) = trial.provider.scheme.alternatives.get(verified.form().0) else { return };
    let mut checks = Checks { trial, results };
    checks.body(form);
    checks.secrets();
    let headers = &trial.delivery.headers;
    let names: Vec<HeaderName> = match &form.signature.location {
        Location::Header(name) => vec![name.clone()],
        Location::Headers(names) => {
            names.iter().filter(|name| headers.contains_key(*name)).cloned().collect()
        }
        Location::Numbered(prefix) => {
            let prefix = prefix.to_ascii_lowercase();
            headers.keys().filter(|name| name.as_str().starts_with(&prefix)).cloned().collect()
        }
        Location::Query(_) | Location::Form(_) | Location::Json(_) | Location::Body => Vec::new(),
    };
    if !names.is_empty() {
        checks.signature_headers(&names, form);
    }
    for (check, delivery) in derive_inside::changed(form, &trial.delivery) {
        checks.refused(check, None, |trial| trial.delivery = delivery);
    }
    if let Some(sent) = verified.timestamp() {
        checks.window(sent);
    }
    if let Some(TimestampSource::Header(name)) = form.timestamp.as_ref().map(|timestamp| &timestamp.source) {
        // Where the time's presence tells the form, a delivery without it is taken for another form.
        let tells = form.when.iter().any(|condition| condition.subject == Subject::Header(name.clone()));
        let word = (!tells).then_some("timestamp_missing");
        checks.refused("no send time", word, |trial| {
            trial.delivery.headers.remove(name);
        });
        checks.refused("an empty send time", None, |trial| {
            trial.delivery.headers.insert(name.clone(), HeaderValue::from_static(""));
        });
    }
}

struct Checks<'c, 'p> {
    trial: &'c Trial<'p>,
    results: &'c mut Vec<VectorResult>,
}

impl Checks<'_, '_> {
    /// Changes one byte at the start, in the middle and at the end, and adds one.
    fn body(&mut self, form: &Alternative) {
        if !form.covers_body() {
            return;
        }
        let length = self.trial.delivery.body.len();
        for (place, at) in [("first", 0), ("middle", length / 2), ("last", length.saturating_sub(1))] {
            self.refused(&format!("a changed {place} byte of the body"), None, |trial| {
                if let Some(byte) = trial.delivery.body.get_mut(at) {
                    *byte ^= 1;
                } else {
                    trial.delivery.body.push(b'x');
                }
            });
        }
        self.refused("one more byte", None, |trial| trial.delivery.body.push(b'x'));
    }

    fn secrets(&mut self) {
        let mut empty = self.trial.clone();
        empty.secrets = vec![Secret::new(Vec::new())];
        let problem = match empty.run() {
            Err(refused) if refused.word == "key" => None,
            Err(refused) => Some(format!("it was taken for a key: {refused}")),
            Ok(_) => Some("it was accepted".to_owned()),
        };
        self.record("an empty secret is no key", problem);
        let right = self.trial.delivery.secret.clone();
        let other = match &self.trial.vector.other_secret {
            Some(other) => other.clone(),
            None => changed(&right),
        };
        self.refused("another secret", Some("signature_mismatch"), |trial| {
            trial.secrets = vec![other.clone()]
        });
        for (check, secrets, index) in [
            ("the second of two secrets", vec![other.clone(), right.clone()], 1),
            ("the first of two secrets", vec![right, other], 0),
        ] {
            let mut trial = self.trial.clone();
            trial.secrets = secrets;
            let problem = match trial.run() {
                Ok(verified) if verified.secret_index() == index => None,
                Ok(verified) => Some(format!("secret {} is said to have matched", verified.secret_index())),
                Err(refused) => Some(format!("it was refused as {refused}")),
            };
            self.record(check, problem);
        }
    }

    fn signature_headers(&mut self, names: &[HeaderName], form: &Alternative) {
        let layout = &form.signature.layout;
        let each = |change: fn(&str) -> String| {
            move |trial: &mut Trial<'_>| {
                for name in names {
                    let Some(value) = trial.delivery.headers.get_mut(name) else { continue };
                    let changed = value.to_str().ok().map(|text| with_each_signature(text, layout, change));
                    if let Some(Ok(changed)) = changed.map(|text| HeaderValue::from_str(&text)) {
                        *value = changed;
                    }
                }
            }
        };
        self.refused("no signature", None, |trial| {
            names.iter().for_each(|name| drop(trial.delivery.headers.remove(name)));
        });
        self.refused("an empty signature", None, |trial| {
            for name in names {
                trial.delivery.headers.insert(name.clone(), HeaderValue::from_static(""));
            }
        });
        self.refused("a truncated signature", None, each(shorter));
        self.refused("a signature followed by `0`", None, each(|text| format!("{text}0")));
        self.refused("a signature followed by `zz`", None, each(|text| format!("{text}zz")));
        self.refused("a signature with its last character changed", None, each(other_end));
        if form.signature.layout == Layout::Single {
            self.refused("a signature followed by ` x`", None, each(|text| format!("{text} x")));
        }
        if form.signature.layout == Layout::Single {
            self.refused("a repeated signature header", Some("signature_malformed"), |trial| {
                for name in names {
                    if let Some(again) = trial.delivery.headers.get(name).cloned() {
                        trial.delivery.headers.append(name.clone(), again);
                    }
                }
            });
        }
    }

    /// Both edges are inside, and a millisecond more is not.
    fn window(&mut self, sent: UnixTime) {
        let Some(window) = self.trial.provider.tolerance else { return };
        let shifted = |by: Duration, later: bool| {
            let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            let millis = sent.millis();
            UnixTime::from_millis(if later { millis.saturating_add(by) } else { millis.saturating_sub(by) })
        };
        for (check, at) in [
            ("as old as allowed", shifted(window.past, true)),
            ("as far ahead as allowed", shifted(window.future, false)),
        ] {
            let mut trial = self.trial.clone();
            trial.delivery.now = at;
            let problem = trial.run().err().map(|refused| format!("it was refused as {refused}"));
            self.record(check, problem);
        }
        self.refused("a millisecond too old", Some("timestamp_too_old"), |trial| {
            trial.delivery.now = shifted(window.past.saturating_add(MILLISECOND), true);
        });
        self.refused("a millisecond too far ahead", Some("timestamp_in_future"), |trial| {
            trial.delivery.now = shifted(window.future.saturating_add(MILLISECOND), false);
        });
    }

    fn refused(&mut self, check: &str, word: Option<&str>, change: impl FnOnce(&mut Trial<'_>)) {
        let mut trial = self.trial.clone();
        change(&mut trial);
        let problem = match (trial.run(), word) {
            (Ok(_), _) => Some("it was accepted".to_owned()),
            (Err(refused), Some(word)) if refused.word != word => {
                Some(format!("it was refused as {refused}, not as {word}"))
            }
            // A refusal must be about the delivery: a key that cannot be read would refuse the right one as well.
            (Err(refused), None) if refused.word == "key" => Some(format!("{refused}")),
            (Err(_), _) => None,
        };
        self.record(&format!("{check} is refused"), problem);
    }

    fn record(&mut self, check: &str, problem: Option<String>) {
        self.results.push(VectorResult::new(&self.trial.vector.name, check, problem));
    }
}

/// A secret of the same length and alphabet: one letter or digit in its middle becomes another that is also valid in
/// hex and base64.
fn changed(secret: &Secret) -> Secret {
    let mut bytes = secret.expose().to_vec();
    let middle = bytes.len() / 2;
    let position = (middle..bytes.len())
        .chain(0..middle)
        .find(|at| bytes.get(*at).is_some_and(u8::is_ascii_alphanumeric));
    if let Some(byte) = position.and_then(|at| bytes.get_mut(at)) {
        *byte = if *byte == b'0' { b'1' } else { b'0' };
    }
    Secret::new(bytes)
}

/// The header's text with every signature in it changed, and nothing else.
pub(super) fn with_each_signature(text: &str, layout: &Layout, change: fn(&str) -> String) -> String {
    let items = |separator: char, is_signature: &dyn Fn(usize, &str) -> bool| {
        let items = text.split(separator).enumerate();
        let changed =
            items.map(|(index, item)| if is_signature(index, item) { change(item) } else { item.to_owned() });
        changed.collect::<Vec<_>>().join(&separator.to_string())
    };
    let named =
        |item: &str, name: &str, mark: char| item.trim().split_once(mark).is_some_and(|(n, _)| n == name);
    match layout {
        Layout::Single => change(text),
        Layout::Pairs(pairs) => {
            let separator =
                pairs.separators.chars().find(|separator| text.contains(*separator)).unwrap_or(',');
            items(separator, &|_, item| pairs.signature == "*" || named(item, &pairs.signature, pairs.mark))
        }
        Layout::List { separator } => items(*separator, &|_, _| true),
        Layout::Versioned { separator, versions } => {
            items(*separator, &|_, item| versions.iter().any(|version| named(item, version, ',')))
        }
        Layout::Positional { separator } => items(*separator, &|index, _| index > 0),
    }
}

/// The text without its last letter or digit. Padding goes as well: without it alone the same bytes would be meant.
pub(super) fn shorter(text: &str) -> String {
    let mut shorter = text.trim_end_matches('=').to_owned();
    shorter.pop();
    shorter
}

/// The text with its last letter or digit changed, what follows it (padding) kept.
pub(super) fn other_end(text: &str) -> String {
    let mut changed = text.to_owned();
    if let Some(at) = text.rfind(|character: char| character.is_ascii_alphanumeric()) {
        let other = if text.get(at..=at) == Some("0") { "1" } else { "0" };
        changed.replace_range(at..=at, other);
    }
    changed
}
