//! Exit codes and the way out of a mistake.

use crate::sealpost::Folder;

#[test]
fn without_a_configuration_run_names_the_ways_out() {
    let ended = Folder::with(&[]).run("run");
    assert_eq!(ended.code, Some(1));
    for way in ["sealpost run FILE", "--provider github", "sealpost demo"] {
        assert!(ended.err.contains(way), "{}", ended.err);
    }
}

#[test]
fn run_shows_the_problems_of_its_configuration() {
    let ended = Folder::with(&[("gateway.yaml", "routs: []\n")]).run("run --log error");
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains("gateway.yaml:1:1 routs: ") && ended.err.contains("`routes`"),
        "{}",
        ended.err
    );
}

#[test]
fn a_wrong_command_line_is_2_and_help_is_0() {
    let folder = Folder::with(&[]);
    for (line, code) in [
        ("", 2),
        ("nonsense", 2),
        ("run --grace 5", 2),
        ("--help", 0),
        ("explain --help", 0),
        ("--version", 0),
        ("release", 2),
        ("release ID --route shop", 2),
        ("deliveries ID --follow", 2),
        ("deliveries --event x --limit 0", 2),
        ("deliveries --admin nowhere", 2),
        ("stats --window 2d --admin", 2),
    ] {
        assert_eq!(folder.run(line).code, Some(code), "{line}");
    }
    for command in [
        "run",
        "check",
        "providers",
        "sign",
        "send",
        "explain",
        "demo",
        "schema",
        "deliveries",
        "release",
        "redeliver",
        "stats",
    ] {
        assert!(folder.run("--help").out.contains(&format!("  {command} ")), "{command}");
    }
}
