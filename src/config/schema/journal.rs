//! The schema of `journal`, at the top and on a route.

use serde_json::{Value, json};

use super::kit::{self, count, duration, list, locator, object, one_of, text};

/// `journal` at the top.
pub(super) fn journal() -> Value {
    let mut keys = vec![
        (
            "size",
            kit::size(
                "All entries and kept requests together; past it the oldest go, what did not verify first. A change needs a restart.",
                "64MiB",
            ),
        ),
        ("entries", count("Entries at most. A change needs a restart.", 100_000)),
        ("age", duration("How old entries become. A change needs a restart.", Some("7d"))),
        (
            "path",
            text(
                "A folder, for a journal that outlives the process. Default: memory. A change needs a restart.",
            ),
        ),
    ];
    keys.extend(keep());
    let journal = object("How decisions are taken down.", &[], keys);
    json!({ "oneOf": [{ "const": "off" }, journal], "description": "How decisions are taken down, or `off`." })
}

/// `journal` of a route.
pub(super) fn of_route() -> Value {
    object("What the journal keeps of this route's requests. Default: as at the top.", &[], keep())
}

fn keep() -> Vec<(&'static str, Value)> {
    vec![
        (
            "bodies",
            one_of(
                "Whose headers and bodies are kept: nobody's, those of whatever did not get through (so that it can be released), or everybody's.",
                &["none", "refused", "all"],
                "none",
            ),
        ),
        (
            "redact",
            list(
                "Places whose values are never shown, beside those where this sender carries a credential.",
                0,
                locator("`header:NAME`, `query:NAME`, `form:NAME`, `json:/pointer` or `body`."),
            ),
        ),
    ]
}
