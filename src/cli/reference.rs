//! `REF`: where a secret lies, as written on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// `env:NAME` or `file:PATH`. There is no third form: a secret on the command line would stay in the
/// shell's history and stand in the process list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// The value of an environment variable.
    Env(String),
    /// The content of a file, without one trailing newline.
    File(PathBuf),
}

impl FromStr for SecretRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err("secrets are not written on the command line, where the shell's history keeps them; \
                      write env:NAME or file:PATH"
                .to_owned()),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_refused_and_not_repeated() {
        let error = "hunter2".parse::<SecretRef>().unwrap_err();
        assert!(!error.contains("hunter2") && error.contains("env:NAME"), "{error}");
        assert!("env:".parse::<SecretRef>().is_err());
    }

    #[test]
    fn both_forms_are_read_back_as_written() {
        for text in ["env:BELLA_SECRET", "file:/run/secrets/bella", "file:C:/x"] {
            assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
        }
    }
}
