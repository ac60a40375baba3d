//! `SIGUSR2`: this program is started once more, as the file at its path is now, to take over.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::environment;

/// The process that is to take over.
pub(super) struct Successor {
    /// Where the program was when this process began.
    program: std::io::Result<(PathBuf, Vec<OsString>)>,
    child: Option<Child>,
}

impl Successor {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { program: environment::this_program(), child: None }
    }

    /// Starts it, with the arguments and the environment of this process. It asks at the handover socket like any
    /// other, and what it has to say of its configuration goes to the same log.
    pub(super) fn start(&mut self, can_hand_over: bool) {
        if !can_hand_over {
            tracing::warn!(target: "sealpost::handover", "SIGUSR2 starts a process that takes over: run with --handover PATH for that");
            return;
        }
        if self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None))) {
            tracing::warn!(target: "sealpost::handover", "SIGUSR2 again: the process that is to take over has been started already");
            return;
        }
        let started = match &self.program {
            Ok((program, arguments)) => Command::new(program)
                .args(arguments)
                .stdin(Stdio::null())
                .spawn()
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match started {
            Ok(child) => {
                tracing::info!(target: "sealpost::handover", pid = child.id(), "started the process that is to take over");
                self.child = Some(child);
            }
            Err(error) => {
                tracing::error!(target: "sealpost::handover", "cannot start the process that is to take over: {error}");
            }
        }
    }
}
