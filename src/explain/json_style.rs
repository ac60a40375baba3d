//! The ways in which common writers write the same JSON.

/// How one writer writes JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Who writes like this.
    pub(super) writer: &'static str,
    /// Spaces and lines.
    pub(super) layout: Layout,
    /// What is escaped.
    pub(super) escapes: Escapes,
    /// Whether a number is a double: `1.0` becomes `1`.
    pub(super) doubles: bool,
    /// Whether members are sorted by name.
    pub(super) sorted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `{"a":1,"b":2}`
    Compact,
    /// `{"a": 1, "b": 2}`
    Spaced,
    /// One member a line, indented by so many spaces.
    Lines(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// Only what must be escaped.
    Few,
    /// Everything beyond ASCII as `\u00e9`.
    Ascii,
    /// That, and `/` as `\/`.
    AsciiSlash,
    /// `/` as `\/`, letters beyond ASCII as they are.
    Slash,
    /// `<`, `>` and `&` as `\u003c`, `\u003e`, `\u0026`.
    Html,
}

const PLAIN: Style =
    Style { writer: "", layout: Layout::Compact, escapes: Escapes::Few, doubles: false, sorted: false };

/// The writers that are tried, the commonest first.
pub(super) const STYLES: &[Style] = &[
    Style { writer: "JSON.stringify (JavaScript)", doubles: true, ..PLAIN },
    Style { writer: "json.dumps (Python)", layout: Layout::Spaced, escapes: Escapes::Ascii, ..PLAIN },
    Style { writer: "a compact writer that keeps 1.0 (Ruby, Rust, Java, C#)", ..PLAIN },
    Style { writer: "json.dumps with separators=(',', ':') (Python)", escapes: Escapes::Ascii, ..PLAIN },
    Style { writer: "json.dumps with ensure_ascii=False (Python)", layout: Layout::Spaced, ..PLAIN },
    Style { writer: "encoding/json (Go)", escapes: Escapes::Html, doubles: true, ..PLAIN },
    Style {
        writer: "encoding/json over a map (Go)",
        escapes: Escapes::Html,
        doubles: true,
        sorted: true,
        ..PLAIN
    },
    Style { writer: "json_encode (PHP)", escapes: Escapes::AsciiSlash, ..PLAIN },
    Style { writer: "json_encode with JSON_UNESCAPED_UNICODE (PHP)", escapes: Escapes::Slash, ..PLAIN },
    Style { writer: "to_json (Rails)", escapes: Escapes::Html, ..PLAIN },
    Style { writer: "a compact writer that sorts names", sorted: true, ..PLAIN },
    Style { writer: "JSON.stringify with sorted names (JavaScript)", doubles: true, sorted: true, ..PLAIN },
    Style {
        writer: "json.dumps with sort_keys (Python)",
        layout: Layout::Spaced,
        escapes: Escapes::Ascii,
        sorted: true,
        ..PLAIN
    },
    Style {
        writer: "json.dumps with sort_keys and separators=(',', ':') (Python)",
        escapes: Escapes::Ascii,
        sorted: true,
        ..PLAIN
    },
    Style {
        writer: "JSON.stringify(…, null, 2) (JavaScript)",
        layout: Layout::Lines(2),
        doubles: true,
        ..PLAIN
    },
    Style { writer: "a pretty printer with 2 spaces", layout: Layout::Lines(2), ..PLAIN },
    Style { writer: "a pretty printer with 4 spaces", layout: Layout::Lines(4), ..PLAIN },
    Style {
        writer: "json.dumps with indent=2 (Python)",
        layout: Layout::Lines(2),
        escapes: Escapes::Ascii,
        ..PLAIN
    },
    Style {
        writer: "json.dumps with indent=4 (Python)",
        layout: Layout::Lines(4),
        escapes: Escapes::Ascii,
        ..PLAIN
    },
];
