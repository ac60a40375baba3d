//! The command line: every command, every flag and the help that teaches them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Reference;

mod journal;

pub(super) use journal::{
    AdminArguments, DeliveriesArguments, RedeliverArguments, ReleaseArguments, StatsArguments,
};

/// Everything that can be written after `sealpost`.
#[derive(Debug, Parser)]
#[command(name = "sealpost", version, arg_required_else_help = true, max_term_width = 100)]
#[command(about = "Webhook verification gateway: checks each sender's signature and send time,\n\
                   lets every event through once, and nothing else.")]
#[command(after_help = FIRST_STEPS)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const FIRST_STEPS: &str = "\
Try it:
  sealpost demo                        watch valid, forged, stale and repeated deliveries arrive
  sealpost run --provider github --secret env:GITHUB_WEBHOOK_SECRET --upstream http://127.0.0.1:3000
  sealpost check gateway.yaml          every problem of a configuration at once

Exit codes: 0 well, 1 the answer is no, 2 the command line is wrong.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve: verify, forward each event once, refuse the rest
    Run(RunArguments),
    /// Watch a gateway handle valid, forged, stale, repeated and concurrent deliveries
    Demo(DemoArguments),
    /// Show every problem of a configuration, or what its routes come to
    Check(CheckArguments),
    /// List or describe the senders in the catalogue, or run their test vectors
    Providers(ProvidersArguments),
    /// Print the headers a sender would send
    Sign(SignArguments),
    /// Sign a body, POST it and print the answer
    Send(SendArguments),
    /// Tell whether a captured delivery verifies, exactly why, and which mistake is likely
    Explain(ExplainArguments),
    /// List what a running gateway decided, follow it, or tell all about one delivery
    Deliveries(DeliveriesArguments),
    /// Forward refused deliveries once what was wrong is mended
    Release(ReleaseArguments),
    /// Send a verified delivery to the upstream once more
    Redeliver(RedeliverArguments),
    /// Show a running gateway's numbers: rates, refusals, times, secrets
    Stats(StatsArguments),
    /// Print the JSON Schema of gateway.yaml
    #[command(after_help = "\
In an editor with a YAML language server:
  sealpost schema > gateway.schema.json
  # yaml-language-server: $schema=gateway.schema.json        <- first line of gateway.yaml")]
    Schema,
    /// Ask a running gateway whether it takes deliveries, for health checks
    Health(HealthArguments),
    /// Print the completions for a shell
    Completions(CompletionsArguments),
    /// Print the manual page, or write those of all commands
    Man(ManArguments),
}

/// `sealpost run`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealpost run                                   serves gateway.yaml of this folder
  sealpost run /etc/sealpost/gateway.yaml
  sealpost run --provider stripe --secret env:STRIPE_WEBHOOK_SECRET \\
               --upstream http://127.0.0.1:3000 --listen 127.0.0.1:8080

Changes of the file, of secret files and of certificates are taken over while it runs.
SIGTERM and Ctrl-C let requests in flight finish, at most as long as --grace.

To upgrade without a gap, run with --handover PATH and start the new binary with the same command (or send SIGUSR2
to the running one, which starts its own path again): once the new one serves, the old one finishes its open
connections and exits 0. If the new one fails, the old one serves on.")]
pub struct RunArguments {
    /// The configuration [default: gateway.yaml]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Without a file: the sender, see `sealpost providers`
    #[arg(long, value_name = "NAME", conflicts_with = "file", requires_all = ["secrets", "upstream"])]
    pub provider: Option<String>,
    /// Without a file: where the secret is, env:NAME or file:PATH; several for a rotation
    #[arg(long = "secret", value_name = "REF", requires = "provider")]
    pub secrets: Vec<Reference>,
    /// Without a file: where verified deliveries go, http://…, https://… or unix:/path
    #[arg(long, value_name = "URL", requires = "provider")]
    pub upstream: Option<String>,
    /// Without a file: the path to serve, exact or a prefix ending in /* [default: /]
    #[arg(long, value_name = "PATH", requires = "provider")]
    pub path: Option<String>,
    /// Without a file: where to listen [default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDR", requires = "provider")]
    pub listen: Option<SocketAddr>,
    /// Without a file: where health, readiness, metrics and the API are [default: nowhere]
    #[arg(long, value_name = "ADDR", requires = "provider")]
    pub admin: Option<SocketAddr>,
    /// How long requests in flight may take to finish at the end, such as 30s
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::yaml::duration)]
    pub grace: Duration,
    /// A unix socket: take over from the gateway that runs with the same PATH, and hand over to the next one
    #[arg(long, value_name = "PATH")]
    pub handover: Option<PathBuf>,
    /// Worker threads [default: one per processor]
    #[arg(long, value_name = "N", value_parser = super::values::threads)]
    pub threads: Option<usize>,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogArguments,
}

