//! What a file of attacks says: cases with their bytes or frames, and the words for what must hold.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One file of `tests/attacks`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attacks {
    /// Top-level YAML of the gateway under attack.
    #[serde(default)]
    pub(crate) gateway: String,
    /// Routes of it beside the usual ones; `<upstream>` is where they lead.
    #[serde(default)]
    pub(crate) routes: String,
    pub(crate) cases: Vec<Case>,
}

/// One attack, in one or several spellings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Why it is an attack: the rule that is broken, or where the technique was published.
    pub(crate) why: String,
    /// The bytes, see [`super::bytes`].
    #[serde(default)]
    pub(crate) send: Option<String>,
    /// What stands for `<each>` in them, one after the other.
    #[serde(default)]
    pub(crate) each: Vec<String>,
    /// What follows the bytes.
    #[serde(default)]
    pub(crate) then: Then,
    /// HTTP/2 frames in place of bytes.
    #[serde(default, with = "serde_yaml::with::singleton_map_recursive")]
    pub(crate) frames: Vec<Frame>,
    /// What must hold for each spelling.
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    pub(crate) holds: Vec<Word>,
}

/// What the attacker does after its bytes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Then {
    /// Ends its direction and reads.
    #[default]
    Finishes,
    /// Keeps it open and reads.
    Waits,
    /// Sends an `x` every 50 ms.
    Trickles,
}

/// The words for what must hold. For every case it holds besides that a good request beside it is answered (over HTTP/2 in the
/// middle of the attack as well as after it), that nothing reaches the upstream but what the case names, that no connection,
/// request or byte is left in the gateway, and that nothing panics.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) enum Word {
    /// One answer, of one of these statuses, and the connection ends. Over HTTP/2 the gateway may also break off the stream or
    /// the connection in place of an answer (RFC 9113, section 8.1.1).
    #[serde(rename = "refused")]
    Refused(Vec<u16>),
    /// The same, or no answer.
    #[serde(rename = "refused or closed")]
    RefusedOrClosed(Vec<u16>),
    /// The connection ends without an answer.
    #[serde(rename = "closed")]
    Closed,
    /// These answers in this order, and the connection ends.
    #[serde(rename = "answered")]
    Answered(Vec<u16>),
    /// Over HTTP/2: the gateway ends the connection, or the stream.
    #[serde(rename = "broken off")]
    BrokenOff,
    /// Not a byte and not a connection.
    #[serde(rename = "nothing reaches the upstream")]
    Nothing,
    /// These requests and no others.
    #[serde(rename = "the upstream sees")]
    Sees(Vec<Seen>),
    /// The gateway's resident memory grows by so many MiB at most.
    #[serde(rename = "memory within MiB")]
    Memory(u64),
}

/// A request as the upstream must see it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    /// The request line; `<each>` stands for the spelling.
    #[serde(default = "usual_line")]
    pub(crate) line: String,
    #[serde(default = "usual_body")]
    pub(crate) body: String,
    /// Fields that stand there exactly so, `name: value`, and in no other line.
    #[serde(default)]
    pub(crate) has: Vec<String>,
    /// Names that stand nowhere.
    #[serde(default)]
    pub(crate) lacks: Vec<String>,
}

fn usual_line() -> String {
    "POST /raw HTTP/1.1".into()
}

fn usual_body() -> String {
    super::bytes::BODY.into()
}

/// One HTTP/2 frame, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Frame {
    /// `identifier value` pairs.
    Settings(Vec<(u16, u32)>),
    Headers {
        stream: u32,
        /// `name: value`; `<signed>` as in bytes.
        #[serde(default)]
        fields: Vec<String>,
        /// Bytes of HPACK after the fields.
        #[serde(default)]
        hpack: String,
        #[serde(default)]
        ends: bool,
        /// The head goes on in a CONTINUATION.
        #[serde(default)]
        goes_on: bool,
    },
    Continuation {
        stream: u32,
        hpack: String,
    },
    Data {
        stream: u32,
        #[serde(default)]
        bytes: String,
        #[serde(default)]
        ends: bool,
    },
    Reset {
        stream: u32,
    },
    Ping,
    Window {
        stream: u32,
        by: u32,
    },
    Priority {
        stream: u32,
    },
    /// A frame as it stands on the wire.
    Raw(String),
    /// Waits until the upstream was asked so many times.
    Asked(usize),
    /// All of them so many times; in each round streams have the next odd number.
    Times {
        times: u32,
        frames: Vec<Frame>,
    },
}

impl Case {
    /// How many answers (or resets) there will be.
    pub(crate) fn awaited(&self) -> usize {
        let of = |word: &Word| match word {
            Word::Refused(_) => 1,
            Word::Answered(statuses) => statuses.len(),
            _ => 0,
        };
        self.holds.iter().map(of).max().unwrap_or_default()
    }

    /// The spellings: the values of `<each>`, or one empty one.
    pub(crate) fn spellings(&self) -> Vec<&str> {
        if self.each.is_empty() { vec![""] } else { self.each.iter().map(String::as_str).collect() }
    }
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks")
}

/// Reads a file of attacks.
pub(crate) fn read(name: &str) -> Attacks {
    let path = folder().join(format!("{name}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let attacks: Attacks =
        serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for case in &attacks.cases {
        assert!(case.send.is_some() == case.frames.is_empty(), "{}: bytes or frames", case.name);
        assert!(!case.why.is_empty() && !case.holds.is_empty(), "{}: it says why, and what holds", case.name);
        let outcome = |word: &Word| matches!(word, Word::Nothing | Word::Sees(_));
        assert_eq!(
            case.holds.iter().filter(|word| outcome(word)).count(),
            1,
            "{}: what the upstream sees",
            case.name
        );
    }
    attacks
}
