//! How commands end: what they print, what they say when it fails, and the exit code.

use std::io::{self, Write};
use std::process::ExitCode;

/// How a command ended that did not end well.
#[derive(Debug)]
pub(super) enum Failure {
    /// The answer is no and has been printed: exit 1.
    No,
    /// It failed for this reason: one sentence to stderr, exit 1.
    Failed(String),
    /// The command line asks for something that is not there: one sentence to stderr, exit 2.
    Usage(String),
    /// Standard output is gone. A closed pipe (`sealpost providers | head`) is not a failure.
    Output(io::Error),
}

/// How a command ended.
pub(super) type Outcome = Result<(), Failure>;

impl Failure {
    /// One sentence that says what failed.
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Prints the error once and turns the outcome into the exit code.
pub(super) fn conclude(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::No) => ExitCode::from(1),
        Err(Failure::Failed(reason)) => say(&reason, 1),
        Err(Failure::Usage(reason)) => say(&reason, 2),
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(error)) => say(&format!("cannot write to standard output: {error}"), 1),
    }
}

fn say(reason: &str, code: u8) -> ExitCode {
    // Nothing is left to be done if stderr is closed too.
    let _ = writeln!(io::stderr(), "sealpost: {reason}");
    ExitCode::from(code)
}
