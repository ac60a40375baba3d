//! `drive` stands in for libFuzzer where that cannot be built.
//!
//! ```text
//! drive list                       names the targets
//! drive run TARGET FILE|FOLDER…    runs these inputs
//! drive random TARGET SECONDS      changes the seeds at random, without guidance
//! drive fixed TARGET RUNS          the same, so many times
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sealpost_fuzz::{TARGETS, Target, named};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => TARGETS.iter().for_each(|target| println!("{}", target.name)),
        ["run", name, inputs @ ..] => run(named(name), inputs),
        ["random", name, seconds] => {
            let end = Instant::now() + Duration::from_secs(seconds.parse().expect("a number of seconds"));
            random(named(name), |_| Instant::now() < end);
        }
        ["fixed", name, runs] => {
            let runs: u64 = runs.parse().expect("a number of runs");
            random(named(name), |executions| executions < runs);
        }
        _ => {
            eprintln!("drive list | run TARGET FILE… | random TARGET SECONDS | fixed TARGET RUNS");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn run(target: &Target, inputs: &[&str]) {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in inputs.iter().map(PathBuf::from) {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("the folder can be read");
            files.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else {
            files.push(path);
        }
    }
    files.sort();
    for file in &files {
        println!("{}", file.display());
        (target.run)(&std::fs::read(file).expect("the input can be read"));
    }
    println!("{}: {} inputs, no finding", target.name, files.len());
}

/// Leaves the input that fails in `crash-TARGET`.
fn random(target: &'static Target, goes_on: impl Fn(u64) -> bool) {
    let seeds = (target.seeds)();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap_or_default() % below.max(1)
    };
    let crash = PathBuf::from(format!("crash-{}", target.name));
    let mut executions = 0_u64;
    while goes_on(executions) {
        let mut input = seeds[next(seeds.len())].clone();
        for _ in 0..=next(4) {
            let other = &seeds[next(seeds.len())];
            let from = next(other.len() + 1);
            let piece = &other[from..(from + next(8)).min(other.len())];
            let at = next(input.len() + 1);
            match next(4) {
                0 if at < input.len() => input[at] ^= 1 << next(8),
                1 => drop(input.splice(at..at, piece.iter().copied())),
                2 => drop(input.drain(at..(at + next(8)).min(input.len()))),
                _ => input.insert(at, u8::try_from(next(256)).unwrap_or_default()),
            }
        }
        if std::panic::catch_unwind(|| (target.run)(&input)).is_err() {
            std::fs::write(&crash, &input).expect("the input can be written");
            panic!("{}: a finding after {executions} executions, kept in {}", target.name, crash.display());
        }
        executions += 1;
    }
    println!("{}: {executions} executions without guidance, no finding", target.name);
}
