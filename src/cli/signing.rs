//! What `sign` and `send` share: from flags to a delivery as its sender would send it.

use std::io::Read;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock;
use crate::time::UnixTime;
use crate::verify::sign::{SignRequest, sign};

use super::args::Signing;
use super::known::{self, Known};
use super::output::Failure;

/// A delivery, signed.
pub(super) struct Delivery {
    pub(super) method: String,
    /// The URL with whatever the sender adds to its query.
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    /// The headers that make the signature: those of `headers` that the sender adds.
    pub(super) added: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// Signs what the flags describe; `url` is where it goes, `public_url` what the sender believes to call.
pub(super) fn prepare(
    signing: &Signing,
    url: &str,
    public_url: Option<&str>,
    headers: &[(String, String)],
) -> Result<Delivery, Failure> {
    let provider = Known::read(signing.config.as_deref())?.provider(&signing.provider)?;
    let provider = provider.with_shown_settings(&signing.settings);
    let provider = known::with_settings(&provider, &signing.settings)?;
    let named = known::secret(&signing.secret)?;
    let body = match &signing.body {
        Some(path) => read_body(path)?,
        None => Vec::new(),
    };
    let mut all = headers.to_vec();
    if !all.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) && !body.is_empty() {
        all.push(("content-type".to_owned(), content_type(&body).to_owned()));
    }
    let method = signing.method.to_ascii_uppercase();
    let request = SignRequest {
        method: &method.clone(),
        url: public_url.unwrap_or(url),
        headers: &header_map(&all)?,
        body: &body,
        id: signing.id.as_deref(),
        timestamp: time(signing.timestamp)?,
    };
    let signed = sign(&provider.scheme, &named.secret, &request)
        .map_err(|error| Failure::Failed(format!("cannot sign as `{}`: {error}", provider.name)))?;
    let is_added = |name: &str| signed.headers.iter().any(|(added, _)| added.eq_ignore_ascii_case(name));
    all.retain(|(name, _)| !is_added(name));
    all.extend(signed.headers.iter().cloned());
    Ok(Delivery {
        method,
        url: retarget(url, request.url, &signed.url),
        headers: all,
        added: signed.headers,
        body: signed.body,
    })
}

/// T of the command line, or now.
pub(super) fn time(seconds: Option<i64>) -> Result<UnixTime, Failure> {
    match seconds {
        None => Ok(clock::now()),
        Some(seconds) => UnixTime::from_seconds(seconds)
            .ok_or_else(|| Failure::Usage(format!("{seconds} is not a time in Unix seconds"))),
    }
}

/// The largest body that is read; far above what any gateway takes.
const LARGEST: u64 = 1 << 30;

/// A file's bytes, or those of standard input for `-`.
pub(super) fn read_body(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(LARGEST).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::Failed(format!("cannot read the body from {}: {error}", path.display())))?;
    Ok(bytes)
}

/// Headers as HTTP wants them.
pub(super) fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, Failure> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let cannot = || Failure::Failed(format!("`{}` cannot be a header", name.escape_debug()));
        let header = HeaderName::try_from(name.as_str()).map_err(|_| cannot())?;
        map.append(header, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| cannot())?);
    }
    Ok(map)
}

/// The path and query of a URL, `/` if it has none.
pub(super) fn target_of(url: &str) -> &str {
    let after = url.find("://").map_or(url, |at| url.get(at + 3..).unwrap_or(""));
    match after.find(['/', '?', '#']) {
        Some(at) => after.get(at..).map_or("/", |target| target.split('#').next().unwrap_or("/")),
        None => "/",
    }
}

/// Scheme, host and port of a URL.
pub(super) fn origin_of(url: &str) -> Option<&str> {
    let start = url.find("://")? + 3;
    let end = url.get(start..)?.find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    url.get(..end).filter(|_| end > start)
}

/// Where to send it: `url`, with what the sender added to the query of the URL it believes to call.
fn retarget(url: &str, called: &str, signed: &str) -> String {
    match signed.strip_prefix(called) {
        Some(added) => format!("{url}{added}"),
        None => format!("{}{}", origin_of(url).unwrap_or(url), target_of(signed)),
    }
}

fn content_type(body: &[u8]) -> &'static str {
    match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        Ok(_) => "application/json",
        Err(_) if looks_like_form(body) => "application/x-www-form-urlencoded",
        Err(_) => "application/octet-stream",
    }
}

fn looks_like_form(body: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~*+%=&[]".contains(byte);
    body.contains(&b'=') && body.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_falls_into_origin_and_target() {
        for (url, origin, target) in [
            ("http://a:1/b?c#d", Some("http://a:1"), "/b?c"),
            ("https://a", Some("https://a"), "/"),
            ("https://a?x=1", Some("https://a"), "?x=1"),
            ("http://", None, "/"),
        ] {
            assert_eq!((origin_of(url), target_of(url)), (origin, target), "{url}");
        }
        assert_eq!(retarget("http://a/b", "https://c/b", "https://c/b?sig=1"), "http://a/b?sig=1");
    }

    #[test]
    fn the_content_type_follows_from_the_body() {
        assert_eq!(content_type(b"{}"), "application/json");
        assert_eq!(content_type(b"a=1&b=%20"), "application/x-www-form-urlencoded");
        assert_eq!(content_type(b"\xff"), "application/octet-stream");
    }
}
