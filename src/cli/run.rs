//! `sealpost run`: from a file, or from flags that become the same configuration.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::environment;
use crate::logs::{self, LogFormat, Logging};
use crate::reload::{ConfigSource, LoadError};
use crate::serve::{self, RunError, RunOptions};

use super::args::{LogArguments, LogForm, RunArguments};
use super::output::{Failure, Outcome, Paint, complain};
use super::problems;

/// Serves until it is told to end.
pub(super) fn execute(arguments: &RunArguments) -> Outcome {
    let config = source(arguments)?;
    let _log = begin_log(&arguments.log)?;
    let options = RunOptions {
        config,
        grace: arguments.grace,
        threads: arguments.threads,
        handover: arguments.handover.clone(),
    };
    serve::run(&options).map_err(failure)
}

/// Why the gateway did not start: the problems of its configuration with their lines, or one sentence.
pub(super) fn failure(error: RunError) -> Failure {
    match error {
        RunError::Load(LoadError::Problems { name, text, problems }) => {
            let problems = problems.sorted();
            complain(&problems::render(&name, &text, &problems, Paint::stderr()));
            Failure::Failed(format!(
                "{name} has {}, so nothing was started",
                problems::count(problems.len(), "problem")
            ))
        }
        other => Failure::Failed(other.to_string()),
    }
}

/// Starts the log: as asked for, otherwise text for people on a terminal and JSON for machines.
fn begin_log(arguments: &LogArguments) -> Result<Logging, Failure> {
    let format = match arguments.log_format {
        Some(LogForm::Json) => LogFormat::Json,
        Some(LogForm::Text) => LogFormat::Text,
        None if std::io::stderr().is_terminal() => LogFormat::Text,
        None => LogFormat::Json,
    };
    let filter = arguments.log.clone().or_else(|| environment::variable("RUST_LOG"));
    logs::start(format, filter.as_deref()).map_err(Failure::Usage)
}

fn source(arguments: &RunArguments) -> Result<ConfigSource, Failure> {
    if let Some(yaml) = from_flags(arguments) {
        return Ok(ConfigSource::Text { yaml, folder: PathBuf::from(".") });
    }
    let given = arguments.file.as_deref();
    let file = given.unwrap_or(Path::new("gateway.yaml"));
    if given.is_none() && !file.exists() {
        return Err(Failure::Failed(
            "there is no gateway.yaml in this folder; name a configuration (`sealpost run FILE`), do without one \
             (`sealpost run --provider github --secret env:GITHUB_WEBHOOK_SECRET --upstream http://127.0.0.1:3000`), \
             or watch it work first (`sealpost demo`)"
                .to_owned(),
        ));
    }
    Ok(ConfigSource::File(file.to_path_buf()))
}

/// The configuration that the flags stand for.
fn from_flags(arguments: &RunArguments) -> Option<String> {
    let provider = arguments.provider.as_deref()?;
    let upstream = arguments.upstream.as_deref()?;
    let path = arguments.path.as_deref().unwrap_or("/");
    let listen = arguments.listen.map_or_else(|| "0.0.0.0:8080".to_owned(), |address| address.to_string());
    let secrets: Vec<_> = arguments.secrets.iter().map(|reference| quote(&reference.to_string())).collect();
    let mut yaml = format!("listen: [{{ address: {} }}]\n", quote(&listen));
    if let Some(admin) = arguments.admin {
        // Writing to a `String` cannot fail.
        let _ = writeln!(yaml, "admin: {{ address: {} }}", quote(&admin.to_string()));
    }
    let _ = write!(
        yaml,
        "routes:\n  - name: {}\n    match: {{ path: {} }}\n    provider: {}\n    secrets: [{}]\n    upstream: {}\n",
        quote(provider),
        quote(path),
        quote(provider),
        secrets.join(", "),
        quote(upstream),
    );
    Some(yaml)
}

/// A JSON text is a YAML text as well, whatever is in it.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Arguments, Command};
    use super::*;

    fn yaml(line: &[&str]) -> Option<String> {
        let arguments = Arguments::try_parse_from(["sealpost", "run"].iter().chain(line)).unwrap();
        match arguments.command {
            Command::Run(arguments) => from_flags(&arguments),
            _ => None,
        }
    }

    #[test]
    fn flags_become_a_configuration() {
        let line = [
            "--provider",
            "github",
            "--secret",
            "env:A",
            "--secret",
            "file:b c",
            "--upstream",
            "http://127.0.0.1:3000",
            "--path",
            "/hooks/*",
            "--listen",
            "127.0.0.1:9000",
            "--admin",
            "127.0.0.1:9001",
        ];
        let yaml = yaml(&line).unwrap();
        let node = crate::yaml::parse(&yaml).unwrap().to_json();
        assert_eq!(
            node,
            serde_json::json!({
                "listen": [{ "address": "127.0.0.1:9000" }],
                "admin": { "address": "127.0.0.1:9001" },
                "routes": [{
                    "name": "github", "match": { "path": "/hooks/*" }, "provider": "github",
                    "secrets": ["env:A", "file:b c"], "upstream": "http://127.0.0.1:3000",
                }],
            })
        );
    }

    #[test]
    fn a_value_cannot_break_out_of_its_place() {
        let yaml = yaml(&["--provider", "a\"\nadmin: 1", "--secret", "env:A", "--upstream", "http://x # y"])
            .unwrap();
        let node = crate::yaml::parse(&yaml).unwrap().to_json();
        assert_eq!(node["routes"][0]["provider"], "a\"\nadmin: 1");
        assert_eq!(node["routes"][0]["upstream"], "http://x # y");
        assert!(node.get("admin").is_none());
    }
}
