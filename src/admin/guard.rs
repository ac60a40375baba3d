//! Who may ask: the bearer token, and the two ways in which a browser could be made to ask for somebody else.

use std::net::{IpAddr, Ipv6Addr};

use http::header::{self, HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::secret::Secret;

/// The token as its digest: compared in a time that tells neither its bytes nor its length.
#[derive(Debug)]
pub(super) struct Token([u8; 32]);

impl Token {
    pub(super) fn new(token: &Secret) -> Self {
        Self(Sha256::digest(token.expose()).into())
    }

    /// Whether the request carries it, as `Authorization: Bearer TOKEN`, once.
    pub(super) fn presented(&self, headers: &HeaderMap) -> bool {
        let Some(value) = single(headers, &header::AUTHORIZATION) else { return false };
        let Some((scheme, token)) = value.split_once(' ') else { return false };
        let presented: [u8; 32] = Sha256::digest(token.trim()).into();
        scheme.eq_ignore_ascii_case("bearer") & bool::from(presented.ct_eq(&self.0))
    }
}

/// Whether the `Host` cannot be a name that somebody else's DNS points at us: an address, or `localhost`.
pub(super) fn is_loopback_name(headers: &HeaderMap) -> bool {
    let Some(host) = single(headers, &header::HOST) else { return false };
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || is_port(port.strip_prefix(':')));
    }
    let name = match host.split_once(':') {
        Some((name, port)) if is_port(Some(port)) => name,
        Some(_) => return false,
        None => host,
    };
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
}

fn is_port(port: Option<&str>) -> bool {
    port.is_some_and(|port| port.parse::<u16>().is_ok())
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a browser sends this on behalf of another site. Programs send neither of the two headers.
pub(super) fn cross_site(headers: &HeaderMap) -> bool {
    if headers.contains_key(&SEC_FETCH_SITE) {
        let site = single(headers, &SEC_FETCH_SITE);
        if !matches!(site, Some("same-origin" | "none")) {
            return true;
        }
    }
    if !headers.contains_key(header::ORIGIN) {
        return false;
    }
    let origin = single(headers, &header::ORIGIN).and_then(|origin| origin.split_once("://"));
    let host = single(headers, &header::HOST);
    match (origin, host) {
        (Some((_, authority)), Some(host)) => !authority.eq_ignore_ascii_case(host),
        _ => true,
    }
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn with_host(host: &str) -> HeaderMap {
        headers(&[("host", host)])
    }

    #[test]
    fn addresses_and_localhost_are_ours_and_names_are_anybodys() {
        for ours in [
            "127.0.0.1",
            "127.0.0.1:9090",
            "[::1]",
            "[::1]:9090",
            "10.0.0.7:9090",
            "localhost",
            "LocalHost:9090",
            "sealpost.localhost:9090",
        ] {
            assert!(is_loopback_name(&with_host(ours)), "{ours}");
        }
        for other in [
            "evil.example",
            "evil.example:9090",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "[::1",
            "[::1]evil.example",
            "[evil.example]",
            "127.0.0.1:evil",
            "localhost:",
            "",
        ] {
            assert!(!is_loopback_name(&with_host(other)), "{other}");
        }
        assert!(!is_loopback_name(&HeaderMap::new()));
        let mut two = with_host("localhost");
        two.append(header::HOST, "evil.example".parse().unwrap());
        assert!(!is_loopback_name(&two));
    }

    #[test]
    fn only_the_exact_token_opens() {
        let token = Token::new(&Secret::new(b"a-long-token".to_vec()));
        let presented = |value: &str| token.presented(&headers(&[("authorization", value)]));
        assert!(presented("Bearer a-long-token"));
        assert!(presented("bearer  a-long-token"));
        for wrong in [
            "Bearer a-long-tokem",
            "Bearer a-long-toke",
            "Bearer a-long-token2",
            "Bearer ",
            "Bearer",
            "a-long-token",
            "Basic a-long-token",
            "Bearer A-LONG-TOKEN",
            "",
        ] {
            assert!(!presented(wrong), "{wrong}");
        }
        assert!(!token.presented(&HeaderMap::new()));
        let mut two = headers(&[("authorization", "Bearer a-long-token")]);
        two.append(header::AUTHORIZATION, "Bearer a-long-token".parse().unwrap());
        assert!(!token.presented(&two), "two are one too many");
    }

    #[test]
    fn a_browser_may_only_speak_for_our_own_page() {
        let host = ("host", "127.0.0.1:9090");
        for ours in [
            &[host][..],
            &[host, ("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:9090")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("origin", "http://127.0.0.1:9090")],
        ] {
            assert!(!cross_site(&headers(ours)), "{ours:?}");
        }
        for other in [
            &[host, ("sec-fetch-site", "cross-site")][..],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
            &[host, ("origin", "http://127.0.0.1:3000")],
            &[host, ("origin", "null")],
            &[host, ("origin", "")],
            &[("origin", "http://127.0.0.1:9090")],
        ] {
            assert!(cross_site(&headers(other)), "{other:?}");
        }
    }
}
