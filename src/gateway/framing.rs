//! What a request head may look like. Everything that two HTTP parsers could read differently is refused,
//! so that nobody behind or before this gateway can be made to see another request than the one verified.

use http::{Method, Version};

use super::session::{Fields, MAX_FIELDS};

/// Why a head is refused: a fixed text for the log.
pub(super) type Problem = &'static str;

/// Where the body of a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// Where the chunked coding says so.
    Chunked,
}

/// Checks the three fields that decide framing and routing, and says where the body ends.
///
/// RFC 9112 sections 3.2 (Host), 6.1 and 6.3 (framing).
///
/// # Errors
/// A fixed text that says what is wrong.
pub(super) fn of(version: Version, fields: &[httparse::Header<'_>]) -> Result<Framing, Problem> {
    let (mut host, mut content_length, mut transfer_encoding) = (None, None, None);
    for field in fields {
        let name = field.name.as_bytes();
        let known = match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => &mut host,
            14 if name.eq_ignore_ascii_case(b"content-length") => &mut content_length,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => &mut transfer_encoding,
            _ => continue,
        };
        if known.replace(field.value.trim_ascii()).is_some() {
            return Err("Host, Content-Length or Transfer-Encoding is repeated");
        }
    }
    check_host(host.ok_or("Host is missing")?)?;
    match (content_length, transfer_encoding) {
        (Some(_), Some(_)) => Err("both Content-Length and Transfer-Encoding"),
        (Some(length), None) => number(length).ok_or("Content-Length is not a plain number"),
        (None, Some(coding)) if version == Version::HTTP_11 && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked)
        }
        (None, Some(_)) => Err("Transfer-Encoding is not a single `chunked`"),
        (None, None) => Ok(Framing::Length(0)),
    }
}

/// A length that is too large for `u64` is larger than any limit, so the largest one stands for it.
fn number(digits: &[u8]) -> Option<Framing> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| plain)?;
    Some(Framing::Length(text.parse().unwrap_or(u64::MAX)))
}

/// Checks that each line ends with CR LF where the next one begins (RFC 9112 section 2.2); httparse takes a bare LF.
///
/// # Errors
/// A fixed text that says what is wrong.
pub(super) fn check_line_ends(
    raw: &[u8],
    mut beginnings: impl Iterator<Item = usize>,
) -> Result<(), Problem> {
    // One empty line before the request line is passed over.
    let line = raw.strip_prefix(b"\r\n").unwrap_or(raw);
    let begins = line.first().is_some_and(|byte| !matches!(byte, b'\r' | b'\n'));
    let ends = |end: usize| raw.get(..end).is_some_and(|line| line.ends_with(b"\r\n"));
    if begins && beginnings.all(ends) && raw.ends_with(b"\r\n\r\n") {
        return Ok(());
    }
    Err("a line ends with a bare LF")
}

/// Whether the connection may carry another request (RFC 9112 section 9.3).
pub(super) fn keeps_alive(version: Version, fields: &Fields) -> bool {
    let mut keep = version == Version::HTTP_11;
    for option in fields.all("connection").flat_map(|value| value.split(|byte| *byte == b',')) {
        let option = option.trim_ascii();
        if option.eq_ignore_ascii_case(b"close") {
            return false;
        }
        keep |= option.eq_ignore_ascii_case(b"keep-alive");
    }
    keep
}

/// `host[:port]` (RFC 9110 section 7.2) and nothing that a URL parser could read as userinfo, path, a second host or a second
/// port: a name of labels, an address, or an IPv6 address in brackets.
pub(super) fn check_host(host: &[u8]) -> Result<(), Problem> {
    let end = match host.first() {
        Some(b'[') => bracketed(host),
        _ => name(host),
    };
    let rest = end.filter(|_| host.len() <= 255).and_then(|end| host.get(end..));
    match rest {
        Some([]) => Ok(()),
        Some([b':', port @ ..]) if is_port(port) => Ok(()),
        _ => Err("Host is not host[:port]"),
    }
}

/// The end of an IPv6 address in brackets.
fn bracketed(host: &[u8]) -> Option<usize> {
    let end = host.iter().position(|byte| *byte == b']')?;
    std::str::from_utf8(host.get(1..end)?).ok()?.parse::<std::net::Ipv6Addr>().ok()?;
    end.checked_add(1)
}

/// The end of a name: labels that are not empty with dots between them. One dot may stand at the end.
fn name(host: &[u8]) -> Option<usize> {
    let in_name =
        |byte: &u8| matches!(byte, b'a'..=b'z' | b'.' | b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'_' | b'~');
    let end = host.iter().position(|byte| !in_name(byte)).unwrap_or(host.len());
    let name = host.get(..end)?;
    let empty_label = name.starts_with(b".") || name.windows(2).any(|two| two == b"..");
    (!name.is_empty() && !empty_label).then_some(end)
}

fn is_port(port: &[u8]) -> bool {
    let digits = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    digits && std::str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok())
}

