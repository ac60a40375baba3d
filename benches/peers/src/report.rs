//! Medians over rounds, printed as Markdown tables.

use std::time::Duration;

/// One run of one gateway.
#[derive(Clone, Copy)]
pub struct Sample {
    pub requests_per_second: f64,
    pub cpu_micros: f64,
    pub half: Duration,
    pub worst_hundredth: Duration,
}

/// All rounds of one gateway at one body size.
pub struct Row {
    pub name: String,
    pub samples: Vec<Sample>,
}

/// Prints the rows; ratios are taken within each round against the row called `base`, then their median.
pub fn table(title: &str, rows: &[Row], base: &str) {
    println!("\n### {title}\n");
    println!(
        "| gateway | CPU µs a request (lowest to highest) | CPU against {base} | requests/s | p50 µs | p99 µs |"
    );
    println!("|---|---|---|---|---|---|");
    let reference = rows.iter().find(|row| row.name == base);
    for row in rows {
        let of = |value: fn(&Sample) -> f64| median(row.samples.iter().map(value).collect());
        let costs: Vec<f64> = row.samples.iter().map(|sample| sample.cpu_micros).collect();
        let ratio = reference.map_or(f64::NAN, |base| {
            let pairs = row.samples.iter().zip(&base.samples);
            median(pairs.map(|(own, other)| own.cpu_micros / other.cpu_micros).collect())
        });
        println!(
            "| {} | {:.1} ({:.1} to {:.1}) | {ratio:.2} | {:.0} | {:.0} | {:.0} |",
            row.name,
            of(|sample| sample.cpu_micros),
            costs.iter().copied().fold(f64::INFINITY, f64::min),
            costs.iter().copied().fold(0.0, f64::max),
            of(|sample| sample.requests_per_second),
            of(|sample| sample.half.as_secs_f64() * 1e6),
            of(|sample| sample.worst_hundredth.as_secs_f64() * 1e6),
        );
    }
}

/// The slow end of one run's latencies.
#[derive(Clone, Copy)]
pub struct Tail {
    half: Duration,
    hundredth: Duration,
    thousandth: Duration,
}

impl Tail {
    /// Of latencies in any order.
    pub fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        let at = |thousandths: usize| {
            latencies.get(latencies.len() * thousandths / 1000).copied().unwrap_or(Duration::ZERO)
        };
        Self { half: at(500), hundredth: at(990), thousandth: at(999) }
    }
}

/// Prints latencies at a fixed rate and what each adds to the first row, which is the way without a gateway.
pub fn latencies(rate: u32, rows: &[(&str, Vec<Tail>)]) {
    println!("\n### Latency of 2 KiB bodies at {rate} requests a second\n");
    println!("| way | p50 µs | p99 µs | p99.9 µs | added p50 | added p99 | added p99.9 |");
    println!("|---|---|---|---|---|---|---|");
    let Some((_, direct)) = rows.first() else { return };
    let parts: [fn(&Tail) -> Duration; 3] = [|tail| tail.half, |tail| tail.hundredth, |tail| tail.thousandth];
    for (name, tails) in rows {
        let micros = |part: fn(&Tail) -> Duration| {
            median(tails.iter().map(|tail| part(tail).as_secs_f64() * 1e6).collect())
        };
        // Within each round, as the ratios are.
        let added = |part: fn(&Tail) -> Duration| {
            let pairs = tails.iter().zip(direct);
            median(
                pairs
                    .map(|(own, other)| (part(own).as_secs_f64() - part(other).as_secs_f64()) * 1e6)
                    .collect(),
            )
        };
        print!("| {name} ");
        parts.iter().for_each(|part| print!("| {:.0} ", micros(*part)));
        parts.iter().for_each(|part| print!("| {:.0} ", added(*part)));
        println!("|");
    }
}

/// The value in the middle, NaN of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
