//! `sealpost providers`

use std::io::Read;
use std::process::Stdio;

use crate::sealpost::Folder;

#[test]
fn they_are_listed_for_people_and_for_programs() {
    let folder = Folder::with(&[]);
    assert!(folder.run("providers").out.lines().any(|line| line.starts_with("github ")));
    let all = folder.run("providers --json").json();
    for provider in all.as_array().unwrap() {
        assert!(["name", "title", "confidence"].iter().all(|key| provider[key].is_string()), "{provider}");
    }
    let one = folder.run("providers stripe --json").json();
    assert_eq!((one.as_array().unwrap().len(), &one[0]["title"]), (1, &"Stripe".into()));
}

#[test]
fn one_is_described_with_all_that_is_known_of_it() {
    let folder = Folder::with(&[]);
    let said = folder.run("providers whatsapp-meta").out;
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "HMAC-SHA256 over the body",
        "X-Hub-Signature-256",
        "goes on trying for 7 days",
        "hub.verify_token",
        "the library pywa",
        "published by the sender",
        "* Non-ASCII text arrives as",
    ] {
        assert!(flat.contains(words), "{words}: {said}");
    }
    let one = folder.run("providers twilio --json").json();
    let summary = &one[0]["summary"];
    assert_eq!((&one[0]["confidence"], &one[0]["name"]), (&"verified".into(), &"twilio".into()));
    assert!(["source", "docs"].iter().all(|key| one[0][key].is_string()), "{one}");
    assert_eq!(summary["forms"][3]["algorithm"], "hmac-sha1");
    assert_eq!(summary["forms"][0]["signed"][0], "{url}{form_sorted}");
    assert_eq!(
        (&summary["retry"]["never"], &summary["retry"]["timeout_seconds"]),
        (&true.into(), &15.0.into())
    );
    assert!(summary["vectors"]["published"].as_u64() > Some(0), "{summary}");
    assert!(folder.run("providers --help").out.contains("summary"));
}

#[test]
fn an_unknown_one_is_a_usage_error_that_says_what_was_meant() {
    let ended = Folder::with(&[]).run("providers githib");
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("did you mean `github`?"), "{}", ended.err);
}

#[test]
fn the_vectors_of_the_catalogue_pass() {
    let ended = Folder::with(&[]).run("providers check");
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    assert!(ended.out.trim_end().ends_with(" 0 failed"), "{}", ended.out);
}

#[test]
fn a_wrong_vector_of_an_own_sender_is_named() {
    let sender = "\
name: acme
title: Acme
docs: https://acme.example
confidence: documented
source: our own
signature: { header: X-Acme, encoding: hex }
algorithm: hmac-sha256
signed: \"{body}\"
event: { id: json:/id, type: json:/type }
";
    let vectors = "\
vectors:
  - name: a made up signature
    origin: computed
    source: nobody
    secret: abc
    headers: { X-Acme: \"00\" }
    body: \"{}\"
    now: 1700000000
";
    let folder = Folder::with(&[("acme.yaml", sender), ("acme.vectors.yaml", vectors)]);
    let ended = folder.run("providers check acme.yaml");
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("failed acme: a made up signature"), "{}{}", ended.out, ended.err);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = Folder::with(&[])
        .command("providers --json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}
