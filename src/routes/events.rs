//! Which event types a route forwards.

use std::fmt;

/// The `events` of a route. Names are compared whole and case-sensitively; `*` stands for any run of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    patterns: Option<Vec<String>>,
}

impl EventFilter {
    /// Forwards everything.
    #[must_use]
    pub const fn all() -> Self {
        Self { patterns: None }
    }

    /// Forwards the types that match one of `patterns`.
    #[must_use]
    pub const fn only(patterns: Vec<String>) -> Self {
        Self { patterns: Some(patterns) }
    }

    /// Whether an event of this type is forwarded. One without a type passes only `*` (and no filter at all).
    #[must_use]
    pub fn wants(&self, event_type: Option<&str>) -> bool {
        let Some(patterns) = &self.patterns else { return true };
        patterns.iter().any(|pattern| match event_type {
            Some(event_type) => matches(pattern, event_type),
            None => pattern == "*",
        })
    }

    /// The patterns, or `None` when everything is forwarded.
    #[must_use]
    pub fn patterns(&self) -> Option<&[String]> {
        self.patterns.as_deref()
    }
}

impl fmt::Display for EventFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.patterns {
            None => f.write_str("all"),
            Some(patterns) => f.write_str(&patterns.join(", ")),
        }
    }
}

/// Each piece between stars must follow the one before; taking the first place for each is enough, and linear.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, others)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let (middle, last) = others.rsplit_once('*').unwrap_or(("", others));
    for piece in middle.split('*') {
        let Some(at) = rest.find(piece) else { return false };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(patterns: &[&str]) -> EventFilter {
        EventFilter::only(patterns.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn names_are_whole_and_case_sensitive_and_a_star_stands_for_anything() {
        let events = filter(&["SecretUpdated", "secret.*", "*.failed", "a*b*c"]);
        for wanted in ["SecretUpdated", "secret.", "secret.a.b", "x.failed", ".failed", "abc", "a-b-b-c"] {
            assert!(events.wants(Some(wanted)), "{wanted}");
        }
        for other in ["secretupdated", "SecretUpdated2", "secret", "Secret.x", "failed", "ac", "abcd", ""] {
            assert!(!events.wants(Some(other)), "{other}");
        }
    }

    #[test]
    fn without_a_filter_everything_passes_and_without_a_type_only_the_star() {
        assert!(EventFilter::all().wants(None));
        assert!(!filter(&["a", "*a"]).wants(None));
        assert!(filter(&["*"]).wants(None));
        assert!(filter(&["*"]).wants(Some("")));
    }

    /// The definition: a star takes any number of characters.
    fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', pattern @ ..], _) => (0..=text.len()).any(|taken| by_definition(pattern, &text[taken..])),
            ([a, pattern @ ..], [b, text @ ..]) => a == b && by_definition(pattern, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_matches_exactly_what_the_definition_says(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &text), by_definition(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
