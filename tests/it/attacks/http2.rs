//! An HTTP/2 client that keeps no rules (RFC 9113): frames are written as the case has them, and what comes back is watched.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex};

use super::bytes::{BODY, bytes};
use super::case::Frame;
use super::run::{Outcome, Stage};
use crate::support::sender::{SECRET, hmac_hex};
use crate::support::upstream::Recorded;
use crate::support::{DEADLINE, eventually};

/// How a connection ended, or the first stream on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Over HTTP/1: everything was read to the connection's end.
    Read,
    /// The gateway closed the connection.
    Closed,
    /// The gateway reset a stream.
    Reset,
    /// We closed it: the gateway would have gone on.
    Ours,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The last frame of ours: once it is answered, everything before it was read.
const SENTINEL: &[u8; 8] = b"sentinel";

/// Runs the frames. Good requests are sent beside them when half of them are out, and when all are; what else reached the
/// upstream by then comes back as well. `awaited` answers are waited for.
pub(crate) fn attack(
    stage: &mut Stage,
    frames: &[Frame],
    each: &str,
    awaited: usize,
) -> (Outcome, Vec<Recorded>) {
    let mut stream = TcpStream::connect(stage.arena.gateway.address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    // No table of headers, so that every status stands for itself.
    let settings = [frame(4, 0, 0, &[0, 1, 0, 0, 0, 0])].concat();
    stream.write_all(&[PREFACE, &settings].concat()).unwrap();
    let seen = Arc::<(Mutex<Seen>, Condvar)>::default();
    let (reader, watcher) = (stream.try_clone().unwrap(), seen.clone());
    let reading = std::thread::spawn(move || watch(reader, &watcher));
    wait(&seen, "settings", |seen| seen.settings || seen.closed);
    let before = stage.arena.upstream.requests().len();
    let writer = stream.try_clone().unwrap();
    let pending = frame(4, ACK, 0, &[]);
    let mut out = Out { stream: writer, pending, alive: true, each, stage, before, beside: Vec::new() };
    let half = frames.len() / 2;
    for (at, frame) in frames.iter().enumerate() {
        match frame {
            Frame::Times { times, frames } if half == 0 => {
                out.rounds(0..times / 2, frames);
                out.good();
                out.rounds(times / 2..*times, frames);
            }
            _ => {
                if at == half {
                    out.good();
                }
                out.put(frame, 0);
            }
        }
    }
    out.pending.extend(self::frame(6, 0, 0, SENTINEL));
    out.flush();
    wait(&seen, "the answers or the end", |seen| {
        seen.closed || (seen.sentinel && seen.answers.len() + seen.resets >= awaited)
    });
    out.good();
    let beside = out.beside;
    let outcome = {
        let seen = seen.0.lock().unwrap();
        let ending = match *seen {
            Seen { closed: true, .. } => Ending::Closed,
            Seen { resets: 1.., .. } => Ending::Reset,
            _ => Ending::Ours,
        };
        Outcome { answers: seen.answers.clone(), ending }
    };
    let _ = stream.shutdown(Shutdown::Both);
    reading.join().unwrap();
    (outcome, beside)
}

struct Out<'c> {
    stream: TcpStream,
    pending: Vec<u8>,
    alive: bool,
    each: &'c str,
    stage: &'c mut Stage,
    /// How many requests the upstream had seen.
    before: usize,
    /// What reached it since, beside good requests.
    beside: Vec<Recorded>,
}

impl Out<'_> {
    /// A peer that has closed is no failure here: what it did before tells.
    fn flush(&mut self) {
        self.alive &= self.stream.write_all(&self.pending).is_ok();
        self.pending.clear();
    }

    /// A good request on another connection, while this one is open.
    fn good(&mut self) {
        self.flush();
        let fresh = self.stage.good("in the middle of an attack");
        self.beside.extend(fresh);
    }

    fn rounds(&mut self, rounds: Range<u32>, frames: &[Frame]) {
        for round in rounds {
            for frame in frames {
                if self.alive {
                    self.put(frame, round);
                }
            }
        }
    }

    /// Waits until the upstream saw so many requests beside good ones.
    fn asked(&self, count: usize) {
        eventually("the upstream is asked", || {
            let seen = self.stage.arena.upstream.requests();
            let asked =
                seen[self.before..].iter().filter(|request| !request.text().contains("good-")).count();
            (asked >= count).then_some(())
        });
    }

    fn put(&mut self, what: &Frame, round: u32) {
        let of = |stream: u32| if stream == 0 { 0 } else { stream + 2 * round };
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let each = self.each;
        let text = |text: &str| bytes(text, each);
        let bytes = match what {
            Frame::Settings(pairs) => {
                let body = pairs
                    .iter()
                    .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
                frame(4, 0, 0, &body.collect::<Vec<_>>())
            }
            Frame::Headers { stream, fields, hpack, ends, goes_on } => {
                let mut block: Vec<u8> =
                    fields.iter().flat_map(|field| encoded(&field.replace("<each>", each))).collect();
                block.extend(text(hpack));
                frame(1, flag(*ends, END_STREAM) | flag(!goes_on, END_HEADERS), of(*stream), &block)
            }
            Frame::Continuation { stream, hpack } => frame(9, 0, of(*stream), &text(hpack)),
            Frame::Data { stream, bytes, ends } => {
                frame(0, flag(*ends, END_STREAM), of(*stream), &text(bytes))
            }
            Frame::Reset { stream } => frame(3, 0, of(*stream), &8_u32.to_be_bytes()),
            Frame::Ping => frame(6, 0, 0, b"attacker"),
            Frame::Window { stream, by } => frame(8, 0, of(*stream), &by.to_be_bytes()),
            Frame::Priority { stream } => frame(2, 0, of(*stream), &[0, 0, 0, 0, 16]),
            Frame::Raw(raw) => text(raw),
            Frame::Asked(count) => {
                self.flush();
                self.asked(*count);
                Vec::new()
            }
            Frame::Times { times, frames } => {
                self.rounds(0..*times, frames);
                Vec::new()
            }
        };
        self.pending.extend(bytes);
        if self.pending.len() > 64 * 1024 {
            self.flush();
        }
    }
}

