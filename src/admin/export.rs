//! The export of the journal: JSON lines, made in pieces, so that neither many deliveries nor large ones fill the memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::deliveries::{FILTER, bad};
use super::query::Query;
use super::{Admin, Refused};
use crate::journal::Filter;

/// Deliveries that are looked up at once.
const AT_ONCE: usize = 64;
/// Bytes of lines after which a piece ends, whatever the last line adds to them.
const PIECE: usize = 1 << 20;
/// Exports at once. Each holds a piece, and a delivery in all its forms while its line is made.
const EXPORTS: usize = 4;

/// An export that goes on.
pub(super) struct Export {
    filter: Filter,
    after: Option<u64>,
    _place: OwnedSemaphorePermit,
}

/// The room for exports.
pub(super) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(EXPORTS))
}

impl Admin {
    /// The export of what a query chooses, if there is room for one more.
    pub(super) fn export(&self, query: &str) -> Result<Export, Refused> {
        let filter = self.filter(&Query::read(query, &FILTER).map_err(bad)?)?;
        let place = Arc::clone(&self.exports).try_acquire_owned();
        let place = place.map_err(|_| {
            Refused(
                503,
                format!("{EXPORTS} exports are under way already; ask again when one of them has ended"),
            )
        })?;
        Ok(Export { filter, after: None, _place: place })
    }

