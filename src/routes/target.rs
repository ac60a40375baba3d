//! Which request targets are refused before a route is looked for.
//!
//! Two programs that read a path differently are how a request meant for one route reaches another. So whatever
//! an upstream could decode, normalise or split is not let through, instead of being normalised here.

use std::fmt;

/// Why a target is refused. All of them are the sender's (or a prober's) doing and answered 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetProblem {
    /// It does not begin with `/`.
    NotAPath,
    /// A segment is `.` or `..`.
    DotSegment,
    /// Two slashes follow each other.
    EmptySegment,
    /// It holds `\`, which some servers read as `/`.
    Backslash,
    /// It holds `%2e`, `%2f`, `%5c`, `%00` or `%25`: what a second decoding would turn into path syntax.
    EncodedSyntax,
    /// A `%` begins no escape (RFC 3986 section 2.1; `%u002e` is a dot for some), or the escapes are a longer form of a
    /// character than UTF-8 has (RFC 3629 section 3), which lax decoders read as the dot or slash it would be.
    BadEscape,
    /// It holds `;`, which some servers cut a segment at.
    Semicolon,
    /// It holds `#`, which never travels.
    Fragment,
    /// It holds a space, a control byte, or a byte beyond ASCII.
    NotPrintable,
}

impl fmt::Display for TargetProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAPath => "the path does not begin with `/`",
            Self::DotSegment => "the path holds a `.` or `..` segment",
            Self::EmptySegment => "the path holds an empty segment (`//`)",
            Self::Backslash => "the path holds a backslash",
            Self::EncodedSyntax => "the path holds an encoded `.`, `/`, `\\`, `%` or NUL",
            Self::BadEscape => {
                "the path holds a `%` without two hex digits, or UTF-8 in a form that is too long"
            }
            Self::Semicolon => "the path holds a `;`",
            Self::Fragment => "the target holds a `#`",
            Self::NotPrintable => "the target holds a space, a control byte or a byte beyond ASCII",
        })
    }
}

/// What is wrong with a target (path and query as received), or `None` if it may be routed.
///
/// A slash at the very end is a path of its own and no empty segment. In the query only `#` and what is no printable
/// ASCII are refused: senders put anything else there, and nobody routes by it. Bytes beyond ASCII have to be escaped
/// (RFC 3986 section 2), over HTTP/2 as over HTTP/1, where the request line cannot hold them: a delivery that gets in is
/// one that can be read back and released.
#[must_use]
pub fn path_problem(target: &str) -> Option<TargetProblem> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    in_path(path).or_else(|| in_query(query))
}

fn in_path(path: &str) -> Option<TargetProblem> {
    if !path.starts_with('/') {
        return Some(TargetProblem::NotAPath);
    }
    let bytes = path.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let next = bytes.get(at + 1..).unwrap_or_default();
        match byte {
            b'/' if next.first() == Some(&b'/') => return Some(TargetProblem::EmptySegment),
            b'\\' => return Some(TargetProblem::Backslash),
            b';' => return Some(TargetProblem::Semicolon),
            b'#' => return Some(TargetProblem::Fragment),
            b'%' if encodes_syntax(next) => return Some(TargetProblem::EncodedSyntax),
            b'%' if !is_escape(next) => return Some(TargetProblem::BadEscape),
            0..=b' ' | 0x7f.. => return Some(TargetProblem::NotPrintable),
            _ => {}
        }
    }
    let dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
    dots.then_some(TargetProblem::DotSegment)
}

/// Whether the two digits after a `%` stand for a byte that a decoder would take for syntax.
fn encodes_syntax(after: &[u8]) -> bool {
    let digits = after.get(..2).unwrap_or_default();
    [b"2e", b"2f", b"5c", b"00", b"25"].iter().any(|code| digits.eq_ignore_ascii_case(*code))
}

/// Whether what follows a `%` is two digits, and no beginning of UTF-8 in a form that is too long.
fn is_escape(after: &[u8]) -> bool {
    let byte = |at: usize| {
        let digits = std::str::from_utf8(after.get(at..at.saturating_add(2))?).ok()?;
        u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
    };
    let second = if after.get(2) == Some(&b'%') { byte(3) } else { None };
    match (byte(0), second) {
        (None | Some(0xc0 | 0xc1), _) | (Some(0xe0), Some(0x80..=0x9f)) | (Some(0xf0), Some(0x80..=0x8f)) => {
            false
        }
        (Some(_), _) => true,
    }
}

