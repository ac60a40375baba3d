//! `sealpost check` accepts every example and every configuration in the README, so what is copied from there works; and the
//! examples that run do run: gateway, receiver, a delivery, its copy and a forgery.
#![cfg(feature = "gateway")]
#![allow(clippy::expect_used, clippy::panic, reason = "what a test's helper cannot do fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize as _;

#[test]
fn check_accepts_every_example() {
    let mut checked = 0;
    for entry in fs::read_dir(root().join("examples")).expect("examples are there").flatten() {
        let file = entry.path().join("gateway.yaml");
        if file.exists() {
            accepts(&fs::read_to_string(&file).expect("an example can be read"), &file.display().to_string());
            checked += 1;
        }
    }
    assert!(checked >= 3, "only {checked} examples found");
}

#[test]
fn check_accepts_the_yaml_of_the_readme() {
    let readme = read("README.md");
    let blocks: Vec<_> = yaml_blocks(&readme);
    let whole = blocks.iter().find(|block| block.starts_with("listen:")).expect("a whole file in the README");
    accepts(whole, "README.md");
    let provider = blocks.iter().find(|block| block.starts_with("providers:")).expect("an own provider");
    let route = "routes:\n  - name: acme\n    match: { path: /acme }\n    provider: acme\n    \
                 secrets: [env:ACME]\n    upstream: http://127.0.0.1:3000\n";
    accepts(
        &format!("listen: [{{ address: \"127.0.0.1:0\" }}]\n{provider}\n{route}"),
        "README.md, own provider",
    );
    let keys = blocks.iter().find(|block| block.contains("keys: { jwks")).expect("published keys");
    accepts(&format!("listen: [{{ address: \"127.0.0.1:0\" }}]\n{keys}"), "README.md, published keys");
    for block in yaml_blocks(&read("docs/migrate.md")) {
        accepts(&block, "docs/migrate.md");
    }
}

#[test]
fn the_worked_example_passes_its_own_vectors_and_is_what_its_configuration_says() {
    let page = read("docs/provider-language.md");
    let blocks: Vec<_> = yaml_blocks(&page);
    let file =
        blocks.iter().find(|block| block.starts_with("name: harborline\n")).expect("the provider's file");
    let whole = blocks.iter().find(|block| block.starts_with("listen:")).expect("a whole configuration");
    let (well, said) = providers_check(file);
    assert!(well, "{said}");
    let (well, said) = providers_check(&file.replace(".{timestamp}.", ".{timestamp}:"));
    assert!(!well && said.contains("signature_mismatch"), "{said}");
    let secret = file.lines().find_map(|line| line.trim().strip_prefix("secret: ")).expect("a secret");
    let (well, said) = check_with(whole, &|_| secret.to_owned());
    assert!(well, "{said}");
    // The configuration repeats the file's keys; both have to say the same.
    let keys = file.split("\nvectors:").next().unwrap_or_default();
    for line in keys.lines().filter(|line| !line.starts_with("name:") && !line.starts_with("docs:")) {
        assert!(whole.contains(line.trim()), "gateway.yaml of the page lacks {line}");
    }
}

