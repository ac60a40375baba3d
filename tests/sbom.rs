//! The bill of materials that scripts/sbom writes: every package of Cargo.lock once, with its digest and its dependencies,
//! and what CycloneDX 1.5 requires.
#![allow(clippy::expect_used, clippy::panic, reason = "what a test's helper cannot do fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

const LOCK: &str = include_str!("../Cargo.lock");

/// Made once, without the network: a package that was not fetched is still listed, and only its licence is missing.
static SBOM: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_slice(&written(&["--offline"])).expect("it is JSON"));

fn written(arguments: &[&str]) -> Vec<u8> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/sbom");
    let output = Command::new("python3").arg(script).args(arguments).env("CARGO", env!("CARGO")).output();
    let output = output.expect("scripts/sbom needs Python 3.11 as python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

struct Locked {
    name: String,
    version: String,
    digest: Option<String>,
    needs: Vec<String>,
}

impl Locked {
    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version.replace('+', "%2B"))
    }
}

/// The packages of Cargo.lock, our own among them.
fn locked() -> Vec<Locked> {
    let read = |block: &str| {
        let value = |key: &str| {
            let after = block.split_once(&format!("\n{key} = \""))?.1;
            after.split('"').next().map(String::from)
        };
        let needs = block.split_once("\ndependencies = [\n").map_or("", |(_, rest)| rest);
        Locked {
            name: value("name").expect("a package has a name"),
            version: value("version").expect("a package has a version"),
            digest: value("checksum"),
            needs: needs.lines().filter_map(|line| line.split('"').nth(1)).map(String::from).collect(),
        }
    };
    let packages: Vec<_> = LOCK.split("[[package]]").skip(1).map(read).collect();
    assert!(packages.len() > 50, "Cargo.lock has another form than this test reads");
    packages
}

fn components() -> &'static Vec<Value> {
    SBOM["components"].as_array().expect("a list of components")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

#[test]
fn every_package_is_listed_once_with_its_digest() {
    let mut listed = BTreeMap::new();
    for component in components() {
        let hashes: Vec<_> = component["hashes"].as_array().into_iter().flatten().collect();
        assert_eq!(hashes.len(), 1, "{component}");
        assert_eq!(text(hashes[0], "alg"), "SHA-256");
        let key = (text(component, "name").to_owned(), text(component, "version").to_owned());
        let digest = text(hashes[0], "content").to_owned();
        assert!(listed.insert(key.clone(), digest).is_none(), "{key:?} is there twice");
    }
    let packages = locked().into_iter();
    let expected: BTreeMap<_, _> =
        packages.filter_map(|it| Some(((it.name, it.version), it.digest?))).collect();
    assert_eq!(listed, expected);
}

#[test]
fn what_the_format_requires_is_there() {
    assert_eq!(text(&SBOM, "bomFormat"), "CycloneDX");
    assert_eq!(text(&SBOM, "specVersion"), "1.5");
    assert_eq!(SBOM["version"], 1);
    let serial = text(&SBOM, "serialNumber").strip_prefix("urn:uuid:").expect("a UUID");
    let lengths: Vec<_> = serial.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{serial}");
    assert!(serial.chars().all(|it| it == '-' || matches!(it, '0'..='9' | 'a'..='f')), "{serial}");

    let ours = &SBOM["metadata"]["component"];
    assert_eq!(text(ours, "type"), "application");
    assert_eq!((text(ours, "name"), text(ours, "version")), ("sealpost", env!("CARGO_PKG_VERSION")));
    let mut refs = BTreeSet::from([text(ours, "bom-ref")]);
    for component in components() {
        assert_eq!(text(component, "type"), "library");
        let purl = format!("pkg:cargo/{}@{}", text(component, "name"), text(component, "version"));
        assert_eq!(text(component, "purl"), purl.replace('+', "%2B"));
        assert!(refs.insert(text(component, "bom-ref")), "{component}: the reference is not unique");
        assert!(["required", "excluded"].contains(&text(component, "scope")), "{component}");
        for reference in component["externalReferences"].as_array().into_iter().flatten() {
            assert!(["vcs", "website", "distribution"].contains(&text(reference, "type")), "{reference}");
            assert!(text(reference, "url").contains("://"), "{reference}");
        }
    }
}

#[test]
fn whatever_is_part_of_the_program_has_a_licence() {
    let mut required = 0;
    for component in components().iter().filter(|component| component["scope"] == "required") {
        required += 1;
        let expression = &component["licenses"][0]["expression"];
        assert!(expression.as_str().is_some_and(|it| !it.contains('/')), "{component}");
    }
    assert!(required > 50, "{required} packages are part of the program");
    let scope = |name: &str| {
        let component = components().iter().find(|it| it["name"] == name);
        component.map(|it| text(it, "scope").to_owned())
    };
    assert_eq!(scope("ring").as_deref(), Some("required"));
    assert_eq!(scope("proptest").as_deref(), Some("excluded"), "tests are no part of it");
}

#[test]
fn the_graph_is_that_of_the_lock_file() {
    let packages = locked();
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in &packages {
        let needs = package.needs.iter().map(|need| {
            let mut words = need.split(' ');
            let (name, version) = (words.next(), words.next());
            let fits =
                |it: &&Locked| name == Some(&*it.name) && version.is_none_or(|wanted| wanted == it.version);
            packages.iter().find(fits).unwrap_or_else(|| panic!("{need} is not locked")).purl()
        });
        expected.insert(package.purl(), needs.collect());
    }
    let mut found = BTreeMap::new();
    for entry in SBOM["dependencies"].as_array().expect("a list of dependencies") {
        let needs = entry["dependsOn"].as_array().into_iter().flatten();
        let needs: BTreeSet<_> = needs.filter_map(Value::as_str).map(String::from).collect();
        assert!(found.insert(text(entry, "ref").to_owned(), needs).is_none(), "{entry}: there twice");
    }
    assert_eq!(found, expected);
}

#[test]
fn the_same_commit_gives_the_same_bytes() {
    assert_eq!(written(&["--offline"]), written(&["--offline"]));
}
