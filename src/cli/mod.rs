//! The command line: reads what is asked for, does it, and says how it ended.

mod args;
mod output;
mod reference;
mod values;

use std::process::ExitCode;

use clap::Parser;

pub use args::Arguments;
use args::Command;
use output::{Failure, Outcome};

/// Does what the process's arguments ask for.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => output::conclude(execute(arguments.command)),
        Err(error) => {
            // A closed pipe behind `--help` is not worth a word.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

fn execute(command: Command) -> Outcome {
    let name = match command {
        Command::Run(_) => "run",
        Command::Demo(_) => "demo",
        Command::Check(_) => "check",
        Command::Providers(_) => "providers",
        Command::Sign(_) => "sign",
        Command::Send(_) => "send",
        Command::Explain(_) => "explain",
        Command::Schema => "schema",
    };
    Err(Failure::because(format!("`{name}` is not built yet")))
}
