//! The manual of the YAML reader, line by line.

use std::time::Duration;

use proptest::prelude::*;

use super::{Node, Place, Problems, Value, parse, read};

/// All problems of reading `text` as YAML, one a line.
fn problems_of(text: &str) -> String {
    let mut problems = Problems::new();
    read(text, &mut problems);
    problems.sorted().render("f")
}

#[test]
fn every_value_knows_its_place_and_whether_it_was_quoted() {
    let node = parse("a: 1\nb:\n  - x\n  - \"10\"\n  - |\n    block\nc:\n").unwrap();
    let Some(Node { value: Value::List(items), .. }) = node.get("b") else { panic!("{node:?}") };
    let seen: Vec<_> =
        items.iter().map(|item| (item.place.line, item.place.column, item.as_text())).collect();
    assert_eq!(seen[0], (3, 5, Some("x")));
    assert_eq!(seen[1], (4, 5, Some("10")));
    assert_eq!(items[2].as_text(), Some("block\n"));
    let quoted = |node: &Node| matches!(node.value, Value::Scalar { quoted: true, .. });
    assert_eq!(items.iter().map(quoted).collect::<Vec<_>>(), [false, true, true]);
    let c = node.get("c").unwrap();
    assert!(c.is_null());
    assert_eq!(c.place, Place { line: 7, column: 1 }, "a missing value stands where its key stands");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let unix = parse("a: 1\nb: [x, y]\n").unwrap();
    assert_eq!(parse("\u{feff}a: 1\r\nb: [x, y]\r\n").unwrap(), unix);
}

#[test]
fn a_problem_lies_inside_the_text() {
    assert!(problems_of("a: [b").starts_with("f:1:6: not valid YAML"), "{}", problems_of("a: [b"));
    assert!(problems_of("a: 1\nb: [c").starts_with("f:2:6: not valid YAML"));
    assert_eq!(problems_of(" ?\n "), "f:2:2: a key must be a text\n");
    assert!(problems_of("a: 1\rb: \u{1}").starts_with("f:2:4: a control character"));
    assert!(problems_of("a: 1\r\nb: \u{1}").starts_with("f:2:4: a control character"));
}

#[test]
fn what_is_not_one_yaml_document_is_refused_with_its_place() {
    for (text, expected) in [
        ("", "f:1:1: the file is empty\n"),
        ("# only a comment\n", "f:1:1: the file is empty\n"),
        (
            "a: 1\n---\nb: 2\n",
            "f:2:1: a second document begins here; keep one per file, without `---` in between\n",
        ),
        ("a:\n\tb: 1\n", "f:2:1: a tab indents this line; YAML is indented with spaces only\n"),
        (
            "a: 1\nb: x\0y\nc: 2\n",
            "f:2:5: a control character (U+0000) stands here; is this a text file in UTF-8?\n",
        ),
        ("a: *nobody\n", "f:1:4: not valid YAML: while parsing node, found unknown anchor\n"),
        ("? [a, b]\n: 1\n", "f:1:3: a key must be a text\n"),
        ("a: &x [*x]\n", "f:1:8 a[0]: this alias refers to a value that it is itself a part of\n"),
    ] {
        assert_eq!(problems_of(text), expected, "{text:?}");
    }
}

#[test]
fn repeated_keys_tags_and_merge_keys_are_all_reported_at_once() {
    let text = "a: 1\nb: {x: 1, y: 2, x: 3}\na: !!str 2\nbase: &base {k: v}\nc:\n  <<: *base\n";
    assert_eq!(
        problems_of(text),
        "f:2:17 b.x: `x` is written twice, before at 2:5\n\
         f:3:1 a: `a` is written twice, before at 1:1\n\
         f:3:4 a: tags (`!name`) are not supported; write the value alone, in quotes if it is a text\n\
         f:6:3 c.<<: merge keys (`<<`) are not supported; write the keys out\n"
            .replace("c.<<", "c.\"<<\"")
    );
}

#[test]
fn aliases_copy_values_but_never_without_bound() {
    let node = parse("a: &x {k: v}\nb: *x\n").unwrap();
    assert_eq!(node.get("b").unwrap().get("k").unwrap().as_text(), Some("v"));
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert!(problems_of(&bomb).contains("anchors and aliases copy too much"), "{}", problems_of(&bomb));
    let long = "x".repeat(1 << 20);
    let fat = format!("a: &a {long}\nb: [{}]\n", "*a, ".repeat(10_000));
    assert!(problems_of(&fat).contains("anchors and aliases copy too much"));
}