/// How a serving command logs.
#[derive(Clone, Debug, Default, Args)]
pub struct LogArguments {
    /// Form of the log on stderr [default: text on a terminal, json otherwise]
    #[arg(long, value_name = "FORM", value_enum)]
    pub log_format: Option<LogForm>,
    /// What is logged, such as `warn` or `sealpost=debug` [default: $RUST_LOG, otherwise warn,sealpost=info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// One JSON object a line, for machines.
    Json,
    /// One line of text, for people.
    Text,
}

/// `sealpost demo`
#[derive(Debug, Args)]
#[command(after_help = "\
Starts a gateway and a receiver on free loopback ports and sends deliveries through real sockets.
Exits 1 if any of them came out otherwise than promised, so it is a self-test as well.")]
pub struct DemoArguments {
    /// Leave the gateway and the receiver running until Ctrl-C
    #[arg(long)]
    pub keep: bool,
}

/// `sealpost check`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealpost check
  sealpost check deploy/gateway.yaml --json
  sealpost check new.yaml --against 127.0.0.1:9090     which recorded deliveries it would decide otherwise

Secrets are read as `run` would read them, so run it where they are. Exit 1 if there are problems.

--against takes a journal's folder (`journal.path`, of a gateway that does not run), a file written by
`sealpost deliveries --export`, or the admin address of a running gateway. Each delivery is judged as of the time when it
was received, by its kept headers and body; nothing is sent or fetched. What cannot be judged is counted with the reason and
never taken for unchanged. Whether an event had been seen before is not judged. Exit 0 if nothing would be decided otherwise,
1 if something would.")]
pub struct CheckArguments {
    /// The configuration
    #[arg(value_name = "FILE", default_value = "gateway.yaml")]
    pub file: PathBuf,
    /// Tell which deliveries of this journal the file would decide otherwise: a folder, an export or an admin address
    #[arg(long, value_name = "JOURNAL")]
    pub against: Option<String>,
    /// The token of that admin address: env:NAME or file:PATH [default: the one that the file names]
    #[arg(long, value_name = "REF", requires = "against")]
    pub token: Option<Reference>,
    /// One JSON object for programs
    #[arg(long)]
    pub json: bool,
}

/// `sealpost providers`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  sealpost providers | less
  sealpost providers stripe                what is signed, the key, retries, handshakes, traps, how sure it is
  sealpost providers stripe --json
  sealpost providers check                 every vector of the catalogue
  sealpost providers check acme.yaml       a sender of your own, with its `vectors:` or acme.vectors.yaml beside it

--json gives the sender's file key by key, and beside it
  defaults   what a route takes over: tolerance, dedupe key and ttl, timeout, refusal, methods
  summary    the same shape for every sender: forms (proof, algorithm, signature, signed), carries (each header
             and field), settings, event, retry in seconds, handshakes, and where its vectors come from")]
pub struct ProvidersArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub command: Option<ProvidersCommand>,
    /// One sender only
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// A JSON array for programs
    #[arg(long)]
    pub json: bool,
}

