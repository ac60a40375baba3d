//! Holds the dependency tree to deny.toml: licences, sources, banned crates and duplicates.
#![allow(clippy::expect_used, clippy::panic, reason = "what a test's helper cannot do fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const POLICY: &str = include_str!("../deny.toml");
const LOCK: &str = include_str!("../Cargo.lock");

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
    let strangers: Vec<_> = LOCK
        .lines()
        .filter_map(|line| line.strip_prefix("source = "))
        .map(|source| source.trim_matches('"'))
        .filter(|source| !registries.iter().any(|known| *source == format!("registry+{known}")))
        .collect();
    assert!(LOCK.contains("source = "), "Cargo.lock has another form than this test reads");
    assert!(strangers.is_empty(), "neither git nor other registries: {strangers:#?}");
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
    let body = POLICY
        .split_once(&format!("\n[{section}]\n"))
        .and_then(|(_, after)| after.split("\n[").next())
        .and_then(|body| format!("\n{body}").split_once(&format!("\n{key} = [")).map(|(_, it)| it.to_owned()))
        .and_then(|after| Some(after.split_once("\n]")?.0.to_owned()))
        .unwrap_or_else(|| panic!("deny.toml has no `{key}` in [{section}]"));
    body.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split('"').nth(1))
        .map(String::from)
        .collect()
}
