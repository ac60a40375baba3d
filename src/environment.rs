//! The only reader of environment variables and secret files.
#![allow(clippy::disallowed_methods)]

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::config::{Reference, Source};
use crate::secret::Secret;

/// The largest secret file that is read; a key or a key set is a few KiB.
const SECRET_LIMIT: u64 = 1024 * 1024;

/// Reads secrets from the environment and from files relative to the configuration's folder.
#[derive(Clone, Debug)]
pub struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// Relative paths are taken from `folder`, where the configuration file lies.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// Where a file named in the configuration lies.
    #[must_use]
    pub fn locate(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

impl Source for Environment {
    fn read(&self, reference: &Reference) -> Result<Secret, String> {
        match reference {
            Reference::Env(name) => match std::env::var_os(name) {
                None => Err(format!("the variable {name} is not set")),
                Some(value) => {
                    let bytes = std::os::unix::ffi::OsStringExt::into_vec(value);
                    not_empty(bytes, || format!("the variable {name} is empty"))
                }
            },
            Reference::File(path) => {
                let path = self.locate(path);
                let mut bytes =
                    read_file(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                drop_trailing_newline(&mut bytes);
                not_empty(bytes, || format!("the file {} is empty", path.display()))
            }
            Reference::Insecure(secret) => Ok(secret.clone()),
        }
    }
}

fn not_empty(bytes: Vec<u8>, problem: impl Fn() -> String) -> Result<Secret, String> {
    if bytes.is_empty() { Err(problem()) } else { Ok(Secret::new(bytes)) }
}

fn read_file(path: &Path) -> Result<Vec<u8>, std::io::Error> {
    let mut bytes = Vec::new();
    File::open(path)?.take(SECRET_LIMIT + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > SECRET_LIMIT {
        return Err(std::io::Error::other("larger than 1 MiB"));
    }
    Ok(bytes)
}

/// Editors and `echo` end a file with one newline that is not part of the secret; a second one is.
fn drop_trailing_newline(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
}

/// The listening TCP sockets that whoever started this process passed on (`LISTEN_PID`, `LISTEN_FDS`; sd_listen_fds(3)),
/// and how many of what was passed on was none.
#[must_use]
pub fn listening_sockets() -> (Vec<TcpListener>, usize) {
    let mut passed_on = listenfd::ListenFd::from_env();
    let count = passed_on.len();
    let sockets: Vec<_> =
        (0..count).filter_map(|index| passed_on.take_tcp_listener(index).ok().flatten()).collect();
    let others = count.saturating_sub(sockets.len());
    (sockets, others)
}

/// What the service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Requests are served.
    Ready,
    /// The process is ending.
    Stopping,
    /// This process has taken over.
    MainProcess(u32),
}

/// Tells the service manager at `NOTIFY_SOCKET`, if there is one (sd_notify(3)).
pub fn tell_manager(told: Told) {
    use sd_notify::NotifyState;
    let state = match told {
        Told::Ready => NotifyState::Ready,
        Told::Stopping => NotifyState::Stopping,
        Told::MainProcess(pid) => NotifyState::MainPid(pid),
    };
    // Nobody is there to be told if this fails.
    let _ = sd_notify::notify(&[state]);
}

/// How to start this program again with the same arguments. Asked for at the start: later another file may lie at its
/// path, which is then the one that is started.
///
/// # Errors
/// When the system does not say where the program is.
pub fn this_program() -> io::Result<(PathBuf, Vec<OsString>)> {
    Ok((std::env::current_exe()?, std::env::args_os().skip(1).collect()))
}

/// The value of a variable, for settings of the process itself such as `RUST_LOG`.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trailing_newline_is_dropped_and_no_more() {
        for (file, secret) in
            [("s", "s"), ("s\n", "s"), ("s\r\n", "s"), ("s\n\n", "s\n"), (" s ", " s "), ("\ns", "\ns")]
        {
            let mut bytes = file.as_bytes().to_vec();
            drop_trailing_newline(&mut bytes);
            assert_eq!(bytes, secret.as_bytes(), "{file:?}");
        }
    }

    #[test]
    fn an_empty_file_and_a_missing_one_say_which() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let environment = Environment::new(folder.path());
        let read = |name: &str| environment.read(&Reference::File(name.into())).unwrap_err();
        assert!(read("empty").ends_with("empty is empty"), "{}", read("empty"));
        assert!(read("gone").contains("gone"), "{}", read("gone"));
    }
}
