//! `sealpost release` and `sealpost redeliver`: deliveries that go to the upstream without their sender.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::ask::{Admin, Parameter, place};
use crate::cli::args::{RedeliverArguments, ReleaseArguments};
use crate::cli::grid::{Grid, room, whole};
use crate::cli::output::{Failure, Outcome, Paint, complain, print, print_json};
use crate::cli::plain::plain;
use crate::yaml;

/// `sealpost release`
pub(in crate::cli) fn release(arguments: &ReleaseArguments) -> Outcome {
    let admin = Admin::find(&arguments.admin)?;
    let released = match &arguments.route {
        Some(route) => by_route(&admin, route, arguments)?,
        None => by_id(&admin, &arguments.ids)?,
    };
    tell(released, arguments.admin.json)
}

/// `sealpost redeliver`
pub(in crate::cli) fn redeliver(arguments: &RedeliverArguments) -> Outcome {
    let admin = Admin::find(&arguments.admin)?;
    let (status, answer) = admin.post(&format!("{}/redeliver", place(&arguments.id)), &[])?;
    let result = match status {
        200 => answer,
        409 => not_possible(&arguments.id, &answer),
        _ => return Err(admin.refused(status, &answer)),
    };
    tell(Released { results: vec![result], ..Released::default() }, arguments.admin.json)
}

/// What came of all of them.
#[derive(Default)]
struct Released {
    results: Vec<Value>,
    /// Not tried.
    left: u64,
    /// At what it stopped.
    stopped: Option<String>,
    /// Why no more is known. What was done until then is told first: some of it has arrived.
    failed: Option<Failure>,
}

impl Released {
    /// It ends here; with nothing done yet that is all there is to say.
    fn failed(mut self, why: Failure) -> Result<Self, Failure> {
        if self.results.is_empty() {
            return Err(why);
        }
        self.failed = Some(why);
        Ok(self)
    }
}

/// What does not depend on the delivery: what comes later would overtake.
const NOBODYS_FAULT: [&str; 6] = [
    "upstream_unreachable",
    "upstream_failed",
    "upstream_timeout",
    "store_unavailable",
    "keys_unavailable",
    "in_flight",
];

/// Whether the upstream has answered that it cannot take anything now.
fn asks_for_patience(result: &Value) -> bool {
    let status = result["status"].as_u64().unwrap_or_default();
    result["result"] == "forwarded" && (status == 429 || status >= 500)
}

/// One after the other in the order of their reception, whatever the order of the words.
fn by_id(admin: &Admin, ids: &[String]) -> Result<Released, Failure> {
    let mut named: Vec<(i64, String, Option<String>)> = Vec::new();
    for id in ids.iter().collect::<HashSet<_>>() {
        let (status, delivery) = admin.try_get(&place(id))?;
        match status {
            200 => named.push((
                delivery["time"].as_i64().unwrap_or_default(),
                id.clone(),
                delivery["route"].as_str().map(str::to_owned),
            )),
            404 => {
                return Err(Failure::Failed(format!(
                    "the journal holds no delivery {}; nothing was released",
                    plain(id)
                )));
            }
            _ => return Err(admin.refused(status, &delivery)),
        }
    }
    named.sort();
    let mut released = Released::default();
    let mut stopped: HashSet<Option<String>> = HashSet::new();
    let mut named = named.into_iter();
    while let Some((_, id, route)) = named.next() {
        if stopped.contains(&route) {
            released.left = released.left.saturating_add(1);
            continue;
        }
        let result = match admin.post(&format!("{}/release", place(&id)), &[]) {
            Ok((200, answer)) => Ok(answer),
            Ok((409, answer)) => Ok(not_possible(&id, &answer)),
            Ok((status, answer)) => {
                released.left = released.left.saturating_add(1);
                Err(admin.refused(status, &answer))
            }
            // Nobody knows what became of that one.
            Err(why) => Err(why),
        };
        let result = match result {
            Ok(result) => result,
            Err(why) => {
                let rest = u64::try_from(named.len()).unwrap_or(u64::MAX);
                released.left = released.left.saturating_add(rest);
                return released.failed(why);
            }
        };
        let word = result["result"].as_str().unwrap_or_default();
        if NOBODYS_FAULT.contains(&word) || asks_for_patience(&result) {
            released.stopped.get_or_insert(word.to_owned());
            stopped.insert(route);
        }
        released.results.push(result);
    }
    Ok(released)
}

/// Deliveries of one call. After each it is said how far it is.
const AT_ONCE: &str = "500";

