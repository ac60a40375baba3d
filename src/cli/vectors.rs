//! `sealpost providers check`: runs test vectors, of the catalogue or of a file.

use std::path::Path;
use std::sync::Arc;

use crate::catalog::{self, Provider, VectorResult, Vectors, run_vectors};
use crate::yaml::{self, Node, Problems};

use super::known::read_text;
use super::output::{Failure, Outcome, Paint, Table, print};
use super::problems;

/// Runs them and prints a line per sender and every failure.
pub(super) fn execute(file: Option<&Path>) -> Outcome {
    let senders = match file {
        Some(path) => vec![from_file(path)?],
        None => catalog::names().filter_map(from_catalogue).collect::<Result<_, _>>()?,
    };
    let results: Vec<_> = senders
        .iter()
        .map(|(provider, vectors)| Checked {
            sender: &provider.name,
            vectors: vectors.list.len(),
            results: run_vectors(provider, vectors),
        })
        .collect();
    let paint = Paint::stdout();
    print(&show(&results, paint))?;
    let wrong = results.iter().any(|checked| checked.vectors == 0 || checked.failures().next().is_some());
    if wrong { Err(Failure::No) } else { Ok(()) }
}

type Tested = (Arc<Provider>, Vectors);

struct Checked<'s> {
    sender: &'s str,
    vectors: usize,
    /// More than there are vectors: refusals are derived from the accepted ones.
    results: Vec<VectorResult>,
}

impl Checked<'_> {
    fn failures(&self) -> impl Iterator<Item = (&VectorResult, &str)> {
        self.results.iter().filter_map(|result| Some((result, result.problem.as_deref()?)))
    }
}

fn from_catalogue(name: &'static str) -> Option<Result<Tested, Failure>> {
    let provider = catalog::find(name)?;
    let text = catalog::vectors_text(name).unwrap_or_default();
    Some(read_vectors(&format!("{name}.vectors.yaml"), text).map(|vectors| (provider, vectors)))
}

/// A file with one sender and its `vectors:`, or with the vectors beside it in `NAME.vectors.yaml`.
fn from_file(path: &Path) -> Result<Tested, Failure> {
    let file = path.display().to_string();
    let text = read_text(path)?;
    let node = parse(&file, &text)?;
    let mut found = Problems::new();
    let provider = Provider::read(&node, "", &mut found);
    let provider = provider.filter(|_| found.is_empty()).ok_or_else(|| invalid(&file, &text, found))?;
    let beside = path.with_extension("vectors.yaml");
    let vectors = if node.get("vectors").is_some() || !beside.exists() {
        read_vectors(&file, &text)?
    } else {
        read_vectors(&beside.display().to_string(), &read_text(&beside)?)?
    };
    Ok((Arc::new(provider), vectors))
}

fn read_vectors(file: &str, text: &str) -> Result<Vectors, Failure> {
    let mut found = Problems::new();
    let vectors = Vectors::read(&parse(file, text)?, "", &mut found);
    if found.is_empty() { Ok(vectors) } else { Err(invalid(file, text, found)) }
}

fn parse(file: &str, text: &str) -> Result<Node, Failure> {
    yaml::parse(text).map_err(|problem| invalid(file, text, problem.into()))
}

fn invalid(file: &str, text: &str, found: Problems) -> Failure {
    let shown = problems::render(file, text, &found.sorted(), Paint::stderr());
    Failure::Failed(format!("the file cannot be read as a sender\n{}", shown.trim_end()))
}

fn show(all: &[Checked<'_>], paint: Paint) -> String {
    let mut table = Table::new(&["SENDER", "VECTORS", "CHECKS", "FAILED"]);
    let mut failures = String::new();
    for checked in all {
        let failed = checked.failures().count();
        table.row([
            checked.sender.to_owned(),
            checked.vectors.to_string(),
            checked.results.len().to_string(),
            failed.to_string(),
        ]);
        if checked.vectors == 0 {
            failures.push_str(&format!(
                "{} {}: there are no vectors\n",
                paint.bad("missing"),
                checked.sender
            ));
        }
        for (result, problem) in checked.failures() {
            let VectorResult { vector, check, .. } = result;
            let failed = paint.bad("failed");
            failures.push_str(&format!("{failed} {}: {vector}: {check}: {problem}\n", checked.sender));
        }
    }
    let marked =
        |_, column, cell: &str| if column == 3 && cell != "0" { paint.bad(cell) } else { cell.to_owned() };
    let sum = |count: &dyn Fn(&Checked<'_>) -> usize| all.iter().map(count).sum::<usize>();
    format!(
        "{}\n{failures}{} senders, {} vectors, {} checks, {} failed\n",
        table.render(paint, marked),
        all.len(),
        sum(&|checked| checked.vectors),
        sum(&|checked| checked.results.len()),
        sum(&|checked| checked.failures().count()),
    )
}
