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

/// The value in the middle, NaN of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
