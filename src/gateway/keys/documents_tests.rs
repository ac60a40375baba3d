//! What is kept, for how long, and what goes first.

use super::*;
use crate::catalog;

const SET: &str =
    r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn job() -> Job {
    let provider = catalog::find("standard-webhooks-ed25519").unwrap();
    Job::new(&"https://example.com/jwks".parse().unwrap(), None, &KeySource::set(String::new()), &provider)
}

/// An entry whose document came at `start` and lives for an hour.
fn entry(job: &Job, start: Instant) -> Entry {
    let keys = job.prepare(SET).unwrap();
    let document = Document { keys, fetched: start, text: SET.into(), provider: Arc::clone(&job.provider) };
    let entry = Entry::default();
    *entry.kept.lock() = Kept {
        document: Some(Arc::new(document)),
        expires: Some(start + Duration::from_secs(3600)),
        ..Kept::default()
    };
    entry
}

fn word(answer: Option<Result<Arc<Document>, Unavailable>>) -> &'static str {
    match answer {
        None => "fetch",
        Some(Ok(_)) => "document",
        Some(Err(_)) => "unavailable",
    }
}

#[test]
fn a_document_is_used_while_it_lives_and_beyond_that_while_its_host_is_away() {
    let (job, start) = (job(), clock::monotonic());
    let entry = entry(&job, start);
    let at = |seconds: u64| word(entry.answer(&job, Need::Any, start + Duration::from_secs(seconds)));
    assert_eq!((at(0), at(3599), at(3600)), ("document", "document", "fetch"));
    let failed = |seconds: u64| {
        entry.kept.lock().failed = Some((start + Duration::from_secs(seconds), Unavailable("away".into())));
    };
    failed(3600);
    assert_eq!(
        (at(3600), at(3601), at(3602)),
        ("document", "document", "fetch"),
        "asked again after a pause"
    );
    let day = 24 * 3600;
    failed(3600 + day - 1);
    assert_eq!((at(3600 + day - 1), at(3600 + day)), ("document", "unavailable"), "not for ever");
}

#[test]
fn a_missing_key_is_looked_for_once_a_minute() {
    let (job, start) = (job(), clock::monotonic());
    let entry = entry(&job, start);
    let at =
        |seconds: u64| word(entry.answer(&job, Need::NewerThan(start), start + Duration::from_secs(seconds)));
    assert_eq!(at(1), "fetch");
    entry.kept.lock().refreshed = Some(start + Duration::from_secs(1));
    assert_eq!((at(1), at(60), at(61)), ("unavailable", "unavailable", "fetch"));
    let older = Need::NewerThan(start - Duration::from_millis(1));
    assert_eq!(word(entry.answer(&job, older, start + Duration::from_secs(2))), "document");
}

#[test]
fn nothing_but_public_keys_comes_of_a_document() {
    let hs256 = catalog::find("netlify").unwrap();
    for text in ["<html>not found</html>", SET, "{}", ""] {
        assert!(prepare(&hs256, text).is_err(), "{text} would be a shared secret that everybody has");
    }
    assert!(prepare(&job().provider, SET).is_ok());
    assert!(prepare(&job().provider, "<html>not found</html>").is_err());
}

#[tokio::test]
async fn what_was_never_there_makes_room_first() {
    let documents = Arc::new(Documents::new(Metrics::new()));
    let of = |number: usize| Job { url: format!("https://example.com/{number}"), ..job() };
    let first = documents.entry(&of(0), || true).unwrap();
    *first.kept.lock() = std::mem::take(&mut *entry(&of(0), clock::monotonic()).kept.lock());
    for number in 1..3 * MOST {
        documents.entry(&of(number), || true).unwrap();
    }
    assert_eq!(documents.entries.lock().len(), MOST);
    assert!(documents.entries.lock().contains_key(&of(0).name()), "the one that was fetched stays");
    assert!(documents.entry(&of(9999), || false).is_err());
}
