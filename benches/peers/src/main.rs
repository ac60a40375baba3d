//! Sealpost's benchmark: what a verified delivery costs, beside proxies that verify nothing.
//!
//! Everything runs on the loopback in one go, the gateways taking turns within each round, so that a ratio compares
//! what ran under the same conditions. `scripts/bench` builds and pins it and says how to read what it prints.

mod delivery;
mod latency;
mod load;
mod memory;
mod process;
mod report;
mod setups;

use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use delivery::Kind;
use report::{Row, Sample};
use setups::{Gateway, Programs};

const CONNECTIONS: usize = 64;
/// Requests a second when latency is measured.
const RATE: u32 = 1000;

struct Plan {
    rounds: usize,
    sizes: Vec<usize>,
    routes: usize,
    half_sent: usize,
    /// Requests of each latency run; 0 for none.
    latency: usize,
    programs: Programs,
}

/// Ids given out so far: none may repeat, or the gateway would answer from memory.
struct Ids(usize);

impl Ids {
    fn take(&mut self, count: usize) -> usize {
        let first = self.0;
        self.0 += count;
        first
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let plan = Plan::read(std::env::args().skip(1))?;
    std::fs::create_dir_all(&plan.programs.folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(bench(&plan));
    let _ = std::fs::remove_dir_all(&plan.programs.folder);
    result
}

/// One line of the tables: a gateway and the kind of deliveries it is given.
struct Line {
    name: &'static str,
    gateway: usize,
    kind: Kind,
}

/// The gateways' places in the list that `bench` makes.
const SEALPOST: usize = 0;
const LOGGING: usize = 1;
const PINGORA: usize = 2;
const NGINX: usize = 3;
const NGINX_LUA: usize = 4;
const HAPROXY: usize = 5;

const LINES: [Line; 9] = [
    Line { name: "sealpost", gateway: SEALPOST, kind: Kind::Header },
    Line { name: "sealpost with its request log", gateway: LOGGING, kind: Kind::Header },
    Line { name: "pingora-proxy, checks nothing", gateway: PINGORA, kind: Kind::Header },
    Line { name: "nginx proxy_pass, checks nothing", gateway: NGINX, kind: Kind::Header },
    Line { name: "nginx with HMAC in Lua, remembers nothing", gateway: NGINX_LUA, kind: Kind::Body },
    Line { name: "HAProxy with HMAC, remembers nothing", gateway: HAPROXY, kind: Kind::Body },
    Line { name: "sealpost, body remembered (github)", gateway: SEALPOST, kind: Kind::Body },
    Line { name: "sealpost, id in the JSON (bella-baxter)", gateway: SEALPOST, kind: Kind::Json },
    Line { name: "sealpost, forged signature refused", gateway: SEALPOST, kind: Kind::Forged },
];

async fn bench(plan: &Plan) -> Result<(), Box<dyn Error>> {
    let mut ids = Ids(0);
    let upstream = plan.programs.upstream()?;
    let to = upstream.address;
    let gateways = [
        plan.programs.sealpost("sealpost", to, 0, "warn")?,
        plan.programs.sealpost("sealpost with its request log", to, 0, "info")?,
        plan.programs.pingora_proxy(to)?,
        plan.programs.nginx_proxy(to)?,
        plan.programs.nginx_lua(to)?,
        plan.programs.haproxy(to)?,
    ];
    for verifying in [SEALPOST, NGINX_LUA, HAPROXY] {
        let Some(gateway) = gateways.get(verifying) else { continue };
        refuses_forgeries(gateway).await?;
    }

    println!("\n### At rest\n\n| gateway | resident KiB | ready after |\n|---|---|---|");
    for gateway in &gateways {
        println!("| {} | {} | {} ms |", gateway.name, gateway.process.resident(), gateway.ready.as_millis());
    }

    for &size in &plan.sizes {
        let mut rows: Vec<Row> = LINES.iter().map(|line| row(line.name)).collect();
        for round in 0..plan.rounds {
            // Each round starts with another line, so that none always runs on a warm or a throttled core.
            for turn in 0..LINES.len() {
                let at = (round + turn) % LINES.len();
                let (Some(line), Some(row)) = (LINES.get(at), rows.get_mut(at)) else { continue };
                let Some(gateway) = gateways.get(line.gateway) else { continue };
                row.samples.push(measure(gateway, line.kind, size, &mut ids).await?);
            }
        }
        report::table(&format!("{} bodies", bytes(size)), &rows, "pingora-proxy, checks nothing");
    }

    if plan.latency > 0 {
        latencies(plan, &gateways, &upstream, &mut ids)?;
    }

    println!("\n### {} connections with half of a 64 KiB body sent\n", plan.half_sent);
    println!(
        "| gateway | open | KiB a connection | KiB kept a connection after they closed |\n|---|---|---|---|"
    );
    for gateway in gateways.iter().filter(|gateway| gateway.name != "sealpost with its request log") {
        let first = ids.take(plan.half_sent);
        let memory = memory::half_sent(&gateway.process, gateway.address, first, plan.half_sent);
        #[expect(clippy::cast_precision_loss, reason = "KiB of a process")]
        let each = |now: u64| (now as f64 - memory.before as f64) / memory.open.max(1) as f64;
        println!(
            "| {} | {} | {:.1} | {:.1} |",
            gateway.name,
            memory.open,
            each(memory.held),
            each(memory.after)
        );
    }

    if plan.routes > 0 {
        many_routes(plan, &gateways, to, &mut ids).await?;
    }
    Ok(())
}

/// What each gateway adds to a 2 KiB delivery at a fixed rate, the direct way measured in turn with them.
fn latencies(
    plan: &Plan,
    gateways: &[Gateway],
    upstream: &Gateway,
    ids: &mut Ids,
) -> Result<(), Box<dyn Error>> {
    let mut tables: Vec<(&str, Vec<report::Tail>)> = std::iter::once(("direct", Vec::new()))
        .chain(LINES.iter().map(|line| (line.name, Vec::new())))
        .collect();
    for _ in 0..plan.rounds {
        for (at, (_, tails)) in tables.iter_mut().enumerate() {
            let line = at.checked_sub(1).and_then(|at| LINES.get(at));
            let (address, kind) = match line {
                None => (upstream.address, Kind::Header),
                Some(line) => match gateways.get(line.gateway) {
                    Some(gateway) => (gateway.address, line.kind),
                    None => continue,
                },
            };
            let expected = if line.is_none() { 200 } else { kind.status() };
            let deliveries = delivery::make(kind, 2048, ids.take(plan.latency), plan.latency);
            tails.push(report::Tail::of(latency::run(address, deliveries, RATE, expected)?));
        }
    }
    report::latencies(RATE, &tables);
    Ok(())
}

/// A peer that let everything through would not be measured at verifying.
async fn refuses_forgeries(gateway: &Gateway) -> Result<(), Box<dyn Error>> {
    let mut forged = delivery::make(Kind::Body, 2048, 0, 1);
    forged.body.reverse();
    let outcome = load::run(gateway.address, Rc::new(forged), 1, 401).await;
    if outcome.wrong > 0 {
        let complaint = outcome.complaint.unwrap_or_default();
        return Err(format!("{} does not refuse a changed body: {complaint}", gateway.name).into());
    }
    Ok(())
}

/// Load time, memory and cost of a request with many routes, each with a provider of its own.
async fn many_routes(
    plan: &Plan,
    gateways: &[Gateway],
    to: std::net::SocketAddr,
    ids: &mut Ids,
) -> Result<(), Box<dyn Error>> {
    let many = plan.programs.sealpost("sealpost with many routes", to, plan.routes, "warn")?;
    println!("\n### {0} routes and {0} own providers\n", plan.routes);
    println!("Ready after {} ms, {} KiB resident.", many.ready.as_millis(), many.process.resident());
    let Some(few) = gateways.first() else { return Ok(()) };
    let (mut one, mut other) = (row(few.name), row(many.name));
    for _ in 0..plan.rounds {
        one.samples.push(measure(few, Kind::Header, 2048, ids).await?);
        other.samples.push(measure(&many, Kind::Header, 2048, ids).await?);
    }
    report::table("The same request with one route and with many", &[one, other], few.name);
    Ok(())
}

/// A short warm-up, then one measured run.
async fn measure(
    gateway: &Gateway,
    kind: Kind,
    size: usize,
    ids: &mut Ids,
) -> Result<Sample, Box<dyn Error>> {
    let count = requests(size);
    let expected = kind.status();
    let warm = delivery::make(kind, size, ids.take(count / 10), count / 10);
    load::run(gateway.address, Rc::new(warm), CONNECTIONS, expected).await;
    let deliveries = Rc::new(delivery::make(kind, size, ids.take(count), count));

    let before = gateway.process.cpu();
    let mut outcome = load::run(gateway.address, deliveries, CONNECTIONS, expected).await;
    let cpu = gateway.process.cpu() - before;
    if outcome.wrong > 0 {
        let complaint = outcome.complaint.unwrap_or_default();
        return Err(
            format!("{}: {} of {count} wrong, first: {complaint}", gateway.name, outcome.wrong).into()
        );
    }
    outcome.latencies.sort_unstable();
    let at = |share: usize| outcome.latencies.get(count * share / 100).copied().unwrap_or(Duration::ZERO);
    #[expect(clippy::cast_precision_loss, reason = "at most some ten thousand")]
    let count = count as f64;
    Ok(Sample {
        requests_per_second: count / outcome.elapsed.as_secs_f64(),
        cpu_micros: cpu.as_secs_f64() * 1e6 / count,
        half: at(50),
        worst_hundredth: at(99),
    })
}

/// Enough for about a second of work: the accuracy of a run is that of its length.
fn requests(size: usize) -> usize {
    match size {
        0..=4096 => 30_000,
        4097..=32_768 => 15_000,
        32_769..=524_288 => 3_000,
        _ => 1_000,
    }
}

fn row(name: &str) -> Row {
    Row { name: name.into(), samples: Vec::new() }
}

fn bytes(size: usize) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{} KiB", size / 1024),
        _ => format!("{} MiB", size / 1_048_576),
    }
}

impl Plan {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let own = std::env::current_exe()?;
        let mut plan = Self {
            rounds: 5,
            sizes: vec![512, 2048, 16 * 1024, 256 * 1024, 1024 * 1024],
            routes: 10_000,
            half_sent: 2_000,
            latency: 5_000,
            programs: Programs {
                sealpost: PathBuf::from("sealpost"),
                passthrough: own.with_file_name("passthrough"),
                folder: std::env::temp_dir().join(format!("sealpost-bench-{}", std::process::id())),
            },
        };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--sealpost" => plan.programs.sealpost = value.into(),
                "--rounds" => plan.rounds = value.parse()?,
                "--sizes" => plan.sizes = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--routes" => plan.routes = value.parse()?,
                "--latency" => plan.latency = value.parse()?,
                "--half-sent" => plan.half_sent = value.parse()?,
                _ => return Err(format!("unknown option {option}").into()),
            }
        }
        Ok(plan)
    }
}
