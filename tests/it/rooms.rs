//! The stairs of the house go one way: a room imports only what lies below it, and every file says what it is for.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the ground up. A room may use those before it in this list, and itself.
const ROOMS: &[&str] = &[
    "time",
    "secret",
    "yaml",
    "verify",
    "catalog",
    "explain",
    "routes",
    "config",
    "clock",
    "dedupe",
    "admit",
    "journal",
    "logs",
    "metrics",
    "trace",
    "admin",
    "environment",
    "gateway",
    "reload",
    "serve",
    "cli",
];

/// The first room that does I/O. What lies before it is pure and builds without the feature `gateway`.
const FIRST_WITH_IO: &str = "clock";

/// What the ground floor has no use for.
const IO: &[&str] = &[
    "tokio",
    "pingora",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::fs",
    "std::env",
    "async fn",
    "SystemTime::now",
];

#[test]
fn a_room_imports_only_rooms_below_it() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let Some(place) = rank(&room(&file)) else { continue };
        for used in mentioned(&text) {
            if rank(&used).is_some_and(|other| other > place) {
                wrong.push(format!("{} uses crate::{used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "upstairs imports:\n{}", wrong.join("\n"));
}

#[test]
fn every_room_has_its_place_in_the_list() {
    let unknown: Vec<String> = sources()
        .iter()
        .map(|(file, _)| room(file))
        .filter(|room| room != "lib" && room != "main" && rank(room).is_none())
        .collect();
    assert!(unknown.is_empty(), "rooms without a place: {unknown:?}");
}

#[test]
fn the_ground_floor_knows_no_io_and_no_clock() {
    let floor = rank(FIRST_WITH_IO).unwrap();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        if rank(&room(&file)).is_none_or(|place| place >= floor) {
            continue;
        }
        for (number, line) in code(&text).enumerate() {
            for word in IO {
                if line.contains(word) {
                    wrong.push(format!("{}:{}: {word}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "I/O on the ground floor:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    let wrong: Vec<PathBuf> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(file, _)| file).collect();
    assert!(wrong.is_empty(), "files without a first line: {wrong:?}");
}

#[test]
fn the_check_itself_sees_an_upstairs_import() {
    let text = "use crate::{time::UnixTime, gateway};\nfn f() { crate::admin::serve() }\n// crate::cli is a comment\n";
    assert_eq!(mentioned(text), ["time", "gateway", "admin"]);
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|name| *name == room)
}

/// The room of a source file: the first part of its path below `src`.
fn room(file: &Path) -> String {
    let first = file.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms named by `crate::ROOM` or within `crate::{…}`, outside comments and tests.
fn mentioned(text: &str) -> Vec<String> {
    let code = code(text).collect::<Vec<_>>().join("\n");
    let mut rooms = Vec::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(list) => rooms.extend(top_level(list)),
            None => rooms.push(word(after)),
        }
    }
    rooms
}

/// The first words of the entries of a `{…}` list.
fn top_level(list: &str) -> Vec<String> {
    let (mut depth, mut entries, mut entry) = (0, Vec::new(), String::new());
    for letter in list.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => entries.push(std::mem::take(&mut entry)),
            _ => entry.push(letter),
        }
    }
    entries.push(entry);
    entries.iter().map(|entry| word(entry.trim())).filter(|word| !word.is_empty()).collect()
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// The lines before the tests, without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
}

/// Every Rust file below `src`, by its path there.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!files.is_empty());
    files
}
