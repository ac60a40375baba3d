//! The catalogue in this binary: its files, parsed when they are first asked for.

use std::sync::{Arc, LazyLock, OnceLock};

use include_dir::{Dir, include_dir};

use crate::verify::{Algorithm, Curve, Locator};
use crate::yaml::{self, Problems};

use super::provider::{Confidence, Provider};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/catalog/providers");

/// One file of the catalogue.
struct Entry {
    name: &'static str,
    text: &'static str,
    provider: OnceLock<Option<Arc<Provider>>>,
}

/// Sorted by name.
static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let mut entries: Vec<_> = FILES
        .files()
        .filter_map(|file| {
            let name = file.path().file_name()?.to_str()?.strip_suffix(".yaml")?;
            let text = file.contents_utf8()?;
            (!name.ends_with(".vectors")).then(|| Entry { name, text, provider: OnceLock::new() })
        })
        .collect();
    entries.sort_by_key(|entry| entry.name);
    entries
});

/// The sender of this name.
#[must_use]
pub fn find(name: &str) -> Option<Arc<Provider>> {
    let index = ENTRIES.binary_search_by_key(&name, |entry| entry.name).ok()?;
    let entry = ENTRIES.get(index)?;
    // A file of ours that cannot be read is a bug that the tests find; here it is a sender we do not know.
    entry.provider.get_or_init(|| parse(entry.text).ok().map(Arc::new)).clone()
}

/// The names of all senders, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|entry| entry.name)
}

/// The name that was probably meant.
#[must_use]
pub fn closest(name: &str) -> Option<&'static str> {
    yaml::closest(name, names())
}

/// The text of a sender's file, for whoever wants to start an own entry from it.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    ENTRIES.iter().find(|entry| entry.name == name).map(|entry| entry.text)
}

/// The text of a sender's vectors.
#[must_use]
pub fn vectors_text(name: &str) -> Option<&'static str> {
    FILES.get_file(format!("{name}.vectors.yaml"))?.contents_utf8()
}

/// One line of the list of senders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The name for routes.
    pub name: String,
    /// The name for people.
    pub title: String,
    /// What proves a delivery, such as `HMAC-SHA256 in x-hub-signature-256`.
    pub proof: String,
    /// The default key, such as `json:/id`.
    pub key: String,
    /// How sure we are.
    pub confidence: Confidence,
}

/// Every sender in one line each, sorted by name.
#[must_use]
pub fn provider_table() -> Vec<Row> {
    names().filter_map(find).map(|provider| Row::of(&provider)).collect()
}

impl Row {
    /// The line of one sender.
    #[must_use]
    pub fn of(provider: &Provider) -> Self {
        let proof = provider.scheme.alternatives.first().map_or(String::new(), |form| {
            let at = form.signature.location.to_string();
            let place = at.strip_prefix("header:").unwrap_or(&at);
            format!("{} in {place}", algorithm(&form.algorithm))
        });
        let key = provider.event.key.iter().map(Locator::to_string).collect::<Vec<_>>().join(" + ");
        Self {
            name: provider.name.clone(),
            title: provider.title.clone(),
            proof,
            key,
            confidence: provider.confidence,
        }
    }
}

pub(super) fn algorithm(algorithm: &Algorithm) -> String {
    let sha =
        |sha: &crate::verify::Sha| format!("SHA{}", if sha.length() == 20 { 1 } else { sha.length() * 8 });
    match algorithm {
        Algorithm::Hmac(digest) => format!("HMAC-{}", sha(digest)),
        Algorithm::Digest(digest) => format!("keyed {}", sha(digest)),
        Algorithm::Ed25519 => "Ed25519".to_owned(),
        Algorithm::Ecdsa(ecdsa) => format!("ECDSA {}", curve(ecdsa.curve)),
        Algorithm::RsaPkcs1(digest) => format!("RSA with {}", sha(digest)),
        Algorithm::RsaPss(digest) => format!("RSA-PSS with {}", sha(digest)),
        Algorithm::Token => "the secret itself".to_owned(),
        Algorithm::Basic => "Basic auth".to_owned(),
        Algorithm::Jwt(_) => "a signed token (JWT)".to_owned(),
        Algorithm::JwsDetached(_) => "a detached JWS".to_owned(),
        Algorithm::HttpMessage(_) => "an HTTP message signature".to_owned(),
    }
}

fn curve(curve: Curve) -> &'static str {
    match curve {
        Curve::P256 => "P-256",
        Curve::P384 => "P-384",
        Curve::P521 => "P-521",
    }
}

/// Reads one provider's file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str) -> Result<Provider, Problems> {
    let mut problems = Problems::new();
    let node = yaml::parse(text).map_err(Problems::from)?;
    Provider::read(&node, "", &mut problems).ok_or(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_reads_without_a_problem_and_is_named_after_its_sender() {
        for entry in ENTRIES.iter() {
            let provider = parse(entry.text).unwrap_or_else(|problems| {
                panic!("{}", problems.render(&format!("{}.yaml", entry.name)));
            });
            assert_eq!(provider.name, entry.name);
        }
        assert!(ENTRIES.len() > 20, "{} files", ENTRIES.len());
    }

    #[test]
    fn senders_are_found_by_their_exact_name_and_near_misses_are_recognised() {
        assert_eq!(find("github").unwrap().title, "GitHub");
        assert!(find("GitHub").is_none());
        assert!(find("").is_none());
        assert_eq!(closest("bella-baxter"), Some("bella-baxter"));
        assert_eq!(closest("bela_baxter"), Some("bella-baxter"));
        assert!(Arc::ptr_eq(&find("stripe").unwrap(), &find("stripe").unwrap()));
    }

    #[test]
    fn the_table_says_what_proves_each_sender() {
        let table = provider_table();
        let row = table.iter().find(|row| row.name == "github").unwrap();
        assert_eq!(row.proof, "HMAC-SHA256 in x-hub-signature-256");
        assert_eq!(row.key, "body");
        assert_eq!(table.len(), names().count());
    }
}
