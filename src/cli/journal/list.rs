//! `sealpost deliveries`: a list of them, or all of them as JSON lines.

use std::io::{BufRead, BufReader, Write, stdout};

use serde_json::{Value, json};

use super::ask::{Admin, Parameter};
use super::rows;
use crate::cli::args::DeliveriesArguments;
use crate::cli::grid::{Grid, room};
use crate::cli::output::{Failure, Outcome, Paint, print, print_json};
use crate::cli::plain::plain;

/// The most that one question gives.
const PAGE: usize = 500;

/// Which deliveries are asked for.
pub(super) struct Chosen {
    pub(super) query: Vec<Parameter>,
    /// The event's id or type, which the API has no single parameter for.
    event: Option<String>,
}

impl Chosen {
    pub(super) fn of(arguments: &DeliveriesArguments) -> Self {
        let mut event = arguments.event.clone();
        let pattern = event.take_if(|event| event.contains('*'));
        let query = [
            ("route", &arguments.route),
            ("reason", &arguments.reason),
            ("outcome", &arguments.outcome),
            ("sender", &arguments.sender),
            ("since", &arguments.since),
            ("until", &arguments.until),
            ("event_type", &pattern),
            // Whatever has the text somewhere; `wants` looks where.
            ("q", &event),
        ];
        let query = query.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        Self { query, event }
    }

    /// Whether a delivery that the query found is one.
    pub(super) fn wants(&self, delivery: &Value) -> bool {
        let Some(event) = self.event.as_deref() else { return true };
        delivery["event_id"] == event || delivery["event_type"] == event
    }
}

/// The newest of them.
pub(super) struct Newest {
    /// Newest first.
    pub(super) deliveries: Vec<Value>,
    /// The cursor before which there are more.
    next: Option<String>,
    held: u64,
}

/// Asks for the newest `limit`, page by page.
pub(super) fn newest(admin: &Admin, chosen: &Chosen, limit: u32) -> Result<Newest, Failure> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut newest = Newest { deliveries: Vec::new(), next: None, held: 0 };
    loop {
        let mut query = chosen.query.clone();
        let missing = limit.saturating_sub(newest.deliveries.len());
        let page = if chosen.event.is_some() { PAGE } else { missing.clamp(1, PAGE) };
        query.push(("limit", page.to_string()));
        query.extend(newest.next.take().map(|before| ("before", before)));
        let mut answer = admin.get("/api/deliveries", &query)?;
        newest.held = answer["total_held"].as_u64().unwrap_or_default();
        newest.next = answer["next"].as_str().map(str::to_owned);
        let found = match answer["deliveries"].take() {
            Value::Array(found) => found,
            _ => Vec::new(),
        };
        let mut wanted = found.into_iter().filter(|delivery| chosen.wants(delivery));
        newest.deliveries.extend(wanted.by_ref().take(missing));
        if wanted.next().is_some() {
            // There are more behind the last one that is shown, of this page already.
            newest.next =
                newest.deliveries.last().and_then(|last| last["cursor"].as_str()).map(str::to_owned);
        }
        if newest.deliveries.len() >= limit || newest.next.is_none() {
            return Ok(newest);
        }
    }
}

/// Prints the newest of them.
pub(super) fn list(admin: &Admin, chosen: &Chosen, limit: u32, json: bool) -> Outcome {
    let newest = newest(admin, chosen, limit)?;
    if newest.held == 0 {
        is_there_a_journal(admin)?;
    }
    if json {
        let Newest { deliveries, next, held } = newest;
        return print_json(&json!({ "deliveries": deliveries, "next": next, "total_held": held }));
    }
    let rows: Vec<Vec<String>> = newest.deliveries.iter().map(rows::cells).collect();
    let paint = Paint::stdout();
    let grid = Grid::new(rows::columns(false), &rows, room());
    let mut out = grid.heading(paint);
    for (delivery, row) in newest.deliveries.iter().zip(&rows) {
        out.push_str(&grid.line(row, |column, cell| rows::painted(delivery, paint, column, cell)));
    }
    let more = if newest.next.is_some() { "; there are older ones, see --limit" } else { "" };
    let told = format!("{} of {} in the journal{more}", newest.deliveries.len(), newest.held);
    out.push_str(&format!("\n{}\n", paint.faint(&told)));
    print(&out)
}

/// An empty journal and none at all look the same in a list.
pub(super) fn is_there_a_journal(admin: &Admin) -> Outcome {
    let stats = admin.get("/api/stats", &[])?;
    if stats["journal"]["enabled"] == false {
        return Err(Failure::Failed(format!(
            "the gateway at {} has no journal: its file says `journal: off`; take that out and restart it",
            admin.base()
        )));
    }
    Ok(())
}

/// Passes the export on, line by line.
pub(super) fn export(admin: &Admin, chosen: &Chosen) -> Outcome {
    let lines = BufReader::new(admin.open("/api/deliveries/export", &chosen.query, None, None)?);
    pass_on(lines, &mut stdout().lock(), chosen, admin.base())
}

fn pass_on(lines: impl BufRead, out: &mut impl Write, chosen: &Chosen, from: &str) -> Outcome {
    let broken =
        |why: &dyn std::fmt::Display| Failure::Failed(format!("the answer of {from} broke off: {why}"));
    for line in lines.split(b'\n') {
        let line = line.map_err(|error| broken(&error))?;
        if let Some(why) = error_alone(&line) {
            return Err(broken(&plain(&why)));
        }
        let wanted = chosen.event.is_none()
            || serde_json::from_slice(&line).is_ok_and(|delivery: Value| chosen.wants(&delivery));
        if wanted && !line.is_empty() {
            out.write_all(&line)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()?;
    Ok(())
}

/// What a line says that is no delivery. Behind a proxy that speaks HTTP/1.0 it is the only sign that an export is not whole.
fn error_alone(line: &[u8]) -> Option<String> {
    if !line.starts_with(b"{\"error\"") {
        return None;
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(line) else { return None };
    if fields.len() == 1 { Some(fields.get("error")?.as_str()?.to_owned()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_that_ends_with_an_error_is_not_taken_for_a_whole_one() {
        let all = Chosen { query: Vec::new(), event: None };
        let passed = |lines: &str| {
            let mut out = Vec::new();
            let outcome = pass_on(lines.as_bytes(), &mut out, &all, "here");
            (outcome, String::from_utf8(out).unwrap())
        };
        let (outcome, out) = passed("{\"id\":\"1\"}\n{\"error\":\"x\",\"id\":\"2\"}\n");
        assert!(outcome.is_ok() && out.lines().count() == 2);
        let (outcome, out) = passed("{\"id\":\"1\"}\n{\"error\":\"it broke off\"}\n");
        assert!(
            matches!(outcome, Err(Failure::Failed(why)) if why == "the answer of here broke off: it broke off")
        );
        assert_eq!(out, "{\"id\":\"1\"}\n");
    }
}
