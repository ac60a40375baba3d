//! Malformed and ambiguous HTTP/1: every request here bears a good signature, so that its framing alone is what refuses it.

use crate::support::arena::{Arena, IMPATIENT, answers};
use crate::support::client::Request;
use crate::support::sender::{event, plain};

const BODY: &str = "{\"id\":\"x\"}";

/// The good body in one chunk.
const CHUNKED: &str = "a\r\n{\"id\":\"x\"}\r\n0\r\n\r\n";

/// A signed request with these framing lines and these bytes after the head.
fn framed(framing: &str, after: &str) -> Vec<u8> {
    [plain("/raw", BODY).head_with(framing), after.as_bytes().to_vec()].concat()
}

/// A signed request whose whole head is written here; `{sig}` stands for the signature header's line.
fn raw(head: &str) -> Vec<u8> {
    let signed = plain("/raw", BODY);
    let line = format!("X-Webhook-Signature: {}\r\n", signed.value("x-webhook-signature").unwrap());
    format!("{}{BODY}", head.replace("{sig}", &line)).into_bytes()
}

fn arena() -> Arena {
    Arena::with(|setup| setup.top(IMPATIENT))
}

#[test]
fn the_requests_of_this_file_are_good_but_for_their_framing() {
    let arena = arena();
    for bytes in [
        framed("Content-Length: 10\r\n", BODY),
        framed("Transfer-Encoding: chunked\r\n", CHUNKED),
        raw("POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n{sig}\r\n"),
    ] {
        let answers = arena.hostile(&bytes);
        assert_eq!(answers.iter().map(|a| a.status).collect::<Vec<_>>(), [200], "{answers:?}");
        assert_eq!(arena.upstream.last().text(), BODY);
    }
}

#[test]
fn a_length_and_a_transfer_encoding_do_not_go_together() {
    let arena = arena();
    for framing in [
        "Content-Length: 10\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 10\r\n",
        "Content-Length: 20\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 10\r\n",
    ] {
        arena.refuses(framing, &framed(framing, CHUNKED), 400);
    }
}

#[test]
fn any_transfer_encoding_but_a_single_chunked_is_refused() {
    let arena = arena();
    for framing in [
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: \r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
    ] {
        arena.refuses(framing, &framed(framing, CHUNKED), 400);
    }
}

#[test]
fn a_length_is_one_line_of_digits() {
    let arena = arena();
    for framing in [
        "Content-Length: 10\r\nContent-Length: 10\r\n",
        "Content-Length: 10\r\nContent-Length: 11\r\n",
        "Content-Length: 10\r\nX: y\r\ncontent-length: 0\r\n",
        "Content-Length: 10, 10\r\n",
        "Content-Length: 10,\r\n",
        "Content-Length: 10, 11\r\n",
        "Content-Length: -10\r\n",
        "Content-Length: +10\r\n",
        "Content-Length: 0x0a\r\n",
        "Content-Length: 1e1\r\n",
        "Content-Length: 10.0\r\n",
        "Content-Length: 1 0\r\n",
        "Content-Length: ten\r\n",
        "Content-Length: \r\n",
        "Content-Length : 10\r\n",
    ] {
        arena.refuses(framing, &framed(framing, BODY), 400);
    }
}

#[test]
fn a_length_that_no_integer_holds_is_refused() {
    let arena = arena();
    for length in ["18446744073709551615", "18446744073709551626", "99999999999999999999999999999999"] {
        let answers = arena.hostile(&framed(&format!("Content-Length: {length}\r\n"), BODY));
        assert_eq!(answers.len(), 1, "{length}: {answers:?}");
        assert!(matches!(answers[0].status, 400 | 413), "{length}: {answers:?}");
        arena.only_good_requests_arrived(length);
    }
}

