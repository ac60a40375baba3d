//! How commands end and print: the exit code, the one sentence on stderr, tables and colours.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use crate::environment;

/// How a command ended that did not end well.
#[derive(Debug)]
pub(super) enum Failure {
    /// The answer is no and has been printed: exit 1.
    No,
    /// It failed for this reason: one sentence to stderr, exit 1.
    Failed(String),
    /// The command line asks for something that is not there: one sentence to stderr, exit 2.
    Usage(String),
    /// Standard output is gone. A closed pipe (`sealpost providers | head`) is not a failure.
    Output(io::Error),
}

/// How a command ended.
pub(super) type Outcome = Result<(), Failure>;

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Prints the error once and turns the outcome into the exit code.
pub(super) fn conclude(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::No) => ExitCode::from(1),
        Err(Failure::Failed(reason)) => say(&reason, 1),
        Err(Failure::Usage(reason)) => say(&reason, 2),
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(error)) => say(&format!("cannot write to standard output: {error}"), 1),
    }
}

/// Writes a text to standard output.
pub(super) fn print(text: &str) -> Outcome {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes a value as indented JSON to standard output.
pub(super) fn print_json(value: &impl serde::Serialize) -> Outcome {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Failed(error.to_string()))?;
    print(&(text + "\n"))
}

/// Writes lines to stderr; if that is closed too, nothing is left to be done.
pub(super) fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Colours, where they are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(bool);

impl Paint {
    /// On a terminal, unless `NO_COLOR` is set to something (<https://no-color.org>).
    pub(super) fn stdout() -> Self {
        Self(io::stdout().is_terminal() && Self::wanted())
    }

    /// The same for stderr.
    pub(super) fn stderr() -> Self {
        Self(io::stderr().is_terminal() && Self::wanted())
    }

    /// Never.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self(false)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(super) fn caution(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(super) fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn wanted() -> bool {
        environment::variable("NO_COLOR").is_none_or(|value| value.is_empty())
    }
}

/// Rows in aligned columns under a heading.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The table, its heading set off; `paint` colours a cell by its row (0 is the first below the heading) and column.
    pub(super) fn render(&self, strong: Paint, paint: impl Fn(usize, usize, &str) -> String) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut out = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let painted = match index {
                    0 => strong.strong(cell),
                    _ => paint(index - 1, column, cell),
                };
                let last = column + 1 == columns;
                let gap = if last { 0 } else { width.saturating_sub(cell.chars().count()) + 2 };
                // Writing to a `String` cannot fail.
                let _ = write!(line, "{painted}{:gap$}", "");
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// The table without colours in its cells.
    pub(super) fn plain(&self, strong: Paint) -> String {
        self.render(strong, |_, _, cell| cell.to_owned())
    }
}

fn say(reason: &str, code: u8) -> ExitCode {
    complain(&format!("sealpost: {reason}\n"));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_and_lines_end_without_blanks() {
        let mut table = Table::new(&["NAME", "WHAT"]);
        table.row(["é".to_owned(), "one".to_owned()]);
        table.row(["longer".to_owned(), String::new()]);
        assert_eq!(table.plain(Paint(false)), "NAME    WHAT\né       one\nlonger\n");
    }

    #[test]
    fn colours_do_not_disturb_the_columns() {
        let mut table = Table::new(&["A", "B"]);
        table.row(["x".to_owned(), "y".to_owned()]);
        let painted = table.render(Paint(true), |_, _, cell| Paint(true).good(cell));
        assert_eq!(painted, "\x1b[1mA\x1b[0m  \x1b[1mB\x1b[0m\n\x1b[32mx\x1b[0m  \x1b[32my\x1b[0m\n");
    }
}
