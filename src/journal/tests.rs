//! The journal by itself: its bounds under any history, fairness in a flood, restart and damage, those who follow, and what it
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
const DAY: Duration = Duration::from_secs(24 * 3600);
pub(crate) const LARGE: Bounds = Bounds { bytes: 1 << 30, entries: 1_000_000, age: DAY };

pub(crate) fn about(route: Option<&str>) -> Arc<About> {
    Arc::new(About {
        route: route.map(Box::from),
        sender: route.map(|_| "github".into()),
        secrets: vec!["new".into(), "old".into()],
        retry: None,
        config: "0123456789abcdef".into(),
        redact: vec!["json:/data/key".parse().unwrap()],
        event_id: vec!["header:x-github-delivery".parse().unwrap()],
        event_type: vec!["header:x-github-event".parse().unwrap(), "json:/type".parse().unwrap()],
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

fn ids(page: &Page) -> Vec<String> {
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
fn what_was_received_by_a_clock_that_was_ahead_goes_with_its_age_and_keeps_nobody() {
    let shop = about(Some("shop"));
    let hours = |hours: u64| NOW.saturating_add(Duration::from_secs(hours * 3600));
    let mut book = Book::new(LARGE, 0);
    for (id, received, since) in [("ahead", hours(9000), hours(0)), ("then", hours(1), hours(1))] {
        let mut entry = entry(id, &shop, true, None);
        (entry.number, entry.received) = (book.next_number(), received);
        book.append(Arc::new(entry), since, &mut Vec::new());
    }
    let mut gone = Vec::new();
    book.expire(hours(24), &mut gone);
    assert_eq!(gone, [0_u64; 0]);
    book.expire(hours(25).saturating_add(Duration::from_millis(1)), &mut gone);
    assert_eq!(gone, [1, 2]);

    // After a restart it is not known how old it really is; it does not stay longer than from then on.
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { bounds: LARGE, folder: Some(folder.path().join("journal")) };
    let journal = Journal::start(&options, NOW).unwrap();
    for (id, received) in [("ahead", hours(9000)), ("old", hours(0)), ("new", hours(30))] {
        let mut entry = entry(id, &shop, true, None);
        entry.received = received;
        journal.enter(Arc::new(entry));
    }
    journal.close();
    let journal = Journal::start(&options, hours(40)).unwrap();
    assert_eq!(ids(&journal.list(&Filter::default(), None, 9)), ["new", "ahead"]);
    let inner = journal.0.as_ref().unwrap();
    inner.book.write().expire(clock::steady().saturating_add(DAY + Duration::from_secs(1)), &mut gone);
    assert_eq!(journal.held().0, 0);
    journal.close();
}

#[test]
fn names_read_at_a_place_that_is_not_shown_are_neither_shown_nor_searched() {
    let hiding = |places: &[&str]| {
        let redact = places.iter().map(|place| place.parse().unwrap()).collect();
        let open = about(Some("shop"));
        let (event_id, event_type) = (open.event_id.clone(), open.event_type.clone());
        Arc::new(About { redact, event_id, event_type, route: Some("shop".into()), ..About::default() })
    };
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { bounds: LARGE, folder: Some(folder.path().join("journal")) };
    let journal = Journal::start(&options, NOW).unwrap();
    journal.enter(Arc::new(entry("open", &hiding(&[]), true, None)));
    journal.enter(Arc::new(entry("id", &hiding(&["header:x-github-delivery"]), true, None)));
    journal.enter(Arc::new(entry("type", &hiding(&["json:/type"]), true, None)));
    let check = |journal: &Journal| {
        for (id, event, kind) in
            [("open", "evt-open", "push"), ("id", "[redacted]", "push"), ("type", "evt-type", "[redacted]")]
        {
            let found = journal.find(id).unwrap();
            let value = found.whole(None, &found.entry.about.redact, false);
            assert_eq!((&value["event_id"], &value["event_type"]), (&event.into(), &kind.into()), "{id}");
        }
        let by = |filter: Filter| ids(&journal.list(&filter, None, 9));
        let text = |text: &str| Filter { text: Some(text.into()), ..Filter::default() };
        assert_eq!(by(text("evt-")), ["type", "open"]);
        assert_eq!(by(text("push")), ["id", "open"]);
        let kind = Filter { event_type: Some("p*".into()), ..Filter::default() };
        assert_eq!(by(kind), ["id", "open"]);
        // Who knows all of it finds it: so the dedupe store is asked.
        let whole = Filter { event_id: Some("evt-id".into()), ..Filter::default() };
        assert_eq!(by(whole), ["id"]);
    };
    check(&journal);
    journal.close();
    let journal = Journal::start(&options, NOW).unwrap();
    check(&journal);
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
fn what_was_written_is_there_again_after_a_restart_with_its_requests_and_marks() {
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { bounds: LARGE, folder: Some(folder.path().join("journal")) };
    let journal = Journal::start(&options, NOW).unwrap();
    let shop = about(Some("shop"));
    journal.enter(Arc::new(entry("first", &shop, false, Some(b"{\"data\":{\"key\":1}}"))));
    let first = journal.find("first").unwrap();
    let before = first.whole(journal.kept(&first.entry).as_ref(), &first.entry.about.redact, true);
    let mut second = entry("second", &shop, true, None);
    second.origin =
        Some(Box::new(Origin { how: Again::Release, id: "first".into(), number: first.entry.number }));
    journal.enter(Arc::new(second));
    journal.close();
    assert!(
        !first.entry.kept.is_filed() || first.entry.kept.in_memory().is_none(),
        "what is in the file leaves memory"
    );

    let journal = Journal::start(&options, NOW).unwrap();
    let found = journal.find("first").unwrap();
    let kept = journal.kept(&found.entry).unwrap();
    assert_eq!((kept.body.as_ref(), kept.fields().count()), (&b"{\"data\":{\"key\":1}}"[..], 3));
    let after = found.whole(Some(&kept), &found.entry.about.redact, true);
    for key in
        before.as_object().unwrap().keys().filter(|key| {
            !matches!(key.as_str(), "released" | "releasable" | "results" | "why_not_releasable")
        })
    {
        assert_eq!(before[key], after[key], "{key}");
    }
    assert!(found.is_released());
    assert!(after["request"]["body"].as_str().unwrap().contains("[redacted]"));
    journal.enter(Arc::new(entry("third", &shop, true, None)));
    assert_eq!(ids(&journal.list(&Filter::default(), None, 9)), ["third", "second", "first"]);
    let window = Window::ending(NOW, Duration::from_secs(60));
    let old = journal.numbers(Some("shop"), &window).secrets["old"];
    assert_eq!(
        (old.count, old.last),
        (1, Some(NOW)),
        "one since the start, and when it matched is remembered"
    );
    journal.close();

    let export = folder.path().join("export.jsonl");
    std::fs::write(&export, format!("{}\n\n{}\n", after, found.whole(None, &[], true))).unwrap();
    let read = |path: &std::path::Path| {
        let mut read = Vec::new();
        recorded(path, |one| {
            let request = one.request.map(|request| {
                (
                    request.origin,
                    request.target,
                    request.headers["x-a"].clone(),
                    request.body.len(),
                    request.redacted,
                )
            });
            read.push((one.id, one.reason, request));
        })
        .map(|_| read)
    };
    let request = |redacted: bool| {
        let length = if redacted { 29 } else { 18 };
        Some((
            "https://hooks.example".to_owned(),
            "/webhooks/github?x=1".to_owned(),
            "1".parse().unwrap(),
            length,
            redacted,
        ))
    };
    let first = |redacted| ("first".to_owned(), Reason::SignatureMismatch, request(redacted));
    let files = read(&options.folder.clone().unwrap()).unwrap();
    assert_eq!((files.len(), &files[0], &files[2].2), (3, &first(false), &None));
    let lines = read(&export).unwrap();
    assert_eq!((lines.len(), &lines[0], &lines[1].2), (2, &first(true), &None));
    std::fs::write(&export, "{}\n").unwrap();
    assert!(read(&export).unwrap_err().contains("export.jsonl:1: this is no line of"));
}

#[test]
fn a_damaged_file_is_set_aside_and_one_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let options = JournalOptions { bounds: LARGE, folder: Some(path.clone()) };
    let shop = about(Some("shop"));
    let first = Journal::start(&options, NOW).unwrap();
    first.enter(Arc::new(entry("first", &shop, true, None)));
    let second = Journal::start(&options, NOW.saturating_add(Duration::from_secs(1))).unwrap();
    assert!(second.condition().error.unwrap().contains("in use by another process"));
    second.enter(Arc::new(entry("other", &shop, true, None)));
    assert!(second.find("other").is_some(), "it serves from memory");
    first.close();
    let until = clock::monotonic() + Duration::from_secs(30);
    while !second.condition().durable {
        assert!(clock::monotonic() < until, "{:?}", second.condition());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(
        ids(&second.list(&Filter::default(), None, 9)),
        ["other", "first"],
        "what the other process wrote comes before"
    );
    second.close();
    let third = Journal::start(&options, NOW).unwrap();
    assert_eq!(ids(&third.list(&Filter::default(), None, 9)), ["other", "first"]);
    third.close();

    std::fs::write(path.join("journal.redb"), b"no database").unwrap();
    let journal = Journal::start(&options, NOW).unwrap();
    assert_eq!((journal.condition().durable, journal.condition().error), (true, None));
    let aside = std::fs::read_dir(&path)
        .unwrap()
        .any(|file| file.unwrap().file_name().to_string_lossy().starts_with("journal.redb.damaged-"));
    assert!(aside, "nothing is thrown away");
    journal.enter(Arc::new(entry("anew", &shop, true, None)));
    journal.close();
    let journal = Journal::start(&options, NOW).unwrap();
    assert!(journal.find("anew").is_some() && journal.find("first").is_none());
    journal.close();
}

#[test]
fn entries_are_taken_over_while_a_file_is_being_opened() {
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { bounds: LARGE, folder: Some(folder.path().join("journal")) };
    let older = Journal::start(&options, NOW).unwrap();
    let journal = Journal::start(&options, NOW.saturating_add(Duration::from_secs(1))).unwrap();
    let inner = journal.0.as_ref().unwrap();
    // As far as the others can tell it is open at any time now, and that goes on for as long as this is held.
    let opening = inner.late.lock();
    let until = clock::monotonic() + Duration::from_secs(60);
    for number in 1..=3 {
        journal.enter(Arc::new(entry("x", &about(Some("shop")), true, None)));
        while journal.held().0 < number {
            assert!(clock::monotonic() < until, "nobody takes entries over");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
    drop(opening);
    older.close();
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
