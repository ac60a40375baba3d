//! The commands that ask a running gateway about its deliveries, and what they have in common.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::values;
use crate::config::Reference;

/// Where the gateway is asked, and how the answer is written.
#[derive(Debug, Args)]
pub struct AdminArguments {
    /// The admin address, HOST:PORT or http://HOST:PORT [default: the file's, without a file 127.0.0.1:9090]
    #[arg(long, value_name = "ADDR", value_parser = values::admin)]
    pub admin: Option<String>,
    /// The configuration that says where the admin address is and what its token is [default: gateway.yaml, if it is here]
    #[arg(long, value_name = "FILE", conflicts_with = "admin")]
    pub config: Option<PathBuf>,
    /// The token of the admin address: env:NAME or file:PATH [default: the file's]
    #[arg(long, value_name = "REF")]
    pub token: Option<Reference>,
    /// JSON for programs
    #[arg(long)]
    pub json: bool,
}

/// `sealpost deliveries`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealpost deliveries --since 1h --outcome refused
  sealpost deliveries --route stripe --event 'invoice.*' --follow
  sealpost deliveries ID                          all that is known of one, and why it verifies or not
  sealpost deliveries --since 24h --export > recorded.jsonl
  sealpost check new.yaml --against recorded.jsonl

T is a duration (15m: that long ago), a time such as 2026-11-21T02:00:00Z, or Unix seconds (13 digits: milliseconds).
Times are shown in UTC. --json prints one value, with --follow one delivery a line. --follow goes on until Ctrl-C; where the
connection is lost it comes back and goes on after what it has shown.")]
pub struct DeliveriesArguments {
    /// One delivery, by its id
    #[arg(value_name = "ID", conflicts_with_all = ["route", "reason", "outcome", "event", "sender", "since", "until",
        "limit", "follow", "export"])]
    pub id: Option<String>,
    /// Of this route; - for what no route took
    #[arg(long, value_name = "NAME")]
    pub route: Option<String>,
    /// With this reason, such as signature_mismatch; several with commas
    #[arg(long, value_name = "WORD")]
    pub reason: Option<String>,
    /// accepted, declined, answered, refused or failed; several with commas
    #[arg(long, value_name = "WORD")]
    pub outcome: Option<String>,
    /// Of the event with this id or of this type; in a type * stands for any run of characters
    #[arg(long, value_name = "ID|TYPE")]
    pub event: Option<String>,
    /// From this sender, see `sealpost providers`
    #[arg(long, value_name = "NAME")]
    pub sender: Option<String>,
    /// Received then or later
    #[arg(long, value_name = "T", value_parser = values::moment)]
    pub since: Option<String>,
    /// Received before
    #[arg(long, value_name = "T", value_parser = values::moment)]
    pub until: Option<String>,
    /// The newest so many [default: 50, with --follow 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: Option<u32>,
    /// Then each as it comes
    #[arg(long, conflicts_with = "until")]
    pub follow: bool,
    /// All of them as JSON lines with headers and bodies as far as they are kept and may be shown, oldest first
    #[arg(long, conflicts_with_all = ["follow", "limit"])]
    pub export: bool,
    /// Where it is asked.
    #[command(flatten)]
    pub admin: AdminArguments,
}

/// `sealpost release`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealpost release ID
  sealpost release --route stripe --reason signature_mismatch --since 2h

Each is verified again as it was received, under the configuration that the gateway has now, and forwarded if it verifies;
one after the other in the order of their reception. What the sender has delivered itself meanwhile is not forwarded twice.
It needs the bodies: `journal: { bodies: refused }` on the route. Exit 0 if the upstream has accepted all of them, otherwise 1.")]
pub struct ReleaseArguments {
    /// Deliveries, by their ids
    #[arg(value_name = "ID", required_unless_present = "route", conflicts_with_all = ["route", "reason", "since", "until"])]
    pub ids: Vec<String>,
    /// All refused deliveries of this route that can be released
    #[arg(long, value_name = "NAME")]
    pub route: Option<String>,
    /// Of these only those with this reason; several with commas
    #[arg(long, value_name = "WORD", requires = "route")]
    pub reason: Option<String>,
    /// Of these only those received then or later
    #[arg(long, value_name = "T", requires = "route", value_parser = values::moment)]
    pub since: Option<String>,
    /// Of these only those received before
    #[arg(long, value_name = "T", requires = "route", value_parser = values::moment)]
    pub until: Option<String>,
    /// Where it is asked.
    #[command(flatten)]
    pub admin: AdminArguments,
}

/// `sealpost redeliver`
#[derive(Debug, Args)]
#[command(after_help = "\
The same bytes go to the upstream once more, past the dedupe store on purpose. Only what was verified can go, and only where
its body is kept. Exit 0 if the upstream accepts it, otherwise 1.")]
pub struct RedeliverArguments {
    /// A delivery, by its id
    #[arg(value_name = "ID")]
    pub id: String,
    /// Where it is asked.
    #[command(flatten)]
    pub admin: AdminArguments,
}

/// `sealpost stats`
#[derive(Debug, Args)]
#[command(after_help = "\
The rate is of requests a second. Of each route: what became of its requests, half and 99 of 100 of them took at most so
long, and when each secret matched last. Exit 0.")]
pub struct StatsArguments {
    /// How far back, at most 24h
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = crate::yaml::duration)]
    pub window: Duration,
    /// Where it is asked.
    #[command(flatten)]
    pub admin: AdminArguments,
}
