//! What the server is asked: one script for each operation, and what it answers.
//!
//! An event's key holds `STATE ATTEMPT UNTIL` and then, of a claim in flight (`c`) its token in hexadecimal, of an
//! accepted event (`a`) its packed answer; of a released one (`r`) nothing. `UNTIL` is the server's time in
//! milliseconds; the key itself expires with it, that of a claim later, so that an abandoned one keeps its number.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};
use sha1::{Digest as _, Sha1};

use crate::dedupe::{ABANDONED_KEPT, Answer, Known, KnownState, Token};
use crate::time::UnixTime;

/// The server's time in milliseconds.
pub(super) const SERVER_TIME: &str =
    "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000)";

/// Of an answer that none of the scripts gives.
pub(super) const STRANGE: &str =
    "the server's answer is not one of its script's; is the key prefix used by something else?";

/// KEYS: the event. ARGV: token, lease, how long an abandoned claim is kept.
const CLAIM: &str = r"
local v = redis.call('GET', KEYS[1])
local attempt = 0
if v then
  local state, a, u = string.match(v, '^(%a) (%d+) (%d+)')
  u = tonumber(u)
  if now < u then
    if state == 'a' then return v end
    if state == 'c' then return 0 end
    attempt = tonumber(a)
  elseif state == 'c' and now < u + ARGV[3] then
    attempt = tonumber(a)
  end
end
attempt = attempt + 1
local u = string.format('%.0f', now + ARGV[2])
redis.call('SET', KEYS[1], 'c ' .. attempt .. ' ' .. u .. ' ' .. ARGV[1], 'PX', string.format('%.0f', ARGV[2] + ARGV[3]))
return attempt
";

/// KEYS: the event. ARGV: token, time to live, how long an abandoned claim is kept, packed answer.
///
/// What the server lost (a failover, a restart) is remembered all the same.
const COMMIT: &str = r"
local v = redis.call('GET', KEYS[1])
local attempt = 1
if v then
  local state, a, u, token = string.match(v, '^(%a) (%d+) (%d+) ?(%x*)')
  u = tonumber(u)
  if state == 'c' then
    if token == ARGV[1] then
      attempt = a
    elseif now < u + ARGV[3] then
      return 0
    end
  elseif now < u then
    return 0
  end
end
local u = string.format('%.0f', now + ARGV[2])
redis.call('SET', KEYS[1], 'a ' .. attempt .. ' ' .. u .. ' ' .. ARGV[4], 'PX', ARGV[2])
return 1
";

/// KEYS: the event. ARGV: token, time to live of the count of attempts.
const RELEASE: &str = r"
local v = redis.call('GET', KEYS[1])
if not v then return 0 end
local state, a, u, token = string.match(v, '^(%a) (%d+) (%d+) ?(%x*)')
if state ~= 'c' or token ~= ARGV[1] then return 0 end
local u = string.format('%.0f', now + ARGV[2])
redis.call('SET', KEYS[1], 'r ' .. a .. ' ' .. u, 'PX', ARGV[2])
return 1
";

/// KEYS: the event. The token of the claim in flight and how long its lease lasts, or nothing.
const PEEK: &str = r"
local v = redis.call('GET', KEYS[1])
if not v then return 0 end
local state, a, u, token = string.match(v, '^(%a) (%d+) (%d+) ?(%x*)')
u = tonumber(u)
if state ~= 'c' or now >= u then return 0 end
return token .. ' ' .. string.format('%.0f', u - now)
";

/// KEYS: the event. What is known of it: state, attempt, until when, bytes of the answer; or nothing.
const LOOK: &str = r"
local v = redis.call('GET', KEYS[1])
if not v then return 0 end
local state, a, u, rest = string.match(v, '^(%a) (%d+) (%d+) ?(.*)$')
if now >= tonumber(u) then return 0 end
return state .. ' ' .. a .. ' ' .. u .. ' ' .. string.format('%d', #rest)
";

/// KEYS: the event. 1 when it is forgotten, 0 when there was nothing to forget, 2 when it is in flight.
const FORGET: &str = r"
local v = redis.call('GET', KEYS[1])
if not v then return 0 end
local state, a, u = string.match(v, '^(%a) (%d+) (%d+)')
local live = now < tonumber(u)
if state == 'c' and live then return 2 end
redis.call('DEL', KEYS[1])
if live then return 1 end
return 0
";

/// One script, by its text and by the name under which a server that has seen it knows it.
struct Script {
    text: String,
    hash: String,
}

impl Script {
    fn new(time: &str, body: &str) -> Self {
        let text = format!("{time}{body}");
        let hash = hex::encode(Sha1::digest(&text));
        Self { text, hash }
    }
}

/// All of them.
#[derive(Clone)]
pub(super) struct Scripts(Arc<[Script; 6]>);

/// A script with its arguments: to be asked by its name, and by its text where the server does not know the name.
pub(super) struct Question<'s> {
    script: &'s Script,
    key: String,
    arguments: Vec<Vec<u8>>,
}