fn in_query(query: &str) -> Option<TargetProblem> {
    query.bytes().find_map(|byte| match byte {
        b'#' => Some(TargetProblem::Fragment),
        0..=b' ' | 0x7f.. => Some(TargetProblem::NotPrintable),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_refusal_of_the_list_is_refused_anywhere_in_the_path() {
        use TargetProblem::*;
        for (target, problem) in [
            ("", NotAPath),
            ("*", NotAPath),
            ("http://host/a", NotAPath),
            ("a/b", NotAPath),
            ("?x=/a", NotAPath),
            ("/.", DotSegment),
            ("/a/../b", DotSegment),
            ("/a/.", DotSegment),
            ("/a/..?q", DotSegment),
            ("//", EmptySegment),
            ("//host/a", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a//", EmptySegment),
            ("/a\\b", Backslash),
            ("/a/%2e%2e/b", EncodedSyntax),
            ("/a/%2E", EncodedSyntax),
            ("/a%2Fb", EncodedSyntax),
            ("/a%2fb", EncodedSyntax),
            ("/a%5Cb", EncodedSyntax),
            ("/a%5cb", EncodedSyntax),
            ("/a%00", EncodedSyntax),
            ("/a%252e", EncodedSyntax),
            ("/a%2", BadEscape),
            ("/a%", BadEscape),
            ("/a%+1", BadEscape),
            ("/a%zz", BadEscape),
            ("/a%u002e", BadEscape),
            ("/a%c0%ae", BadEscape),
            ("/a%C1%9C", BadEscape),
            ("/a%e0%80%ae", BadEscape),
            ("/a%F0%80%80%AE", BadEscape),
            ("/a;b=c/d", Semicolon),
            ("/a#b", Fragment),
            ("/a?b#c", Fragment),
            ("/a b", NotPrintable),
            ("/a\tb", NotPrintable),
            ("/a\u{0}", NotPrintable),
            ("/a\u{7f}", NotPrintable),
            ("/é", NotPrintable),
            ("/a?b c", NotPrintable),
            ("/a?é", NotPrintable),
            ("/a?b=\u{80}", NotPrintable),
            ("/a?b\u{7f}", NotPrintable),
            ("/a?b\r\n", NotPrintable),
        ] {
            assert_eq!(path_problem(target), Some(problem), "{target:?}");
        }
    }

    #[test]
    fn ordinary_targets_pass() {
        for target in [
            "/",
            "/webhooks/bella",
            "/webhooks/bella/",
            "/a.b/..c/d..",
            "/.well-known/x",
            "/a%20b",
            "/a%C3%A9",
            "/a%E0%A0%80",
            "/a%F0%9F%98%80",
            "/a%e9",
            "/a:b@c,d=e+f~g$!*'()&",
            "/a?next=//x/../%2e%2f;\\",
            "/a?",
            "/a?%C3%A9&%e9",
            "/a?[]{}|\"<>^`",
        ] {
            assert_eq!(path_problem(target), None, "{target:?}");
        }
    }

    proptest! {
        /// What passes has one reading: decoding it once and resolving dots leaves its segments where they are.
        #[test]
        fn a_target_that_passes_has_the_same_segments_decoded(target in "/[a-c./\\\\%;#25ef0? ]{0,24}") {
            if path_problem(&target).is_none() {
                let path = target.split('?').next().unwrap();
                let decoded = percent_encoding::percent_decode_str(path).collect::<Vec<u8>>();
                let segments = decoded.split(|byte| *byte == b'/').collect::<Vec<_>>();
                prop_assert_eq!(segments.len(), path.split('/').count());
                prop_assert!(!segments.iter().any(|segment| matches!(*segment, b"." | b"..")));
                prop_assert!(segments.iter().skip(1).rev().skip(1).all(|segment| !segment.is_empty()));
                prop_assert!(!decoded.iter().any(|byte| matches!(byte, b'\\' | b';' | 0)));
            }
        }
    }
}
