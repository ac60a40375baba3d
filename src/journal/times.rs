//! How long things took, counted in steps: so many numbers as are needed to tell what half of them, or 99 of 100, did not exceed.

/// Steps of a factor of about 1.19, from one microsecond to five minutes.
pub(super) const STEPS: usize = 4 * 28;

/// How often each length of time came.
#[derive(Clone, Debug, Default)]
pub(super) struct Times(Option<Box<[u32; STEPS]>>);

impl Times {
    /// One more of this length.
    pub(super) fn count(&mut self, micros: u32) {
        let steps = self.0.get_or_insert_with(|| Box::new([0; STEPS]));
        if let Some(step) = steps.get_mut(step_of(micros)) {
            *step = step.saturating_add(1);
        }
    }

    /// Adds them to a sum of several.
    pub(super) fn add_to(&self, sum: &mut [u64; STEPS]) {
        let Some(steps) = &self.0 else { return };
        for (sum, step) in sum.iter_mut().zip(steps.iter()) {
            *sum = sum.saturating_add(u64::from(*step));
        }
    }
}

/// Four steps to a doubling, by the highest bit and the two behind it.
fn step_of(micros: u32) -> usize {
    let micros = micros.max(1);
    let octave = micros.ilog2();
    let quarter = if octave >= 2 { (micros >> (octave - 2)) & 3 } else { (micros << (2 - octave)) & 3 };
    usize::try_from(octave.saturating_mul(4).saturating_add(quarter)).unwrap_or(usize::MAX).min(STEPS - 1)
}

/// The upper end of a step.
fn end_of(step: usize) -> u64 {
    let (octave, quarter) = (step / 4, step % 4);
    let end = (1_u64 << octave).saturating_mul(u64::try_from(quarter).unwrap_or(0).saturating_add(5)) / 4;
    end.max(1)
}

/// The time that this share (in per cent) was not longer than.
pub(super) fn quantile(sum: &[u64; STEPS], percent: u64) -> Option<u64> {
    let total: u64 = sum.iter().sum();
    if total == 0 {
        return None;
    }
    let wanted = total.saturating_mul(percent).div_ceil(100).max(1);
    let mut seen = 0_u64;
    for (step, count) in sum.iter().enumerate() {
        seen = seen.saturating_add(*count);
        if seen >= wanted {
            return Some(end_of(step));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_its_step() {
        for micros in (1..5000).chain([10_000, 65_535, 65_536, 1_000_000, 60_000_000, 268_435_455]) {
            let step = step_of(micros);
            assert!(u64::from(micros) <= end_of(step), "{micros} in step {step} up to {}", end_of(step));
            assert!(step < 8 || u64::from(micros) * 100 >= end_of(step - 1) * 99, "{micros} in step {step}");
        }
    }

    #[test]
    fn a_quantile_is_found_within_a_fifth() {
        let mut times = Times::default();
        (1..=1000).for_each(|micros| times.count(micros * 10));
        let mut sum = [0; STEPS];
        times.add_to(&mut sum);
        let (p50, p99) = (quantile(&sum, 50).unwrap(), quantile(&sum, 99).unwrap());
        assert!((5000..6250).contains(&p50), "{p50}");
        assert!((9900..12_400).contains(&p99), "{p99}");
    }
}