/// What the method and the semantics of the head rule out whatever the route.
///
/// # Errors
/// A fixed text that says what is wrong.
pub(super) fn check_semantics(method: &Method, fields: &Fields) -> Result<(), Problem> {
    if method == Method::CONNECT {
        return Err("CONNECT is not served");
    }
    // The same as over HTTP/1: each is looked at several times, and a kept delivery has to be readable again.
    if fields.count() > MAX_FIELDS {
        return Err("the head has more than 256 header lines");
    }
    if fields.all("upgrade").next().is_some() {
        return Err("Upgrade is not served");
    }
    // Over HTTP/1 the raw head was checked; over HTTP/2 equal repeated lengths come through.
    if fields.all("content-length").nth(1).is_some() {
        return Err("Content-Length is repeated");
    }
    if fields.all("host").nth(1).is_some() {
        return Err("Host is repeated");
    }
    if fields.all("expect").any(|expect| !expect.eq_ignore_ascii_case(b"100-continue")) {
        return Err("Expect is not 100-continue");
    }
    Ok(())
}

/// The origin-form target (`/path?query`) of a request, taken out of an absolute-form one.
///
/// An absolute-form target has to name the host that `Host` names (RFC 9112 section 3.2.2): routing by one and
/// forwarding the other would make two requests of one.
///
/// # Errors
/// When the target is neither, or names another host.
pub(super) fn origin_form<'t>(target: &'t str, host: &str) -> Result<&'t str, Problem> {
    if target.starts_with('/') {
        return Ok(target);
    }
    let after_scheme = target
        .strip_prefix("http://")
        .or_else(|| target.strip_prefix("https://"))
        .ok_or("the target is not a path")?;
    let authority_end = after_scheme.find(['/', '?']).unwrap_or(after_scheme.len());
    let (authority, path) = after_scheme.split_at_checked(authority_end).unwrap_or((after_scheme, ""));
    if authority != host {
        return Err("the target names another host than Host");
    }
    if path.starts_with('/') { Ok(path) } else { Err("the target has no path") }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::session::Head;
    use super::*;

    fn check(head: &str) -> Result<(), Problem> {
        let taken = Head::take(&mut BytesMut::from(head))?;
        assert!(taken.is_some(), "{head:?} is not complete");
        Ok(())
    }

    #[test]
    fn ordinary_heads_pass() {
        for fields in ["", "Content-Length: 0\r\n", "content-length:17\r\n", "Transfer-Encoding: Chunked\r\n"]
        {
            for before in ["", "\r\n"] {
                let head = format!("{before}POST /a?b=c%20d HTTP/1.1\r\nHost: a.example:80\r\n{fields}\r\n");
                assert_eq!(check(&head), Ok(()), "{head:?}");
            }
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_at_most_one_port() {
        for host in
            ["a", "A.example.", "a_b.example:8080", "127.0.0.1:80", "[::1]", "[2001:db8::1]:443", "a:0"]
        {
            assert_eq!(check_host(host.as_bytes()), Ok(()), "{host}");
        }
        for host in [
            "", ".", "a..b", ".a", "a:", "a:b", "a:80:80", "a:65536", "a:+1", "::1", "[::1", "[::1]x", "[a]",
            "a[::1]",
        ] {
            assert!(check_host(host.as_bytes()).is_err(), "{host}");
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
            "X : a\r\n",
            "no colon\r\n",
        ] {
            assert!(check(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).is_err(), "{fields:?}");
        }
        for head in [
            "POST / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\n\n",
            "POST / HTTP/1.1\r\nHost: u@a\r\n\r\n",
            "\nPOST / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/2.0\r\nHost: a\r\n\r\n",
            "POST /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /\r\nHost: a\r\n\r\n",
            "GET /é HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert!(check(head).is_err(), "{head:?}");
        }
    }

    #[test]
    fn a_length_beyond_all_numbers_is_larger_than_any_limit() {
        assert_eq!(number(b"99999999999999999999999"), Some(Framing::Length(u64::MAX)));
        assert_eq!(number(b"007"), Some(Framing::Length(7)));
    }

    #[test]
    fn a_connection_is_kept_as_its_version_and_its_options_say() {
        let keeps = |version, option: &'static str| {
            let mut headers = http::HeaderMap::new();
            headers.insert(http::header::CONNECTION, http::HeaderValue::from_static(option));
            keeps_alive(version, &Fields::of(&headers))
        };
        for (version, option, kept) in [
            (Version::HTTP_11, "", true),
            (Version::HTTP_11, "x-a, Close", false),
            (Version::HTTP_10, "", false),
            (Version::HTTP_10, "Keep-Alive", true),
            (Version::HTTP_10, "keep-alive, close", false),
        ] {
            assert_eq!(keeps(version, option), kept, "{version:?} {option}");
        }
    }

    #[test]
    fn absolute_form_gives_its_path_and_other_forms_are_refused() {
        assert_eq!(origin_form("/a?b", "h"), Ok("/a?b"));
        assert_eq!(origin_form("http://h/a?b", "h"), Ok("/a?b"));
        for target in
            ["*", "h:443", "http://h", "http://h?x=/", "", "ftp://h/a", "http://u@h/a", "http://other/a"]
        {
            assert!(origin_form(target, "h").is_err(), "{target}");
        }
    }
}
