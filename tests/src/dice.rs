//! Chance from a seed: the same everywhere, and enough for tests and simulations.

/// SplitMix64.
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From the environment's `GRIDPASS_CRASH_SEED`, or a new seed; printed, so that a failure can
    /// be repeated.
    #[must_use]
    #[allow(clippy::print_stdout)] // it is what a failing test shows
    pub fn printed() -> Self {
        let given = std::env::var("GRIDPASS_CRASH_SEED").ok().and_then(|s| s.parse().ok());
        let seed = given.unwrap_or_else(|| {
            use getrandom::rand_core::Rng as _;
            getrandom::rand_core::UnwrapErr(getrandom::SysRng).next_u64()
        });
        println!("GRIDPASS_CRASH_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}
