//! Whether one of two things takes longer than the other: a sign test over pairs in random order.
//!
//! In each pair a coin decides which of the two comes first, and only which of the two took longer is counted. If neither does, each is the
//! longer one in half of the pairs, whatever the machine does meanwhile: the coin makes the count binomial, noise or not. So the
//! bound is exact: [`BOUND`] standard deviations come about once in 10^9 runs. The same is done with each of them against itself
//! (A/A), which holds the harness to its own claim.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Beyond so many standard deviations it is no chance any more.
pub(crate) const BOUND: f64 = 6.0;
/// Medians closer than this share of them are alike: reading a digit takes another branch than reading a letter, and what
/// was sent is no secret. Instructions are counted besides, and bounded far more narrowly.
const SLIGHT: f64 = 0.01;
/// How often a difference has to show.
const ATTEMPTS: u32 = 4;

/// Takes so many pairs, each measured by a call.
///
/// # Panics
/// When one of the two takes longer.
pub(crate) fn assert_alike(
    what: &str,
    pairs: u32,
    mut first: impl FnMut() -> Duration,
    mut second: impl FnMut() -> Duration,
) {
    // What the code does shows every time and in the same direction. What a busy machine does to the one or the other (where
    // its pages lie, what else runs on the core) does not come back.
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let (compared, control) =
            deviations(pairs, || keep(&mut one, first()), || keep(&mut other, second()));
        let apart = apart(one, other);
        println!(
            "{what}: {compared:+.1} standard deviations over {pairs} pairs, against itself {control:+.1}, \
             medians {apart:+.4} apart"
        );
        if compared.abs() < BOUND || control.abs() >= BOUND || apart.abs() < SLIGHT {
            return;
        }
        seen.push(compared);
    }
    let same_way = seen.iter().all(|one| one.signum() == seen[0].signum());
    assert!(!same_way, "{what}: one takes longer than the other: {seen:+.1?} over {pairs} pairs each");
}

fn keep(all: &mut Vec<Duration>, took: Duration) -> Duration {
    all.push(took);
    took
}

/// How far the medians are apart, as a share of them.
fn apart(mut one: Vec<Duration>, mut other: Vec<Duration>) -> f64 {
    one.sort_unstable();
    other.sort_unstable();
    let (one, other) = (one[one.len() / 2].as_secs_f64(), other[other.len() / 2].as_secs_f64());
    (one - other) / one.max(other)
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
