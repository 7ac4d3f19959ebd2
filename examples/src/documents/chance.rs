//! Chance from a seed, and names that look random: the same everywhere for the same seed and label.

use sha2::{Digest as _, Sha256};

/// SplitMix64, begun from a seed and a label.
#[derive(Clone, Debug)]
pub struct Chance(u64);

fn digest(seed: u64, label: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"gridpass-examples/1");
    hash.update(seed.to_be_bytes());
    hash.update(label.as_bytes());
    hash.finalize().into()
}

impl Chance {
    /// For one purpose: another label gives other numbers.
    #[must_use]
    pub fn new(seed: u64, label: &str) -> Self {
        let bytes = digest(seed, label);
        Self(bytes.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: u32) -> u32 {
        let number = self.next().checked_rem(u64::from(end)).unwrap_or_default();
        u32::try_from(number).unwrap_or_default()
    }

    /// An amount, more or less: from 100 − `percent` to 100 + `percent` percent of it.
    pub fn about(&mut self, amount: i64, percent: u32) -> i64 {
        let percent = percent.min(100);
        let of = i64::from(100_u32.saturating_sub(percent));
        let more = i64::from(self.below(percent.saturating_mul(2).saturating_add(1)));
        amount.saturating_mul(of.saturating_add(more)) / 100
    }
}

/// A UUID (RFC 9562, version 8: made by a rule of our own) for a seed and a label.
#[must_use]
pub fn uuid(seed: u64, label: &str) -> String {
    let bytes = digest(seed, label);
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().take(16).enumerate() {
        let byte = match at {
            6 => (byte & 0x0f) | 0x80,
            8 => (byte & 0x3f) | 0x80,
            _ => *byte,
        };
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.extend(
            [byte >> 4, byte & 0x0f]
                .map(|half| char::from_digit(u32::from(half), 16).unwrap_or('0')),
        );
    }
    text
}
