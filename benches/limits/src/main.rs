//! What attacks cost everybody else: slow heads, half-sent bodies and forgeries in numbers, and good requests beside them.
//!
//! `scripts/limits` runs it. Three processes: the gateway (a release build, on core 0), the attacker, and this one, which
//! sends the good requests, answers them as the upstream, and watches the gateway. The last two share core 1, where the
//! attacker stands back (`nice`): it is meant to come from elsewhere. Needs Linux, two cores and 20,000 descriptors.

mod attack;
mod good;
mod http;
mod watch;

use std::time::Duration;

use tokio::runtime::Builder;

use attack::Attack;
use watch::{Gateway, Rest};

const MIB: f64 = 1024.0 * 1024.0;

/// The targets: what good requests may take beside an attack, and what the gateway may use beyond `limits.buffered`.
const P99: Duration = Duration::from_millis(50);
const BEYOND_BUFFERED: u64 = 64 << 20;
const BUFFERED: u64 = 256 << 20;

/// How long an attack goes on, and how long the gateway may take to come to rest after it.
const LASTS: Duration = Duration::from_secs(25);
const RECOVERS: Duration = Duration::from_secs(90);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    match arguments.first().map(String::as_str) {
        Some("attack") => runtime.block_on(attack::run(&arguments[1..])),
        Some(gateway) => std::process::exit(i32::from(!runtime.block_on(measure(gateway, &arguments[1..])))),
        None => panic!("sealpost-limits PATH-OF-SEALPOST [ATTACK…]"),
    }
}

/// All attacks, or those that are named. Says whether every target was met.
async fn measure(gateway: &str, wanted: &[String]) -> bool {
    let mut met = true;
    println!(
        "| attack | good requests | p50 ms | p99 ms | p99.9 ms | longest ms | most memory MiB | buffered MiB at most | \
         attacked | processor s | over after s | memory back after s | memory at rest MiB (before) |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for attack in Attack::ALL {
        if wanted.is_empty() || wanted.iter().any(|name| name == attack.name()) {
            met &= one(gateway, attack).await;
        }
    }
    met
}

async fn one(gateway: &str, attack: Attack) -> bool {
    let upstream = good::upstream().await;
    let gateway = Gateway::start(gateway, upstream).await;
    // Warm: pools are filled, code is paged in.
    good::send(gateway.address, Duration::from_secs(3)).await;
    let before = gateway.rest().await;
    let used = gateway.processor();
    let attacker = attack::Process::start(attack, gateway.address, LASTS);
    let ((times, failed), peak) = tokio::join!(good::send(gateway.address, LASTS), gateway.most(LASTS));
    let told = attacker.told().await;
    let used = gateway.processor() - used;
    let (over, given_back, after) = gateway.recovers(&before, RECOVERS).await;
    let at = |share: f64| good::quantile(&times, share).as_secs_f64() * 1000.0;
    let mut problems = Vec::new();
    if failed > 0 {
        problems.push(format!("{failed} good requests failed"));
    }
    if good::quantile(&times, 0.99) > P99 {
        problems.push(format!("p99 is more than {P99:?}"));
    }
    if peak.resident > BUFFERED + BEYOND_BUFFERED {
        problems.push("more memory than `buffered` and 64 MiB".into());
    }
    if over.is_none() || given_back.is_none() {
        problems.push(format!("not at rest: {after:?}, before {before:?}"));
    }
    let seconds = |took: Option<Duration>| {
        took.map_or_else(|| "never".into(), |took| format!("{:.1}", took.as_secs_f64()))
    };
    println!(
        "| {} | {} | {:.2} | {:.2} | {:.2} | {:.1} | {:.0} | {:.0} | {told} | {:.1} | {} | {} | {:.0} ({:.0}) |",
        attack.title(),
        times.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        mib(peak.resident),
        mib(peak.buffered),
        used.as_secs_f64(),
        seconds(over),
        seconds(given_back),
        mib(after.resident),
        mib(before.resident),
    );
    for problem in &problems {
        eprintln!("{}: {problem}", attack.name());
    }
    problems.is_empty()
}

#[allow(clippy::cast_precision_loss, reason = "shown with no decimal place")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

impl Rest {
    /// Whether nothing of an attack is left: no connection, no descriptor, no byte of a body.
    fn is_over(&self, before: &Self) -> bool {
        self.connections <= before.connections
            && self.buffered == 0
            && self.in_flight == 0
            && self.descriptors <= before.descriptors + 8
    }

    /// Whether its memory is what it was, within 16 MiB and the 4 MiB that the journal may keep of it.
    fn has_given_back(&self, before: &Self) -> bool {
        self.resident <= before.resident + ((16 + 4) << 20)
    }
}
