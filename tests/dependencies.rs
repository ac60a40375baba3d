//! Holds the dependency tree to deny.toml: licences, sources, digests, banned crates and duplicates; and every build to
//! Cargo.lock. What only a database knows, the advisories, scripts/advisories asks for.
#![allow(clippy::expect_used, clippy::panic, reason = "what a test's helper cannot do fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const POLICY: &str = include_str!("../deny.toml");
const LOCK: &str = include_str!("../Cargo.lock");
const BENCHMARK_LOCK: &str = include_str!("../benches/peers/Cargo.lock");
const EXAMPLE_LOCK: &str = include_str!("../examples/rust/Cargo.lock");
const LIMITS_LOCK: &str = include_str!("../benches/limits/Cargo.lock");

#[test]
fn every_licence_is_on_the_list() {
    let allowed = list("licenses", "allow");
    let strangers: Vec<_> = tree()
        .into_iter()
        .filter(|package| !permitted(&package.licence, &allowed))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.licence))
        .collect();
    assert!(strangers.is_empty(), "not allowed by [licenses] in deny.toml: {strangers:#?}");
}

#[test]
fn every_crate_comes_from_crates_io() {
    let registries = list("sources", "allow-registry");
    for lock in [LOCK, BENCHMARK_LOCK, EXAMPLE_LOCK, LIMITS_LOCK] {
        let strangers: Vec<_> = lock
            .lines()
            .filter_map(|line| line.strip_prefix("source = "))
            .map(|source| source.trim_matches('"'))
            .filter(|source| !registries.iter().any(|known| *source == format!("registry+{known}")))
            .collect();
        assert!(lock.contains("source = "), "Cargo.lock has another form than this test reads");
        assert!(strangers.is_empty(), "neither git nor other registries: {strangers:#?}");
    }
}

#[test]
fn every_crate_has_a_digest_and_only_our_own_package_has_no_source() {
    for (lock, ours) in [
        (LOCK, "sealpost"),
        (BENCHMARK_LOCK, "sealpost-bench"),
        (EXAMPLE_LOCK, "sealpost-example-receiver"),
        (LIMITS_LOCK, "sealpost-limits"),
    ] {
        let without = |key: &str| -> Vec<&str> {
            let key = format!("\n{key} = \"");
            let packages = lock.split("[[package]]\nname = \"").skip(1);
            packages.filter(|it| !it.contains(&key)).filter_map(|it| it.split('"').next()).collect()
        };
        assert_eq!(without("source"), [ours], "a path leads out of the repository, or the other way round");
        assert_eq!(without("checksum"), [ours], "without a digest anything could be downloaded");
        assert_eq!(without("version"), [""; 0], "Cargo.lock has another form than this test reads");
    }
}

#[test]
fn no_requirement_is_a_wildcard() {
    for manifest in [
        include_str!("../Cargo.toml"),
        include_str!("../benches/peers/Cargo.toml"),
        include_str!("../examples/rust/Cargo.toml"),
        include_str!("../benches/limits/Cargo.toml"),
    ] {
        let wild: Vec<_> = manifest
            .lines()
            .skip_while(|line| !line.contains("dependencies]"))
            .filter(|line| line.contains("= \"*\"") || line.contains("git =") || line.contains("path ="))
            .collect();
        assert!(wild.is_empty(), "{wild:?}");
    }
}

#[test]
fn every_exception_has_a_reason() {
    for (section, key) in [("bans", "deny"), ("bans", "skip"), ("advisories", "ignore")] {
        for entry in lines(section, key) {
            let reason = entry.split_once("reason = \"").map_or("", |(_, reason)| reason);
            assert!(reason.len() > "\" },".len(), "[{section}] {key} in deny.toml: {entry}");
        }
    }
}

/// A command that may write Cargo.lock anew does not build what was looked at.
#[test]
fn every_build_of_ours_is_locked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for folder in ["scripts", ".ci", "tests/sdks", "examples"] {
        for file in files(&root.join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
                if !builds(line) {
                    continue;
                }
                seen += 1;
                assert!(line.contains("--locked"), "{}: {line}", file.display());
            }
        }
    }
    assert!(seen > 8, "{seen} commands: they have another form than this test reads");
}

#[test]
fn a_build_is_recognised() {
    for line in
        ["step x cargo nextest run", "cargo build --release", "exec cargo run -- demo", "if cargo deny fetch"]
    {
        assert!(builds(line), "{line}");
    }
    for line in ["cargo fmt --check", "cargo nextest --version", "echo cargo: tests"] {
        assert!(!builds(line), "{line}");
    }
}