/// Runs `sealpost providers check` on a provider's file.
fn providers_check(text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("harborline.yaml");
    fs::write(&file, text).expect("a file can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
    let output = command.args(["providers", "check"]).arg(&file).output().expect("sealpost runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn check_refuses_an_example_with_a_mistake() {
    let text =
        fs::read_to_string(root().join("examples/sidecar/gateway.yaml")).expect("an example can be read");
    let (well, said) = check(&text.replace("provider: stripe", "provider: strpe"));
    assert!(!well && said.contains("stripe"), "{said}");
}

#[test]
fn check_accepts_what_the_kubernetes_example_mounts_and_both_its_volumes_are_folders() {
    let text = read("examples/kubernetes/sidecar.yaml");
    let mut kinds = Vec::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let document = serde_yaml::Value::deserialize(document).expect("a document of YAML");
        let kind = document["kind"].as_str().expect("a kind").to_owned();
        if kind == "ConfigMap" {
            let yaml = document["data"]["gateway.yaml"].as_str().expect("the gateway's file");
            accepts(yaml, "examples/kubernetes/sidecar.yaml");
        }
        if kind == "Deployment" {
            let gateway = &document["spec"]["template"]["spec"]["initContainers"][0];
            assert_eq!(gateway["restartPolicy"].as_str(), Some("Always"), "that makes it a sidecar");
            let mounts = gateway["volumeMounts"].as_sequence().expect("mounts");
            assert_eq!(mounts.len(), 2);
            // A single file of a volume is never swapped, so a change would not arrive (tests/it/reload.rs has the swap).
            assert!(mounts.iter().all(|mount| mount.get("subPath").is_none()));
        }
        kinds.push(kind);
    }
    assert_eq!(kinds, ["ConfigMap", "Secret", "Deployment", "Service", "NetworkPolicy"]);
}

#[test]
fn the_python_example_runs() {
    runs("python", "invoice.paid evt_1, attempt 1, 36 bytes");
}

#[test]
fn the_node_example_runs() {
    runs("node", "pull_request 72d3162e-cc78-11e3-81ab-4c9367dc0958, attempt 1, 30 bytes");
}

#[test]
fn the_rust_example_runs() {
    runs("rust", "user.created msg_");
}

/// Runs an example's one command: of a delivery, its copy and a forgery one arrives.
fn runs(language: &str, arrives: &str) {
    let output = Command::new(root().join("examples").join(language).join("run"))
        .arg("--free-ports")
        .env("SEALPOST", env!("CARGO_BIN_EXE_sealpost"))
        .output()
        .expect("the script runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaint}");
    let (answers, arrived) =
        said.split_once("== what arrived").unwrap_or_else(|| panic!("{said}{complaint}"));
    let status = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
    let statuses: Vec<_> = answers.lines().filter(status).collect();
    assert_eq!(statuses, ["200 OK", "200 OK", "401 Unauthorized"], "{said}");
    assert_eq!(answers.matches("sealpost-result: duplicate").count(), 1, "{said}");
    let arrived: Vec<_> = arrived.lines().skip(1).collect();
    assert!(matches!(&arrived[..], [line] if line.starts_with(arrives)), "{said}");
}

/// The snippets of docs/frameworks.md lie in examples/frameworks. What their own tools can say without the framework is asked
/// for: Python and Node are needed by the examples above; what else is missing on this machine is said.
#[test]
fn every_framework_snippet_is_code() {
    let folder = root().join("examples/frameworks");
    let page = read("docs/frameworks.md");
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let compiled = scratch.path().join("compiled").display().to_string();
    let python =
        format!("import py_compile, sys; py_compile.compile(sys.argv[1], {compiled:?}, doraise=True)");
    let checks: [(&str, &[&str]); 7] = [
        ("fastapi_app.py", &["python3", "-c", &python]),
        ("express.js", &["node", "--check"]),
        ("nethttp.go", &["gofmt", "-l", "-e"]),
        ("rails.rb", &["ruby", "-c"]),
        ("lumen.php", &["php", "-l"]),
        ("Program.cs", &[]),
        ("WebhookController.java", &[]),
    ];
    for (file, check) in checks {
        let path = folder.join(file);
        let text = read(&format!("examples/frameworks/{file}"));
        assert!(page.contains(text.trim_end()), "docs/frameworks.md shows {file} as it is");
        assert!(text.contains("sealpost-event-id"), "{file} reads what the gateway adds");
        let Some((tool, arguments)) = check.split_first() else {
            eprintln!("NOT CHECKED: {file} needs its framework to be compiled");
            continue;
        };
        match Command::new(tool).args(arguments).arg(&path).output() {
            Ok(output) => assert!(output.status.success(), "{file}: {output:?}"),
            Err(_) if ["python3", "node"].contains(tool) => {
                panic!("{tool} is missing; scripts/prepare installs it")
            }
            Err(_) => eprintln!("NOT CHECKED: {tool} is not on this machine, so {file} was only looked at"),
        }
    }
}

/// Asserts that `sealpost check` accepts `text`.
fn accepts(text: &str, what: &str) {
    let (well, said) = check(text);
    assert!(well, "{what}: {said}");
}

/// Runs `sealpost check` with every variable set and every file there that `text` refers to.
fn check(text: &str) -> (bool, String) {
    // Base64, as some senders want theirs.
    check_with(text, &|number| format!("whsec_dHJpYWwtb25seS0{number:0>13}"))
}

/// The same with secrets of the caller's making.
fn check_with(text: &str, secret: &dyn Fn(usize) -> String) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = format!("{}/", folder.path().display());
    let text = text.replace("/etc/sealpost/", &here).replace("/run/secrets/", &here);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
    let words = text.split(|c: char| c.is_whitespace() || "[]{},\"".contains(c));
    for (number, word) in words.enumerate() {
        let secret = secret(number);
        if let Some(name) = word.strip_prefix("env:") {
            command.env(name, secret);
        } else if let Some(at) = word.find(&here) {
            let path = Path::new(word.split_at(at).1);
            fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
            fs::write(path, secret).expect("a file can be written");
        }
    }
    let file = folder.path().join("gateway.yaml");
    fs::write(&file, &text).expect("a file can be written");
    let output = command.arg("check").arg(&file).output().expect("sealpost runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn yaml_blocks(document: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut current: Option<(usize, String)> = None;
    for line in document.lines() {
        let fence = line.trim_start();
        match &mut current {
            None if fence == "```yaml" => current = Some((line.len() - fence.len(), String::new())),
            None => {}
            Some((_, block)) if fence == "```" => {
                blocks.push(std::mem::take(block));
                current = None;
            }
            Some((indent, block)) => {
                block.push_str(line.get(*indent..).unwrap_or_default());
                block.push('\n');
            }
        }
    }
    blocks
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
