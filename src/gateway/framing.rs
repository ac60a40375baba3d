//! What a request head may look like. Everything that two HTTP parsers could read differently is refused,
//! so that nobody behind or before this gateway can be made to see another request than the one verified.

use http::{Method, Version};

/// Why a head is refused: a fixed text for the log.
pub(super) type Problem = &'static str;

/// The framing fields as they stand on the wire. Pingora's parser drops or merges some of them (a
/// `Content-Length` beside `Transfer-Encoding`, equal repeated lengths), so they are read from the raw bytes.
#[derive(Debug, Default)]
struct Fields<'a> {
    content_length: Option<&'a [u8]>,
    transfer_encoding: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
}

/// Checks the raw HTTP/1 head: line ends, names, and the three fields that decide framing and routing.
///
/// RFC 9112 sections 2.2 (bare LF), 3.2 (Host), 5.2 (line folding), 6.1 and 6.3 (framing).
///
/// # Errors
/// A fixed text that says what is wrong.
pub(super) fn check_http1(raw: &[u8], version: Version) -> Result<(), Problem> {
    if !matches!(version, Version::HTTP_11 | Version::HTTP_10) {
        return Err("not HTTP/1.0 or HTTP/1.1");
    }
    let fields = read_fields(raw)?;
    match (fields.content_length, fields.transfer_encoding) {
        (Some(_), Some(_)) => return Err("both Content-Length and Transfer-Encoding"),
        (Some(length), None) if length.is_empty() || !length.iter().all(u8::is_ascii_digit) => {
            return Err("Content-Length is not a plain number");
        }
        (None, Some(coding)) if version == Version::HTTP_10 || !coding.eq_ignore_ascii_case(b"chunked") => {
            return Err("Transfer-Encoding is not a single `chunked`");
        }
        _ => {}
    }
    match fields.host {
        None => Err("Host is missing"),
        Some(host) => check_host(host),
    }
}

fn read_fields(raw: &[u8]) -> Result<Fields<'_>, Problem> {
    let mut fields = Fields::default();
    // An empty line before the request line is passed over (RFC 9112 section 2.2).
    let raw = raw.strip_prefix(b"\r\n").unwrap_or(raw);
    let mut lines = raw.split(|byte| *byte == b'\n');
    // The request line itself was parsed; only its end matters here. What follows the last LF is empty.
    let Some(request_line) = lines.next() else { return Err("empty head") };
    if !request_line.ends_with(b"\r") {
        return Err("a line ends with a bare LF");
    }
    for line in lines {
        let Some(line) = line.strip_suffix(b"\r") else {
            if line.is_empty() {
                break;
            }
            return Err("a line ends with a bare LF");
        };
        if line.is_empty() {
            continue;
        }
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err("a header line is folded");
        }
        if line.contains(&b'\r') || line.contains(&0) {
            return Err("a header line holds CR or NUL");
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Err("a header line has no colon");
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let field = match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => &mut fields.host,
            14 if name.eq_ignore_ascii_case(b"content-length") => &mut fields.content_length,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => &mut fields.transfer_encoding,
            _ => continue,
        };
        if field.replace(value).is_some() {
            return Err("Host, Content-Length or Transfer-Encoding is repeated");
        }
    }
    Ok(fields)
}

/// `host[:port]` and nothing that a URL parser could read as userinfo, path or a second host.
pub(super) fn check_host(host: &[u8]) -> Result<(), Problem> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:[]~".contains(byte);
    if host.is_empty() || host.len() > 255 || !host.iter().all(allowed) {
        return Err("Host is not host[:port]");
    }
    Ok(())
}

/// What the method and the semantics of the head rule out whatever the route.
///
/// # Errors
/// A fixed text that says what is wrong.
pub(super) fn check_semantics(method: &Method, headers: &http::HeaderMap) -> Result<(), Problem> {
    if method == Method::CONNECT {
        return Err("CONNECT is not served");
    }
    if headers.contains_key(http::header::UPGRADE) {
        return Err("Upgrade is not served");
    }
    // Over HTTP/1 the raw head was checked; over HTTP/2 equal repeated lengths come through.
    if headers.get_all(http::header::CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err("Content-Length is repeated");
    }
    match headers.get(http::header::EXPECT) {
        Some(expect) if !expect.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Err("Expect is not 100-continue")
        }
        _ => Ok(()),
    }
}

/// The origin-form target (`/path?query`) of a request, taken out of an absolute-form one.
///
/// Pingora has checked by then that an absolute-form target and `Host` name the same authority.
///
/// # Errors
/// When the target is neither, or is not ASCII.
pub(super) fn origin_form(target: &[u8]) -> Result<&str, Problem> {
    let target = std::str::from_utf8(target).map_err(|_| "the target is not ASCII")?;
    if target.starts_with('/') {
        return Ok(target);
    }
    let after_scheme = target
        .strip_prefix("http://")
        .or_else(|| target.strip_prefix("https://"))
        .ok_or("the target is not a path")?;
    match after_scheme.find(['/', '?']) {
        Some(at) if after_scheme.as_bytes().get(at) == Some(&b'/') => {
            Ok(after_scheme.get(at..).unwrap_or("/"))
        }
        _ => Err("the target has no path"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str) -> Result<(), Problem> {
        check_http1(head.as_bytes(), Version::HTTP_11)
    }

    #[test]
    fn ordinary_heads_pass() {
        for fields in ["", "Content-Length: 0\r\n", "content-length:17\r\n", "Transfer-Encoding: Chunked\r\n"]
        {
            assert_eq!(
                check(&format!("POST / HTTP/1.1\r\nHost: a.example:80\r\n{fields}\r\n")),
                Ok(()),
                "{fields}"
            );
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        for fields in [
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: \r\n",
            "Transfer-Encoding: identity, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: \x0bchunked\r\n",
            "Host: b.example\r\n",
            "X: a\n",
            "X: a\r\n b\r\n",
            "X: a\0b\r\n",
            "X: a\rb\r\n",
            "no colon\r\n",
        ] {
            assert!(check(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).is_err(), "{fields:?}");
        }
        for head in [
            "POST / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        ] {
            assert!(check(head).is_err(), "{head:?}");
        }
        assert!(
            check_http1(
                b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                Version::HTTP_10
            )
            .is_err()
        );
    }

    #[test]
    fn absolute_form_gives_its_path_and_other_forms_are_refused() {
        assert_eq!(origin_form(b"/a?b"), Ok("/a?b"));
        assert_eq!(origin_form(b"http://h/a?b"), Ok("/a?b"));
        for target in ["*", "h:443", "http://h", "http://h?x=/", "", "ftp://h/a"] {
            assert!(origin_form(target.as_bytes()).is_err(), "{target}");
        }
    }
}
