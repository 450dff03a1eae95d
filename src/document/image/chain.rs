//! Chains of layers, and the memory of those that many images share.

use crate::base::digest::{ChainId, DiffId, Digest};

/// Folds diff IDs into chain IDs. Most images stand on a base that others have, too: what was computed lately is
/// not computed again.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    /// Each pair of a chain and a diff ID has one slot, where the latest pair stays. No slots, no memory.
    slots: Vec<Option<Link>>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    parent: ChainId,
    diff: DiffId,
    chain: ChainId,
}

impl Chains {
    /// Remembers as many layers as fit well into a processor's cache.
    pub(crate) fn remembered() -> Self {
        Self { slots: vec![None; 1024] }
    }

    /// The chain of these layers, base first: moby folds over text, whatever it is (Y-1, I-5). None without
    /// a layer, the text of the chain where it is no chain ID.
    pub(super) fn fold<'a>(
        &mut self,
        diff_ids: impl Iterator<Item = &'a str>,
    ) -> Result<Option<ChainId>, Box<str>> {
        let mut diff_ids = diff_ids.skip_while(|diff_id| diff_id.is_empty());
        let Some(base) = diff_ids.next() else { return Ok(None) };
        let mut chain: Result<ChainId, Box<str>> = base.parse().map_err(|_| base.into());
        for diff_id in diff_ids {
            chain = Ok(match (chain, diff_id.parse().map(Digest::into)) {
                (Ok(parent), Ok(diff)) => self.on(parent, diff),
                (Ok(parent), Err(_)) => Digest::of(format!("{parent} {diff_id}").as_bytes()).into(),
                (Err(odd), _) => Digest::of(format!("{odd} {diff_id}").as_bytes()).into(),
            });
        }
        chain.map(Some)
    }

    fn on(&mut self, parent: ChainId, diff: DiffId) -> ChainId {
        let ([first, ..], [second, ..]) = (parent.digest().words(), diff.digest().words());
        let place = usize::try_from((first ^ second) % 1024).unwrap_or(0);
        let Some(slot) = self.slots.get_mut(place) else { return ChainId::on(Some(parent), diff) };
        match slot {
            Some(link) if (link.parent, link.diff) == (parent, diff) => link.chain,
            _ => slot.insert(Link { parent, diff, chain: ChainId::on(Some(parent), diff) }).chain,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn what_is_remembered_is_what_is_computed() {
        let mut chains = Chains::remembered();
        // More layers than there are slots, and each chain twice.
        for round in [0, 1, 0, 1] {
            for image in 0..1500_u32 {
                let name = |layer: u32| match layer {
                    0..5 => format!("base {} {layer}", image % 16),
                    _ => format!("own {} {layer}", image + round),
                };
                let diffs: Vec<_> =
                    (0..7).map(|layer| Digest::of(name(layer).as_bytes()).to_string()).collect();
                let diffs = || diffs.iter().map(String::as_str);
                let chain = chains.fold(diffs()).unwrap();
                assert!(chain.is_some());
                assert_eq!(chain, Chains::default().fold(diffs()).unwrap());
            }
        }
    }

    #[test]
    fn folds_over_odd_texts() {
        let digest = Digest::of(b"x");
        let text = digest.to_string();
        let folded = |texts: &[&str]| Chains::remembered().fold(texts.iter().copied());
        assert_eq!(folded(&[]), Ok(None));
        assert_eq!(folded(&["", ""]), Ok(None));
        assert_eq!(folded(&["", &text]), Ok(Some(digest.into())));
        assert_eq!(folded(&["odd"]), Err("odd".into()));
        let on = |below: &str, above: &str| Digest::of(format!("{below} {above}").as_bytes());
        assert_eq!(folded(&["odd", &text]), Ok(Some(on("odd", &text).into())));
        let twice = on(&on(&text, "").to_string(), "odd");
        assert_eq!(folded(&[&text, "", "odd"]), Ok(Some(twice.into())));
    }
}
