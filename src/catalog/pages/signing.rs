//! How a sender signs, in words: what a delivery carries, what is signed, and for how long it is good.

use crate::verify::{
    Algorithm, Alternative, Layout, Location, Locator, Part, Template, TimeUnit, TimestampForm,
    TimestampSource,
};

use super::Sender;
use super::template::{digest, written};
use super::words::{code, list, literal, span};

impl Sender {
    /// Where things stand in a delivery, and what each is.
    pub(super) fn carried(&self) -> Vec<(String, String)> {
        let mut rows: Vec<(String, String)> = Vec::new();
        let mut add = |place: String, what: String| match rows.iter_mut().find(|(known, _)| *known == place) {
            Some((_, known)) if !known.contains(&what) => known.push_str(&format!("; {what}")),
            Some(_) => {}
            None => rows.push((place, what)),
        };
        for (form, _) in self.forms() {
            add(self.location(&form.signature.location), signature(form));
            if matches!(form.algorithm, Algorithm::HttpMessage(_)) {
                add("the header `Signature-Input`".to_owned(), "what each signature covers".to_owned());
                add("the header `Content-Digest`".to_owned(), "the body's digest; is signed".to_owned());
            }
            if let Some((place, what)) = form.timestamp.as_ref().and_then(|timestamp| self.time(timestamp)) {
                add(place, what);
            }
            if let Some(body) = &form.body_digest {
                let what = format!("the body's {} in {}", digest(body.digest), written(body.encoding));
                add(self.location(&body.location), what);
            }
        }
        let event = &self.provider.event;
        for (what, places) in [("the event's id", &event.id), ("the event's type", &event.event_type)] {
            for at in places.iter().flat_map(flat) {
                add(self.place(at), what.to_owned());
            }
        }
        for (form, _) in self.forms() {
            for part in form.signed.iter().flat_map(Template::leaves) {
                if let Part::Header(name) = part {
                    add(format!("the header {}", code(&self.header(name))), "is signed".to_owned());
                }
            }
        }
        rows
    }

    /// What the signed send time is worth.
    pub(super) fn window(&self) -> String {
        let timed = self.provider.scheme.alternatives.iter().filter(|form| form.timestamp.is_some()).count();
        let Some(window) = self.provider.tolerance.filter(|_| timed > 0) else {
            return match timed {
                0 if self.signs_nothing() => {
                    "Whoever sees one delivery has the secret, so let them arrive over TLS only.".to_owned()
                }
                0 => {
                    let kept_out = match self.provider.dedupe {
                        true => "A copy is kept out for as long as its event is remembered.",
                        false => "Nothing keeps a copy out.",
                    };
                    format!(
                        "No send time is signed, so a captured delivery stays valid for as long as the key does. {kept_out}"
                    )
                }
                _ => {
                    "The send time is signed, but no window is set: give the route a `tolerance` to have one."
                        .to_owned()
                }
            };
        };
        let bounds = if window.past == window.future {
            format!("at most {} old and as far ahead", span(window.past))
        } else {
            format!("at most {} old and {} ahead", span(window.past), span(window.future))
        };
        let some = if timed < self.provider.scheme.alternatives.len() {
            " Where a delivery has none, nothing dates it."
        } else {
            ""
        };
        format!("The send time may be {bounds}; `tolerance` on the route changes that.{some}")
    }

    /// Whether its deliveries only carry a secret.
    pub(super) fn signs_nothing(&self) -> bool {
        let forms = &self.provider.scheme.alternatives;
        forms.iter().all(|form| matches!(form.algorithm, Algorithm::Token | Algorithm::Basic))
    }

    /// A place in words.
    pub(super) fn location(&self, location: &Location) -> String {
        match location {
            Location::Header(name) => self.place(&Locator::Header(name.clone())),
            Location::Headers(names) => {
                let names: Vec<String> = names.iter().map(|name| code(&self.header(name))).collect();
                format!("the headers {}", list(&names, "and"))
            }
            Location::Numbered(prefix) => {
                format!(
                    "the headers {}, {} and so on",
                    code(&format!("{prefix}1")),
                    code(&format!("{prefix}2"))
                )
            }
            Location::Query(name) => self.place(&Locator::Query(name.clone())),
            Location::Form(name) => self.place(&Locator::Form(name.clone())),
            Location::Json(pointer) => self.place(&Locator::Json(pointer.clone())),
            Location::Body => "the whole body".to_owned(),
        }
    }

