//! `SIGUSR2`: this program is started once more, as the file at its path is now, to take over.
//!
//! It is started in two steps. The process that is started here only starts itself once more and ends, so that the one that
//! takes over is a child of the service manager and not of this process: systemd does not wait for the end of a main
//! process that is not its own child, `systemctl stop` would kill it at once (systemd's `service_enter_signal`).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use super::RunError;
use crate::environment;

/// Which step it is: [`FIRST`], or the first one's process id.
const STEP: &str = "SEALPOST_SUCCESSOR";
const FIRST: &str = "first";

/// How often at most, a millisecond each, the second step looks whether the first has ended.
const LOOKS: u32 = 5_000;

/// The process that is to take over.
pub(super) struct Successor {
    /// Where the program was when this process began.
    program: std::io::Result<(PathBuf, Vec<OsString>)>,
    /// Waits for the first step.
    first: Option<JoinHandle<()>>,
}

impl Successor {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { program: environment::this_program(), first: None }
    }

    /// Starts it, with the arguments and the environment of this process. It asks at the handover socket like any
    /// other, and what it has to say of its configuration goes to the same log.
    pub(super) fn start(&mut self, can_hand_over: bool) {
        if !can_hand_over {
            tracing::warn!(target: "sealpost::handover", "SIGUSR2 starts a process that takes over: run with --handover PATH for that");
            return;
        }
        if self.first.as_ref().is_some_and(|first| !first.is_finished()) {
            tracing::warn!(target: "sealpost::handover", "SIGUSR2 again: the process that is to take over has been started already");
            return;
        }
        match self.program.as_ref().map_err(ToString::to_string).and_then(|program| spawn(program, FIRST)) {
            Ok(mut first) => {
                tracing::info!(target: "sealpost::handover", "started the process that is to take over");
                // An older version knows of one step only and does not end: this thread is no reason to stay.
                self.first = Some(std::thread::spawn(move || drop(first.wait())));
            }
            Err(error) => {
                tracing::error!(target: "sealpost::handover", "cannot start the process that is to take over: {error}");
            }
        }
    }
}

fn spawn((program, arguments): &(PathBuf, Vec<OsString>), step: &str) -> Result<std::process::Child, String> {
    let mut command = Command::new(program);
    command.args(arguments).env(STEP, step).stdin(Stdio::null());
    command.spawn().map_err(|error| error.to_string())
}

/// What a process does first. `true` if it was only the first step and is to end.
///
/// # Errors
/// When the second step cannot be started.
pub(super) fn step() -> Result<bool, RunError> {
    let Some(step) = environment::variable(STEP) else { return Ok(false) };
    if step == FIRST {
        let program = environment::this_program().map_err(|error| error.to_string());
        let own = std::process::id().to_string();
        return match program.and_then(|program| spawn(&program, &own)) {
            Ok(_) => Ok(true),
            Err(error) => {
                Err(RunError::Start(format!("cannot start the process that is to take over: {error}")))
            }
        };
    }
    // Whoever takes over before the first step has ended is not the service manager's child yet.
    for _ in 0..LOOKS {
        let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().to_string());
        if parent.as_deref() != Some(step.as_str()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(false)
}
