//! The journal by itself: its bounds under any history, fairness in a flood, those who follow, and what it
//! costs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use proptest::prelude::*;

use super::book::Book;
use super::*;
use crate::admit::{Reason, WasVerified};
use crate::verify::EventKey;

pub(crate) const NOW: UnixTime = UnixTime::from_millis(1_795_251_600_000);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(crate) const LARGE: Bounds = Bounds { bytes: 1 << 30, entries: 1_000_000, age: DAY };

pub(crate) fn about(route: Option<&str>) -> Arc<About> {
    Arc::new(About {
        route: route.map(Box::from),
        sender: route.map(|_| "github".into()),
        secrets: vec!["new".into(), "old".into()],
        retry: None,
        config: "0123456789abcdef".into(),
        redact: vec!["json:/data/key".parse().unwrap()],
        event_id: Some(vec!["header:x-github-delivery".parse().unwrap()]),
        event_type: Some(vec!["header:x-github-event".parse().unwrap(), "json:/type".parse().unwrap()]),
        key: Some(vec!["header:x-github-delivery".parse().unwrap()]),
    })
}

pub(crate) fn entry(id: &str, about: &Arc<About>, verified: bool, body: Option<&[u8]>) -> Entry {
    Entry {
        number: 0,
        id: id.into(),
        received: NOW,
        about: Arc::clone(about),
        method: Some(Method::POST),
        path: Some("/webhooks/github".into()),
        client: Some([203, 0, 113, 7].into()),
        event_id: Some(format!("evt-{id}").into()),
        event_type: Some("push".into()),
        attempt: u32::from(verified),
        reason: if verified { Reason::Forwarded } else { Reason::SignatureMismatch },
        shadow: None,
        why: (!verified).then(|| "no secret makes this signature".into()),
        verified: verified.then(|| WasVerified::recorded(1)),
        signature_age: Some(-5),
        key: Some(EventKey([7; 32])),
        verdict: if verified { DedupeVerdict::New } else { DedupeVerdict::Unasked },
        status: if verified { 204 } else { 401 },
        upstream_status: verified.then_some(204),
        took: 1500,
        upstream_took: verified.then_some(900),
        received_bytes: 12,
        sent_bytes: 0,
        body_hash: Some(0xfeed),
        timeline: Timeline { body: 10, verified: 20, claimed: 30, upstream: 1000 },
        origin: None,
        released: Released::default(),
        kept: body.map_or_else(KeptPlace::default, |body| KeptPlace::here(kept(body))),
    }
}

fn kept(body: &[u8]) -> Kept {
    Kept {
        target: "/webhooks/github?x=1".into(),
        host: "hooks.example".into(),
        https: true,
        signed_origin: None,
        trusted: false,
        forwarded_for: "203.0.113.7".into(),
        head: Bytes::from_static(b"Content-Type: application/json\r\nX-A: 1\r\nx-a: 2\r\n"),
        body: Bytes::copy_from_slice(body),
    }
}

fn append(book: &mut Book, mut entry: Entry) -> Vec<u64> {
    let mut gone = Vec::new();
    entry.number = book.next_number();
    let since = entry.received;
    book.append(Arc::new(entry), since, &mut gone);
    gone
}

fn memory(bounds: Bounds) -> Journal {
    Journal::start(&JournalOptions { bounds, folder: None }, NOW).unwrap()
}

