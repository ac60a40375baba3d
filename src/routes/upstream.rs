//! Where verified requests go: `http://`, `https://`, or a Unix socket.

use core::net::{IpAddr, Ipv6Addr};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::pattern::Host;
use super::target::path_problem;

/// An upstream.
///
/// Text forms: `http://HOST[:PORT][/PATH]`, `https://…`, `unix:/SOCKET` and `unix:/SOCKET:/PATH` (a socket's path
/// therefore holds no colon).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where to connect.
    pub address: UpstreamAddress,
    /// The path that replaces the matched one; `None` keeps the request's path. `/` alone is a path too.
    pub base_path: Option<String>,
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamAddress {
    /// A host and port.
    Tcp {
        /// Whether to speak TLS, with the certificate checked for `host`.
        tls: bool,
        /// A lower-case name or an address, an IPv6 one without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket; a relative path is relative to the configuration's folder.
    Unix(PathBuf),
}

impl Upstream {
    /// The value of `Host` for requests to it, with the port where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let UpstreamAddress::Tcp { tls, host, port } = &self.address else { return "localhost".to_owned() };
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        if *port == default_port(*tls) { host } else { format!("{host}:{port}") }
    }

    /// Whether requests to it leave this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match &self.address {
            UpstreamAddress::Unix(_) => true,
            UpstreamAddress::Tcp { host, .. } => match host.parse::<IpAddr>() {
                Ok(address) => address.is_loopback(),
                Err(_) => host == "localhost" || host.ends_with(".localhost"),
            },
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.base_path.as_deref().unwrap_or_default();
        match &self.address {
            UpstreamAddress::Unix(socket) if path.is_empty() => write!(f, "unix:{}", socket.display()),
            UpstreamAddress::Unix(socket) => write!(f, "unix:{}:{path}", socket.display()),
            UpstreamAddress::Tcp { tls: false, .. } => write!(f, "http://{}{path}", self.authority()),
            UpstreamAddress::Tcp { tls: true, .. } => write!(f, "https://{}{path}", self.authority()),
        }
    }
}

impl FromStr for Upstream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("unix:") {
            return unix(rest);
        }
        let (tls, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => {
                let way_out = "write `http://HOST:PORT`, `https://HOST` or `unix:/path/to.sock`";
                return Err(format!("not an upstream's address; {way_out}"));
            }
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err("credentials cannot stand in an upstream's address".into());
        }
        let (host, port) = host_and_port(authority, tls)?;
        Ok(Self { address: UpstreamAddress::Tcp { tls, host, port }, base_path: base_path(path)? })
    }
}

fn unix(rest: &str) -> Result<Upstream, String> {
    let (socket, path) = rest.split_once(':').map_or((rest, ""), |(socket, path)| (socket, path));
    if socket.is_empty() || socket.ends_with('/') {
        return Err(
            "the socket's path is missing; write `unix:/path/to.sock` or `unix:/path/to.sock:/base`".into()
        );
    }
    // `sun_path` of sockaddr_un holds 108 bytes with its final NUL (104 on BSD); the kernel would only say EINVAL.
    if socket.len() > 103 {
        return Err("a socket's path has at most 103 bytes".into());
    }
    if rest.contains(':') && path.is_empty() {
        return Err("after the second colon comes an HTTP path, such as `unix:/path/to.sock:/base`".into());
    }
    Ok(Upstream { address: UpstreamAddress::Unix(PathBuf::from(socket)), base_path: base_path(path)? })
}

fn host_and_port(authority: &str, tls: bool) -> Result<(String, u16), String> {
    let colon =
        authority.rfind(':').filter(|colon| !authority.get(*colon..).is_some_and(|end| end.contains(']')));
    let (host, port) = match colon.and_then(|colon| authority.split_at_checked(colon)) {
        Some((host, port)) => (host, port.trim_start_matches(':')),
        None => (authority, ""),
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port.parse::<u16>() {
        Ok(port) if port > 0 && digits => port,
        _ if colon.is_none() => default_port(tls),
        _ => return Err("the port is not a number from 1 to 65535".into()),
    };
    let host = host.parse::<Host>().map_err(|problem| format!("the upstream's host: {problem}"))?;
    let host = host.as_str();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    Ok((
        address.and_then(|host| host.parse::<Ipv6Addr>().ok()).map_or(host.to_owned(), |a| a.to_string()),
        port,
    ))
}

fn base_path(path: &str) -> Result<Option<String>, String> {
    if path.contains('?') {
        return Err("an upstream's address has no query; the request's own is passed on".into());
    }
    match path_problem(path) {
        _ if path.is_empty() => Ok(None),
        None => Ok(Some(path.to_owned())),
        Some(problem) => Err(format!("the upstream's path: {problem}")),
    }
}

const fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(tls: bool, host: &str, port: u16, base_path: Option<&str>) -> Upstream {
        let address = UpstreamAddress::Tcp { tls, host: host.into(), port };
        Upstream { address, base_path: base_path.map(Into::into) }
    }

    #[test]
    fn addresses_of_all_three_kinds_are_read_and_shown_again() {
        let unix = |socket: &str, base_path: Option<&str>| Upstream {
            address: UpstreamAddress::Unix(socket.into()),
            base_path: base_path.map(Into::into),
        };
        for (text, upstream) in [
            ("http://127.0.0.1:3000", tcp(false, "127.0.0.1", 3000, None)),
            ("http://app", tcp(false, "app", 80, None)),
            ("https://app.example.com", tcp(true, "app.example.com", 443, None)),
            ("https://app.example.com:8443/in/", tcp(true, "app.example.com", 8443, Some("/in/"))),
            ("http://[::1]:3000/a", tcp(false, "::1", 3000, Some("/a"))),
            ("http://[::1]", tcp(false, "::1", 80, None)),
            ("http://app/", tcp(false, "app", 80, Some("/"))),
            ("unix:/run/app.sock", unix("/run/app.sock", None)),
            ("unix:/run/app.sock:/base", unix("/run/app.sock", Some("/base"))),
        ] {
            let read = text.parse::<Upstream>();
            assert_eq!(read.as_ref(), Ok(&upstream), "{text}");
            assert_eq!(read.unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in [
            "",
            "127.0.0.1:3000",
            "ftp://app",
            "HTTP://app",
            "http://",
            "http:///a",
            "http://user:pass@app",
            "http://app#f",
            "http://app/a#f",
            "http://app?x=1",
            "http://app/a?x=1",
            "http://app:0",
            "http://app:",
            "http://app:65536",
            "http://app:+80",
            "http://app:80:90",
            "http://::1",
            "http://ap p",
            "http://app/a/../b",
            "http://app//a",
            "http://app/a%2fb",
            "unix:",
            "unix:/",
            "unix::/a",
            "unix:/run/app.sock:",
            "unix:/run/app.sock:base",
            "unix:/run/app.sock:/a?b",
        ] {
            assert!(text.parse::<Upstream>().is_err(), "{text:?}: {:?}", text.parse::<Upstream>());
        }
    }

    #[test]
    fn loopback_and_sockets_are_local() {
        for (text, local) in [
            ("http://127.0.0.1:1", true),
            ("http://127.8.0.1", true),
            ("http://[::1]", true),
            ("http://localhost:3000", true),
            ("unix:/a", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
            ("http://app", false),
        ] {
            assert_eq!(text.parse::<Upstream>().unwrap().is_local(), local, "{text}");
        }
    }
}
