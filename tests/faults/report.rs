//! The table at the end: a column for each part of the run, and a row for each count.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::ledger::Ledger;
use super::verdict::{CAUSES, Verdict};

/// One part's column.
struct Column {
    name: &'static str,
    values: BTreeMap<String, String>,
}

/// The columns of the parts that are over, in this process.
static COLUMNS: Mutex<Vec<Column>> = Mutex::new(Vec::new());

/// The counts, in the order of the table.
const COUNTS: [&str; 8] = [
    "attempts of the senders",
    "answered as duplicates",
    "arrivals at the upstream",
    "accepted by the upstream",
    "sent anew because a kept connection had closed",
    "ended by the upstream's 409 or 410",
    "attempts that met a gateway on its way out",
    "store failures that nobody made",
];

/// Adds a part and prints the table as far as it goes (Markdown).
pub(crate) fn print(name: &'static str, ledger: &Ledger, verdict: &Verdict, took: Duration) {
    let mut rows: Vec<String> = Vec::new();
    let mut values = BTreeMap::new();
    let mut row = |label: &str, value: String| {
        rows.push(label.to_owned());
        values.insert(label.to_owned(), value);
    };
    row("events", ledger.stories.len().to_string());
    for count in COUNTS {
        row(count, verdict.counts.get(count).copied().unwrap_or_default().to_string());
    }
    let forged = ledger.forged.load(std::sync::atomic::Ordering::SeqCst);
    row("forged requests", forged.to_string());
    row("of them refused with 401", ledger.refused.load(std::sync::atomic::Ordering::SeqCst).to_string());
    row(
        "forged or changed requests at the upstream",
        ledger.foreign.load(std::sync::atomic::Ordering::SeqCst).to_string(),
    );
    for cause in CAUSES {
        row(
            &format!("accepted twice: {cause}"),
            verdict.causes.get(cause).copied().unwrap_or_default().to_string(),
        );
    }
    row("accepted twice, not allowed", verdict.not_allowed.to_string());
    row("events lost", verdict.lost.to_string());
    for (label, of_a_hundred) in [("p50", 50), ("p99", 99), ("longest", 100)] {
        let at = (verdict.times.len() * of_a_hundred / 100).min(verdict.times.len().saturating_sub(1));
        let time = verdict.times.get(at).copied().unwrap_or_default();
        row(&format!("time to acceptance, {label}"), format!("{} ms", time.as_millis()));
    }
    row("took", format!("{} s", took.as_secs()));
    let faults = ledger.faults.lock().unwrap().clone();
    let mut columns = COLUMNS.lock().unwrap();
    for (fault, count) in faults {
        values.insert(fault.to_owned(), count.to_string());
    }
    columns.push(Column { name, values });
    let mut faults: Vec<String> = columns
        .iter()
        .flat_map(|column| column.values.keys().cloned())
        .filter(|key| !rows.contains(key))
        .collect();
    faults.sort();
    faults.dedup();
    let line = |label: &str, value: &dyn Fn(&Column) -> String| {
        let cells: Vec<String> = columns.iter().map(value).collect();
        println!("| {label} | {} |", cells.join(" | "));
    };
    println!();
    line("", &|column| column.name.to_owned());
    println!("|---{}|", "|---:".repeat(columns.len()));
    for label in &rows {
        line(label, &|column| column.values.get(label).cloned().unwrap_or_default());
    }
    line("**faults injected**", &|_| String::new());
    for fault in &faults {
        line(fault, &|column| column.values.get(fault).cloned().unwrap_or_default());
    }
    println!();
}
