//! What is wrong in a file and where: collected, sorted and printed one per line.

use std::fmt;

/// A place in a text; both numbers start at 1, columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One mistake, or one warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The keys that lead there, such as `routes[2].secrets[0]`; empty for the whole file.
    pub path: String,
    /// Where it stands, if it stands anywhere.
    pub place: Option<Place>,
    /// What is wrong and what to do about it, without a dot at the end.
    pub message: String,
}

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn new(path: impl Into<String>, place: Place, message: impl Into<String>) -> Self {
        Self { path: path.into(), place: Some(place), message: message.into() }
    }

    /// The problem as one line, `FILE:31:7 routes[2].secrets[0]: message`.
    #[must_use]
    pub fn render(&self, file: &str) -> String {
        let place = self.place.map_or(String::new(), |place| format!(":{place}"));
        let path = if self.path.is_empty() { String::new() } else { format!(" {}", self.path) };
        format!("{file}{place}{path}: {}", self.message)
    }
}

/// Problems in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds one at a place.
    pub fn report(&mut self, path: impl Into<String>, place: Place, message: impl Into<String>) {
        self.push(Problem::new(path, place, message));
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are. Comparing two counts tells whether a step in between went well.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// The same problems from the top of the file to its end; those without a place come first.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0.sort_by_key(|problem| problem.place);
        self
    }

    /// Takes the problems out.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }

    /// One line a problem, each starting with `file` and its place.
    #[must_use]
    pub fn render(&self, file: &str) -> String {
        self.0.iter().map(|problem| problem.render(file) + "\n").collect()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        self.0.extend(problems);
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_with_its_file_place_and_path() {
        let mut problems = Problems::new();
        problems.report("routes[2].secrets[0]", Place { line: 31, column: 7 }, "no such variable");
        problems.report("", Place { line: 2, column: 1 }, "not a mapping");
        problems.push(Problem { path: "routes".into(), place: None, message: "missing".into() });
        assert_eq!(
            problems.sorted().render("gateway.yaml"),
            "gateway.yaml routes: missing\n\
             gateway.yaml:2:1: not a mapping\n\
             gateway.yaml:31:7 routes[2].secrets[0]: no such variable\n"
        );
    }
}