pub(super) fn ids(page: &Page) -> Vec<String> {
    page.found.iter().map(|found| found.entry.id.to_string()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever comes: the bounds hold after every entry, nothing is lost from the counts, and what left is told once.
    #[test]
    fn the_bounds_hold_after_every_entry(
        bytes in 2_000_u64..60_000,
        entries in 1_usize..40,
        history in proptest::collection::vec((0_usize..5, any::<bool>(), 0_usize..6_000, 0_i64..20_000), 1..150),
    ) {
        let bounds = Bounds { bytes, entries, age: Duration::from_secs(600) };
        let abouts = [about(None), about(Some("a")), about(Some("b")), about(Some("c")), about(Some("d"))];
        let mut book = Book::new(bounds, 100);
        let (mut gone, mut put) = (Vec::new(), BTreeSet::new());
        let mut time = NOW;
        for (route, verified, body, later) in history {
            time = time.saturating_add(Duration::from_millis(later.unsigned_abs()));
            book.expire(time, &mut gone);
            let about = &abouts[route];
            let mut entry = entry("x", about, verified && route > 0, (body > 3000).then(|| vec![b'x'; body]).as_deref());
            entry.received = time;
            entry.number = book.next_number();
            put.insert(entry.number);
            book.append(Arc::new(entry), time, &mut gone);
            prop_assert!(book.bytes() <= bytes, "{} of {bytes} bytes", book.bytes());
            prop_assert!(book.len() <= entries as u64);
            let held: u64 = book.oldest_first(None).map(|entry| entry.size() as u64).sum();
            prop_assert_eq!(held, book.bytes());
        }
        let held: BTreeSet<u64> = book.oldest_first(None).map(|entry| entry.number).collect();
        prop_assert!(book.oldest_first(None).all(|entry| entry.received >= UnixTime::from_millis(time.millis() - 600_000)));
        let count = gone.len();
        let gone: BTreeSet<u64> = gone.into_iter().collect();
        prop_assert_eq!(gone.len(), count, "nothing is gone twice");
        prop_assert!(held.is_disjoint(&gone));
        prop_assert_eq!(held.len() + gone.len(), put.len());
    }
}

#[test]
fn a_flood_of_forgeries_pushes_out_neither_what_verified_nor_what_other_routes_refused() {
    let bounds = Bounds { bytes: 400_000, ..LARGE };
    let (shop, quiet, nowhere) = (about(Some("shop")), about(Some("quiet")), about(None));
    let mut book = Book::new(bounds, 0);
    for number in 0..300 {
        append(&mut book, entry(&format!("good-{number}"), &shop, true, None));
    }
    for number in 0..10 {
        append(&mut book, entry(&format!("refused-{number}"), &quiet, false, None));
    }
    let held = |book: &Book, prefix: &str| {
        book.oldest_first(None).filter(|entry| entry.id.starts_with(prefix)).count()
    };
    assert_eq!((held(&book, "good"), held(&book, "refused")), (300, 10));
    for number in 0..20_000 {
        append(&mut book, entry(&format!("forged-{number}"), &shop, false, Some(b"12345678")));
        append(&mut book, entry(&format!("scan-{number}"), &nowhere, false, None));
    }
    assert_eq!((held(&book, "good"), held(&book, "refused")), (300, 10), "they are as they were");
    assert!(held(&book, "forged") > 0 && held(&book, "scan") > 0, "and what is free is used");
    // The other way round a quarter stays for what was refused.
    for number in 0..20_000 {
        append(&mut book, entry(&format!("good-{number}"), &shop, true, None));
    }
    assert_eq!(held(&book, "refused"), 10);
    let unproven = held(&book, "forged") + held(&book, "scan");
    assert!(unproven > 50, "{unproven} entries are about a quarter");
}

#[test]
fn pages_follow_each_other_to_the_end() {
    let journal = memory(LARGE);
    let shop = about(Some("shop"));
    for number in 0..10 {
        journal.enter(Arc::new(entry(&number.to_string(), &shop, number % 2 == 0, None)));
    }
    let filter = Filter { reasons: vec![Reason::Forwarded], ..Filter::default() };
    let first = journal.list(&filter, None, 3);
    assert_eq!((ids(&first), first.held), (vec!["8".into(), "6".into(), "4".into()], 10));
    let second = journal.list(&filter, first.next, 3);
    assert_eq!((ids(&second), second.next), (vec!["2".into(), "0".into()], None));
    journal.close();
}

#[test]
fn later_entries_are_told_of_those_they_were_made_from() {
    let journal = memory(LARGE);
    let shop = about(Some("shop"));
    journal.enter(Arc::new(entry("first", &shop, false, Some(b"{}"))));
    let first = journal.find("first").unwrap();
    assert_eq!((first.why_not_releasable(), first.is_released()), (None, false));
    assert!(first.why_not_redeliverable().unwrap().contains("released, not delivered again"));
    let mut second = entry("second", &shop, true, None);
    second.origin =
        Some(Box::new(Origin { how: Again::Release, id: "first".into(), number: first.entry.number }));
    journal.enter(Arc::new(second));
    let first = journal.find("first").unwrap();
    assert!(first.is_released());
    assert_eq!((first.marks.len(), &*first.marks[0].id), (1, "second"));
    assert_eq!(first.why_not_releasable(), Some("it was released already"));
    journal.close();
}

#[test]
fn an_accepted_event_is_known_as_long_as_any_entry_says_so() {
    let mut book = Book::new(Bounds { entries: 4, ..LARGE }, 0);
    let shop = about(Some("shop"));
    let of_event = |key: u8, accepted: bool| {
        let mut entry = entry("x", &shop, true, None);
        entry.key = Some(EventKey([key; 32]));
        entry.upstream_status = Some(if accepted { 204 } else { 500 });
        entry
    };
    append(&mut book, of_event(1, true));
    append(&mut book, of_event(1, true));
    append(&mut book, of_event(2, false));
    let known = |book: &Book| [1, 2, 3].map(|key| book.was_accepted(&EventKey([key; 32])));
    assert_eq!(known(&book), [true, false, false], "one was declined, of one nothing is known");
    append(&mut book, of_event(2, false));
    append(&mut book, of_event(2, false));
    assert_eq!(known(&book), [true, false, false], "one entry of it has gone, and one is left");
    append(&mut book, of_event(3, true));
    assert_eq!(known(&book), [false, false, true]);
}

#[test]
fn that_it_was_released_is_known_however_often_it_is_delivered_again() {
    let journal = memory(LARGE);
    let shop = about(Some("shop"));
    journal.enter(Arc::new(entry("first", &shop, false, Some(b"{}"))));
    let number = journal.find("first").unwrap().entry.number;
    let again = |id: &str, how, status| {
        let mut made = entry(id, &shop, true, None);
        made.status = status;
        made.upstream_status = Some(status);
        made.origin = Some(Box::new(Origin { how, id: "first".into(), number }));
        journal.enter(Arc::new(made));
    };
    again("tried", Again::Release, 500);
    again("released", Again::Release, 200);
    for time in 0..40 {
        again(&format!("again-{time}"), Again::Redelivery, 200);
    }
    let first = journal.find("first").unwrap();
    assert!(first.is_released());
    let ids: Vec<&str> = first.marks.iter().map(|mark| &*mark.id).collect();
    assert_eq!((ids.len(), ids[0], ids[1], ids[15]), (16, "released", "again-25", "again-39"));
    journal.close();
}

#[tokio::test]
async fn who_follows_gets_what_it_wants_in_order_and_learns_what_it_missed() {
    let journal = memory(LARGE);
    let shop = about(Some("shop"));
    journal.enter(Arc::new(entry("before", &shop, true, None)));
    let cursor = journal.find("before").unwrap().entry.number;
    journal.enter(Arc::new(entry("between", &shop, true, None)));
    let filter = Filter { route: Some("shop".into()), ..Filter::default() };
    let mut resumed = journal.follow(filter.clone(), Some(cursor)).unwrap();
    let mut lost = journal.follow(filter.clone(), Some(1)).unwrap();
    let mut slow = journal.follow(filter.clone(), None).unwrap();
    for number in 0..3000 {
        journal.enter(Arc::new(entry(&number.to_string(), &shop, true, None)));
    }
    assert_eq!(journal.list(&Filter::default(), None, 1).held, 3002);
    let id = |followed| match followed {
        Some(Followed::Entry(found)) => found.entry.id.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(id(resumed.next().await), "between");
    assert_eq!(id(resumed.next().await), "0");
    assert!(matches!(lost.next().await, Some(Followed::Lagged(None))), "its cursor is of an earlier journal");
    for number in 0..1024 {
        assert_eq!(id(slow.next().await), number.to_string());
    }
    assert!(matches!(slow.next().await, Some(Followed::Lagged(Some(1976)))));
    journal.enter(Arc::new(entry("after", &shop, true, None)));
    assert_eq!(id(slow.next().await), "after");
    journal.close();
    assert!(slow.next().await.is_none(), "the journal has ended");
}

#[tokio::test]
async fn who_follows_holds_no_request_and_is_told_the_same() {
    let journal = memory(LARGE);
    let shop = about(Some("shop"));
    journal.enter(Arc::new(entry("before", &shop, true, None)));
    journal.enter(Arc::new(entry("0", &shop, false, Some(b"{}"))));
    let cursor = journal.find("before").unwrap().entry.number;
    let mut late = journal.follow(Filter::default(), Some(cursor)).unwrap();
    let mut early = journal.follow(Filter::default(), None).unwrap();
    journal.enter(Arc::new(entry("1", &shop, false, Some(b"{}"))));
    assert_eq!(journal.list(&Filter::default(), None, 9).held, 3);
    for (following, id) in [(&mut late, "0"), (&mut early, "1")] {
        let Some(Followed::Entry(told)) = following.next().await else { panic!("an entry") };
        let held = journal.find(id).unwrap();
        assert_eq!((told.summary(&[]), &told.summary(&[])["releasable"]), (held.summary(&[]), &true.into()));
        assert!(told.entry.kept.in_memory().is_none() && held.entry.kept.in_memory().is_some());
    }
    journal.close();
}

#[test]
fn only_so_many_follow() {
    let journal = memory(LARGE);
    let all: Vec<_> = (0..32).map(|_| journal.follow(Filter::default(), None).unwrap()).collect();
    assert!(journal.follow(Filter::default(), None).is_err());
    drop(all);
    assert!(journal.follow(Filter::default(), None).is_ok());
    journal.close();
}

#[test]
fn what_finds_no_room_is_counted_and_nobody_waits() {
    let journal = memory(LARGE);
    let inner = journal.0.as_ref().unwrap();
    // Nobody takes over meanwhile.
    let busy = inner.taking.lock();
    let shop = about(Some("shop"));
    let entries: Vec<_> = (0..WAITING + 10).map(|_| Arc::new(entry("x", &shop, true, None))).collect();
    entries.into_iter().for_each(|entry| journal.enter(entry));
    assert_eq!(journal.dropped(), 10);
    drop(busy);
    assert_eq!(journal.list(&Filter::default(), None, 1).held, WAITING as u64);
    journal.close();
}

/// What one entry costs, and what it takes to look through 100,000 of them. The bounds are wide: other machines are slower, and
/// this build is not optimized. The figures are printed.
#[test]
fn an_entry_is_cheap_and_a_hundred_thousand_are_searched_at_once() {
    const MANY: usize = 100_000;
    let journal = memory(Bounds { entries: MANY, ..LARGE });
    let inner = journal.0.as_ref().unwrap();
    let shop = about(Some("shop"));
    let (mut handed, mut taken) = (Duration::ZERO, Duration::ZERO);
    for begin in (0..2 * MANY).step_by(8000) {
        let entries: Vec<_> =
            (begin..begin + 8000).map(|number| entry(&format!("{number:028x}"), &shop, true, None)).collect();
        let busy = inner.taking.lock();
        let started = clock::monotonic();
        entries.into_iter().for_each(|entry| journal.enter(Arc::new(entry)));
        handed += started.elapsed();
        drop(busy);
        let started = clock::monotonic();
        inner.take_over();
        taken += started.elapsed();
    }
    assert_eq!(journal.dropped(), 0);
    let (held, bytes) = journal.held();
    assert!((98_000..=MANY as u64).contains(&held), "{held}");
    let each = |cost: Duration| cost.as_nanos() / (2 * MANY as u128);
    println!("handed over in {} ns, taken over in {} ns, {} bytes", each(handed), each(taken), bytes / held);
    for (what, filter) in [
        ("everything", Filter::default()),
        ("nothing, by route", Filter { route: Some("none".into()), ..Filter::default() }),
        ("nothing, by text", Filter { text: Some("no such text".into()), ..Filter::default() }),
        ("nothing, by type", Filter { event_type: Some("*.none".into()), ..Filter::default() }),
    ] {
        let started = clock::monotonic();
        let page = journal.list(&filter, None, 50);
        let took = started.elapsed();
        println!("{what}: {} of {held} in {took:?}", page.found.len());
        assert!(took < Duration::from_secs(5), "{what} took {took:?}");
    }
    let started = clock::monotonic();
    let page = journal.list(&Filter::default(), None, 500);
    let told: usize = page.found.iter().map(|found| found.summary(&[]).to_string().len()).sum();
    println!("a page of {} as {told} bytes of JSON in {:?}", page.found.len(), started.elapsed());
    journal.close();
}
