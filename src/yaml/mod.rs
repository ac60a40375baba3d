//! YAML as a small tree that remembers where everything stands, and readers that report every mistake at once.
//!
//! Why not serde: it stops at the first unknown key and forgets places, and it guesses types (`on`, `1e3`, `010`).
//! Here the events of `saphyr-parser` become [`Node`]s, a scalar stays the text that was written, and [`Fields`]
//! reads one mapping key by key, pushing what is wrong into [`Problems`] and going on.
//!
//! ```
//! use sealpost::yaml::{Problems, parse};
//!
//! let node = parse("timeout: 10s\nbodi: 5MiB\n").unwrap();
//! let mut problems = Problems::new();
//! let mut fields = node.fields("", &mut problems).unwrap();
//! assert_eq!(fields.duration("timeout"), Some(std::time::Duration::from_secs(10)));
//! assert_eq!(fields.size("body"), None);
//! fields.finish();
//! assert_eq!(problems.render("gateway.yaml"), "gateway.yaml:2:1 bodi: unknown key `bodi`; did you mean `body`?\n");
//! ```

mod cursor;
mod fields;
mod json;
mod node;
mod parse;
mod problem;
mod scalar;
mod suggest;
#[cfg(test)]
mod tests;

pub use cursor::Cursor;
pub use fields::Fields;
pub use node::{Entry, Node, Value};
pub use parse::{MAX_BYTES, MAX_DEPTH, MAX_NODES, parse, read};
pub use problem::{Place, Problem, Problems};
pub use scalar::{boolean, duration, integer, shortened, show_duration, show_size, size};
pub use suggest::closest;
