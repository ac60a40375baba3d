//! The file under damage, a kill and a disk that does not take anything.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Builder, ReadableDatabase as _, ReadableTableMetadata as _};

use super::file::{ABOUTS, ENTRIES};
use super::writer::RETRY;
use super::*;
use crate::clock;
use crate::journal::tests::{LARGE, NOW, about, entry};

/// A file whose thread does nothing: whoever has the writer says when it writes.
struct Still {
    shared: Arc<Shared>,
    writer: Writer,
    book: Arc<RwLock<Book>>,
}

impl Still {
    fn open(folder: &Path) -> Self {
        let mut book = Book::new(LARGE, 0);
        let opened =
            Opened::open(folder, NOW, |entry| drop(book.append(Arc::new(entry), NOW, &mut Vec::new())))
                .unwrap();
        let book = Arc::new(RwLock::new(book));
        let shared = Arc::new(Shared {
            path: opened.path,
            database: RwLock::new(Some(opened.database)),
            desk: Mutex::default(),
            arrived: Condvar::new(),
            error: Mutex::new(None),
        });
        let writer = Writer::new(Arc::clone(&shared), opened.loaded, Arc::clone(&book));
        Self { shared, writer, book }
    }

    /// Takes an entry down, as the journal does.
    fn enter(&self, mut entry: Entry) -> u64 {
        let mut book = self.book.write();
        entry.number = book.next_number();
        let entry = Arc::new(entry);
        self.shared.desk.lock().entries.push(Arc::downgrade(&entry));
        let number = entry.number;
        book.append(entry, NOW, &mut Vec::new());
        number
    }

    /// It leaves memory. The writer is not told yet.
    fn leaves(&self, number: u64) {
        let mut book = self.book.write();
        let left: Vec<_> = book.oldest_first(None).filter(|entry| entry.number != number).cloned().collect();
        let mut rest = Book::new(LARGE, book.last());
        left.into_iter().for_each(|entry| drop(rest.append(entry, NOW, &mut Vec::new())));
        *book = rest;
    }

    fn is_told(&self, gone: u64) {
        self.shared.desk.lock().gone.add(&[gone]);
    }

    fn writes(&mut self) {
        assert!(self.writer.turn());
    }

    /// The writer finds that nothing can be written now.
    fn fails(&mut self) {
        self.is_told(u64::MAX);
        drop(self.shared.database.write().take());
        assert!(!self.writer.turn(), "the file is not open");
    }

    fn rows(&self) -> (u64, u64) {
        let database = self.shared.database.read();
        let read = database.as_ref().unwrap().begin_read().unwrap();
        (read.open_table(ENTRIES).unwrap().len().unwrap(), read.open_table(ABOUTS).unwrap().len().unwrap())
    }

    /// What a process finds that opens the file as it is now: this one is killed.
    fn after_a_kill(&self) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(&self.shared.path, folder.path().join(FILE)).unwrap();
        let mut ids = Vec::new();
        let opened = Opened::open(folder.path(), NOW, |entry| ids.push(entry.id.to_string())).unwrap();
        assert_eq!(opened.loaded.unreadable, [0_u64; 0]);
        ids
    }
}

/// Writes this into the record of an entry.
fn damage(folder: &Path, number: u64, record: &[u8]) {
    let database = Builder::new().open(folder.join(FILE)).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(ENTRIES).unwrap().insert(number, record).unwrap();
    transaction.commit().unwrap();
    database.close().unwrap();
}

#[test]
fn a_row_that_cannot_be_read_costs_that_entry_alone() {
    let folder = tempfile::tempdir().unwrap();
    let shop = about(Some("shop"));
    let mut disk = Still::open(folder.path());
    let numbers: Vec<u64> =
        ["a", "b", "c", "d"].map(|id| disk.enter(entry(id, &shop, true, Some(b"{}")))).to_vec();
    disk.writes();
    drop(disk);
    damage(folder.path(), numbers[1], b"no record");
    // As a later version would write a reason that this one does not know.
    let database = Builder::new().open(folder.path().join(FILE)).unwrap();
    let record =
        database.begin_read().unwrap().open_table(ENTRIES).unwrap().get(numbers[2]).unwrap().unwrap();
    let later = String::from_utf8(record.value().to_vec()).unwrap().replace("forwarded", "of_tomorrow");
    drop((record, database));
    damage(folder.path(), numbers[2], later.as_bytes());

    let (mut ids, mut requests) = (Vec::new(), 0);
    let left_out = read(folder.path(), |entry, kept| {
        ids.push(entry.id.to_string());
        requests += usize::from(kept.is_some());
    });
    assert_eq!((left_out, ids, requests), (Ok(2), vec!["a".to_owned(), "d".to_owned()], 2));

    let mut disk = Still::open(folder.path());
    let held: Vec<String> = disk.book.read().oldest_first(None).map(|entry| entry.id.to_string()).collect();
    assert_eq!(held, ["a", "d"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the file was not set aside");
    // The rows stay as long as anything that is older, and what they need with them.
    disk.enter(entry("e", &about(Some("other")), true, None));
    disk.writes();
    assert_eq!(disk.rows(), (5, 2));
    for number in [numbers[0], numbers[3]] {
        disk.leaves(number);
        disk.is_told(number);
    }
    disk.writes();
    assert_eq!(disk.rows(), (1, 1), "only `e` is there");
}

#[test]
fn a_file_of_which_nothing_can_be_read_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = Still::open(folder.path());
    let number = disk.enter(entry("a", &about(Some("shop")), true, None));
    disk.writes();
    drop(disk);
    damage(folder.path(), number, b"no record");
    let disk = Still::open(folder.path());
    assert_eq!((disk.book.read().len(), disk.rows()), (0, (0, 0)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "and not thrown away");
}

#[test]
fn what_an_entry_needs_stays_in_the_file_until_its_row_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = Still::open(folder.path());
    // Of a configuration that was replaced: nobody but the entry has it.
    let first = disk.enter(entry("a", &about(Some("shop")), true, None));
    disk.writes();
    disk.leaves(first);
    disk.enter(entry("b", &about(Some("shop")), true, None));
    disk.writes();
    assert_eq!(disk.after_a_kill(), ["a", "b"], "its row has not gone yet");
    disk.is_told(first);
    disk.writes();
    assert_eq!((disk.after_a_kill(), disk.rows()), (vec!["b".to_owned()], (1, 1)));
}

#[test]
fn what_entries_need_is_known_again_after_a_write_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = Still::open(folder.path());
    let shop = about(Some("shop"));
    let first = disk.enter(entry("a", &shop, true, None));
    disk.writes();
    disk.enter(entry("b", &about(Some("other")), true, None));
    disk.fails();
    disk.enter(entry("c", &shop, true, None));
    disk.writes();
    assert_eq!((disk.after_a_kill(), disk.rows()), (vec!["a".into(), "b".into(), "c".into()], (3, 2)));
    disk.leaves(first);
    disk.is_told(first);
    disk.writes();
    assert_eq!((disk.after_a_kill(), disk.rows()), (vec!["b".into(), "c".into()], (2, 2)));
}

