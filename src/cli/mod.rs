//! The command line: reads what is asked for, does it, and says how it ended.

mod against;
mod args;
mod check;
mod completions;
mod demo;
mod explain;
mod grid;
mod health;
mod journal;
mod known;
mod man;
mod output;
mod plain;
mod problems;
mod providers;
mod run;
mod schema;
mod send;
mod sign;
mod signing;
mod values;
mod vectors;

use std::process::ExitCode;

use clap::Parser;

pub use args::Arguments;
use args::Command;
use output::Outcome;

/// Does what the process's arguments ask for.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => output::conclude(execute(&arguments.command)),
        Err(error) => {
            // A closed pipe behind `--help` is not worth a word.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

fn execute(command: &Command) -> Outcome {
    match command {
        Command::Run(arguments) => run::execute(arguments),
        Command::Demo(arguments) => demo::execute(arguments),
        Command::Check(arguments) => check::execute(arguments),
        Command::Providers(arguments) => providers::execute(arguments),
        Command::Sign(arguments) => sign::execute(arguments),
        Command::Send(arguments) => send::execute(arguments),
        Command::Explain(arguments) => explain::execute(arguments),
        Command::Deliveries(arguments) => journal::deliveries(arguments),
        Command::Release(arguments) => journal::release(arguments),
        Command::Redeliver(arguments) => journal::redeliver(arguments),
        Command::Stats(arguments) => journal::stats(arguments),
        Command::Schema => schema::execute(),
        Command::Health(arguments) => health::execute(arguments),
        Command::Completions(arguments) => completions::execute(arguments),
        Command::Man(arguments) => man::execute(arguments),
    }
}
