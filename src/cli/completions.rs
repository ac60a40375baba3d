//! `sealpost completions`: what a shell needs to complete commands, flags and files.

use clap::CommandFactory as _;

use super::args::{Arguments, CompletionsArguments};
use super::output::{Failure, Outcome, print};

/// Prints them.
pub(super) fn execute(arguments: &CompletionsArguments) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "sealpost", &mut script);
    print(&String::from_utf8(script).map_err(|error| Failure::Failed(error.to_string()))?)
}
