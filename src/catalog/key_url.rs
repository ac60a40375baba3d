//! URLs of keys: only https, only hosts that the provider names, and nothing in them that could lead elsewhere.

use std::fmt;
use std::str::FromStr;

/// An absolute URL under which a key is published. `http` is allowed on loopback addresses alone, for trials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUrl {
    text: String,
    /// How much of the text is scheme, host and port.
    origin: usize,
}

/// A host with wildcards: `*` stands for one or more letters, digits or dashes of one label, `@` for letters and
/// dashes, `#` for digits. `sns.@-#.amazonaws.com` is `sns.us-east-1.amazonaws.com` and not `sns.s3.amazonaws.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern(String);

/// The longest URL that is looked at.
const LONGEST: usize = 1024;

impl KeyUrl {
    /// The whole URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.authority();
        match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        }
    }

    /// What follows scheme, host and port.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(self.origin..).unwrap_or_default()
    }

    /// The same path at another origin.
    #[must_use]
    pub fn at_origin_of(&self, other: &Self) -> Self {
        let origin = other.text.get(..other.origin).unwrap_or_default();
        Self { text: format!("{origin}{}", self.path()), origin: other.origin }
    }

    /// Whether a delivery may name it: https on its own port, a plain path and nothing behind that.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let authority = self.authority();
        let path = self.path();
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
        self.text.starts_with("https://")
            && authority.strip_suffix(":443").unwrap_or(authority) == self.host()
            && path.bytes().all(plain)
            && !path.split('/').any(|step| step == "..")
    }

    fn authority(&self) -> &str {
        self.text.get(..self.origin).and_then(|origin| origin.split_once("://")).map_or("", |(_, rest)| rest)
    }
}

impl FromStr for KeyUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write an URL such as `https://example.com/.well-known/jwks.json`".to_owned();
        if text.len() > LONGEST
            || !text.bytes().all(|byte| byte.is_ascii_graphic())
            || text.contains(['#', '\\'])
        {
            return Err(wrong());
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let known =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
        if authority.is_empty() || !authority.bytes().all(known) {
            return Err(wrong());
        }
        let origin = scheme.len().saturating_add(3).saturating_add(authority.len());
        let url = Self { text: text.to_owned(), origin };
        if url.host().is_empty() {
            return Err(wrong());
        }
        match scheme {
            "https" => Ok(url),
            "http" if is_loopback(url.host()) => Ok(url),
            "http" => Err("keys are fetched over https; http is for loopback addresses alone".to_owned()),
            _ => Err(wrong()),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl HostPattern {
    /// Whether a host fits, in either letter case.
    #[must_use]
    pub fn fits(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let (mut wanted, mut found) = (self.0.split('.'), host.split('.'));
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return true,
                (Some(wanted), Some(found))
                    if found.len() <= LONGEST_LABEL && label_fits(wanted.as_bytes(), found.as_bytes()) => {}
                _ => return false,
            }
        }
    }
}

/// The longest label of a host's name (RFC 1035, section 2.3.4).
const LONGEST_LABEL: usize = 63;

/// Labels are short and patterns have few wildcards, so trying every length is cheap.
fn label_fits(pattern: &[u8], label: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return label.is_empty() };
    let class: fn(u8) -> bool = match first {
        b'*' => |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-',
        b'@' => |byte| byte.is_ascii_lowercase() || byte == b'-',
        b'#' => |byte| byte.is_ascii_digit(),
        _ => {
            return label.split_first().is_some_and(|(found, more)| found == first && label_fits(rest, more));
        }
    };
    let run = label.iter().take_while(|byte| class(**byte)).count();
    (1..=run).any(|length| label.get(length..).is_some_and(|more| label_fits(rest, more)))
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let label = |label: &str| {
            let known = |byte: u8| {
                byte.is_ascii_lowercase()
                    || byte.is_ascii_digit()
                    || matches!(byte, b'-' | b'*' | b'@' | b'#')
            };
            let wildcards = label.bytes().filter(|byte| matches!(byte, b'*' | b'@' | b'#')).count();
            !label.is_empty() && label.len() <= LONGEST_LABEL && wildcards <= 3 && label.bytes().all(known)
        };
        let labels: Vec<&str> = text.split('.').collect();
        // The last two say whose the host is; a wildcard there would be anybody's.
        let owned =
            labels.len() >= 2 && !labels.iter().rev().take(2).any(|label| label.contains(['*', '@', '#']));
        if owned && labels.into_iter().all(label) {
            Ok(Self(text.to_owned()))
        } else {
            Err("write a host in lower case such as `sns.@-#.amazonaws.com`; the last two labels have no wildcard".to_owned())
        }
    }
}

