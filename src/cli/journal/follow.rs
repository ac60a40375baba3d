//! `sealpost deliveries --follow`: the stream of deliveries, taken up again where it was lost.

use std::io::{BufRead as _, BufReader, Read as _};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::ask::Admin;
use super::list::{Chosen, is_there_a_journal, newest};
use super::rows;
use crate::cli::grid::{Grid, room};
use crate::cli::output::{Failure, Outcome, Paint, complain, print};
use crate::journal::from_cursor;

/// How long one connection is read: one that died without a word is found out by then. The gateway says every 15 seconds that
/// it is there.
const LONGEST: Duration = Duration::from_secs(60);
/// How long it waits before it comes back to a gateway that is not there.
const PAUSE: Duration = Duration::from_secs(1);
/// More than any line of the stream.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;

/// Shows the newest `limit`, then each as it comes, until Ctrl-C or until nobody reads what is printed.
pub(super) fn follow(admin: Admin, chosen: Chosen, limit: u32, json: bool) -> Outcome {
    let cannot = |error: std::io::Error| Failure::Failed(format!("cannot wait for Ctrl-C: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    runtime.block_on(async {
        let mut interrupted = signal(SignalKind::interrupt()).map_err(cannot)?;
        // Both block, so they have threads, which end with the process.
        let ended =
            beside("follow", move || Follower::begin(admin, chosen, limit, json).and_then(Follower::go_on));
        let unread = beside("unread", wait_until_nobody_reads);
        let (ended, unread) = (ended.map_err(cannot)?, unread.map_err(cannot)?);
        tokio::select! {
            outcome = ended => outcome.unwrap_or(Ok(())),
            _ = interrupted.recv() => Ok(()),
            _ = unread => Ok(()),
        }
    })
}

/// Does it on a thread of its own.
fn beside<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<oneshot::Receiver<T>> {
    let (done, ended) = oneshot::channel();
    thread::Builder::new().name(format!("sealpost-{name}")).spawn(move || done.send(work()).is_ok())?;
    Ok(ended)
}

/// Waits until the reader of a pipe on standard output is gone, or its terminal; forever where nobody tells.
fn wait_until_nobody_reads() {
    let out = std::io::stdout();
    loop {
        let mut watched = [PollFd::new(&out, PollFlags::empty())];
        match poll(&mut watched, None) {
            Ok(_) if watched.iter().any(|out| !out.revents().is_empty()) => return,
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => loop {
                thread::park();
            },
        }
    }
}

struct Follower {
    admin: Admin,
    chosen: Chosen,
    json: bool,
    grid: Grid,
    paint: Paint,
    /// Everything up to here was shown.
    shown: Option<u64>,
}

impl Follower {
    /// Shows what is there.
    fn begin(admin: Admin, chosen: Chosen, limit: u32, json: bool) -> Result<Self, Failure> {
        let last = last(&admin)?;
        if last.is_none() {
            is_there_a_journal(&admin)?;
        }
        let mut known = newest(&admin, &chosen, limit)?.deliveries;
        known.reverse();
        let rows: Vec<Vec<String>> = known.iter().map(rows::cells).collect();
        let grid = Grid::new(rows::columns(true), &rows, room());
        let mut follower = Self { admin, chosen, json, grid, paint: Paint::stdout(), shown: last };
        if !json {
            print(&follower.grid.heading(follower.paint))?;
        }
        for delivery in &known {
            follower.print(delivery)?;
        }
        // What came between the two questions was shown, too.
        follower.shown = follower.shown.max(known.last().and_then(number));
        Ok(follower)
    }

    fn go_on(mut self) -> Outcome {
        let mut away = false;
        loop {
            // Whatever is in the journal now is told before the first sign of idleness.
            let opened = last(&self.admin).and_then(|last| Ok((last, self.open()?)));
            match opened {
                Ok((last, lines)) => {
                    if away {
                        complain("sealpost: it is back\n");
                    }
                    away = false;
                    self.read(lines, last)?;
                }
                Err(Failure::Failed(why)) => {
                    if !away {
                        complain(&format!("sealpost: {why}; trying again\n"));
                    }
                    away = true;
                    thread::sleep(PAUSE);
                }
                Err(other) => return Err(other),
            }
        }
    }

    fn open(&self) -> Result<ureq::BodyReader<'static>, Failure> {
        let after = self.shown.map(crate::journal::cursor);
        self.admin.open("/api/deliveries/stream", &self.chosen.query, after.as_deref(), Some(LONGEST))
    }

    /// Reads a stream to its end, however it ends.
    fn read(&mut self, lines: ureq::BodyReader<'static>, last: Option<u64>) -> Outcome {
        let mut lines = BufReader::new(lines);
        let (mut event, mut line) = (String::new(), Vec::new());
        loop {
            line.clear();
            match lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(0) => {
                    // A gateway that ends its streams at once is not asked a hundred times a second.
                    thread::sleep(PAUSE);
                    return Ok(());
                }
                // Its time is over, or the connection is lost.
                Err(_) => return Ok(()),
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\r', '\n']);
            if text.starts_with(": still here") {
                self.shown = self.shown.max(last);
            } else if let Some(name) = text.strip_prefix("event: ") {
                event = name.to_owned();
            } else if let Some(data) = text.strip_prefix("data: ") {
                let data: Value = serde_json::from_str(data).unwrap_or(Value::Null);
                match event.as_str() {
                    "delivery" => self.take(&data)?,
                    "lagged" => complain(&match data["missed"].as_u64() {
                        Some(missed) => format!("sealpost: {missed} deliveries came too fast and are left out here\n"),
                        None => "sealpost: some deliveries may be missing here: the journal does not hold all of them any more\n".to_owned(),
                    }),
                    _ => {}
                }
            }
        }
    }

    fn take(&mut self, delivery: &Value) -> Outcome {
        let number = number(delivery);
        if number <= self.shown && self.shown.is_some() {
            return Ok(());
        }
        self.shown = number;
        if self.chosen.wants(delivery) { self.print(delivery) } else { Ok(()) }
    }

    fn print(&self, delivery: &Value) -> Outcome {
        if self.json {
            return print(&format!("{delivery}\n"));
        }
        let paint = |column: usize, cell: &str| rows::painted(delivery, self.paint, column, cell);
        print(&self.grid.line(&rows::cells(delivery), paint))
    }
}

/// The number of the newest entry of all.
fn last(admin: &Admin) -> Result<Option<u64>, Failure> {
    let newest = admin.get("/api/deliveries", &[("limit", "1".to_owned())])?;
    Ok(newest["deliveries"].get(0).and_then(number))
}

fn number(delivery: &Value) -> Option<u64> {
    delivery["cursor"].as_str().and_then(from_cursor)
}
