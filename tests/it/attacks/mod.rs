//! Attacks as data: every file of `tests/attacks` against the real gateway with a recording upstream.
//!
//! Each case names the rule that is broken or where the technique was published, the bytes, and what must hold, in the words
//! of [`case::Word`]. SECURITY.md names cases as it names tests.

mod bytes;
mod case;
mod http2;
mod run;

macro_rules! files {
    ($($test:ident: $file:literal,)*) => {
        /// The files that are run.
        const FILES: &[&str] = &[$($file),*];
        $(
            #[test]
            fn $test() {
                run::run(&case::read($file));
            }
        )*
    };
}

files! {
    lengths: "lengths",
    transfer_codings: "transfer-codings",
    chunks: "chunks",
    hidden_requests: "hidden-requests",
    heads: "heads",
    request_lines: "request-lines",
    hosts: "hosts",
    paths: "paths",
    hop_by_hop: "hop-by-hop",
    our_headers: "our-headers",
    strangers_that_say_they_are_proxies: "forwarded-by-strangers",
    proxies_that_are_trusted: "forwarded-by-proxies",
    tunnels: "tunnels",
    expectations: "expectations",
    sizes: "sizes",
    slow_senders: "slow-senders",
    codings_of_bodies: "content-codings",
    http2_heads: "http2-heads",
    http2_floods: "http2-floods",
}

#[test]
fn every_file_of_attacks_is_run_and_every_case_has_a_name_of_its_own() {
    let mut found: Vec<String> = std::fs::read_dir(case::folder())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    let mut listed = FILES.to_vec();
    listed.sort_unstable();
    assert_eq!(found, listed);
    for file in FILES {
        let mut names: Vec<_> = case::read(file).cases.into_iter().map(|case| case.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{file}: a name stands twice");
    }
}