/// `sealpost providers …`
#[derive(Debug, Subcommand)]
pub enum ProvidersCommand {
    /// Run the test vectors of the catalogue or of a file
    Check {
        /// A provider file with vectors; without it the whole catalogue
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// What is signed, for `sign` and `send`.
#[derive(Debug, Args)]
pub struct Signing {
    /// The sender, see `sealpost providers`
    #[arg(long, value_name = "NAME")]
    pub provider: String,
    /// Where the secret is: env:NAME or file:PATH (a private key in PEM for senders with key pairs)
    #[arg(long, value_name = "REF")]
    pub secret: Reference,
    /// A setting of the sender, such as a webhook's id; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = super::values::setting)]
    pub settings: Vec<(String, String)>,
    /// The body: a file, or - for standard input [default: empty]
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// Send time in Unix seconds [default: now]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub timestamp: Option<i64>,
    /// Event or delivery id, for senders that send one in a header [default: a random one]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Method
    #[arg(long, value_name = "M", default_value = "POST")]
    pub method: String,
    /// A configuration whose `providers:` are known as well
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `sealpost sign`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealpost sign --provider github --secret env:SECRET --body event.json
  echo -n '{\"id\":\"evt_1\"}' | sealpost sign --provider bella-baxter --secret file:secret.txt --body -
  sealpost sign --provider stripe --secret env:SECRET --body event.json \\
                --format curl --url http://127.0.0.1:8080/webhooks/stripe")]
pub struct SignArguments {
    /// What is signed.
    #[command(flatten)]
    pub signing: Signing,
    /// The public URL it is sent to; needed by senders that sign it, and for --format curl
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// How the result is written
    #[arg(long, value_name = "FORM", value_enum, default_value = "headers")]
    pub format: SignFormat,
}

/// How `sign` writes its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SignFormat {
    /// `Name: value` lines.
    Headers,
    /// A command that sends it.
    Curl,
    /// One JSON object with method, url, headers and body.
    Json,
}

/// `sealpost send`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealpost send --provider github --secret env:SECRET --body event.json \\
                --url http://127.0.0.1:8080/webhooks/github
  sealpost send … --repeat 3               the same bytes three times: 200, then duplicates
  sealpost send … --timestamp 1700000000   an old delivery, refused as stale

Exit 0 if every answer is 2xx, otherwise 1.")]
pub struct SendArguments {
    /// What is signed.
    #[command(flatten)]
    pub signing: Signing,
    /// Where to send it
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// The public URL the sender believes it sends to, where that differs and is signed
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// How often the same bytes are sent
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: u32,
    /// A further header, `Name: value`
    #[arg(long = "header", value_name = "HEADER", value_parser = super::values::header)]
    pub headers: Vec<(String, String)>,
}

/// `sealpost explain`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealpost explain --provider github --secret env:SECRET --headers headers.txt --body body.json
  sealpost explain --config gateway.yaml --route stripe --headers headers.txt --body body.json --now 1700000000

headers.txt holds `Name: value` lines as they were received, body.json the exact bytes of the body.
The clock is not stopped: give --now, the Unix time at which the delivery arrived, for an older capture.
No secret and no expected signature is printed. Exit 0 if it verifies, otherwise 1.")]
pub struct ExplainArguments {
    /// The sender, see `sealpost providers`
    #[arg(long, value_name = "NAME", required_unless_present = "route")]
    pub provider: Option<String>,
    /// Where the secrets are: env:NAME or file:PATH
    #[arg(long = "secret", value_name = "REF", num_args = 1.., required_unless_present = "route")]
    pub secrets: Vec<Reference>,
    /// A setting of the sender, such as a webhook's id; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = super::values::setting)]
    pub settings: Vec<(String, String)>,
    /// File of `Name: value` lines
    #[arg(long, value_name = "FILE")]
    pub headers: PathBuf,
    /// The body: a file, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub body: PathBuf,
    /// When it arrived, in Unix seconds [default: now]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub now: Option<i64>,
    /// Method
    #[arg(long, value_name = "M", default_value = "POST")]
    pub method: String,
    /// The public URL it was sent to; needed by senders that sign it
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// A configuration: its own providers are known, its other secrets are tried as well
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A route of that configuration, for provider, secrets and tolerance
    #[arg(long, value_name = "NAME", requires = "config")]
    pub route: Option<String>,
    /// One JSON object for programs
    #[arg(long)]
    pub json: bool,
}

/// `sealpost health`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealpost health /etc/sealpost/gateway.yaml    asks the `admin` address of that file
  sealpost health --admin 127.0.0.1:9090        needs no file
  sealpost health --live                        alive is enough; also while it shuts down

It needs no token: the two probes are open. Exit 0 if the answer is yes, otherwise 1.")]
pub struct HealthArguments {
    /// The configuration that says where the admin address is
    #[arg(value_name = "FILE", default_value = "gateway.yaml", conflicts_with = "admin")]
    pub file: PathBuf,
    /// The admin address itself, HOST:PORT or http://HOST:PORT
    #[arg(long, value_name = "ADDR", value_parser = super::values::admin)]
    pub admin: Option<String>,
    /// Ask whether it is alive (/healthz) instead of whether it takes deliveries (/readyz)
    #[arg(long)]
    pub live: bool,
    /// How long the answer may take, such as 500ms
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = crate::yaml::duration)]
    pub timeout: Duration,
}

/// `sealpost completions`
#[derive(Debug, Args)]
#[command(after_help = "\
Where each shell looks for them:
  sealpost completions bash > ~/.local/share/bash-completion/completions/sealpost
  sealpost completions zsh > ~/.zfunc/_sealpost              with fpath+=~/.zfunc before compinit
  sealpost completions fish > ~/.config/fish/completions/sealpost.fish
  sealpost completions powershell >> $PROFILE
  sealpost completions elvish >> ~/.config/elvish/rc.elv")]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

/// `sealpost man`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealpost man | man -l -
  sealpost man --dir /usr/local/share/man/man1     sealpost.1, sealpost-run.1 and so on")]
pub struct ManArguments {
    /// Write one page for every command into this folder, which must be there
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn run_without_a_file_needs_secret_and_upstream() {
        assert!(Arguments::try_parse_from(["sealpost", "run", "--provider", "github"]).is_err());
        assert!(
            Arguments::try_parse_from([
                "sealpost",
                "run",
                "--provider",
                "github",
                "--secret",
                "env:S",
                "--upstream",
                "http://localhost",
            ])
            .is_ok()
        );
    }
}
