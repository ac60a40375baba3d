//! How long a refusal takes tells nothing about the secret, over real sockets. What this sees is coarse: tests/timing.rs counts
//! instructions.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::support::arena::Arena;
use crate::support::client::{Client, Request};
use crate::support::sender::{event, now, plain, timed};
use crate::support::sign_test::assert_alike;

const PAIRS: u32 = 1500;

/// How long the refusal takes, from the last byte sent to the answer read.
fn refusal(client: &RefCell<Client>, request: &Request) -> Duration {
    let bytes = request.bytes();
    let mut client = client.borrow_mut();
    let began = Instant::now();
    client.send(&bytes);
    let answer = client.final_answer("POST");
    let took = began.elapsed();
    assert_eq!(answer.status, 401, "{answer:?}");
    took
}

/// The header's value with another character at this place from its end.
fn wrong(request: &Request, header: &str, from_the_end: usize) -> Request {
    let mut value = request.value(header).unwrap().as_bytes().to_vec();
    let at = value.len() - from_the_end;
    value[at] = match value[at] {
        digit @ b'0'..=b'8' => digit + 1,
        b'9' => b'0',
        b'f' => b'a',
        letter => letter + 1,
    };
    request.clone().with(header, String::from_utf8(value).unwrap())
}

#[test]
fn a_wrong_first_byte_and_a_wrong_last_one_take_as_long() {
    let arena = Arena::new();
    let client = RefCell::new(arena.gateway.connect());
    let good = plain("/raw", event("evt-1"));
    let header = "X-Webhook-Signature";
    let (first, last) = (wrong(&good, header, 64), wrong(&good, header, 1));
    assert_alike("first and last byte", PAIRS, || refusal(&client, &first), || refusal(&client, &last));
}

#[test]
fn stale_and_signed_takes_as_long_as_stale_and_forged() {
    let arena = Arena::new();
    let client = RefCell::new(arena.gateway.connect());
    let signed = timed("/timed", event("evt-1"), now() - 3600);
    let forged = wrong(&signed, "X-Bella-Signature", 64);
    assert_alike(
        "stale, signed or forged",
        PAIRS,
        || refusal(&client, &signed),
        || refusal(&client, &forged),
    );
}
