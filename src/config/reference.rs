//! References to secrets: the file names where a secret is, never the secret itself.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::secret::Secret;

/// Where a secret is.
///
/// Its text form is `env:NAME` or `file:PATH`; `Display` never shows a secret.
#[derive(Clone, Debug)]
pub enum Reference {
    /// An environment variable.
    Env(String),
    /// A file; a relative path is relative to the configuration's folder.
    File(PathBuf),
    /// In the configuration itself, which the operator asked for by the word `insecure`.
    Insecure(Secret),
}

/// Reads what a [`Reference`] names. The one implementation outside tests is `environment`.
pub trait Source {
    /// The secret.
    ///
    /// # Errors
    /// Why it cannot be had (unset, unreadable, empty), in words for the operator.
    fn read(&self, reference: &Reference) -> Result<Secret, String>;
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Insecure(_) => f.write_str("insecure"),
        }
    }
}

impl FromStr for Reference {
    type Err = String;

    /// Reads `env:NAME` or `file:PATH`. An error never repeats the text, because it may be the secret.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("env:") {
            return variable(name);
        }
        if let Some(path) = text.strip_prefix("file:") {
            return file(path);
        }
        if text.contains("${") || text.starts_with('$') {
            return Err("variables are not expanded here; write `env:NAME`".into());
        }
        Err("a secret is not written here but referred to: write `env:NAME` or `file:PATH`".into())
    }
}

impl Reference {
    /// What follows `env:`.
    pub(super) fn variable(name: &str) -> Result<Self, String> {
        variable(name)
    }

    /// What follows `file:`.
    pub(super) fn file(path: &str) -> Result<Self, String> {
        file(path)
    }
}

fn variable(name: &str) -> Result<Reference, String> {
    let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || !word || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(
            "after `env:` comes a variable's name: letters, digits and `_`, such as `env:GITHUB_SECRET`"
                .into(),
        );
    }
    Ok(Reference::Env(name.to_owned()))
}

fn file(path: &str) -> Result<Reference, String> {
    // `file:///run/x` would be the path `///run/x`, which happens to work; `file://run/x` would not be what it seems.
    if path.starts_with("//") {
        return Err("after `file:` comes a path and no URL, such as `file:/run/secrets/github`".into());
    }
    if path.is_empty() || path.ends_with('/') || path.trim() != path {
        return Err("after `file:` comes a file's path, such as `file:/run/secrets/github`".into());
    }
    Ok(Reference::File(PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_shown_again() {
        for text in ["env:GITHUB_SECRET", "env:_x1", "file:/run/secrets/a", "file:secrets/a b"] {
            assert_eq!(text.parse::<Reference>().map(|reference| reference.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_without_being_repeated() {
        for text in [
            "",
            "hunter2",
            "env:",
            "env:1A",
            "env:A-B",
            "env:$A",
            "file:",
            "file:/",
            "file:///a",
            "file: a",
            "${A}",
            "$A",
            "ENV:A",
            "insecure:hunter2",
            "whsec_hunter2",
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_literal_is_never_shown() {
        let reference = Reference::Insecure(Secret::new(b"hunter2".to_vec()));
        assert!(!format!("{reference} {reference:?}").contains("hunter2"));
    }
}