impl Question<'_> {
    pub(super) fn by_name(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    pub(super) fn by_text(&self) -> Cmd {
        self.command("EVAL", &self.script.text)
    }

    fn command(&self, word: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(word);
        command.arg(script).arg(1).arg(&self.key);
        for argument in &self.arguments {
            command.arg(argument);
        }
        command
    }
}

impl Scripts {
    /// With `time`, a piece of Lua that sets `now`.
    pub(super) fn new(time: &str) -> Self {
        Self(Arc::new([CLAIM, COMMIT, RELEASE, PEEK, LOOK, FORGET].map(|body| Script::new(time, body))))
    }

    pub(super) fn claim(&self, key: &str, token: Token, lease: Duration) -> Question<'_> {
        let [claim, ..] = &*self.0;
        question(claim, key, vec![hexed(token), millis(lease), millis(ABANDONED_KEPT)])
    }

    pub(super) fn commit(
        &self,
        key: &str,
        token: Token,
        ttl: Duration,
        packed: Option<&[u8]>,
    ) -> Question<'_> {
        let [_, commit, ..] = &*self.0;
        let packed = packed.unwrap_or_default().to_vec();
        question(commit, key, vec![hexed(token), millis(ttl), millis(ABANDONED_KEPT), packed])
    }

    pub(super) fn release(&self, key: &str, token: Token, ttl: Duration) -> Question<'_> {
        let [_, _, release, ..] = &*self.0;
        question(release, key, vec![hexed(token), millis(ttl)])
    }

    pub(super) fn peek(&self, key: &str) -> Question<'_> {
        let [_, _, _, peek, ..] = &*self.0;
        question(peek, key, Vec::new())
    }

    pub(super) fn look(&self, key: &str) -> Question<'_> {
        let [.., look, _] = &*self.0;
        question(look, key, Vec::new())
    }

    pub(super) fn forget(&self, key: &str) -> Question<'_> {
        let [.., forget] = &*self.0;
        question(forget, key, Vec::new())
    }
}

fn question<'s>(script: &'s Script, key: &str, arguments: Vec<Vec<u8>>) -> Question<'s> {
    Question { script, key: key.to_owned(), arguments }
}

fn hexed(token: Token) -> Vec<u8> {
    let mut text = String::with_capacity(16);
    // Writing to a `String` cannot fail.
    let _ = write!(text, "{:016x}", token.0);
    text.into_bytes()
}

/// At least one: a key cannot expire at once.
fn millis(time: Duration) -> Vec<u8> {
    time.as_millis().max(1).to_string().into_bytes()
}

/// What a claim comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    New(u32),
    InFlight,
    Seen { attempt: u32, answer: Option<Answer> },
}

/// Reads the answer to a claim.
pub(super) fn claimed(value: Value) -> Option<Claimed> {
    match value {
        Value::Int(0) => Some(Claimed::InFlight),
        Value::Int(attempt) => Some(Claimed::New(u32::try_from(attempt).ok()?)),
        Value::BulkString(text) => {
            let mut words = text.strip_prefix(b"a ")?.splitn(3, |byte| *byte == b' ');
            let attempt = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
            let _until = words.next()?;
            // An answer that cannot be read is none; the event is known all the same.
            Some(Claimed::Seen { attempt, answer: Answer::unpack(words.next()?) })
        }
        _ => None,
    }
}

/// Reads the answer to a look; `None` if it is none.
pub(super) fn looked(value: &Value) -> Option<Option<Known>> {
    match value {
        Value::Int(0) => Some(None),
        Value::BulkString(text) => {
            let mut words = std::str::from_utf8(text).ok()?.split(' ');
            let state = match words.next()? {
                "c" => KnownState::InFlight,
                "a" => KnownState::Accepted,
                "r" => KnownState::Released,
                _ => return None,
            };
            let attempt = words.next()?.parse().ok()?;
            let until = UnixTime::from_millis(words.next()?.parse().ok()?);
            let answered = state == KnownState::Accepted && words.next()? != "0";
            Some(Some(Known { state, attempt, until, answered }))
        }
        _ => None,
    }
}

/// What is known of a claim.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Peeked {
    Settled,
    InFlight { token: u64, left: Duration },
}

/// Reads the answer to a peek.
pub(super) fn peeked(value: &Value) -> Option<Peeked> {
    match value {
        Value::Int(0) => Some(Peeked::Settled),
        Value::BulkString(text) => {
            let (token, left) = std::str::from_utf8(text).ok()?.split_once(' ')?;
            let left = Duration::from_millis(left.parse().ok()?);
            Some(Peeked::InFlight { token: u64::from_str_radix(token, 16).ok()?, left })
        }
        _ => None,
    }
}
