//! Whether one of two things takes longer than the other: a sign test over pairs in random order.
//!
//! In each pair a coin decides which of the two comes first, and only which of the two took longer is counted. If neither does, each is the
//! longer one in half of the pairs, whatever the machine does meanwhile: the coin makes the count binomial, noise or not. So the
//! bound is exact: [`BOUND`] standard deviations come about once in 10^9 runs. The same is done with each of them against itself
//! (A/A), which holds the harness to its own claim.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Beyond so many standard deviations it is no chance any more.
pub(crate) const BOUND: f64 = 6.0;

/// Takes so many pairs, each measured by a call.
///
/// # Panics
/// When one of the two takes longer.
pub(crate) fn assert_alike(
    what: &str,
    pairs: u32,
    first: impl FnMut() -> Duration,
    second: impl FnMut() -> Duration,
) {
    let (compared, control) = deviations(pairs, first, second);
    println!("{what}: {compared:+.1} standard deviations over {pairs} pairs, against itself {control:+.1}");
    assert!(
        control.abs() < BOUND,
        "{what}: the harness sees a difference where there is none: {control:+.1}"
    );
    assert!(
        compared.abs() < BOUND,
        "{what}: one takes longer than the other: {compared:+.1} over {pairs} pairs"
    );
}

/// How far the pairs are from equal halves, in standard deviations (positive where the first takes longer), and the same
/// for each against itself.
pub(crate) fn deviations(
    pairs: u32,
    mut first: impl FnMut() -> Duration,
    mut second: impl FnMut() -> Duration,
) -> (f64, f64) {
    let mut coin = Coin::new();
    let (mut compared, mut control) = (Sum::default(), Sum::default());
    for _ in 0..pairs {
        if coin.flip() {
            let (a, b) = (first(), second());
            compared.add(a, b);
        } else {
            let (b, a) = (second(), first());
            compared.add(a, b);
        }
        // Now one of them, now the other, or that one would be the better remembered by caches and predictors.
        let (one, other) = if coin.flip() { (first(), first()) } else { (second(), second()) };
        if coin.flip() { control.add(one, other) } else { control.add(other, one) }
    }
    (compared.deviations(), control.deviations())
}

/// How often each was the longer one. Where both took the same, nobody was.
#[derive(Default)]
struct Sum {
    longer: i64,
    pairs: i64,
}

impl Sum {
    fn add(&mut self, a: Duration, b: Duration) {
        self.longer += i64::from(a > b) - i64::from(a < b);
        self.pairs += i64::from(a != b);
    }

    #[allow(clippy::cast_precision_loss, reason = "thousands")]
    fn deviations(&self) -> f64 {
        if self.pairs == 0 { 0.0 } else { self.longer as f64 / (self.pairs as f64).sqrt() }
    }
}

/// A coin (xorshift), thrown anew in each run.
struct Coin(u64);

impl Coin {
    fn new() -> Self {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        Self(u64::try_from(seed & u128::from(u64::MAX)).unwrap() | 1)
    }

    fn flip(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 40 & 1 == 1
    }
}
