//! Who is at the other end, as far as trusted proxies can be believed.

use std::net::IpAddr;

use ipnet::IpNet;

use super::session::Fields;
use crate::verify::header_text as text_of;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// What is known of where a request came from.
#[derive(Debug)]
pub(super) struct Origin {
    /// The sender: the rightmost hop that is not a trusted proxy. `None` on a Unix socket.
    pub(super) client: Option<IpAddr>,
    /// Whether the peer of the connection is a trusted proxy.
    pub(super) trusted: bool,
    /// The value of `X-Forwarded-For` for the upstream.
    pub(super) forwarded_for: String,
}

/// Reads the origin of a request whose connection comes from `peer`.
pub(super) fn origin(peer: Option<IpAddr>, fields: &Fields, trusted: &[IpNet]) -> Origin {
    let Some(peer) = peer.map(|peer| peer.to_canonical()) else {
        return Origin { client: None, trusted: false, forwarded_for: "unknown".into() };
    };
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer) {
        return Origin { client: Some(peer), trusted: false, forwarded_for: text(peer) };
    }
    let claimed: Vec<&str> = fields
        .all(FORWARDED_FOR)
        .filter_map(text_of)
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|hop| !hop.is_empty())
        .collect();
    let mut client = peer;
    for hop in claimed.iter().rev() {
        // What cannot be read was not written by a proxy of ours; the hop after it is the last one known.
        let Some(address) = address_of(hop) else { break };
        client = address;
        if !is_trusted(&address) {
            break;
        }
    }
    let mut forwarded_for = claimed.join(", ");
    if !forwarded_for.is_empty() {
        forwarded_for.push_str(", ");
    }
    forwarded_for.push_str(&text(peer));
    Origin { client: Some(client), trusted: true, forwarded_for }
}

/// The address as text, without the machinery of formatting for the kind that is common.
fn text(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        text.push_str(itoa::Buffer::new().format(octet));
    }
    text
}

fn address_of(hop: &str) -> Option<IpAddr> {
    hop.parse::<IpAddr>()
        .or_else(|_| hop.parse::<std::net::SocketAddr>().map(|address| address.ip()))
        .or_else(|_| hop.trim_matches(['[', ']']).parse())
        .map(|address| address.to_canonical())
        .ok()
}

/// `https` or `http`, as the sender spoke it.
pub(super) fn proto(tls: bool, trusted: bool, fields: &Fields) -> &'static str {
    let claimed = if trusted { fields.all("x-forwarded-proto").next() } else { None };
    match claimed {
        Some(b"http") => "http",
        Some(b"https") => "https",
        _ if tls => "https",
        _ => "http",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &str) -> String {
        let mut headers = http::HeaderMap::new();
        headers.insert(FORWARDED_FOR, forwarded.parse().unwrap());
        let headers = Fields::of(&headers);
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        origin(Some(peer.parse().unwrap()), &headers, &trusted).client.unwrap().to_string()
    }

    #[test]
    fn the_rightmost_untrusted_hop_counts() {
        for (peer, forwarded, expected) in [
            ("9.9.9.9", "1.1.1.1", "9.9.9.9"),
            ("10.0.0.1", "1.1.1.1", "1.1.1.1"),
            ("10.0.0.1", "6.6.6.6, 1.1.1.1, 10.2.2.2", "1.1.1.1"),
            ("10.0.0.1", "10.3.3.3", "10.3.3.3"),
            ("10.0.0.1", "1.1.1.1, nonsense", "10.0.0.1"),
            ("::1", "[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:10.0.0.1", "1.1.1.1", "1.1.1.1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ] {
            assert_eq!(client(peer, forwarded), expected, "{peer} {forwarded}");
        }
    }
}