#[test]
fn nesting_and_size_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(64)).is_ok());
    assert!(problems_of(&nested(65)).contains("nested deeper than 64 levels"));
    assert!(!problems_of(&nested(100_000)).is_empty());
    assert!(problems_of(&"#".repeat((16 << 20) + 1)).contains("larger than 16MiB"));
}

#[test]
fn all_mistakes_of_a_mapping_are_found_in_one_reading() {
    let text = "name: [x]\nupstrem: u\ntimeout: 5 minutes\nbody: 5MB\ncount: '3'\nflag: yes\nmode: shadwo\nlist: x\nmap: y\nempty:\nnew: 1\n";
    let node = parse(text).unwrap();
    let mut problems = Problems::new();
    let mut fields = node.fields("routes[2]", &mut problems).unwrap();
    assert_eq!(fields.text("name"), None);
    assert_eq!(fields.required_text("upstream", "http://127.0.0.1:3000"), None);
    assert_eq!(fields.duration("timeout"), None);
    assert_eq!(fields.size("body"), None);
    assert_eq!(fields.integer("count"), None);
    assert_eq!(fields.boolean("flag"), None);
    assert_eq!(fields.word("mode", &["enforce", "shadow"]), None);
    assert!(fields.list("list").is_none());
    assert!(fields.child("map").is_none());
    assert_eq!(fields.duration("empty"), None);
    fields.finish();
    assert_eq!(
        problems.sorted().render("f"),
        "\
f:1:1 routes[2]: `upstream` is missing; write for example `upstream: http://127.0.0.1:3000`
f:1:7 routes[2].name: found a list, expected a text
f:2:1 routes[2].upstrem: unknown key `upstrem`; did you mean `upstream`?
f:3:10 routes[2].timeout: `5 minutes` is not a duration; write a whole number and a unit, such as `250ms`, `10s`, `5m`, `24h` or `7d`
f:4:7 routes[2].body: `5MB` is not a size; write a whole number and a unit, such as `512B`, `64KiB`, `5MiB` or `1GiB`
f:5:8 routes[2].count: found a text in quotes, expected a whole number, such as `1000` without quotes
f:6:7 routes[2].flag: write `true` instead of `yes`
f:7:7 routes[2].mode: `shadwo` is not known here; did you mean `shadow`?
f:8:7 routes[2].list: found a plain value, expected a list (`- item` lines or `[a, b]`)
f:9:6 routes[2].map: found a plain value, expected a mapping (`key: value` lines)
f:10:1 routes[2].empty: nothing is written here; write a duration, such as `10s` or leave the key out
f:11:1 routes[2].new: unknown key `new`; known here: `name`, `upstream`, `timeout`, `body`, `count`, `flag`, `mode`, `list`, `map`, `empty`
"
    );
}

#[test]
fn right_values_are_read_from_the_text_that_was_written() {
    let text = "name: 0123\ntimeout: \"10s\"\nbody: 5MiB\ncount: 9007199254740993\nflag: false\nlist: [a, 2]\nmap: {k: v}\nnone:\n";
    let node = parse(text).unwrap();
    let mut problems = Problems::new();
    let mut fields = node.fields("", &mut problems).unwrap();
    assert_eq!(fields.text("name"), Some("0123"));
    assert_eq!(fields.duration("timeout"), Some(Duration::from_secs(10)));
    assert_eq!(fields.size("body"), Some(5 << 20));
    assert_eq!(fields.integer("count"), Some(9_007_199_254_740_993));
    assert_eq!(fields.boolean("flag"), Some(false));
    assert_eq!(fields.texts("list"), Some(vec!["a", "2"]));
    assert_eq!(fields.child("map").unwrap().text("k"), Some("v"));
    assert!(fields.child("none").is_none(), "an empty mapping counts as left out");
    assert_eq!(fields.list("absent").map(|items| items.len()), None);
    fields.finish();
    assert!(problems.is_empty(), "{problems:?}");
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[ \\-:?,\\[\\]{}#&*!|>'\"%@`a-c0\\n\\t\\r~<.é]{0,200}") {
        let mut problems = Problems::new();
        let node = read(&text, &mut problems);
        prop_assert!(node.is_some() || !problems.is_empty());
        prop_assert_eq!(parse(&text).is_ok(), node.is_some() && problems.is_empty());
    }
}