/// Call after call, until nothing is left that was not tried.
fn by_route(admin: &Admin, route: &str, arguments: &ReleaseArguments) -> Result<Released, Failure> {
    let mut after: Option<String> = None;
    let mut released = Released::default();
    loop {
        let mut query = matching(route, arguments);
        query.push(("limit", AT_ONCE.to_owned()));
        query.extend(after.map(|after| ("after", after)));
        let mut answer = match admin.post("/api/release", &query) {
            Ok((200, answer)) => answer,
            Ok((status, answer)) => return released.failed(admin.refused(status, &answer)),
            Err(why) => return released.failed(why),
        };
        if let Value::Array(results) = answer["results"].take() {
            released.results.extend(results);
        }
        released.left = answer["left"].as_u64().unwrap_or_default();
        released.stopped = answer["stopped"].as_str().map(str::to_owned);
        after = answer["next"].as_str().map(str::to_owned);
        if after.is_none() {
            if released.results.is_empty() {
                nothing_there(admin, route, arguments)?;
            }
            return Ok(released);
        }
        complain(&format!(
            "sealpost: {} released or tried, {} left\n",
            released.results.len(),
            released.left
        ));
    }
}

/// Which deliveries of a route are meant.
fn matching(route: &str, arguments: &ReleaseArguments) -> Vec<Parameter> {
    let given = [
        ("route", Some(route.to_owned())),
        ("reason", arguments.reason.clone()),
        ("since", arguments.since.clone()),
        ("until", arguments.until.clone()),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Says why nothing was found where something may have been expected.
fn nothing_there(admin: &Admin, route: &str, arguments: &ReleaseArguments) -> Outcome {
    let mut query = matching(route, arguments);
    query.push(("outcome", "refused,failed,declined".to_owned()));
    query.push(("limit", "1".to_owned()));
    let found = admin.get("/api/deliveries", &query)?;
    if let Some(id) = found["deliveries"].get(0).and_then(|newest| newest["id"].as_str()) {
        let why = admin.get(&place(id), &[])?["why_not_releasable"].as_str().map(plain);
        if let Some(why) = why {
            complain(&format!("sealpost: the newest that matches is {}: {why}\n", plain(id)));
        }
        return Ok(());
    }
    let routes = admin.get("/api/routes", &[])?;
    let names: Vec<&str> =
        routes.as_array().into_iter().flatten().filter_map(|route| route["name"].as_str()).collect();
    if !names.contains(&route) {
        let meant = yaml::closest(route, names.iter().copied());
        let meant = meant.map_or_else(String::new, |name| format!("; did you mean `{}`?", plain(name)));
        return Err(Failure::Usage(format!("no route is called `{}`{meant}", plain(route))));
    }
    Ok(())
}

fn not_possible(id: &str, answer: &Value) -> Value {
    json!({
        "delivery": id,
        "id": null,
        "result": "not_possible",
        "status": null,
        "accepted": false,
        "why": answer["error"],
    })
}

fn tell(released: Released, json: bool) -> Outcome {
    let Released { results, left, stopped, .. } = &released;
    let accepted = results.iter().filter(|result| result["accepted"] == true).count();
    if json {
        print_json(&json!({ "results": results, "accepted": accepted, "left": left, "stopped": stopped }))?;
    } else {
        print(&shown(&released, accepted))?;
    }
    let all = accepted == results.len() && *left == 0;
    match released.failed {
        Some(why) => Err(why),
        None if all => Ok(()),
        None => Err(Failure::No),
    }
}

fn shown(released: &Released, accepted: usize) -> String {
    let paint = Paint::stdout();
    let text = |value: &Value| match value {
        Value::String(text) => plain(text),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> = released
        .results
        .iter()
        .map(|result| ["delivery", "result", "status", "id", "why"].map(|key| text(&result[key])).into())
        .collect();
    let columns =
        vec![whole("DELIVERY"), whole("RESULT"), whole("STATUS"), whole("NEW ID").goes(1), whole("WHY")];
    // The reason is what it is about: it may take a second line.
    let grid = Grid::new(columns, &rows, room().map(|room| room.max(60)));
    let mut out = String::new();
    if !rows.is_empty() {
        out.push_str(&grid.heading(paint));
    }
    for (result, row) in released.results.iter().zip(&rows) {
        let good = result["accepted"] == true;
        let colour = |column: usize, cell: &str| match (column, good) {
            (1, true) => paint.good(cell),
            (1, false) => paint.bad(cell),
            _ => cell.to_owned(),
        };
        out.push_str(&grid.line(row, colour));
    }
    let total = released.results.len();
    let told = match (total, total.saturating_sub(accepted)) {
        (0, _) => "nothing to release".to_owned(),
        (_, 0) => paint.good(&format!("{accepted} accepted")),
        (_, not) => format!("{accepted} accepted, {}", paint.bad(&format!("{not} not"))),
    };
    let gap = if total == 0 { "" } else { "\n" };
    out.push_str(&format!("{gap}{told}\n"));
    if released.left > 0 {
        let cause = match &released.stopped {
            Some(word) if word == "forwarded" => Some("the upstream's answer".to_owned()),
            other => other.as_deref().map(plain),
        };
        let why = match cause {
            Some(cause) => {
                format!(
                    " because of {cause}: what comes later would overtake. Release again once that is mended"
                )
            }
            None => "; release again".to_owned(),
        };
        out.push_str(&paint.caution(&format!("{} not tried{why}", released.left)));
        out.push('\n');
    }
    out
}
