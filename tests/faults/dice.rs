//! Chance that can be repeated: a decision is drawn from the seed and from what it is about, never from when it is made.

/// A stream of numbers (`SplitMix64`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The dice of a run.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of their own for one subject, the same whatever else was thrown before.
    pub(crate) fn about(self, subject: &str, first: u64, second: u64) -> Self {
        let mut dice = self;
        for word in subject.bytes().map(u64::from).chain([first, second]) {
            dice = Self(dice.0 ^ word.wrapping_mul(0xd6e8_feb8_6659_fd93));
            dice = Self(dice.roll());
        }
        dice
    }

    /// The next number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    /// True so many times in a thousand.
    pub(crate) fn chance(&mut self, of_a_thousand: u64) -> bool {
        self.below(1000) < of_a_thousand
    }

    /// One of them.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    /// Puts them into another order.
    pub(crate) fn shuffle<T>(&mut self, deck: &mut [T]) {
        for last in (1..deck.len()).rev() {
            deck.swap(last, usize::try_from(self.below(last as u64 + 1)).unwrap());
        }
    }
}
