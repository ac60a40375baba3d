//! How entries and kept requests are written in the journal's file: JSON for what may grow, bytes as they are for the rest.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Serialize};

use super::entry::{About, Entry, Origin, Released, Timeline};
use super::kept::{Kept, KeptPlace};
use super::outcome::{Again, DedupeVerdict};
use crate::admit::{Reason, WasVerified};
use crate::catalog::Retry;
use crate::time::UnixTime;
use crate::verify::{EventKey, Locator};

/// [`About`] as it is written.
#[derive(Serialize, Deserialize)]
struct AboutRecord {
    route: Option<Box<str>>,
    sender: Option<Box<str>>,
    secrets: Vec<Box<str>>,
    retry: Option<RetryRecord>,
    config: Box<str>,
    redact: Vec<String>,
    /// Missing in what was written before these were kept.
    #[serde(default)]
    event_id: Option<Vec<String>>,
    #[serde(default)]
    event_type: Option<Vec<String>>,
    #[serde(default)]
    key: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct RetryRecord {
    delays: Vec<u64>,
    span: Option<u64>,
    timeout: Option<u64>,
    on: Vec<String>,
    never: bool,
}

/// [`Entry`] as it is written; short names, because there are many. What is absent or zero is left out.
#[derive(Serialize, Deserialize)]
struct EntryRecord<'e> {
    a: u64,
    id: &'e str,
    t: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    m: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ei: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    et: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    n: u32,
    r: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sh: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    w: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    age: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    k: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<String>,
    st: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    us: Option<u16>,
    us_t: Option<u32>,
    tk: u32,
    rb: u64,
    sb: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    h: Option<String>,
    tl: [u32; 4],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    o: Option<(bool, String, u64)>,
    /// It was released. Missing in what was written before this was.
    #[serde(default, skip_serializing_if = "is_false")]
    rl: bool,
    #[serde(default, skip_serializing_if = "is_nothing")]
    ks: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_nothing(number: &usize) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// [`Kept`] but for its head and body, which follow it.
#[derive(Serialize, Deserialize)]
struct KeptRecord {
    target: Box<str>,
    host: Box<str>,
    https: bool,
    signed_origin: Option<Box<str>>,
    trusted: bool,
    forwarded_for: Box<str>,
    head: usize,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn written(places: &[Locator]) -> Vec<String> {
    places.iter().map(ToString::to_string).collect()
}

fn read_places(places: &[String]) -> Vec<Locator> {
    places.iter().map(|text| text.parse().unwrap_or(Locator::Body)).collect()
}

pub(super) fn about(about: &About) -> Vec<u8> {
    let record = AboutRecord {
        route: about.route.clone(),
        sender: about.sender.clone(),
        secrets: about.secrets.clone(),
        retry: about.retry.as_ref().map(|retry| RetryRecord {
            delays: retry.delays.iter().copied().map(millis).collect(),
            span: retry.span.map(millis),
            timeout: retry.timeout.map(millis),
            on: retry.on.clone(),
            never: retry.never,
        }),
        config: about.config.clone(),
        redact: written(&about.redact),
        event_id: about.event_id.as_deref().map(written),
        event_type: about.event_type.as_deref().map(written),
        key: about.key.as_deref().map(written),
    };
    serde_json::to_vec(&record).unwrap_or_default()
}

pub(super) fn read_about(record: &[u8]) -> Option<About> {
    let record: AboutRecord = serde_json::from_slice(record).ok()?;
    Some(About {
        route: record.route,
        sender: record.sender,
        secrets: record.secrets,
        retry: record.retry.map(|retry| Retry {
            delays: retry.delays.into_iter().map(Duration::from_millis).collect(),
            span: retry.span.map(Duration::from_millis),
            timeout: retry.timeout.map(Duration::from_millis),
            on: retry.on,
            never: retry.never,
        }),
        config: record.config,
        // What cannot be read any more hides everything, and is hidden with anything.
        redact: read_places(&record.redact),
        event_id: record.event_id.as_deref().map(read_places),
        event_type: record.event_type.as_deref().map(read_places),
        key: record.key.as_deref().map(read_places),
    })
}

/// An entry whose [`About`] has this number.
pub(super) fn entry(entry: &Entry, about: u64) -> Vec<u8> {
    let owned = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
    let Timeline { body, verified, claimed, upstream } = entry.timeline;
    let record = EntryRecord {
        a: about,
        id: &entry.id,
        t: entry.received.millis(),
        m: entry.method.as_ref().map(ToString::to_string),
        p: owned(&entry.path),
        c: entry.client.map(|client| client.to_string()),
        ei: owned(&entry.event_id),
        et: owned(&entry.event_type),
        n: entry.attempt,
        r: entry.reason.word().to_owned(),
        sh: entry.shadow.map(|reason| reason.word().to_owned()),
        w: owned(&entry.why),
        s: entry.verified.and_then(|verified| u32::try_from(verified.secret_index()).ok()),
        age: entry.signature_age,
        k: entry.key.map(|key| hex::encode(key.0)),
        v: entry.verdict.word().map(str::to_owned),
        st: entry.status,
        us: entry.upstream_status,
        us_t: entry.upstream_took,
        tk: entry.took,
        rb: entry.received_bytes,
        sb: entry.sent_bytes,
        h: entry.body_hash.map(|hash| format!("{hash:032x}")),
        tl: [body, verified, claimed, upstream],
        o: entry
            .origin
            .as_ref()
            .map(|origin| (origin.how == Again::Release, origin.id.to_string(), origin.number)),
        rl: entry.released.is(),
        ks: entry.kept.size(),
    };
    serde_json::to_vec(&record).unwrap_or_default()
}

/// The number of the [`About`] that an entry's record needs.
pub(super) fn about_of(record: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Only {
        a: u64,
    }
    serde_json::from_slice::<Only>(record).ok().map(|only| only.a)
}

fn reason(word: &str) -> Option<Reason> {
    Reason::ALL.into_iter().find(|reason| reason.word() == word)
}

/// What stands under a number; `kept` is whether its request stands there as well.
pub(super) fn read_entry(
    number: u64,
    record: &[u8],
    about: impl Fn(u64) -> Option<Arc<About>>,
    kept: bool,
) -> Option<Entry> {
    let record: EntryRecord<'_> = serde_json::from_slice(record).ok()?;
    let key = match &record.k {
        Some(text) => Some(EventKey(hex::decode(text).ok()?.try_into().ok()?)),
        None => None,
    };
    let [body, verified, claimed, upstream] = record.tl;
    Some(Entry {
        number,
        id: record.id.into(),
        received: UnixTime::from_millis(record.t),
        about: about(record.a)?,
        method: record.m.and_then(|method| Method::from_bytes(method.as_bytes()).ok()),
        path: record.p.map(String::into_boxed_str),
        client: record.c.and_then(|client| client.parse().ok()),
        event_id: record.ei.map(String::into_boxed_str),
        event_type: record.et.map(String::into_boxed_str),
        attempt: record.n,
        reason: reason(&record.r)?,
        shadow: match &record.sh {
            Some(word) => Some(reason(word)?),
            None => None,
        },
        why: record.w.map(String::into_boxed_str),
        verified: record.s.and_then(|secret| usize::try_from(secret).ok()).map(WasVerified::recorded),
        signature_age: record.age,
        key,
        verdict: DedupeVerdict::ALL.into_iter().find(|verdict| verdict.word() == record.v.as_deref())?,
        status: record.st,
        upstream_status: record.us,
        took: record.tk,
        upstream_took: record.us_t,
        received_bytes: record.rb,
        sent_bytes: record.sb,
        body_hash: match &record.h {
            Some(text) => Some(u128::from_str_radix(text, 16).ok()?),
            None => None,
        },
        timeline: Timeline { body, verified, claimed, upstream },
        origin: record.o.map(|(release, id, number)| {
            let how = if release { Again::Release } else { Again::Redelivery };
            Box::new(Origin { how, id: id.into(), number })
        }),
        released: Released::recorded(record.rl),
        kept: if kept { KeptPlace::filed(record.ks) } else { KeptPlace::default() },
    })
}

pub(super) fn kept(kept: &Kept) -> Vec<u8> {
    let record = KeptRecord {
        target: kept.target.clone(),
        host: kept.host.clone(),
        https: kept.https,
        signed_origin: kept.signed_origin.clone(),
        trusted: kept.trusted,
        forwarded_for: kept.forwarded_for.clone(),
        head: kept.head.len(),
    };
    let mut bytes = serde_json::to_vec(&record).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend_from_slice(&kept.head);
    bytes.extend_from_slice(&kept.body);
    bytes
}

pub(super) fn read_kept(record: &[u8]) -> Option<Kept> {
    let end = record.iter().position(|byte| *byte == b'\n')?;
    let (first, rest) = record.split_at_checked(end)?;
    let rest = rest.get(1..)?;
    let record: KeptRecord = serde_json::from_slice(first).ok()?;
    let (head, body) = rest.split_at_checked(record.head)?;
    Some(Kept {
        target: record.target,
        host: record.host,
        https: record.https,
        signed_origin: record.signed_origin,
        trusted: record.trusted,
        forwarded_for: record.forwarded_for,
        head: Bytes::copy_from_slice(head),
        body: Bytes::copy_from_slice(body),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_were_not_written_down_are_not_taken_for_none() {
        let record =
            br#"{"route":"shop","sender":"github","secrets":[],"retry":null,"config":"0","redact":[]}"#;
        let before = read_about(record).unwrap();
        assert_eq!((&before.event_id, &before.event_type, &before.key), (&None, &None, &None));
        let hides = |redact: &[Locator]| super::super::hidden::may_hide(redact, before.event_id.as_deref());
        assert_eq!((hides(&[]), hides(&["header:x-id".parse().unwrap()])), (false, true));
        let none = About { event_id: Some(Vec::new()), ..About::default() };
        assert_eq!(read_about(&about(&none)).unwrap().event_id, Some(Vec::new()));
    }
}
