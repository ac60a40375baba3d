//! Whether the places of problems lie inside the text they speak of.

use sealpost::yaml::Problem;

/// Panics unless every problem has a place, and each place is a character of the text or the end of a line.
pub fn check<'p>(text: &str, problems: impl IntoIterator<Item = &'p Problem>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.split('\n').collect();
    for problem in problems {
        let place = problem.place.unwrap_or_else(|| panic!("{problem:?} has no place"));
        let line = usize::try_from(place.line).expect("a line");
        let column = usize::try_from(place.column).expect("a column");
        let found = line.checked_sub(1).and_then(|line| lines.get(line));
        let length =
            found.unwrap_or_else(|| panic!("{problem:?} is on a line that is not there")).chars().count();
        assert!((1..=length + 1).contains(&column), "{problem:?} is beyond its line");
        assert!(!problem.message.is_empty(), "{problem:?} says nothing");
    }
}