#[test]
fn what_waits_for_a_disk_that_takes_nothing_is_bounded_and_the_file_is_right_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = Still::open(folder.path());
    let shop = about(Some("shop"));
    let first = disk.enter(entry("first", &shop, true, None));
    disk.enter(entry("stays", &shop, true, None));
    disk.writes();
    disk.fails();
    let body = vec![b'x'; 1000];
    let leaving = Arc::downgrade(&{
        let number = disk.enter(entry("leaves", &shop, true, Some(&body)));
        let held = disk.book.read().oldest_first(Some(number - 1)).next().cloned().unwrap();
        disk.leaves(number);
        held
    });
    assert!(leaving.upgrade().is_none(), "what left the journal is not held for the disk");
    disk.leaves(first);
    disk.is_told(first);
    // Entries that came and went while nothing could be written.
    for number in 0..4 {
        let gone: Vec<u64> = (0..GONE as u64 / 2).map(|gone| 1_000_000 * (number + 1) + gone).collect();
        disk.shared.desk.lock().gone.add(&gone);
        disk.fails();
    }
    assert!(disk.shared.desk.lock().gone.none());
    assert!(matches!(disk.writer.owed.gone, Gone::AllButTheBook), "they are not named any more");
    disk.enter(entry("last", &shop, true, None));
    disk.writes();
    assert_eq!(disk.after_a_kill(), ["stays", "last"]);
}

#[test]
fn a_failing_disk_is_let_alone_whatever_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Still::open(folder.path());
    let (shared, over) = (Arc::clone(&disk.shared), Arc::new(AtomicBool::new(false)));
    let done = Arc::clone(&over);
    let arriving = std::thread::spawn(move || {
        while !done.load(Ordering::Relaxed) {
            shared.arrived.notify_all();
            std::thread::yield_now();
        }
    });
    let began = clock::monotonic();
    disk.writer.pause();
    assert!(began.elapsed() >= RETRY, "{:?}", began.elapsed());
    // The end of the journal is a reason not to wait.
    disk.shared.desk.lock().closed = true;
    disk.writer.pause();
    over.store(true, Ordering::Relaxed);
    arriving.join().unwrap();
}

#[test]
fn a_request_that_cannot_be_read_now_is_not_taken_for_one_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = Still::open(folder.path());
    let number = disk.enter(entry("kept", &about(Some("shop")), false, Some(b"{}")));
    disk.writes();
    let file = Disk { shared: Arc::clone(&disk.shared), thread: Mutex::new(None) };
    assert_eq!(file.kept(number).unwrap().unwrap().body, b"{}"[..]);
    assert_eq!(file.kept(number + 1), Ok(None));
    let open = disk.shared.database.write().take();
    assert!(file.kept(number).unwrap_err().contains("opened anew"));
    *disk.shared.database.write() = open;
    assert!(file.kept(number).unwrap().is_some());
}

#[test]
fn a_row_that_cannot_be_read_stays_until_all_before_it_has_gone_however_much_goes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = Still::open(folder.path());
    let shop = about(Some("shop"));
    let first = disk.enter(entry("first", &shop, true, None));
    let unreadable = disk.enter(entry("unreadable", &shop, true, None));
    disk.enter(entry("last", &shop, true, None));
    disk.writes();
    let database = disk.shared.database.write().take().unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(ENTRIES).unwrap().insert(unreadable, &b"nothing"[..]).unwrap();
    transaction.commit().unwrap();
    database.close().unwrap();
    let mut disk = Still::open(folder.path());
    disk.shared.desk.lock().gone = Gone::AllButTheBook;
    disk.writes();
    assert_eq!(disk.rows().0, 3);
    disk.leaves(first);
    disk.shared.desk.lock().gone = Gone::AllButTheBook;
    disk.writes();
    assert_eq!(disk.rows().0, 1, "everything older has gone");
}
