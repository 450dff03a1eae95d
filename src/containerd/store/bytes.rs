//! Which documents a store in memory keeps.

/// Which bytes of blobs stores keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bytes {
    /// All that the description has.
    #[default]
    All,
    /// Those of manifests, indexes and configs, and of what a walk may trip over: no layers.
    Json,
    /// Those alone that do not decode. Prunes, and deletions by name, work all the same; nothing else does that
    /// reads content, such as the list.
    None,
}

impl Bytes {
    /// Whether bytes are kept that are known to decode, or not.
    pub(super) fn keep(self, raw: &[u8], is_decoded: bool) -> bool {
        let looks_like_json = raw.first() == Some(&b'{');
        match self {
            Self::All => true,
            Self::Json => looks_like_json,
            Self::None => looks_like_json && !is_decoded,
        }
    }
}
