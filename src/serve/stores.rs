//! Opens the store that the configuration names, with what the process before remembered if there is one.

use std::path::{Path, PathBuf};

use super::handover::{Inherited, StoreName};
use super::{RunError, RunOptions};
use crate::clock;
use crate::config::{Config, StoreKind};
use crate::dedupe::{
    Backend, DiskOptions, DiskStore, MemoryLimits, MemoryStore, MovingStore, RedisOptions, RedisStore, Stores,
};

/// The name under which two processes tell whether their stores are the same.
pub(super) fn name(config: &Config, options: &RunOptions) -> StoreName {
    let dedupe = &config.dedupe;
    let kind = match dedupe.store {
        StoreKind::Memory => "memory",
        StoreKind::Disk => "disk",
        StoreKind::Redis => "redis",
    };
    let folder = dedupe.path.as_ref().filter(|_| dedupe.store == StoreKind::Disk);
    let folder = folder.map(|path| place(&options.config.folder().join(path)));
    StoreName { kind: kind.into(), folder }
}

/// The folder by the one name it has, before and after it is made: absolute, and without links as far as it exists.
fn place(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    let known = absolute.ancestors().find_map(|there| {
        let rest = absolute.strip_prefix(there).ok()?;
        Some(std::fs::canonicalize(there).ok()?.components().chain(rest.components()).collect())
    });
    known.unwrap_or(absolute)
}

/// Opens what the configuration says, and says what is in the way. From here to [`Inherited::serving`] the older
/// process holds its claims back, so nothing that takes long may come between.
pub(super) fn open(
    config: &Config,
    options: &RunOptions,
    name: &StoreName,
    inherited: Option<&mut Inherited>,
) -> Result<Stores, RunError> {
    let dedupe = &config.dedupe;
    let limits = MemoryLimits { entries: dedupe.entries, answers_bytes: dedupe.answers };
    let mut passed_on = match inherited {
        Some(inherited) => inherited.same_store(name).map_err(RunError::Start)?.map(|lock| (inherited, lock)),
        None => None,
    };
    let main = match (dedupe.store, &dedupe.path, &dedupe.url) {
        (StoreKind::Disk, Some(path), _) => {
            let folder = options.config.folder().join(path);
            let options = DiskOptions { folder, limits, fsync: true };
            let lock = passed_on.as_mut().and_then(|(_, lock)| lock.take());
            Backend::Disk(DiskStore::open_with(&options, clock::steady(), lock).map_err(RunError::Start)?)
        }
        (StoreKind::Redis, _, Some(url)) => {
            let (prefix, timeout) = (dedupe.prefix.clone(), dedupe.timeout);
            let options = RedisOptions { url: url.clone(), prefix, timeout };
            Backend::Redis(RedisStore::open(options).map_err(RunError::Start)?)
        }
        _ => Backend::Memory(MemoryStore::new(limits)),
    };
    if let Some((inherited, _)) = passed_on {
        let events = main.take_in(&mut inherited.events(), clock::steady()).map_err(|error| {
            RunError::Start(format!("the older process broke off while it passed its events on: {error}"))
        })?;
        tracing::info!(target: "sealpost::handover", events, "taken over from the store of the older process");
    }
    Ok(Stores::new(MovingStore::new(main, options.handover.clone()), limits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_name_before_and_after_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
        let real = std::fs::canonicalize(folder.path().join("real")).unwrap();
        for written in ["real/store", "link/store", "link/../real/./store"] {
            assert_eq!(place(&folder.path().join(written)), real.join("store"), "{written}");
        }
        std::fs::create_dir(real.join("store")).unwrap();
        for written in ["real/store", "link/store"] {
            assert_eq!(place(&folder.path().join(written)), real.join("store"), "{written}");
        }
        let here = std::fs::canonicalize(".").unwrap();
        for written in ["not-there/store", "./not-there/store"] {
            assert_eq!(place(Path::new(written)), here.join("not-there/store"), "{written}");
        }
    }
}
