//! `sealpost man`: the manual pages, made from the same definitions as `--help`.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::{Arguments, ManArguments};
use super::output::{Failure, Outcome, print};

/// Prints the page of `sealpost` itself, or writes one for each command.
pub(super) fn execute(arguments: &ManArguments) -> Outcome {
    let pages = pages();
    let Some(folder) = &arguments.dir else {
        return pages.last().map_or(Ok(()), |(_, page)| print(page));
    };
    for (name, page) in &pages {
        write(&folder.join(name), page)?;
    }
    print(&format!("{} pages in {}\n", pages.len(), folder.display()))
}

fn write(path: &Path, page: &str) -> Outcome {
    std::fs::write(path, page)
        .map_err(|error| Failure::Failed(format!("cannot write {}: {error}", path.display())))
}

/// Every page with the name of its file; that of `sealpost` itself comes last.
fn pages() -> Vec<(String, String)> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages);
    pages
}

fn collect(command: &Command, pages: &mut Vec<(String, String)>) {
    for below in command.get_subcommands() {
        collect(below, pages);
    }
    let man = Man::new(command.clone());
    pages.push((man.get_filename(), render(&man, command)));
}

fn render(man: &Man, command: &Command) -> String {
    let mut page = Vec::new();
    // Writing to a `Vec` does not fail.
    let _ = man
        .render_name_section(&mut page)
        .and_then(|()| man.render_synopsis_section(&mut page))
        .and_then(|()| man.render_description_section(&mut page))
        .and_then(|()| man.render_options_section(&mut page))
        .and_then(
            |()| if command.has_subcommands() { man.render_subcommands_section(&mut page) } else { Ok(()) },
        )
        .and_then(|()| ending(command).to_writer(&mut page));
    // No date: the same source gives the same page. The writer leaves out an empty argument, so this line is ours.
    let version = env!("CARGO_PKG_VERSION");
    let title = format!(".TH {} 1 \"\" \"sealpost {version}\" \"Sealpost\"\n", name(command));
    title + &ascii(&String::from_utf8_lossy(&page))
}

/// roff reads bytes; what is beyond ASCII is named by its code point (groff_char(7), mandoc_char(7)).
fn ascii(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut page, character| {
        if character.is_ascii() {
            page.push(character);
        } else {
            // Writing to a `String` does not fail.
            let _ = write!(page, "\\[u{:04X}]", u32::from(character));
        }
        page
    })
}

fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// What stands below the options in `--help`, its lines as they are, and what every page ends with.
fn ending(command: &Command) -> Roff {
    let mut roff = Roff::new();
    if let Some(help) = command.get_after_help() {
        roff.control("SH", ["NOTES"]).control("nf", []);
        for line in help.to_string().lines() {
            // An empty line is a request of its own in roff's eyes; `.sp` is the same space without a warning.
            if line.is_empty() {
                roff.control("sp", [])
            } else {
                roff.text([roman(line)])
            };
        }
        roff.control("fi", []);
    }
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in [("0", "Well."), ("1", "The answer is no."), ("2", "The command line is wrong.")] {
        roff.control("TP", []).text([bold(code)]).text([roman(meaning)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    let others =
        if name(command) == "sealpost" { "sealpost-run(1), sealpost-check(1)" } else { "sealpost(1)" };
    roff.text([roman(others)]);
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let pages = pages();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["sealpost-run.1", "sealpost-providers-check.1", "sealpost-health.1"] {
            assert!(names.contains(&name), "{names:?}");
        }
        assert_eq!(names.last(), Some(&"sealpost.1"));
        for (name, page) in pages {
            assert!(page.is_ascii(), "{name}");
            assert!(page.contains(".SH NAME\n") && page.contains(".SH SYNOPSIS\n"), "{name}: {page}");
        }
    }
}
