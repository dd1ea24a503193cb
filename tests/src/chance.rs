//! Choices that look like chance and are the same on every run, so that a failing case can be run again.

/// The generator of George Marsaglia's "Xorshift RNGs" (2003), enough to choose test cases by.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The same choices for the same seed, which may be any number but zero.
    #[must_use]
    pub fn new(seed: u64) -> Chance {
        assert_ne!(seed, 0, "zero would stay zero");
        Chance(seed)
    }

    /// A number from 0 to `bound - 1`.
    ///
    /// # Panics
    /// If `bound` is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("smaller than the bound")
    }

    /// One of them.
    ///
    /// # Panics
    /// If there is none.
    pub fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// One of them.
    ///
    /// # Panics
    /// If there is none.
    pub fn item<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// True once in `many` times.
    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}
