//! The journal with its file: restart, damage, a file that another process has, and what is known after all that.

use std::sync::Arc;
use std::time::Duration;

use super::book::Book;
use super::tests::{DAY, LARGE, NOW, about, entry, ids};
use super::*;
use crate::admit::Reason;
use crate::verify::Locator;

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

fn wait_until_durable(journal: &Journal) {
    let until = clock::monotonic() + Duration::from_secs(60);
    while !journal.condition().durable {
        assert!(clock::monotonic() < until, "{:?}", journal.condition());
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A refused delivery, its release, and so much afterwards that the release's own entry has to go.
fn release_and_forget_how(journal: &Journal) {
    let (shop, busy) = (about(Some("shop")), about(Some("busy")));
    journal.enter(Arc::new(entry("first", &shop, false, Some(b"{}"))));
    let number = journal.find("first").unwrap().entry.number;
    let mut release = entry("release", &shop, true, None);
    release.origin = Some(Box::new(Origin { how: Again::Release, id: "first".into(), number }));
    journal.enter(Arc::new(release));
    for number in 0..20 {
        let about = if number < 10 { &shop } else { &busy };
        journal.enter(Arc::new(entry(&number.to_string(), about, true, None)));
    }
    assert!(journal.find("release").is_none());
}

#[test]
fn what_was_released_is_not_released_anew_once_its_release_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { entries: 8, ..LARGE };
    let options = JournalOptions { bounds, folder: Some(folder.path().join("journal")) };
    let journal = Journal::start(&options, NOW).unwrap();
    release_and_forget_how(&journal);
    journal.close();
    let journal = Journal::start(&options, NOW).unwrap();
    let found = journal.find("first").unwrap();
    assert_eq!((found.is_released(), found.why_not_releasable()), (true, Some("it was released already")));
    assert_eq!(found.summary(&[])["releasable"], false);
    assert_eq!(journal.kept(&found.entry).unwrap().body, b"{}"[..], "what is kept of it is still there");
    // Behind an older process the file is opened late.
    let late = Journal::start(&options, NOW.saturating_add(Duration::from_secs(1))).unwrap();
    release_and_forget_how(&late);
    let before = late.find("first").unwrap();
    journal.close();
    wait_until_durable(&late);
    let after = late.find("first").unwrap();
    assert!(after.is_released());
    assert_eq!((after.marks.len(), &after.marks), (1, &before.marks));
    late.close();
}

#[test]
fn two_processes_that_gave_the_same_numbers_lose_nothing_when_one_takes_the_file_over() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { entries: 40, ..LARGE };
    let options = JournalOptions { bounds, folder: Some(folder.path().join("journal")) };
    // They start in the same millisecond, or the clock was set back in between.
    let older = Journal::start(&options, NOW).unwrap();
    let journal = Journal::start(&options, NOW).unwrap();
    let shop = about(Some("shop"));
    for number in 0..3 {
        older.enter(Arc::new(entry(&format!("old-{number}"), &shop, false, Some(b"[0]"))));
        journal.enter(Arc::new(entry(&format!("new-{number}"), &shop, false, Some(b"[1]"))));
    }
    let released = |journal: &Journal, id: &str, first: &Found| {
        let mut release = entry(id, &shop, true, None);
        let (id, number) = (first.entry.id.clone(), first.entry.number);
        release.origin = Some(Box::new(Origin { how: Again::Release, id, number }));
        journal.enter(Arc::new(release));
    };
    released(&journal, "early", &journal.find("new-1").unwrap());
    let under_way = journal.find("new-2").unwrap();
    assert_eq!(under_way.entry.number, older.find("old-2").unwrap().entry.number);
    older.close();
    wait_until_durable(&journal);
    released(&journal, "late", &under_way);
    let check = |journal: &Journal| {
        let all = ids(&journal.list(&Filter::default(), None, 9));
        assert_eq!(all, ["late", "early", "new-2", "new-1", "new-0", "old-2", "old-1", "old-0"]);
        for (id, released) in
            [("old-1", false), ("old-2", false), ("new-0", false), ("new-1", true), ("new-2", true)]
        {
            let found = journal.find(id).unwrap();
            let body = if id.starts_with("old") { &b"[0]"[..] } else { &b"[1]"[..] };
            assert_eq!(
                (found.is_released(), &journal.kept(&found.entry).unwrap().body[..]),
                (released, body),
                "{id}"
            );
        }
        assert_eq!(&*journal.find("new-1").unwrap().marks[0].id, "early");
    };
    check(&journal);
    journal.close();
    let journal = Journal::start(&options, NOW).unwrap();
    check(&journal);
    // Whoever has to go can.
    for number in 0..200 {
        journal.enter(Arc::new(entry(&number.to_string(), &shop, number % 2 == 0, None)));
    }
    assert!(journal.held().0 <= 40);
    journal.close();
}

#[test]
fn a_number_that_comes_twice_is_the_later_entrys() {
    let mut book = Book::new(Bounds { entries: 4, ..LARGE }, 0);
    let mut gone = Vec::new();
    let mut take = |book: &mut Book, number: u64, route: &str, since: UnixTime| {
        let entry = Entry { number, ..entry("x", &about(Some(route)), true, None) };
        book.append(Arc::new(entry), since, &mut gone);
    };
    let later = NOW.saturating_add(Duration::from_secs(60));
    take(&mut book, 1, "shop", NOW);
    take(&mut book, 1, "billing", later);
    assert_eq!((book.len(), book.first().unwrap().about.route.as_deref()), (1, Some("billing")));
    for number in 2..9 {
        take(&mut book, number, "shop", later);
    }
    assert_eq!(book.len(), 4);
    let mut gone = Vec::new();
    book.expire(later.saturating_add(DAY + Duration::from_secs(1)), &mut gone);
    assert_eq!((book.len(), book.bytes(), gone.len()), (0, 0, 4));
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
fn no_hash_of_what_is_not_shown_is_shown_whatever_is_kept() {
    let places = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Locator>>();
    let journal = Journal::start(&JournalOptions { bounds: LARGE, folder: None }, NOW).unwrap();
    let of_key = |id: &str, key: Option<&[&str]>, body: Option<&[u8]>| {
        let about = Arc::new(About { key: key.map(places), ..About::default() });
        journal.enter(Arc::new(entry(id, &about, true, body)));
        journal.find(id).unwrap()
    };
    let header = Some(&["header:x-id"][..]);
    for (id, key, body, redact, shows) in [
        ("nothing", header, None, &[][..], (true, true)),
        ("of the head", header, None, &["query:token", "header:x-other"], (true, true)),
        ("of the key", header, None, &["header:x-id"], (true, false)),
        ("json", header, None, &["json:/card"], (false, true)),
        ("one of several", header, None, &["header:x-other|form:card"], (false, true)),
        ("body", Some(&["json:/id"]), None, &["body"], (false, false)),
        ("the body's hash is the key", Some(&["body"]), None, &["form:card"], (false, false)),
        ("not in this body", header, Some(&b"{}"[..]), &["json:/card"], (true, true)),
        ("in this body", header, Some(b"{\"card\":1}"), &["json:/card"], (false, true)),
        ("of an older version", None, None, &["header:x-other"], (true, false)),
        ("of an older version, all shown", None, None, &[], (true, true)),
    ] {
        let found = of_key(id, key, body);
        let told = found.whole(journal.kept(&found.entry).as_ref(), &places(redact), false);
        assert_eq!((told["body_xxh128"].is_string(), told["dedupe"]["key"].is_string()), shows, "{id}");
        assert!(shows.0 || told["body_sha256"].is_null(), "{id}");
    }
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
