//! Text to tree. Everything is bounded: bytes, depth, nodes, and what aliases may copy.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::cursor::join;
use super::node::{Entry, Node, Value};
use super::problem::{Place, Problem, Problems};
use super::scalar::shortened;

/// The largest file that is read: 16 MiB, some 100,000 routes.
pub const MAX_BYTES: usize = 16 << 20;
/// The deepest nesting; the configuration's own is below ten.
pub const MAX_DEPTH: usize = 64;
/// The most values in one file.
pub const MAX_NODES: usize = 2_000_000;
/// What anchors and aliases may copy in all, in bytes; a few lines of aliases of aliases would otherwise fill memory.
const MAX_COPIED: usize = 16 << 20;

/// Reads a text, stopping at the first problem.
///
/// # Errors
/// The first problem.
pub fn parse(text: &str) -> Result<Node, Problem> {
    let mut problems = Problems::new();
    let node = read(text, &mut problems);
    match (problems.into_vec().into_iter().next(), node) {
        (None, Some(node)) => Ok(node),
        (Some(problem), _) => Err(problem),
        (None, None) => Err(Problem::new("", START, "the file is empty")),
    }
}

/// Reads a text and goes on after what does not hide the rest: repeated keys, tags, merge keys.
///
/// `None` if there is no tree to read on with; a problem then says why.
pub fn read(text: &str, problems: &mut Problems) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        let size = super::scalar::show_size(u64::try_from(MAX_BYTES).unwrap_or(u64::MAX));
        problems.report("", START, format!("the file is larger than {size}"));
        return None;
    }
    // The parser takes NUL for the end of the text: what follows would be dropped in silence.
    if let Some(problem) = control_character(text) {
        problems.push(problem);
        return None;
    }
    let mut builder = Builder { stack: Vec::new(), anchors: HashMap::new(), nodes: 0, copied: 0, problems };
    match builder.run(text) {
        Ok(Some(node)) => Some(node),
        Ok(None) => {
            problems.report("", START, "the file is empty");
            None
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

const START: Place = Place { line: 1, column: 1 };

/// A list or mapping that has begun and not ended.
struct Frame {
    place: Place,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Place)> },
}

struct Builder<'p> {
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    copied: usize,
    problems: &'p mut Problems,
}

impl Builder<'_> {
    fn run(&mut self, text: &str) -> Result<Option<Node>, Problem> {
        let mut root = None;
        let mut documents = 0;
        let end = end(text);
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| not_yaml(text, &error))?;
            let place = place(&span.start).min(end);
            if let Event::DocumentStart(_) = event {
                documents += 1;
                if documents > 1 {
                    let message =
                        "a second document begins here; keep one per file, without `---` in between";
                    return Err(Problem::new("", place, message));
                }
            }
            if let Some(node) = self.event(event, &span, place)? {
                root = Some(node);
            }
        }
        // An empty file and one with only comments differ for the parser, not for who wrote it.
        Ok(root.filter(|node| !node.is_null()))
    }

    /// Takes one event; answers with the whole tree when its last event came.
    fn event(&mut self, event: Event<'_>, span: &Span, place: Place) -> Result<Option<Node>, Problem> {
        let (content, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), place);
                let quoted = style != ScalarStyle::Plain;
                let value = match (&*text, quoted) {
                    ("" | "~" | "null" | "Null" | "NULL", false) => Value::Null,
                    _ => Value::Scalar { text: text.into_owned(), quoted },
                };
                let place = if span.is_empty() { self.key_place().unwrap_or(place) } else { place };
                return self.add(Node { place, value }, anchor);
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(
                        self.problem(place, "this alias refers to a value that it is itself a part of")
                    );
                };
                let mut node = node.clone();
                node.place = place;
                self.copy(&node, place)?;
                return self.add(node, 0);
            }
            Event::SequenceEnd | Event::MappingEnd => return self.end(),
            Event::SequenceStart(anchor, tag) => (Content::List(Vec::new()), anchor, tag),
            Event::MappingStart(anchor, tag) => {
                (Content::Map { entries: Vec::new(), key: None }, anchor, tag)
            }
            _ => return Ok(None),
        };
        self.refuse_tag(tag.is_some(), place);
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.problem(place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.stack.push(Frame { place, anchor, content });
        Ok(None)
    }

    fn end(&mut self) -> Result<Option<Node>, Problem> {
        let path = self.path();
        let Some(frame) = self.stack.pop() else { return Ok(None) };
        let value = match frame.content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(unique(entries, &path, self.problems)),
        };
        self.add(Node { place: frame.place, value }, frame.anchor)
    }

    /// Puts a finished value where it belongs: a list's item, a key, a key's value, or the whole tree.
    fn add(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, Problem> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.problem(node.place, format!("more than {MAX_NODES} values in one file")));
        }
        if anchor != 0 {
            self.copy(&node, node.place)?;
            self.anchors.insert(anchor, node.clone());
        }
        let place = node.place;
        match self.stack.last_mut().map(|frame| &mut frame.content) {
            None => return Ok(Some(node)),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key }) => match (key.take(), node.value) {
                (Some((key, place)), value) => {
                    entries.push(Entry { key, place, value: Node { place: node.place, value } });
                }
                (None, Value::Scalar { text, quoted }) => {
                    *key = Some((text, place));
                    let merge = !quoted && key.as_ref().is_some_and(|(text, _)| text == "<<");
                    if merge {
                        let message = "merge keys (`<<`) are not supported; write the keys out";
                        self.problems.push(self.problem(place, message));
                    }
                }
                (None, _) => return Err(self.problem(place, "a key must be a text")),
            },
        }
        Ok(None)
    }

    /// Counts what an anchor or alias copies.
    fn copy(&mut self, node: &Node, place: Place) -> Result<(), Problem> {
        self.copied = self.copied.saturating_add(weight(node));
        if self.copied > MAX_COPIED {
            return Err(self.problem(place, "anchors and aliases copy too much; write the values out"));
        }
        Ok(())
    }

    fn refuse_tag(&mut self, tagged: bool, place: Place) {
        if tagged {
            let message =
                "tags (`!name`) are not supported; write the value alone, in quotes if it is a text";
            self.problems.push(self.problem(place, message));
        }
    }

    fn problem(&self, place: Place, message: impl Into<String>) -> Problem {
        Problem::new(self.path(), place, message)
    }

    /// The path of what is being read now.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.stack {
            match &frame.content {
                Content::List(items) => path.push_str(&format!("[{}]", items.len())),
                Content::Map { key: Some((key, _)), .. } => path = join(&path, key),
                Content::Map { key: None, .. } => {}
            }
        }
        path
    }

    /// Where the key stands whose value comes next: the place of a value that is not there.
    fn key_place(&self) -> Option<Place> {
        match &self.stack.last()?.content {
            Content::Map { key, .. } => key.as_ref().map(|(_, place)| *place),
            Content::List(_) => None,
        }
    }
}

