//! `sealpost check FILE --against JOURNAL`: which recorded deliveries the file would decide otherwise.

mod judge;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;

use serde_json::{Value, json};

use super::args::CheckArguments;
use super::grid::{Grid, room, whole};
use super::journal::Admin;
use super::output::{Failure, Outcome, Paint, print, print_json};
use super::plain::{plain, time};
use super::values;
use crate::config::Config;
use crate::journal::{Recorded, recorded, recorded_lines};
use judge::{Decision, judge};

/// Judges the journal and prints what would change.
pub(super) fn execute(config: &Config, arguments: &CheckArguments) -> Outcome {
    let against = arguments.against.as_deref().unwrap_or_default();
    let mut report = Report::default();
    let unreadable = read(against, arguments, |recorded| report.take(config, &recorded))?;
    report.left_out(unreadable);
    if arguments.json {
        print_json(&report.as_json(config))?;
    } else {
        print(&report.shown(&arguments.file.display().to_string()))?;
    }
    if report.changed.is_empty() { Ok(()) } else { Err(Failure::No) }
}

/// Gives every delivery of the journal to `take`, wherever that is, and says how many cannot be read.
fn read(against: &str, arguments: &CheckArguments, take: impl FnMut(Recorded)) -> Result<u64, Failure> {
    let path = Path::new(against);
    if path.exists() {
        // Whoever names the database means its folder.
        let database = path.extension().is_some_and(|extension| extension == "redb");
        let path = path.parent().filter(|_| database).unwrap_or(path);
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        return recorded(path, take).map_err(Failure::Failed);
    }
    let Ok(base) = values::admin(against) else {
        return Err(Failure::Usage(format!(
            "there is no {against}: --against takes a journal's folder, a file of `sealpost deliveries --export`, or an \
             admin address such as 127.0.0.1:9090"
        )));
    };
    let admin = Admin::at(base, arguments.token.as_ref(), Some(&arguments.file))?;
    let lines = admin.open("/api/deliveries/export", &[], None, None)?;
    recorded_lines(BufReader::new(lines), admin.base(), take).map(|()| 0).map_err(Failure::Failed)
}

/// One delivery that would be decided otherwise.
struct Change {
    id: String,
    time: i64,
    route_then: Option<String>,
    route_now: Option<String>,
    /// The word of then; what was let through has that of what became of it.
    then: String,
    decisions: (Decision, Decision),
    why: Option<String>,
}

#[derive(Default)]
struct Report {
    recorded: u64,
    same: u64,
    /// Decided the same, but by another route.
    moved: u64,
    /// Releases and redeliveries.
    again: u64,
    changed: Vec<Change>,
    not_judged: BTreeMap<&'static str, u64>,
}

impl Report {
    /// So many could not be read where they are stored.
    fn left_out(&mut self, unreadable: u64) {
        if unreadable > 0 {
            self.recorded = self.recorded.saturating_add(unreadable);
            self.not_judged.insert("what is stored of it cannot be read", unreadable);
        }
    }

    fn take(&mut self, config: &Config, recorded: &Recorded) {
        if recorded.again {
            self.again = self.again.saturating_add(1);
            return;
        }
        self.recorded = self.recorded.saturating_add(1);
        let both = Decision::then(recorded).and_then(|then| Ok((then, judge(config, recorded)?)));
        let (then, now) = match both {
            Ok(both) => both,
            Err(why) => {
                let count = self.not_judged.entry(why).or_default();
                *count = count.saturating_add(1);
                return;
            }
        };
        let route_now = now.route.map(|route| route.name.clone());
        if then == now.decision {
            self.same = self.same.saturating_add(1);
            self.moved = self.moved.saturating_add(u64::from(route_now != recorded.route));
            return;
        }
        let shadow = if recorded.shadow { " (shadow)" } else { "" };
        self.changed.push(Change {
            id: recorded.id.clone(),
            time: recorded.received.millis(),
            route_then: recorded.route.clone(),
            route_now,
            then: format!("{}{shadow}", recorded.reason.word()),
            decisions: (then, now.decision),
            why: now.why,
        });
    }