/// A frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field as a literal that goes into no table (RFC 7541 section 6.2.2). `good` is the head of a good request, `signed` its
/// signature.
fn encoded(field: &str) -> Vec<u8> {
    let literal = |name: &[u8], value: &[u8]| [&b"\0"[..], &string(name), &string(value)].concat();
    match field {
        "good" => {
            [":method: POST", ":scheme: http", ":authority: hooks.example.com", ":path: /raw", "signed"]
                .into_iter()
                .flat_map(encoded)
                .collect()
        }
        "signed" => literal(b"x-webhook-signature", hmac_hex(SECRET, BODY.as_bytes()).as_bytes()),
        _ => {
            let (name, value) = field.split_once(": ").unwrap_or_else(|| panic!("{field} is no field"));
            literal(&bytes(name, ""), &bytes(value, ""))
        }
    }
}

fn string(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match u8::try_from(text.len()) {
        Ok(length @ 0..127) => out.push(length),
        _ => {
            // An integer beyond its prefix of seven bits (RFC 7541 section 5.1).
            out.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                out.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            out.push(u8::try_from(rest).unwrap());
        }
    }
    out.extend(text);
    out
}

/// What came back so far.
#[derive(Debug, Default)]
struct Seen {
    settings: bool,
    sentinel: bool,
    closed: bool,
    answers: Vec<u16>,
    resets: usize,
}

fn wait(seen: &(Mutex<Seen>, Condvar), what: &str, ready: impl Fn(&Seen) -> bool) {
    let guard = seen.0.lock().unwrap();
    let (guard, late) = seen.1.wait_timeout_while(guard, DEADLINE, |seen| !ready(seen)).unwrap();
    assert!(!late.timed_out(), "no sign of {what}: {:?}", *guard);
}

fn watch(mut stream: TcpStream, seen: &(Mutex<Seen>, Condvar)) {
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        if stream.read_exact(&mut payload).is_err() {
            break;
        }
        let mut now = seen.0.lock().unwrap();
        match (head[3], head[4]) {
            (1, _) => now.answers.extend(status(&payload)),
            (3, _) => now.resets += 1,
            (4, 0) => now.settings = true,
            (6, ACK) if payload == SENTINEL => now.sentinel = true,
            (7, _) => now.closed = true,
            _ => {}
        }
        seen.1.notify_all();
    }
    seen.0.lock().unwrap().closed = true;
    seen.1.notify_all();
}

/// The status that a block of headers begins with; nothing for 1xx and trailers.
fn status(block: &[u8]) -> Option<u16> {
    let mut at = 0;
    // The table's size may be told first (RFC 7541 section 6.3).
    while block.get(at)? & 0xe0 == 0x20 {
        at += if block[at] == 0x3f { 2 } else { 1 };
    }
    let status = match block[at] {
        indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        0x48 | 0x08 | 0x18 => digits(block.get(at + 1..)?),
        _ => return None,
    };
    (status >= 200).then_some(status)
}

/// Three digits as a string, in Huffman's code or not (RFC 7541 section 5.2 and appendix B).
fn digits(string: &[u8]) -> u16 {
    let length = usize::from(string[0] & 0x7f);
    let text = &string[1..=length];
    if string[0] & 0x80 == 0 {
        return std::str::from_utf8(text).unwrap().parse().unwrap();
    }
    let bits: String = text.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut number, mut rest) = (0, bits.as_str());
    for _ in 0..3 {
        let long = rest.starts_with("011");
        let (code, after) = rest.split_at(if long { 6 } else { 5 });
        let code = u16::from_str_radix(code, 2).unwrap();
        number = number * 10 + if long { code - 0b011001 + 3 } else { code };
        rest = after;
    }
    number
}

#[test]
fn an_encoded_status_is_read() {
    assert_eq!(status(&[0x88]), Some(200));
    assert_eq!(status(&[0x20, 0x48, 3, b'4', b'0', b'1']), Some(401));
    // 4 = 011010, 0 = 00000, 5 = 011011, and padding.
    assert_eq!(status(&[0x48, 0x83, 0b0110_1000, 0b0000_1101, 0b1111_1111]), Some(405));
    assert_eq!(status(&[0x08, 3, b'1', b'0', b'0']), None);
}
