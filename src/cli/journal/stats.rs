//! `sealpost stats`: the numbers of each route.

use serde_json::Value;

use super::ask::Admin;
use crate::cli::args::StatsArguments;
use crate::cli::grid::{Column, Grid, room, whole};
use crate::cli::output::{Outcome, Paint, print, print_json};
use crate::cli::plain::{plain, time, took};

const OUTCOMES: [&str; 5] = ["accepted", "declined", "answered", "refused", "failed"];

/// Prints them.
pub(in crate::cli) fn stats(arguments: &StatsArguments) -> Outcome {
    let admin = Admin::find(&arguments.admin)?;
    let window = format!("{}ms", arguments.window.as_millis());
    let stats = admin.get("/api/stats", &[("window", window)])?;
    if arguments.admin.json { print_json(&stats) } else { print(&shown(&stats)) }
}

fn shown(stats: &Value) -> String {
    let paint = Paint::stdout();
    let none = Vec::new();
    let mut routes: Vec<&Value> = stats["routes"].as_array().unwrap_or(&none).iter().collect();
    if stats["unrouted"]["requests"] != 0 {
        routes.push(&stats["unrouted"]);
    }
    let name = |route: &Value| route["route"].as_str().map_or_else(|| "(no route)".to_owned(), plain);
    let mut out = table(
        paint,
        vec![
            whole("ROUTE").cut_to(10),
            whole("SENDER").cut_to(8).goes(1),
            whole("REQUESTS"),
            whole("RATE").goes(4),
            whole("ACCEPTED"),
            whole("DECLINED").goes(5),
            whole("ANSWERED").goes(3),
            whole("REFUSED"),
            whole("FAILED"),
            whole("SHADOW").goes(2),
            whole("P50").goes(6),
            whole("P99").goes(7),
        ],
        routes.iter().map(|route| {
            let spent = |key: &str| route["took_us"][key].as_i64().map_or_else(|| "-".to_owned(), took);
            let mut row = vec![
                name(route),
                route["sender"].as_str().map_or_else(|| "-".to_owned(), plain),
                route["requests"].to_string(),
                format!("{:.2}", route["rate"].as_f64().unwrap_or_default()),
            ];
            row.extend(OUTCOMES.map(|outcome| summed(route, outcome).to_string()));
            row.extend([route["shadow"].to_string(), spent("p50"), spent("p99")]);
            row
        }),
        |column, cell| match column {
            7 | 8 if cell != "0" => paint.bad(cell),
            5 | 9 if cell != "0" => paint.caution(cell),
            _ => cell.to_owned(),
        },
    );
    let reasons = routes.iter().flat_map(|route| {
        let counted = route["reasons"].as_object().into_iter().flatten();
        counted
            .filter(|(word, count)| *word != "forwarded" && **count != 0)
            .map(|(word, count)| vec![name(route), plain(word), count.to_string()])
    });
    out.push('\n');
    out.push_str(&table(
        paint,
        vec![whole("ROUTE").cut_to(10), whole("REASON"), whole("COUNT")],
        reasons,
        |_, cell| cell.to_owned(),
    ));
    let secrets = routes.iter().flat_map(|route| {
        route["secrets"].as_array().into_iter().flatten().map(|secret| {
            let last = secret["last_matched"].as_i64().map_or_else(|| "not yet".to_owned(), time);
            vec![
                name(route),
                plain(secret["name"].as_str().unwrap_or_default()),
                secret["count"].to_string(),
                last,
            ]
        })
    });
    out.push('\n');
    out.push_str(&table(
        paint,
        vec![whole("ROUTE").cut_to(10), whole("SECRET").cut_to(10), whole("MATCHED"), whole("LAST")],
        secrets,
        |_, cell| cell.to_owned(),
    ));
    out.push_str(&format!("\n{}\n", journal(stats, paint)));
    out
}

/// Half of the numbers stand in the series alone.
fn summed(route: &Value, outcome: &str) -> u64 {
    let series = route["series"].as_array().into_iter().flatten();
    series.filter_map(|stretch| stretch[outcome].as_u64()).fold(0, u64::saturating_add)
}

fn journal(stats: &Value, paint: Paint) -> String {
    let journal = &stats["journal"];
    let since = |value: &Value| value.as_i64().map_or_else(|| "-".to_owned(), time);
    let mut told = format!("counted from {}, ", since(&stats["since"]));
    if journal["enabled"] == false {
        return paint.caution(&format!("{told}without a journal"));
    }
    let place = if journal["durable"] == true { "on disk" } else { "in memory" };
    told.push_str(&format!(
        "journal {place}: {} entries, {} bytes, since {}",
        journal["entries"],
        journal["bytes"],
        since(&journal["oldest"])
    ));
    let mut out = paint.faint(&told);
    if journal["dropped"] != 0 {
        out.push_str(&paint.caution(&format!("; {} decisions were not taken down", journal["dropped"])));
    }
    if let Some(error) = journal["error"].as_str() {
        out.push_str(&paint.bad(&format!("; not written: {}", plain(error))));
    }
    out
}

fn table(
    paint: Paint,
    columns: Vec<Column>,
    rows: impl Iterator<Item = Vec<String>>,
    colour: impl Fn(usize, &str) -> String,
) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let grid = Grid::new(columns, &rows, room());
    let mut out = grid.heading(paint);
    for row in &rows {
        out.push_str(&grid.line(row, &colour));
    }
    out
}
