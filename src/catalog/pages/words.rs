//! Small pieces of English and Markdown: lists, durations, code.

use std::time::Duration;

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list<T: AsRef<str>>(items: &[T], conjunction: &str) -> String {
    let texts: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    match texts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {conjunction} {last}", rest.join(", ")),
        _ => texts.concat(),
    }
}

/// `10 seconds`, `1 hour`, `3 days`: the largest unit that loses nothing.
pub(super) fn span(duration: Duration) -> String {
    let millis = duration.as_millis();
    if !millis.is_multiple_of(1000) {
        return format!("{} seconds", duration.as_secs_f64());
    }
    let seconds = duration.as_secs();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    // A day is better told as 24 hours.
    let fits =
        |(unit, _): &&(u64, &str)| seconds.is_multiple_of(*unit) && (*unit < 86_400 || seconds > *unit);
    let (unit, name) = units.iter().find(fits).unwrap_or(&(1, "second"));
    match (*name, seconds / unit) {
        ("hour", hours) if hours > 48 => {
            format!("{} and {}", counted(hours / 24, "day"), counted(hours % 24, "hour"))
        }
        (name, count) => counted(count, name),
    }
}

/// Places one after the other: what several of them share at their end is said once, with the last.
pub(super) fn places(places: &[String], conjunction: &str) -> String {
    const SHARED: &str = " of the JSON body";
    let followed =
        |index: usize| places.get(index.saturating_add(1)).is_some_and(|next| next.ends_with(SHARED));
    let told = places.iter().enumerate().map(|(index, place)| match place.strip_suffix(SHARED) {
        Some(short) if followed(index) => short.to_owned(),
        _ => place.clone(),
    });
    list(&told.collect::<Vec<_>>(), conjunction)
}

/// `1 vector`, `2 vectors`.
pub(super) fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A text as code.
pub(super) fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// A text that begins with a capital and ends with a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first: String = characters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let stop = if text.ends_with(['.', ':']) { "" } else { "." };
    format!("{first}{}{stop}", characters.as_str())
}

/// A text inside a cell of a table, where a bar would end it.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A single character or a short text that stands between two values.
pub(super) fn literal(text: &str) -> String {
    match text {
        "." => "a dot".to_owned(),
        ":" => "a colon".to_owned(),
        "," => "a comma".to_owned(),
        ";" => "a semicolon".to_owned(),
        "|" => "a bar".to_owned(),
        " " => "a space".to_owned(),
        "\n" => "a line feed".to_owned(),
        text => code(&text.replace('\n', "\\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_as_people_do() {
        for (seconds, told) in [
            (1, "1 second"),
            (90, "90 seconds"),
            (120, "2 minutes"),
            (3_600, "1 hour"),
            (86_400, "24 hours"),
            (259_200, "3 days"),
            (324_000, "3 days and 18 hours"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), told);
        }
        assert_eq!(span(Duration::from_millis(2_400)), "2.4 seconds");
    }

    #[test]
    fn lists_and_sentences_are_whole() {
        assert_eq!(list(&["a", "b", "c"], "or"), "a, b or c");
        assert_eq!(list(&["a"], "or"), "a");
        let body = |pointer: &str| format!("{pointer} of the JSON body");
        let told = places(&[body("/a"), "the method".into(), body("/b"), body("/c")], "and");
        assert_eq!(told, "/a of the JSON body, the method, /b and /c of the JSON body");
        assert_eq!(sentence("it is `a`"), "It is `a`.");
    }
}
