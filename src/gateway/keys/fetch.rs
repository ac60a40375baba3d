//! Fetching one document with keys: one GET, three seconds, no redirects, and not more than a key set can have.

use std::io::Read as _;
use std::sync::OnceLock;
use std::time::Duration;

use ureq::Agent;

use crate::secret::Secret;
use crate::verify::Pointer;

/// For everything from looking up the name to the last byte.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// The largest known key set has some 20 KiB.
const LARGEST: u64 = 256 * 1024;

/// How long a document is used: what its host says, within these, and an hour where it says nothing.
const SHORTEST_LIFE: Duration = Duration::from_secs(5 * 60);
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
const USUAL_LIFE: Duration = Duration::from_secs(60 * 60);

/// A document as it came.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) text: String,
    pub(super) life: Duration,
}

/// The HTTP client, made when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Fetcher(OnceLock<Agent>);

impl Fetcher {
    /// Gets a document. It blocks.
    ///
    /// # Errors
    /// Why it cannot be had, in words for the log.
    pub(super) fn get(
        &self,
        url: &str,
        bearer: Option<&Secret>,
        json: Option<&Pointer>,
    ) -> Result<Fetched, String> {
        let mut request =
            self.agent().get(url).header("accept", "application/json, application/x-pem-file, */*");
        if let Some(token) = bearer {
            let token =
                std::str::from_utf8(token.expose()).map_err(|_| "the key token is not text".to_owned())?;
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = request.call().map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(format!("it was answered {status}"));
        }
        let life =
            life(response.headers().get_all("cache-control").iter().filter_map(|value| value.to_str().ok()));
        let mut bytes = Vec::new();
        let mut reader = response.body_mut().as_reader().take(LARGEST.saturating_add(1));
        reader.read_to_end(&mut bytes).map_err(|error| format!("the answer broke off: {error}"))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
            return Err("it is larger than 256 KiB".to_owned());
        }
        let text = String::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
        let text = match json {
            None => text,
            Some(pointer) => {
                at(&text, pointer).ok_or_else(|| format!("there is no text at {pointer} in it"))?
            }
        };
        Ok(Fetched { text, life })
    }

    fn agent(&self) -> &Agent {
        self.0.get_or_init(|| {
            Agent::config_builder()
                .http_status_as_error(false)
                // A redirect could lead to any host; no sender needs one.
                .max_redirects(0)
                .timeout_global(Some(TIMEOUT))
                .max_idle_connections(0)
                .proxy(None)
                .user_agent(concat!("sealpost/", env!("CARGO_PKG_VERSION")))
                .build()
                .into()
        })
    }
}

/// How long an answer with these `Cache-Control` headers is used.
fn life<'h>(headers: impl Iterator<Item = &'h str>) -> Duration {
    let mut life = USUAL_LIFE;
    for directive in headers.flat_map(|header| header.split(',')) {
        let directive = directive.trim().to_ascii_lowercase();
        match directive.split_once('=') {
            Some(("max-age", seconds)) => {
                life = seconds.trim_matches('"').parse().map_or(USUAL_LIFE, Duration::from_secs);
            }
            None if directive == "no-store" || directive == "no-cache" => return SHORTEST_LIFE,
            _ => {}
        }
    }
    life.clamp(SHORTEST_LIFE, LONGEST_LIFE)
}

fn at(text: &str, pointer: &Pointer) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    json.pointer(&pointer.to_string())?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_lives_as_long_as_its_host_says_within_bounds() {
        for (headers, seconds) in [
            (&[][..], 3600),
            (&["public, max-age=7200"], 7200),
            (&["max-age=600, must-revalidate"], 600),
            (&["max-age=1"], 300),
            (&["max-age=0"], 300),
            (&["max-age=31536000"], 86400),
            (&["max-age=9999999999999999999999"], 3600),
            (&["no-store", "max-age=7200"], 300),
            (&["s-maxage=9"], 3600),
        ] {
            assert_eq!(life(headers.iter().copied()), Duration::from_secs(seconds), "{headers:?}");
        }
    }

    #[test]
    fn a_key_inside_a_json_answer_is_found() {
        let pointer: Pointer = "/data/publicKey".parse().unwrap();
        assert_eq!(at(r#"{"data":{"publicKey":"MFk="}}"#, &pointer).as_deref(), Some("MFk="));
        assert_eq!(at(r#"{"data":{"publicKey":1}}"#, &pointer), None);
        assert_eq!(at("<html>", &pointer), None);
    }
}
