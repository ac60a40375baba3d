//! The unix socket at which a newer process asks, for this user alone.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// A bound socket under the path that everybody knows.
pub(in crate::serve) struct Door {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Which file it is: another process may have taken the path.
    file: (u64, u64),
}

impl Door {
    /// Takes the path, from a process that is gone or from the one that is relieved. Whoever connects reaches one
    /// process or the other and never none.
    ///
    /// # Errors
    /// One sentence: something else lies there, or the folder cannot be written.
    pub(in crate::serve) fn open(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        if fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
            return Err(format!("{shown} is not a socket: name another path for --handover"));
        }
        let mut draft = path.as_os_str().to_owned();
        draft.push(format!(".{}", std::process::id()));
        let draft = PathBuf::from(draft);
        let opened = || -> io::Result<Self> {
            match fs::remove_file(&draft) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(&draft)?;
            // Nobody knows this name yet, and who asks is looked at again.
            fs::set_permissions(&draft, fs::Permissions::from_mode(0o600))?;
            let file = identity(&draft)?;
            fs::rename(&draft, path)?;
            Ok(Self { listener, path: path.to_owned(), file })
        };
        opened().map_err(|error| {
            let _ = fs::remove_file(&draft);
            format!("cannot listen on {shown} for the next process: {error}")
        })
    }

    /// Whether the path still leads here.
    pub(super) fn is_mine(&self) -> bool {
        identity(&self.path).is_ok_and(|file| file == self.file)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if self.is_mine() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Whether an error of connecting says that nobody is there: no socket, or one that its process left behind.
pub(super) fn nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}
