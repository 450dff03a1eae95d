//! A shuffle that is the same for a seed for ever.

/// Fisher and Yates, over `SplitMix64`: the order for a seed must stay the same for ever, which a crate's
/// generator does not promise.
pub(crate) fn shuffle<T>(ids: &mut [T], seed: u64) {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    for last in (1..ids.len()).rev() {
        let choices = last as u64 + 1;
        if let Ok(chosen) = usize::try_from(next() % choices) {
            ids.swap(last, chosen);
        }
    }
}