#[test]
fn no_banned_crate_is_in_the_tree() {
    let banned = list("bans", "deny");
    assert!(!banned.is_empty());
    let found: BTreeSet<_> =
        tree().into_iter().map(|package| package.name).filter(|name| banned.contains(name)).collect();
    assert!(found.is_empty(), "banned by [bans] in deny.toml, see the reasons there: {found:?}");
}

#[test]
fn a_crate_is_there_in_one_version_unless_listed() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in tree() {
        versions.entry(package.name).or_default().insert(package.version);
    }
    let several: BTreeSet<_> =
        versions.into_iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| name).collect();
    let listed = list("bans", "skip");
    let new: Vec<_> = several.difference(&listed).collect();
    assert!(
        new.is_empty(),
        "several versions; agree on one or list them with a reason in deny.toml: {new:?}"
    );
    let settled: Vec<_> = listed.difference(&several).collect();
    assert!(settled.is_empty(), "one version by now; take them out of `skip` in deny.toml: {settled:?}");
}

#[test]
fn a_licence_expression_is_judged_as_it_is_meant() {
    let allowed: BTreeSet<String> = ["MIT", "ISC"].map(String::from).into();
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("(GPL-3.0 OR MIT) AND GPL-3.0", false),
        ("MIT WITH LLVM-exception", false),
    ] {
        assert_eq!(permitted(expression, &allowed), expected, "{expression}");
    }
}

/// Whether a script's line runs cargo so that it reads Cargo.lock.
fn builds(line: &str) -> bool {
    let after = line.split("cargo ").nth(1).unwrap_or_default();
    let (command, rest) = after.split_once(' ').unwrap_or((after, ""));
    let reads =
        ["build", "check", "clippy", "deny", "doc", "install", "metadata", "nextest", "run", "test", "tree"];
    reads.contains(&command) && !rest.starts_with("--version")
}

/// The files of a folder and of those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of the repository").flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

struct Package {
    name: String,
    version: String,
    licence: String,
}

/// Every package that is compiled for one of the policy's targets, tests and build scripts included.
///
/// `cargo tree` and not `cargo metadata`: the latter lists optional crates that only a weak feature names.
fn tree() -> Vec<Package> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["tree", "--locked", "--prefix=none", "--no-dedupe", "--edges=normal,build,dev"]);
    cargo.arg("--format={p}|{l}");
    for target in list("graph", "targets") {
        cargo.args(["--target", &target]);
    }
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    let packages: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(package, licence)| {
            let mut words = package.split_whitespace();
            Package {
                name: words.next().unwrap_or_default().into(),
                version: words.next().unwrap_or_default().into(),
                licence: licence.into(),
            }
        })
        .collect();
    assert!(packages.len() > 50, "cargo tree prints another form than this test reads:\n{text}");
    packages
}

/// Whether an SPDX expression can be met with the allowed licences: `/` is the old way to write OR.
fn permitted(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest, allowed) && rest.is_empty()
}

fn any(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = all(words, allowed);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        met |= all(words, allowed);
    }
    met
}

fn all(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, allowed);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let met = any(words, allowed);
            if let [")", rest @ ..] = *words {
                *words = rest;
            }
            met
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        [licence, rest @ ..] => {
            *words = rest;
            allowed.contains(*licence)
        }
        [] => false,
    }
}

/// The strings of `key = [ … ]` in `[section]` of deny.toml; of an entry `{ crate = "x", … }` the crate.
fn list(section: &str, key: &str) -> BTreeSet<String> {
    lines(section, key).into_iter().filter_map(|line| line.split('"').nth(1)).map(String::from).collect()
}

/// The entries of `key = [ … ]` in `[section]` of deny.toml, one a line.
fn lines(section: &str, key: &str) -> Vec<&'static str> {
    let body = POLICY
        .split_once(&format!("\n[{section}]\n"))
        .and_then(|(_, after)| after.split("\n[").next())
        .and_then(|body| body.split_once(&format!("{key} = [\n")))
        .and_then(|(_, after)| Some(after.split_once("\n]")?.0))
        .unwrap_or_else(|| panic!("deny.toml has no `{key}` in [{section}]"));
    body.lines().filter(|line| !line.trim_start().starts_with('#')).collect()
}
