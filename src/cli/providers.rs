//! `sealpost providers`: the senders that are known, one of them in full, or their test vectors run.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::catalog::pages::Sender;
use crate::catalog::{self, Provider, Row};
use crate::yaml::{self, show_duration};

use super::args::{ProvidersArguments, ProvidersCommand};
use super::known::Known;
use super::output::{Outcome, Paint, Table, print, print_json};
use super::vectors;

/// Lists, describes or checks.
pub(super) fn execute(arguments: &ProvidersArguments) -> Outcome {
    if let Some(ProvidersCommand::Check { file }) = &arguments.command {
        return vectors::execute(file.as_deref());
    }
    match (&arguments.name, arguments.json) {
        (Some(name), json) => {
            let provider = Known::default().provider(name)?;
            if json { print_json(&[as_json(&provider)]) } else { print(&describe(&provider)) }
        }
        (None, true) => {
            let all = catalog::names().filter_map(catalog::find).map(|provider| as_json(&provider));
            print_json(&all.collect::<Vec<_>>())
        }
        (None, false) => print(&list(&catalog::provider_table())),
    }
}

fn list(rows: &[Row]) -> String {
    let mut table = Table::new(&["NAME", "SENDER", "CONFIDENCE", "PROVEN BY", "EVENT KEY"]);
    for row in rows {
        table.row([
            row.name.clone(),
            row.title.clone(),
            row.confidence.word().to_owned(),
            row.proof.clone(),
            row.key.clone(),
        ]);
    }
    table.plain(Paint::stdout())
}

fn describe(provider: &Arc<Provider>) -> String {
    let paint = Paint::stdout();
    let mut out = format!("{} ({})\n\n", paint.strong(&provider.title), provider.name);
    let Some(sender) = Sender::find(&provider.name) else { return out };
    let mut before = "";
    for (about, text) in sender.facts() {
        // What is said of the same thing stands below it without its name.
        let shown = if about == before { "" } else { about };
        before = about;
        out.push_str(&format!("  {}  {}\n", paint.faint(&format!("{shown:<11}")), wrapped(&text)));
    }
    if let Some(text) = catalog::text(&provider.name) {
        out.push_str(&format!(
            "\n{}\n\n",
            paint.strong("In the catalogue (a sender of your own is written like this under `providers:`)")
        ));
        out.extend(text.lines().map(|line| format!("  {line}\n")));
    }
    out
}

/// A text in lines of a hundred characters, those below the first set in beside it.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < 100 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join(&format!("\n{:15}", ""))
}

/// The catalogue's own entry, and what follows from it for a route.
fn as_json(provider: &Provider) -> Value {
    let written =
        catalog::text(&provider.name).and_then(|text| yaml::parse(text).ok()).map(|node| node.to_json());
    let mut object = match written {
        Some(Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    let defaults = json!({
        "tolerance": provider.tolerance.map(|tolerance| json!({
            "past": show_duration(tolerance.past), "future": show_duration(tolerance.future),
        })),
        "dedupe_key": provider.event.key.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "dedupe_ttl": show_duration(provider.dedupe_ttl),
        "timeout": show_duration(provider.upstream_timeout),
        "on_store_error": provider.on_store_error.word(),
        "refusal_status": provider.refusal_status,
        "methods": provider.methods,
    });
    object.insert("name".to_owned(), provider.name.as_str().into());
    object.insert("title".to_owned(), provider.title.as_str().into());
    object.insert("confidence".to_owned(), provider.confidence.word().into());
    object.insert("defaults".to_owned(), defaults);
    if let Some(sender) = Sender::find(&provider.name) {
        object.insert("summary".to_owned(), sender.summary());
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_facts_are_broken_and_set_in() {
        let long = wrapped(&"word ".repeat(30));
        assert!(long.lines().all(|line| line.chars().count() <= 115), "{long}");
        assert!(long.lines().skip(1).all(|line| line.starts_with("               word")), "{long}");
        assert_eq!(wrapped("one two"), "one two");
    }
}
