//! Hashing digests: fast, since they are uniform, and keyed, since those of a state file may have been chosen
//! to collide.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The key of a hash, another one in each map.
#[derive(Debug, Clone)]
pub(super) struct DigestState([u64; 4]);

impl DigestState {
    pub(super) fn hash(&self, [a, b, c, d]: [u64; 4]) -> u64 {
        let [p, q, r, s] = self.0;
        folded_multiply(a ^ p, b ^ q) ^ folded_multiply(c ^ r, d ^ s)
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
        DigestHasher { state: self.clone(), hash: 0 }
    }
}

/// Hashes one digest, which it is given whole.
#[derive(Debug)]
pub(super) struct DigestHasher {
    state: DigestState,
    hash: u64,
}

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(32) {
            let mut words = [self.hash, 0, 0, 0];
            for (word, bytes) in words.iter_mut().zip(chunk.chunks(8)) {
                let mut padded = [0; 8];
                padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                *word ^= u64::from_le_bytes(padded);
            }
            self.hash = self.state.hash(words);
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