    /// The next lines of an export; `None` at its end. It may block.
    pub(super) fn exported(&self, export: &mut Export) -> Option<String> {
        let found = self.journal().oldest_first(&export.filter, export.after, AT_ONCE);
        let mut lines = String::new();
        for found in &found {
            lines.push_str(&self.whole(found, true).to_string());
            lines.push('\n');
            export.after = Some(found.entry.number);
            if lines.len() >= PIECE {
                break;
            }
        }
        (!lines.is_empty()).then_some(lines)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::admin::service::tests::serve;
    use crate::admin::{Status, app};
    use crate::journal::tests::{LARGE, NOW, about, entry};
    use crate::journal::{Entry, Followed, Journal, JournalOptions};
    use crate::metrics::Gauges;
    use crate::verify::Locator;

    /// A gateway of which nothing matters but its journal.
    struct Keeper {
        journal: Journal,
        breaks: AtomicBool,
        hidden: parking_lot::Mutex<Vec<Locator>>,
    }

    impl Status for Keeper {
        fn ready(&self) -> Result<(), Vec<String>> {
            Ok(())
        }

        fn gauges(&self) -> Gauges {
            Gauges::default()
        }

        fn routes(&self) -> Value {
            json!([])
        }

        fn first_contacts(&self) -> Value {
            json!([])
        }

        fn config(&self) -> Value {
            json!({})
        }

        fn reload(&self) -> Result<Value, String> {
            Err("it cannot".to_owned())
        }

        fn journal(&self) -> Journal {
            self.journal.clone()
        }

        fn redact(&self, _route: &str) -> Vec<Locator> {
            assert!(!self.breaks.load(Ordering::Relaxed), "something of ours breaks");
            self.hidden.lock().clone()
        }
    }

    fn keeper(entries: usize, body: usize) -> Arc<Keeper> {
        let journal = Journal::start(&JournalOptions { bounds: LARGE, folder: None }, NOW).unwrap();
        let (shop, body) = (about(Some("shop")), format!("[\"{}\"]", "x".repeat(body)));
        for number in 0..entries {
            journal.enter(Arc::new(entry(&format!("evt-{number}"), &shop, true, Some(body.as_bytes()))));
        }
        Arc::new(Keeper { journal, breaks: AtomicBool::new(false), hidden: parking_lot::Mutex::default() })
    }

    /// The answer to an export, as far as it comes.
    async fn exported(keeper: &Arc<Keeper>, version: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let server = tokio::spawn(serve(listener, app(Arc::clone(keeper) as _, Arc::default(), None)));
        let request = format!("GET /api/deliveries/export HTTP/{version}\r\nHost: localhost\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(60), client.read_to_string(&mut answer)).await;
        read.expect("it hangs").unwrap();
        server.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn an_export_in_which_something_breaks_does_not_look_whole() {
        let keeper = keeper(3, 10);
        let whole = exported(&keeper, "1.1").await;
        assert!(whole.starts_with("HTTP/1.1 200 ") && whole.ends_with("\r\n0\r\n\r\n"), "{whole}");
        keeper.breaks.store(true, Ordering::Relaxed);
        let broken = exported(&keeper, "1.1").await;
        assert!(broken.starts_with("HTTP/1.1 200 ") && !broken.contains("\r\n0\r\n"), "{broken}");
        // Without chunks nothing but a line can say it.
        let broken = exported(&keeper, "1.0").await;
        let (_, body) = broken.split_once("\r\n\r\n").unwrap();
        assert!(body.contains("\"error\""), "{broken}");
        let read = crate::journal::recorded_lines(body.as_bytes(), "the export", |_| ());
        assert!(read.unwrap_err().contains("this is no line of"));
        keeper.journal.close();
    }

    #[tokio::test]
    async fn what_the_configuration_in_force_hides_is_not_found_by_its_parts() {
        let keeper = keeper(2, 10);
        let admin = Admin::new(Arc::clone(&keeper) as _, Arc::default(), None);
        let mut follower = admin.follow("q=evt-evt-", None).unwrap();
        let found = |query: &str| {
            let listed: Value = serde_json::from_slice(&admin.list(query).unwrap().body).unwrap();
            let exported = admin.exported(&mut admin.export(query).unwrap()).unwrap_or_default();
            (listed["deliveries"].as_array().unwrap().len(), exported.lines().count())
        };
        assert_eq!((found("q=evt-evt-"), found("event_type=pu*")), ((2, 2), (2, 2)));
        // A reload later.
        *keeper.hidden.lock() = vec!["header:x-github-delivery".parse().unwrap()];
        assert_eq!((found("q=evt-evt-"), found("event_type=pu*")), ((0, 0), (2, 2)));
        let next = Arc::new(entry("next", &about(Some("shop")), true, None));
        keeper.journal.enter(Arc::new(Entry { event_id: Some("evt-evt-3".into()), ..Entry::clone(&next) }));
        assert_eq!(found("q=evt-evt-").0, 0, "it is taken over");
        *keeper.hidden.lock() = vec!["json:/type".parse().unwrap()];
        assert_eq!((found("q=evt-evt-"), found("event_type=pu*")), ((3, 3), (0, 0)));
        keeper.journal.enter(Arc::new(Entry { event_id: Some("evt-evt-4".into()), ..Entry::clone(&next) }));
        assert_eq!(found("q=evt-evt-").0, 4);
        let Some(Followed::Entry(told)) = follower.next().await else { panic!("an entry") };
        assert_eq!(
            told.entry.event_id.as_deref(),
            Some("evt-evt-4"),
            "the one before was not to be shown then"
        );
        keeper.journal.close();
    }

    #[test]
    fn a_piece_is_bounded_by_its_bytes_and_nothing_is_left_out() {
        let keeper = keeper(40, 300_000);
        let admin = Admin::new(Arc::clone(&keeper) as _, Arc::default(), None);
        let mut export = admin.export("").unwrap();
        let (mut lines, mut pieces) = (0, 0);
        while let Some(piece) = admin.exported(&mut export) {
            // A line is the body twice at most, and base64 makes it a third longer.
            assert!(piece.len() < PIECE + 1_000_000, "{}", piece.len());
            lines += piece.lines().count();
            pieces += 1;
        }
        assert_eq!((lines, pieces > 10), (40, true), "{pieces}");
        keeper.journal.close();
    }

    #[tokio::test]
    async fn so_many_exports_at_once_are_enough() {
        let keeper = keeper(1, 10);
        let admin = Admin::new(Arc::clone(&keeper) as _, Arc::default(), None);
        let all: Vec<_> = (0..EXPORTS).map(|_| admin.export("").unwrap()).collect();
        let refused = admin.export("route=shop").err().unwrap();
        assert_eq!(refused.0, 503);
        assert!(refused.1.contains("4 exports are under way already"), "{}", refused.1);
        drop(all);
        assert!(admin.export("").is_ok());
        keeper.journal.close();
    }
}