impl fmt::Display for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_https_and_loopback_are_urls_of_keys() {
        for good in [
            "https://example.com/.well-known/jwks.json",
            "https://example.com:8443/a?b=c",
            "https://example.com",
            "http://127.0.0.1:8080/jwks",
            "http://localhost/jwks",
            "http://[::1]:1/jwks",
        ] {
            assert_eq!(good.parse::<KeyUrl>().unwrap().as_str(), good);
        }
        for bad in [
            "http://example.com/jwks",
            "http://127.0.0.1.example.com/jwks",
            "http://localhost.example.com/",
            "file:///etc/passwd",
            "ftp://example.com/a",
            "https://",
            "https:///a",
            "https://:443/a",
            "https://user@example.com/a",
            "https://user:pass@example.com/a",
            "https://example.com\\@evil.example/a",
            "https://example.com/a#b",
            "https://example.com/a b",
            "https://ex\u{e4}mple.com/a",
            "example.com/a",
            "",
        ] {
            assert!(bad.parse::<KeyUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_delivery_names_a_plain_url_or_none() {
        let plain = |text: &str| text.parse::<KeyUrl>().is_ok_and(|url| url.is_plain());
        assert!(plain("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a.pem"));
        assert!(plain("https://sns.us-east-1.amazonaws.com:443/a.pem"));
        for other in [
            "http://127.0.0.1/a.pem",
            "https://sns.us-east-1.amazonaws.com:8443/a.pem",
            "https://sns.us-east-1.amazonaws.com/a.pem?b",
            "https://sns.us-east-1.amazonaws.com?/a.pem",
            "https://sns.us-east-1.amazonaws.com/%2e%2e/a.pem",
            "https://sns.us-east-1.amazonaws.com/../a.pem",
            "https://sns.us-east-1.amazonaws.com/a;b.pem",
            "https://[::1]/a.pem",
        ] {
            assert!(!plain(other), "{other}");
        }
    }

    #[test]
    fn a_label_longer_than_any_is_not_tried() {
        let pattern: HostPattern = "*a*b*.example.com".parse().unwrap();
        let host = |length: usize| format!("{}ab1.example.com", "a".repeat(length - 3));
        assert!(pattern.fits(&host(63)) && !pattern.fits(&host(64)));
    }

    #[test]
    fn a_host_fits_its_pattern_label_by_label() {
        let fits = |pattern: &str, host: &str| pattern.parse::<HostPattern>().unwrap().fits(host);
        let sns = "sns.@-#.amazonaws.com";
        for host in [
            "sns.us-east-1.amazonaws.com",
            "SNS.us-gov-west-1.amazonaws.com",
            "sns.ap-southeast-12.amazonaws.com",
        ] {
            assert!(fits(sns, host), "{host}");
        }
        for host in [
            "sns.s3.amazonaws.com",
            "sns.s3-us-west-2.amazonaws.com",
            "sns.us-east-1.amazonaws.com.evil.example",
            "evil.sns.us-east-1.amazonaws.com",
            "sns.us-east-1.evil.com",
            "snsxus-east-1.amazonaws.com",
            "sns.us-east-.amazonaws.com",
            "sns..amazonaws.com",
            "sns.amazonaws.com",
            "sns.us-east-1.amazonaws.com.",
            "",
        ] {
            assert!(!fits(sns, host), "{host}");
        }
        assert!(fits("*.paypal.com", "api.paypal.com") && !fits("*.paypal.com", "a.b.paypal.com"));
        for bad in ["*", "*.com", "a.*", "a.b*.com", "A.example.com", "", "a..com", "a.example.com:1"] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_moves_to_another_origin() {
        let url: KeyUrl = "https://sns.us-east-1.amazonaws.com/a.pem".parse().unwrap();
        let mirror: KeyUrl = "http://127.0.0.1:8080/ignored".parse().unwrap();
        assert_eq!(url.at_origin_of(&mirror).as_str(), "http://127.0.0.1:8080/a.pem");
        assert_eq!(url.at_origin_of(&mirror).host(), "127.0.0.1");
    }

    proptest! {
        /// What fits is never at a host that the last labels do not own.
        #[test]
        fn nothing_leads_elsewhere(text in "https://[a-z0-9.:@/\\\\?#%-]{0,60}") {
            let pattern: HostPattern = "*.example.com".parse().unwrap();
            if let Ok(url) = text.parse::<KeyUrl>() && url.is_plain() && pattern.fits(url.host()) {
                let uri: http::Uri = url.as_str().parse().unwrap();
                let host = uri.host().unwrap();
                prop_assert!(host.ends_with(".example.com"));
                prop_assert_eq!(host, url.host());
            }
        }
    }
}