#[test]
fn what_may_be_read_in_one_way_only_is_read_so_or_refused() {
    let arena = arena();
    let mut good = 0;
    for (what, bytes) in [
        ("more space", framed("Transfer-Encoding:  chunked\r\n", CHUNKED)),
        ("a tab", framed("Transfer-Encoding:\tchunked\r\n", CHUNKED)),
        ("space behind", framed("Transfer-Encoding: chunked \r\n", CHUNKED)),
        ("upper case", framed("Transfer-Encoding: CHUNKED\r\n", CHUNKED)),
        ("leading zeros", framed("Content-Length: 0010\r\n", BODY)),
        ("bare line feeds", raw("POST /raw HTTP/1.1\nHost: a\nContent-Length: 10\n{sig}\n")),
        ("an empty line before", raw("\r\nPOST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n{sig}\r\n")),
        (
            "absolute form, the same host",
            raw("POST http://a/raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n{sig}\r\n"),
        ),
        ("zeros before a chunk's size", framed("Transfer-Encoding: chunked\r\n", &format!("000{CHUNKED}"))),
        ("an upper-case chunk size", framed("Transfer-Encoding: chunked\r\n", &CHUNKED.replace('a', "A"))),
        (
            "space behind a chunk's size",
            framed("Transfer-Encoding: chunked\r\n", &CHUNKED.replacen("a\r", "a \r", 1)),
        ),
    ] {
        let before = arena.upstream.requests().len();
        let answers = arena.hostile(&bytes);
        assert_eq!(answers.len(), 1, "{what}: {answers:?}");
        match answers[0].status {
            200 => {
                let all = arena.upstream.finished(before + 1);
                assert_eq!(all.last().map(|request| request.text()).as_deref(), Some(BODY), "{what}");
                assert_eq!(arena.upstream.last().target(), "/raw", "{what}");
                good += 1;
            }
            400 => assert_eq!(arena.upstream.requests().len(), before, "{what}"),
            other => panic!("{what}: {other}"),
        }
    }
    assert!(good > 0, "upper case and extra space are ordinary HTTP");
}

#[test]
fn a_malformed_head_is_refused() {
    let arena = arena();
    for head in [
        "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nX: one\r\n two\r\n{sig}\r\n",
        "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n X: y\r\n{sig}\r\n",
        "POST /raw HTTP/1.1\r\n Host: a\r\nContent-Length: 10\r\n{sig}\r\n",
        "POST /raw HTTP/1.1\r\nHost : a\r\nContent-Length: 10\r\n{sig}\r\n",
        "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nX: a\0b\r\n{sig}\r\n",
        "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nX: a\rb\r\n{sig}\r\n",
        "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nX\0: b\r\n{sig}\r\n",
        "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nno colon\r\n{sig}\r\n",
        "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n: no name\r\n{sig}\r\n",
        "POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nX(y): z\r\n{sig}\r\n",
        "POST /raw\r\nHost: a\r\nContent-Length: 10\r\n{sig}\r\n",
        "POST /raw HTTP/1.1 x\r\nHost: a\r\nContent-Length: 10\r\n{sig}\r\n",
        "POST /raw http/1.1\r\nHost: a\r\nContent-Length: 10\r\n{sig}\r\n",
        "PO(ST /raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n{sig}\r\n",
        "POST raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n{sig}\r\n",
    ] {
        arena.refuses(head, &raw(head), 400);
    }
}

#[test]
fn a_malformed_head_makes_nothing_panic() {
    let arena = arena();
    for bytes in
        ["\0\0\0\0\r\n\r\n", "POST /raw HTTP/1.1\r\nHost : a\r\n\r\n", "POST /raw HTTP/1.1\r\nHost: a\r\n"]
    {
        arena.hostile(bytes.as_bytes());
    }
    arena.only_good_requests_arrived("malformed heads");
    assert!(!arena.gateway.log.text().contains("panicked"));
}

#[test]
fn a_host_is_named_once() {
    let arena = arena();
    for (what, host) in [
        ("none", ""),
        ("two", "Host: a\r\nHost: b\r\n"),
        ("the same twice", "Host: a\r\nHost: a\r\n"),
        ("a list", "Host: a, b\r\n"),
        ("with a space", "Host: a b\r\n"),
        ("with a path", "Host: a/raw\r\n"),
        ("with a user", "Host: user@a\r\n"),
    ] {
        let head = format!("POST /raw HTTP/1.1\r\n{host}Content-Length: 10\r\n{{sig}}\r\n");
        arena.refuses(what, &raw(&head), 400);
    }
    let absolute = "POST http://evil.example/raw HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n{sig}\r\n";
    arena.refuses("absolute form, another host", &raw(absolute), 400);
}

#[test]
fn http_1_0_needs_a_host_and_a_length_too() {
    let arena = arena();
    let answers = arena.hostile(&raw("POST /raw HTTP/1.0\r\nHost: a\r\nContent-Length: 10\r\n{sig}\r\n"));
    assert_eq!(answers.iter().map(|a| a.status).collect::<Vec<_>>(), [200]);
    let arena = self::arena();
    arena.refuses("no host", &raw("POST /raw HTTP/1.0\r\nContent-Length: 10\r\n{sig}\r\n"), 400);
    let chunked = plain("/raw", BODY).chunked(3, "", "");
    let text = String::from_utf8(chunked).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1);
    arena.refuses("chunked before 1.1", text.as_bytes(), 400);
}

