//! Hashing digests: fast, since they are uniform, and keyed, since those of a state file may have been chosen
//! to collide.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The key of a hash, another one in each map.
#[derive(Debug, Clone)]
pub(crate) struct DigestState([u64; 4]);

impl DigestState {
    pub(crate) fn hash(&self, words: [u64; 4]) -> u64 {
        let [first, second, third, fourth] = std::array::from_fn(|place| {
            let (word, secret) = (words.get(place), self.0.get(place));
            word.copied().unwrap_or(0) ^ secret.copied().unwrap_or(0)
        });
        folded_multiply(first, second) ^ folded_multiply(third, fourth)
    }
}

impl Default for DigestState {
    fn default() -> Self {
        let random = RandomState::new();
        Self([0, 1, 2, 3].map(|number: u64| random.hash_one(number)))
    }
}

impl BuildHasher for DigestState {
    type Hasher = DigestHasher;

    fn build_hasher(&self) -> DigestHasher {
        DigestHasher { state: self.0, next: 0, hash: 0 }
    }
}

/// Hashes one digest, which comes in four words.
#[derive(Debug)]
pub(crate) struct DigestHasher {
    state: [u64; 4],
    next: usize,
    hash: u64,
}

impl Hasher for DigestHasher {
    fn write_u64(&mut self, word: u64) {
        let secret = self.state.get(self.next % 4).copied().unwrap_or(0);
        self.next += 1;
        self.hash = folded_multiply(self.hash ^ word ^ secret, secret | 1);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

#[expect(clippy::cast_possible_truncation, reason = "both halves of the product are used")]
fn folded_multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
