//! `sealpost check`: every problem of a configuration at once, or what its routes come to.

use std::path::Path;

use serde_json::json;

use crate::clock;
use crate::config::{self, Config};
use crate::environment::Environment;
use crate::routes::{Mode, Route};
use crate::yaml::{Problem, show_duration, show_size};

use super::args::CheckArguments;
use super::output::{Failure, Outcome, Paint, Table, complain, print, print_json};
use super::{against, known, problems};

/// Checks and prints.
pub(super) fn execute(arguments: &CheckArguments) -> Outcome {
    let file = arguments.file.display().to_string();
    let text = known::read_text(&arguments.file)?;
    let folder = arguments.file.parent().unwrap_or(Path::new(""));
    match config::load(&text, &Environment::new(folder)) {
        Ok(config) if arguments.against.is_some() => against::execute(&config, arguments),
        Ok(mut config) => {
            config.warnings.extend(config.warnings_at(clock::now()));
            match arguments.json {
                true => print_json(&as_json(&config)),
                false => print(&show(&config, &file, &text)),
            }
        }
        Err(found) => {
            let found = found.sorted();
            if arguments.json {
                let problems: Vec<_> = found.iter().map(problem_as_json).collect();
                print_json(&json!({ "valid": false, "problems": problems, "warnings": [], "routes": [] }))?;
            } else {
                complain(&problems::render(&file, &text, &found, Paint::stderr()));
                complain(&format!("sealpost: {file} has {}\n", problems::count(found.len(), "problem")));
            }
            Err(Failure::No)
        }
    }
}

fn show(config: &Config, file: &str, text: &str) -> String {
    let paint = Paint::stdout();
    let mut table = Table::new(&[
        "ROUTE",
        "MATCH",
        "PROVIDER",
        "UPSTREAM",
        "TOLERANCE",
        "DEDUPE",
        "TTL",
        "STORE ERROR",
        "TIMEOUT",
        "BODY",
        "EVENTS",
        "MODE",
    ]);
    for route in config.routes.iter() {
        let dedupe = |show: &dyn Fn(&crate::routes::Dedupe) -> String| {
            route.dedupe.as_ref().map_or_else(|| "-".to_owned(), show)
        };
        table.row([
            route.name.clone(),
            matched(route),
            provider(route).to_owned(),
            route.upstream.to_string(),
            tolerance(route),
            route.dedupe.as_ref().map_or_else(|| "off".to_owned(), |dedupe| key(dedupe).join(" + ")),
            dedupe(&|dedupe| show_duration(dedupe.ttl)),
            dedupe(&|dedupe| dedupe.on_store_error.word().to_owned()),
            show_duration(route.timeout),
            show_size(route.body),
            route.events.to_string(),
            mode(route).to_owned(),
        ]);
    }
    let unusual = |_, _, cell: &str| {
        if matches!(cell, "none" | "shadow" | "off") { paint.caution(cell) } else { cell.to_owned() }
    };
    let mut out = table.render(paint, unusual);
    if !config.warnings.is_empty() {
        out.push_str(&format!("\n{}\n", paint.caution(&problems::count(config.warnings.len(), "warning"))));
        out.push_str(&problems::render(file, text, &config.warnings, paint));
    }
    let routes = problems::count(config.routes.len(), "route");
    out.push_str(&format!("\n{} {file}: {routes}, configuration {}\n", paint.good("ok"), config.hash));
    out
}

fn as_json(config: &Config) -> serde_json::Value {
    let routes: Vec<_> = config.routes.iter().map(|route| route_as_json(route)).collect();
    let warnings: Vec<_> = config.warnings.iter().map(problem_as_json).collect();
    json!({ "valid": true, "problems": [], "warnings": warnings, "hash": config.hash, "routes": routes })
}

fn route_as_json(route: &Route) -> serde_json::Value {
    let dedupe = route.dedupe.as_ref().map(|dedupe| {
        json!({ "key": key(dedupe), "ttl": show_duration(dedupe.ttl), "on_store_error": dedupe.on_store_error.word() })
    });
    let tolerance = route.tolerance.map(|tolerance| {
        json!({ "past": show_duration(tolerance.past), "future": show_duration(tolerance.future) })
    });
    json!({
        "name": route.name,
        "host": route.host.as_ref().map(ToString::to_string),
        "path": route.path.to_string(),
        "methods": route.methods,
        "provider": provider(route),
        "secrets": route.secret_names,
        "upstream": route.upstream.to_string(),
        "tolerance": tolerance,
        "dedupe": dedupe,
        "events": route.events.patterns(),
        "timeout": show_duration(route.timeout),
        "body": show_size(route.body),
        "mode": mode(route),
        "journal": route.journal.bodies.word(),
        "public_url": route.public_url,
    })
}

fn problem_as_json(problem: &Problem) -> serde_json::Value {
    json!({
        "path": problem.path,
        "line": problem.place.map(|place| place.line),
        "column": problem.place.map(|place| place.column),
        "message": problem.message,
    })
}

fn matched(route: &Route) -> String {
    let host = route.host.as_ref().map_or_else(String::new, ToString::to_string);
    format!("{} {host}{}", route.methods.join("|"), route.path)
}

fn provider(route: &Route) -> &str {
    route.provider.as_ref().map_or("none", |provider| &provider.name)
}

fn tolerance(route: &Route) -> String {
    match route.tolerance {
        Some(tolerance) if tolerance.past == tolerance.future => show_duration(tolerance.past),
        Some(tolerance) => format!("-{} +{}", show_duration(tolerance.past), show_duration(tolerance.future)),
        None => "off".to_owned(),
    }
}

fn key(dedupe: &crate::routes::Dedupe) -> Vec<String> {
    dedupe.key.iter().map(ToString::to_string).collect()
}

fn mode(route: &Route) -> &'static str {
    match route.mode {
        Mode::Enforce => "enforce",
        Mode::Shadow => "shadow",
    }
}
