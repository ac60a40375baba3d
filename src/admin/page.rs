//! The operator's page: files in this binary, with headers that let it run nothing but itself.
//!
//! They hold nothing of this gateway, so they need no token; everything on the page comes from the API, which does.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use include_dir::{Dir, include_dir};
use sha2::{Digest as _, Sha256};

use super::AdminAnswer;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/admin/page");

/// What the page may do: run its own scripts, use its own styles and pictures, ask its own origin. No form leaves it, and
/// nothing may put it into a frame (CSP Level 3).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// One file of the page.
#[derive(Debug)]
pub(super) struct File {
    path: String,
    kind: &'static str,
    content: &'static [u8],
    /// Of its content (RFC 9110, section 8.8.3).
    tag: HeaderValue,
}

static SERVED: LazyLock<Vec<File>> = LazyLock::new(|| {
    FILES
        .files()
        .filter_map(|file| {
            let name = file.path().to_str()?;
            let kind = match name.rsplit_once('.')?.1 {
                "html" => "text/html; charset=utf-8",
                "css" => "text/css; charset=utf-8",
                "js" => "text/javascript; charset=utf-8",
                "svg" => "image/svg+xml",
                _ => return None,
            };
            let path = if name == "index.html" { "/".to_owned() } else { format!("/page/{name}") };
            let digest = hex::encode(Sha256::digest(file.contents()));
            let tag = HeaderValue::from_str(&format!("\"{}\"", digest.get(..32)?)).ok()?;
            Some(File { path, kind, content: file.contents(), tag })
        })
        .collect()
});

/// The file of this path.
pub(super) fn find(path: &str) -> Option<&'static File> {
    SERVED.iter().find(|file| file.path == path)
}

impl PartialEq for File {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for File {}

impl File {
    /// The file, or 304 if the browser has it already.
    pub(super) fn answer(&self, headers: &HeaderMap) -> AdminAnswer {
        let known = headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == "*" || tag.as_bytes() == self.tag.as_bytes());
        let (status, body) =
            if known { (304, Bytes::new()) } else { (200, Bytes::from_static(self.content)) };
        let answer = AdminAnswer { status, headers: Vec::with_capacity(9), body }
            .with(header::CONTENT_TYPE, self.kind)
            // It is asked for anew every time, so that an upgrade is seen, and hardly ever sent anew.
            .with(header::CACHE_CONTROL, "no-cache")
            .with(header::CONTENT_SECURITY_POLICY, POLICY)
            .with(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .with(header::REFERRER_POLICY, "no-referrer")
            .with(header::X_FRAME_OPTIONS, "DENY")
            .with(HeaderName::from_static("cross-origin-opener-policy"), "same-origin")
            .with(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        answer.with_value(header::ETAG, self.tag.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn text(path: &str) -> &'static str {
        std::str::from_utf8(find(path).unwrap().content).unwrap()
    }

    #[test]
    fn every_file_is_served_and_only_files_are() {
        let served: BTreeSet<&str> = SERVED.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(served.len(), FILES.files().count(), "{served:?}");
        assert!(served.contains("/") && served.contains("/page/page.js"));
        for other in [
            "",
            "/page/",
            "/page/index.html",
            "/page/../mod.rs",
            "/page/page.js/",
            "/page.js",
            "/page//page.js",
        ] {
            assert!(find(other).is_none(), "{other}");
        }
    }

    #[test]
    fn the_headers_let_it_run_nothing_but_itself() {
        for file in &*SERVED {
            let answer = file.answer(&HeaderMap::new());
            let headers: HeaderMap = answer.headers.iter().cloned().collect();
            let policy = headers["content-security-policy"].to_str().unwrap();
            for part in [
                "default-src 'none'",
                "script-src 'self'",
                "form-action 'none'",
                "frame-ancestors 'none'",
                "base-uri 'none'",
            ] {
                assert!(policy.split("; ").any(|directive| directive == part), "{policy}");
            }
            assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            assert_eq!(headers["referrer-policy"], "no-referrer");
            assert_eq!(headers["cache-control"], "no-cache");
            assert_eq!(answer.body, file.content);
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let file = find("/page/page.js").unwrap();
        let tag = file.tag.to_str().unwrap();
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
            file.answer(&headers)
        };
        for known in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let answer = asked(&known);
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
            assert!(answer.headers.iter().any(|(name, value)| name == header::ETAG && *value == file.tag));
        }
        assert_eq!(asked("\"other\"").status, 200);
        assert_ne!(find("/").unwrap().tag, file.tag);
    }

    #[test]
    fn nothing_on_it_is_made_from_markup_or_comes_from_elsewhere() {
        for file in &*SERVED {
            let content = std::str::from_utf8(file.content).unwrap();
            for never in [
                "innerHTML =",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "srcdoc",
                "@import",
            ] {
                assert!(!content.contains(never), "{}: {never}", file.path);
            }
            assert!(!file.path.ends_with(".css") || !content.contains("url("), "{}", file.path);
            for address in content.split("://").skip(1) {
                let ours = ["www.w3.org/", "127.0.0.1:8080", "$", ")", "\""];
                assert!(
                    ours.iter().any(|ours| address.starts_with(ours)),
                    "{}: …://{address:.40}",
                    file.path
                );
            }
        }
        let document = text("/");
        for inline in ["style=", "onclick=", "onload=", "onerror=", "onsubmit=", "javascript:"] {
            assert!(!document.contains(inline), "what is inline does not run: {inline}");
        }
    }

    #[test]
    fn the_document_asks_for_every_module_at_once() {
        let listed: BTreeSet<String> = text("/")
            .split("href=\"")
            .chain(text("/").split("src=\""))
            .filter_map(|rest| rest.split('"').next())
            .filter(|address| address.starts_with("page/"))
            .map(|address| format!("/{address}"))
            .collect();
        let served: BTreeSet<String> =
            SERVED.iter().map(|file| file.path.clone()).filter(|path| path != "/").collect();
        assert_eq!(listed, served);
    }

    #[test]
    fn every_reason_and_outcome_has_its_words() {
        let description: Value = serde_json::from_str(crate::admin::answer::DESCRIPTION).unwrap();
        let words = text("/page/words.js");
        for (schema, object) in [("Reason", "export const REASONS"), ("Outcome", "export const OUTCOMES")] {
            let part = words.split(object).nth(1).unwrap().split("\n};").next().unwrap();
            let listed: BTreeSet<&str> = part
                .lines()
                .filter_map(|line| line.strip_prefix("  ")?.split_once(": {"))
                .map(|(word, _)| word)
                .filter(|word| !word.starts_with(' '))
                .collect();
            let known = description["components"]["schemas"][schema]["enum"].as_array().unwrap();
            let known: BTreeSet<&str> = known.iter().filter_map(Value::as_str).collect();
            assert_eq!(listed, known, "{schema}");
        }
    }
}