    fn time(&self, form: &TimestampForm) -> Option<(String, String)> {
        let what = format!("the send time, {}", unit(form.unit));
        let place = match &form.source {
            TimestampSource::Signature => return None,
            TimestampSource::Header(name) => self.place(&Locator::Header(name.clone())),
            TimestampSource::Query(name) => self.place(&Locator::Query(name.clone())),
            TimestampSource::Form(name) => self.place(&Locator::Form(name.clone())),
            TimestampSource::Json(pointer) => self.place(&Locator::Json(pointer.clone())),
            TimestampSource::Parameter(name) => format!("the signature's parameter {}", code(name)),
            TimestampSource::Claim(name) => return Some((format!("the token's claim {}", code(name)), what)),
        };
        Some((place, what))
    }
}

/// How the signature is written.
fn signature(form: &Alternative) -> String {
    let prefix = &form.signature.prefix;
    let before = if prefix.is_empty() { String::new() } else { format!("{} and ", code(prefix)) };
    match form.algorithm {
        Algorithm::Token => return format!("{before}the secret itself"),
        Algorithm::Basic => return "`Basic` and base64 of `user:password`".to_owned(),
        Algorithm::Jwt(_) => return format!("{before}the token"),
        Algorithm::JwsDetached(_) => return format!("{before}the token without its payload"),
        Algorithm::HttpMessage(_) => return "the signatures, each under a label".to_owned(),
        _ => {}
    }
    let encoding = written(form.signature.encoding);
    if let Some(wrapped) = &form.signature.wrapped {
        let place = code(&wrapped.signature.to_string());
        return format!("{before}base64 of JSON, in which {place} is the signature in {encoding}");
    }
    match &form.signature.layout {
        _ if matches!(form.signature.location, Location::Headers(_) | Location::Numbered(_)) => {
            format!("in each {before}a signature in {encoding}")
        }
        Layout::Single => format!("{before}the signature in {encoding}"),
        Layout::List { separator } => {
            format!(
                "{before}the signature in {encoding}; several are separated by {}",
                literal(&separator.to_string())
            )
        }
        Layout::Versioned { separator, versions } => {
            let versions: Vec<String> = versions.iter().map(|version| code(&format!("{version},"))).collect();
            let separator = literal(&separator.to_string());
            format!(
                "{} and the signature in {encoding}; several are separated by {separator}",
                list(&versions, "or")
            )
        }
        Layout::Positional { separator } => {
            let separator = literal(&separator.to_string());
            format!(
                "{before}the send time, then one or several signatures in {encoding}, separated by {separator}"
            )
        }
        Layout::Pairs(pairs) => {
            let mark = pairs.mark;
            let separator: String = pairs.separators.chars().take(1).collect();
            let name = if pairs.signature == "*" { "…" } else { &pairs.signature };
            let time =
                pairs.timestamp.as_ref().map(|time| format!("{time}{mark}…{separator}")).unwrap_or_default();
            let shape = code(&format!("{prefix}{time}{name}{mark}…"));
            let timed = pairs.timestamp.as_ref().map(|time| {
                let unit = form.timestamp.as_ref().map(|timestamp| format!(", {}", unit(timestamp.unit)));
                format!("{} is the send time{}, ", code(time), unit.unwrap_or_default())
            });
            let name = if pairs.signature == "*" { "each item".to_owned() } else { code(name) };
            format!("{shape}: {}{name} is a signature in {encoding}", timed.unwrap_or_default())
        }
    }
}

fn unit(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Seconds => "in seconds",
        TimeUnit::Milliseconds => "in milliseconds",
        TimeUnit::Rfc3339 => "such as `2026-03-18T10:30:00Z`",
        TimeUnit::Rfc2822 => "such as `Wed, 18 Mar 2026 10:30:00 GMT`",
    }
}

/// Every single place of a locator.
pub(super) fn flat(at: &Locator) -> Vec<&Locator> {
    match at {
        Locator::AnyOf(any) => any.iter().flat_map(flat).collect(),
        one => vec![one],
    }
}
