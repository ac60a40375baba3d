//! Problems of a file, each with its line shown and a caret under the place.

use crate::yaml::Problem;

use super::output::Paint;

/// Every problem in the form `gateway.yaml:31:7 routes[2].secrets[0]: …` with its line below.
pub(super) fn render<'p>(
    file: &str,
    text: &str,
    problems: impl IntoIterator<Item = &'p Problem>,
    paint: Paint,
) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for problem in problems {
        let said = problem.render(file);
        let (place, message) = said.split_once(": ").unwrap_or((&said, ""));
        out.push_str(&format!("{}: {message}\n", paint.strong(place)));
        if let Some(shown) = excerpt(&lines, problem, paint) {
            out.push_str(&shown);
        }
    }
    out
}

/// `1 problem`, `2 problems`.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// More of a line says nothing more.
const WIDTH: usize = 120;

fn excerpt(lines: &[&str], problem: &Problem, paint: Paint) -> Option<String> {
    let place = problem.place?;
    let line = lines.get(usize::try_from(place.line).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
    if line.trim().is_empty() || column > WIDTH {
        return None;
    }
    let shown: String = hide_secrets(line, &problem.path)
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(WIDTH)
        .collect();
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    Some(format!(
        "  {} {}\n  {margin} {} {}{}\n",
        paint.faint(&format!("{number} |")),
        shown.trim_end(),
        paint.faint("|"),
        " ".repeat(column),
        paint.bad("^"),
    ))
}

/// A secret that stands in the file against the rules must not be shown, wherever on the line it stands.
fn hide_secrets(line: &str, path: &str) -> String {
    let sensitive = ["secret", "token", "insecure", "url", "upstream", "key"];
    let concerned = |text: &str| sensitive.iter().any(|word| text.to_ascii_lowercase().contains(word));
    if !concerned(path) && !concerned(line) {
        return line.to_owned();
    }
    let indent = line.len() - line.trim_start_matches([' ', '-']).len();
    let (start, rest) = line.split_at(indent);
    let hidden: Vec<_> = rest.split_inclusive([' ', ',']).map(hide_word).collect();
    start.to_owned() + &hidden.concat()
}

/// Keys, references and punctuation stay; any other word becomes four dots.
fn hide_word(word: &str) -> String {
    let bare = word.trim_matches(['{', '}', '[', ']', ',', ' ', '"', '\'']);
    let reference = bare.starts_with("env:") || bare.starts_with("file:");
    // An address may hold a password, before an `@`.
    let address = (bare.contains("://") || bare.starts_with("unix:")) && !bare.contains('@');
    if bare.is_empty() || bare.ends_with(':') || bare.starts_with('#') || reference || address {
        return word.to_owned();
    }
    word.replace(bare, "••••")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Place;

    fn shown(text: &str, path: &str, line: u32, column: u32) -> String {
        let problem = Problem::new(path, Place { line, column }, "is wrong");
        render("gateway.yaml", text, [&problem], Paint::plain())
    }

    #[test]
    fn the_line_stands_under_the_problem_with_a_caret() {
        assert_eq!(
            shown("routes:\n  - nam: x\n", "routes[0].nam", 2, 5),
            "gateway.yaml:2:5 routes[0].nam: is wrong\n  2 |   - nam: x\n    |     ^\n"
        );
    }

    #[test]
    fn a_secret_written_into_the_file_is_not_repeated() {
        for line in
            ["      - hunter2", "  secrets: [hunter2, env:A]", "  - { insecure: \"hunter2\", nam: a }"]
        {
            let said = shown(line, "routes[0].secrets[0]", 1, 5);
            assert!(!said.contains("hunter2") && said.contains("••••"), "{said}");
        }
        assert!(shown("  - env:UNSET", "routes[0].secrets[0]", 1, 5).contains("- env:UNSET\n"));
    }

    #[test]
    fn a_place_outside_the_text_shows_no_line() {
        assert_eq!(shown("a", "", 9, 1), "gateway.yaml:9:1: is wrong\n");
    }
}