/// The entries without repeated keys, which are reported; found by sorting, so that no input makes it quadratic.
fn unique(entries: Vec<Entry>, path: &str, problems: &mut Problems) -> Vec<Entry> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by(|a, b| a.key.cmp(&b.key));
    let mut repeated: Vec<Place> = Vec::new();
    for pair in order.windows(2) {
        if let [first, second] = pair
            && first.key == second.key
        {
            let message = format!("`{}` is written twice, before at {}", shortened(&second.key), first.place);
            problems.report(join(path, &second.key), second.place, message);
            repeated.push(second.place);
        }
    }
    if repeated.is_empty() {
        return entries;
    }
    repeated.sort_unstable();
    entries.into_iter().filter(|entry| repeated.binary_search(&entry.place).is_err()).collect()
}

/// Roughly how many bytes a copy of this node takes.
fn weight(node: &Node) -> usize {
    let own = size_of::<Node>();
    match &node.value {
        Value::Null => own,
        Value::Scalar { text, .. } => own + text.len(),
        Value::List(items) => own + items.iter().map(weight).sum::<usize>(),
        Value::Map(entries) => own + entries.iter().map(|e| e.key.len() + weight(&e.value)).sum::<usize>(),
    }
}

fn place(marker: &Marker) -> Place {
    Place { line: number(marker.line().max(1)), column: number(marker.col().saturating_add(1)) }
}

fn not_yaml(text: &str, error: &ScanError) -> Problem {
    let text = &with_line_feeds(text);
    let place = within_line(text, place(error.marker()).min(end(text)));
    // The parser notices a tab only by what follows from it, up to a line later.
    let lines =
        text.lines().enumerate().take(error.marker().line()).skip(error.marker().line().saturating_sub(2));
    for (index, line) in lines {
        let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
        if let Some(tab) = indent.chars().position(|c| c == '\t') {
            let place = Place { line: number(index + 1), column: number(tab + 1) };
            return Problem::new("", place, "a tab indents this line; YAML is indented with spaces only");
        }
    }
    Problem::new("", place, format!("not valid YAML: {}", error.info()))
}

/// Where the text ends. The parser points a line beyond it where something is missing, and no editor can go there.
fn end(text: &str) -> Place {
    let lines = text.split('\n').count() + text.replace("\r\n", "\n").matches('\r').count();
    let last = text.rsplit(['\n', '\r']).next().unwrap_or_default();
    Place { line: number(lines), column: number(last.chars().count() + 1) }
}

/// The parser counts bytes and not characters where it stops at some of them.
fn within_line(text: &str, place: Place) -> Place {
    let line = usize::try_from(place.line).unwrap_or(usize::MAX).saturating_sub(1);
    let length = text.split('\n').nth(line).map_or(0, |line| line.chars().count());
    Place { column: place.column.min(number(length + 1)), ..place }
}

/// The text with one kind of line break. YAML has three (1.2.2, section 5.4), and each counts as one line.
fn with_line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn control_character(text: &str) -> Option<Problem> {
    let forbidden = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    let at = text.find(forbidden)?;
    let (before, rest) = text.split_at(at);
    let before = with_line_feeds(before);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let code = rest.chars().next().map_or(0, u32::from);
    let message = format!("a control character (U+{code:04X}) stands here; is this a text file in UTF-8?");
    Some(Problem::new("", Place { line: number(line), column: number(column) }, message))
}