#[test]
fn what_is_not_http_1_ends_the_connection_and_nothing_else() {
    let arena = arena();
    let hello = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03................................\x00\x00\x02\x13\x01\x01\x00\x00\x00";
    for (what, bytes) in [
        ("an HTTP/2 preface without h2c", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice()),
        ("a TLS hello", hello.as_slice()),
        ("zeros", &[0; 512]),
        ("line feeds", "\n\n\n\n\n\n".as_bytes()),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("HTTP/9.9", b"POST /raw HTTP/9.9\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        ("half a head", b"POST /raw HTTP/1.1\r\nHost: a\r\nX-Webhook-Si"),
        ("nothing", b""),
    ] {
        for answer in arena.hostile(bytes) {
            assert!(matches!(answer.status, 400 | 408 | 505), "{what}: {answer:?}");
        }
        arena.only_good_requests_arrived(what);
    }
}

#[test]
fn malformed_chunks_are_refused() {
    let arena = arena();
    for (what, chunks) in [
        ("a size that overflows", "10000000000000000\r\n{\"id\":\"x\"}\r\n0\r\n\r\n"),
        ("a size that overflows to the right one", "1000000000000000a\r\n{\"id\":\"x\"}\r\n0\r\n\r\n"),
        ("no hex", "zz\r\n{\"id\":\"x\"}\r\n0\r\n\r\n"),
        ("a prefix", "0xa\r\n{\"id\":\"x\"}\r\n0\r\n\r\n"),
        ("a plus", "+a\r\n{\"id\":\"x\"}\r\n0\r\n\r\n"),
        ("a minus", "-a\r\n{\"id\":\"x\"}\r\n0\r\n\r\n"),
        ("a size too small", "9\r\n{\"id\":\"x\"}\r\n0\r\n\r\n"),
        ("no end of the chunk", "a\r\n{\"id\":\"x\"}0\r\n\r\n"),
        ("another end of the chunk", "a\r\n{\"id\":\"x\"}xx0\r\n\r\n"),
        ("half a size", "a"),
    ] {
        let answers = arena.hostile(&framed("Transfer-Encoding: chunked\r\n", chunks));
        assert!(answers.iter().all(|answer| matches!(answer.status, 400 | 408 | 413)), "{what}: {answers:?}");
        assert!(answers.len() <= 1, "{what}: {answers:?}");
        arena.only_good_requests_arrived(what);
    }
}

/// Pingora reads a chunk size without digits as the last chunk. That lets a sender end its own body in an odd way,
/// and nothing else: what was signed is what goes on, and what follows is never taken for a request.
#[test]
fn after_a_chunk_without_a_size_only_what_was_signed_goes_on() {
    for chunks in ["\r\n\r\n", ";x=y\r\n\r\n", "\r\n{\"id\":\"x\"}\r\n0\r\n\r\n"] {
        let arena = arena();
        let empty = plain("/raw", "").head_with("Transfer-Encoding: chunked\r\n");
        let answers = arena.hostile(&[empty, chunks.as_bytes().to_vec()].concat());
        assert!(answers.len() <= 1, "{chunks:?}: {answers:?}");
        let requests = arena.upstream.requests();
        assert!(requests.iter().all(|request| request.body.is_empty()), "{chunks:?}");
    }
}

#[test]
fn after_a_malformed_body_the_connection_ends() {
    let arena = Arena::new();
    let mut client = arena.gateway.connect();
    client.send(&framed("Transfer-Encoding: chunked\r\n", "zz\r\n"));
    assert_eq!(client.answer().status, 400);
    // Nobody knows where the next request would begin.
    client.send(&plain("/raw", event("after")).bytes());
    assert!(client.is_closed());
    arena.only_good_requests_arrived("a malformed body");
}

#[test]
fn a_body_that_does_not_end_is_not_forwarded() {
    let arena = arena();
    for (what, bytes) in [
        ("no last chunk", framed("Transfer-Encoding: chunked\r\n", "a\r\n{\"id\":\"x\"}\r\n")),
        ("no end of the trailers", framed("Transfer-Encoding: chunked\r\n", "a\r\n{\"id\":\"x\"}\r\n0\r\n")),
        ("a byte less than its length", framed("Content-Length: 11\r\n", BODY)),
    ] {
        let answers = arena.hostile(&bytes);
        assert!(answers.iter().all(|answer| matches!(answer.status, 400 | 408)), "{what}: {answers:?}");
        arena.only_good_requests_arrived(what);
    }
}

#[test]
fn a_chunk_extension_without_end_is_not_read_without_end() {
    let arena = arena();
    let mut client = arena.gateway.connect();
    client.send(&plain("/raw", BODY).head_with("Transfer-Encoding: chunked\r\n"));
    client.send(b"a;");
    for _ in 0..64 {
        client.send(&[b'x'; 64 * 1024]);
    }
    client.send(b"\r\n{\"id\":\"x\"}\r\n0\r\n\r\n").finish();
    let answers = answers(&mut client);
    assert!(answers.iter().all(|answer| matches!(answer.status, 400 | 408 | 413)), "{answers:?}");
    arena.only_good_requests_arrived("an endless chunk extension");
}

#[test]
fn the_body_of_a_refused_request_is_never_taken_for_a_request() {
    let arena = arena();
    // A good delivery inside the body of a bad one: if the gateway lost count of bytes, it would be served.
    let inner = plain("/raw", event("smuggled")).bytes();
    let length = format!("Content-Length: {}\r\n", inner.len());
    for (what, outer) in [
        ("unknown path", Request::new("POST", "/nowhere")),
        ("no signature", Request::new("POST", "/raw")),
        ("wrong signature", plain("/raw", "other")),
        ("wrong method", plain("/raw", "other").method("PUT")),
        ("missing time", Request::new("POST", "/timed")),
        ("too large", Request::new("POST", "/small").header("X", "y".repeat(10))),
        ("refused path", plain("/pre/../raw", "other")),
    ] {
        let bytes = [outer.head_with(&length), inner.clone()].concat();
        let answers = arena.hostile(&bytes);
        assert_eq!(answers.len(), 1, "{what}: {answers:?}");
        assert!(answers[0].status >= 400, "{what}: {answers:?}");
        arena.only_good_requests_arrived(what);
        let chunked = outer.body(inner.clone()).chunked(16, "", "");
        let answers = arena.hostile(&chunked);
        assert_eq!(answers.len(), 1, "{what}, chunked: {answers:?}");
        arena.only_good_requests_arrived(what);
    }
}

#[test]
fn what_follows_a_framing_error_is_not_served() {
    let arena = arena();
    let good = plain("/raw", event("after")).bytes();
    for framing in [
        "Content-Length: 10\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 10\r\nContent-Length: 0\r\n",
    ] {
        let bytes = [framed(framing, BODY), good.clone()].concat();
        let answers = arena.hostile(&bytes);
        assert_eq!(answers.iter().map(|a| a.status).collect::<Vec<_>>(), [400], "{framing}: {answers:?}");
        arena.only_good_requests_arrived(framing);
    }
}

#[test]
fn pipelined_requests_are_served_in_order() {
    let arena = Arena::new();
    let first = plain("/raw", event("one")).bytes();
    let forged = plain("/raw", event("two")).body(event("2")).bytes();
    let third = plain("/raw", event("three")).header("Connection", "close").bytes();
    let answers = arena.hostile(&[first, forged, third].concat());
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    // The connection may end after any of them: what was not answered is for the sender to repeat.
    assert!([200, 401, 200].starts_with(&statuses) && !statuses.is_empty(), "{statuses:?}");
    let bodies: Vec<String> = arena.upstream.requests().iter().map(|r| r.text()).collect();
    assert!(!bodies.contains(&event("2")), "{bodies:?}");
    assert_eq!(bodies.len(), statuses.iter().filter(|status| **status == 200).count());
}

#[test]
fn tunnels_and_upgrades_are_refused() {
    let arena = arena();
    let sig = plain("/raw", BODY);
    let sig = sig.value("x-webhook-signature").unwrap();
    let cases: &[(&str, String, &[u16])] = &[
        (
            "CONNECT",
            "CONNECT upstream:80 HTTP/1.1\r\nHost: upstream:80\r\n\r\n".into(),
            &[400, 404, 405, 501],
        ),
        ("CONNECT to a path", "CONNECT /raw HTTP/1.1\r\nHost: a\r\n\r\n".into(), &[400, 405, 501]),
        ("TRACE", "TRACE /raw HTTP/1.1\r\nHost: a\r\n\r\n".into(), &[400, 405, 501]),
        ("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into(), &[400, 404, 405]),
        (
            "an upgrade",
            format!(
                "POST /raw HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 10\r\nX-Webhook-Signature: {sig}\r\n\r\n{BODY}"
            ),
            &[400, 426, 501],
        ),
        (
            "an upgrade to h2c",
            format!(
                "POST /raw HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 10\r\nX-Webhook-Signature: {sig}\r\n\r\n{BODY}"
            ),
            &[400, 426, 501],
        ),
    ];
    for (what, bytes, statuses) in cases {
        let answers = arena.hostile(bytes.as_bytes());
        assert_eq!(answers.len(), 1, "{what}: {answers:?}");
        assert!(statuses.contains(&answers[0].status), "{what}: {answers:?}");
        arena.only_good_requests_arrived(what);
    }
}
