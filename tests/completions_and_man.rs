//! What `sealpost completions` and `sealpost man` print is read by those it is for: bash completes, other shells and
//! groff accept it. Bash is always there; what else is missing on this machine is said.
#![cfg(feature = "gateway")]
#![allow(clippy::expect_used, clippy::panic, reason = "what a test's helper cannot do fails the test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn sealpost(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_sealpost")).args(arguments).output().expect("sealpost runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// What bash offers after these words, the last of which is being written.
fn offered(words: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = folder.path().join("sealpost");
    fs::write(&script, sealpost(&["completions", "bash"])).expect("a file can be written");
    let ask = r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _sealpost sealpost "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["--norc", "-c", ask, "bash"])
        .arg(&script)
        .args(words)
        .output()
        .expect("bash runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect()
}

#[test]
fn bash_completes_commands_flags_and_their_words() {
    assert_eq!(offered(&["sealpost", "he"]), ["health", "help"]);
    let flags = offered(&["sealpost", "run", "--"]);
    for flag in ["--provider", "--secret", "--upstream", "--grace"] {
        assert!(flags.iter().any(|offered| offered == flag), "{flag}: {flags:?}");
    }
    assert_eq!(offered(&["sealpost", "run", "--log-format", ""]), ["json", "text"]);
    assert_eq!(offered(&["sealpost", "completions", "z"]), ["zsh"]);
}

#[test]
fn every_shell_reads_its_script() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Elvish and PowerShell have no way to check a script without its editor, respectively are not packaged here.
    for (shell, check) in [
        ("bash", Some("-n")),
        ("zsh", Some("-n")),
        ("fish", Some("-n")),
        ("elvish", None),
        ("powershell", None),
    ] {
        let text = sealpost(&["completions", shell]);
        assert!(text.contains("sealpost") && text.contains("providers"), "{shell}");
        let script = folder.path().join(shell);
        fs::write(&script, text).expect("a file can be written");
        let read = check.map(|check| Command::new(shell).arg(check).arg(&script).output());
        match read {
            Some(Ok(output)) => {
                assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
            }
            _ => eprintln!("NOT CHECKED: {shell} is not on this machine, so its script was only looked at"),
        }
    }
}

#[test]
fn every_command_has_a_page_that_groff_reads_without_a_warning() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    sealpost(&["man", "--dir", folder.path().to_str().expect("a path of letters")]);
    let mut pages = 0;
    for entry in fs::read_dir(folder.path()).expect("the folder is there").flatten() {
        pages += 1;
        reads(&entry.path());
    }
    assert!(pages > 8, "{pages} pages");
    let main = fs::read_to_string(folder.path().join("sealpost.1")).expect("the page of sealpost itself");
    assert_eq!(sealpost(&["man"]), main);
    assert!(main.contains("sealpost\\-run(1)"), "it leads to the others: {main}");
}

fn reads(page: &Path) {
    let mut groff = Command::new("groff");
    groff.args(["-man", "-Tutf8", "-ww", "-z"]).arg(page).stdin(Stdio::null());
    match groff.output() {
        Ok(output) => assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}: {}",
            page.display(),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(_) => eprintln!("NOT CHECKED: there is no groff, so {} was only written", page.display()),
    }
}