    fn judged(&self) -> u64 {
        self.same.saturating_add(u64::try_from(self.changed.len()).unwrap_or(u64::MAX))
    }

    fn as_json(&self, config: &Config) -> Value {
        let changed: Vec<Value> = self
            .changed
            .iter()
            .map(|change| {
                json!({
                    "id": change.id,
                    "time": change.time,
                    "route_then": change.route_then,
                    "route_now": change.route_now,
                    "then": change.then,
                    "now": change.decisions.1.word(),
                    "why": change.why,
                })
            })
            .collect();
        let not_judged: Vec<Value> =
            self.not_judged.iter().map(|(why, count)| json!({ "why": why, "count": count })).collect();
        json!({
            "valid": true,
            "hash": config.hash,
            "recorded": self.recorded,
            "judged": self.judged(),
            "unchanged": self.same,
            "unchanged_on_another_route": self.moved,
            "changed": changed,
            "not_judged": not_judged,
            "releases_and_redeliveries": self.again,
        })
    }

    fn shown(&self, file: &str) -> String {
        let paint = Paint::stdout();
        let mut out = self.table(paint);
        let mut kinds: BTreeMap<(Decision, Decision), usize> = BTreeMap::new();
        for change in &self.changed {
            *kinds.entry(change.decisions).or_default() += 1;
        }
        for ((then, now), count) in &kinds {
            out.push_str(&format!("{count:>6}  {} → {}\n", then.word(), now.word()));
        }
        if !kinds.is_empty() {
            out.push('\n');
        }
        let judged = format!("{} deliveries recorded, {} judged", self.recorded, self.judged());
        let verdict = match self.changed.len() {
            0 if self.judged() == 0 => paint.caution("nothing can be said"),
            0 => paint.good("none would be decided otherwise"),
            count => paint.bad(&format!("{count} would be decided otherwise")),
        };
        out.push_str(&format!("{verdict} under {}: {judged}\n", plain(file)));
        let mut note = |count: u64, what: &str| {
            if count > 0 {
                out.push_str(&paint.caution(&format!("{count:>6}  {what}")));
                out.push('\n');
            }
        };
        for (why, count) in &self.not_judged {
            note(*count, &format!("not judged: {why}"));
        }
        note(self.moved, "decided the same, but by a route of another name");
        note(self.again, "releases and redeliveries, judged as what they were made from");
        if self.judged() > 0 {
            out.push_str(&paint.faint("Whether an event was seen before is not judged."));
            out.push('\n');
        }
        out
    }

    fn table(&self, paint: Paint) -> String {
        if self.changed.is_empty() {
            return String::new();
        }
        let route = |change: &Change| {
            let name = |route: &Option<String>| route.as_deref().map_or_else(|| "-".to_owned(), plain);
            let (then, now) = (name(&change.route_then), name(&change.route_now));
            if then == now { then } else { format!("{then} → {now}") }
        };
        let rows: Vec<Vec<String>> = self
            .changed
            .iter()
            .map(|change| {
                vec![
                    plain(&change.id),
                    time(change.time),
                    route(change),
                    format!("{} → {}", plain(&change.then), change.decisions.1.word()),
                    change.why.as_deref().map_or_else(|| "-".to_owned(), plain),
                ]
            })
            .collect();
        let columns = vec![
            whole("ID"),
            whole("TIME").goes(1),
            whole("ROUTE").cut_to(8).goes(3),
            whole("DECIDED"),
            whole("WHY").cut_to(20).goes(2),
        ];
        let grid = Grid::new(columns, &rows, room());
        let mut out = grid.heading(paint);
        rows.iter().for_each(|row| out.push_str(&grid.line(row, |_, cell| cell.to_owned())));
        out.push('\n');
        out
    }
}
