//! The named differences between versions of the containerd image store (the versions under each rule).

use super::Semantics;
use crate::base::error::{Error, ErrorClass};

/// How one version of moby, with the containerd that it ships, behaves where versions differ. What the containerd
/// store shares with the classic one is in [`Semantics`](super::Semantics).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent difference of the table")]
pub struct Containerd {
    /// `label!=k=v` holds for an image without the label `k`.
    pub absent_label_passes_negated_value: bool,
    /// Label filters skip attestation manifests.
    pub label_filters_skip_attestations: bool,
    /// The sizes of snapshots count as reclaimed.
    pub snapshots_are_reclaimed: bool,
    /// A config that does not decode keeps its image from being pruned.
    pub prune_decodes_configs: bool,
    /// Several errors are joined as a numbered list instead of lines.
    pub errors_are_a_list: bool,
    /// A blob that goes while content is walked is an error (B-3).
    pub vanished_blob_is_an_error: bool,
    /// The collector follows `containerd.io/gc.bref` labels (B-5).
    pub back_references: bool,
    /// Any key that begins with `containerd.io/gc.root` is a root, not the key alone (B-5).
    pub any_root_label: bool,
    /// A platform is listed only where its config decodes and all its layers are present (W-2).
    pub list_needs_whole_platform: bool,
    /// An image whose config has no labels is listed without any, instead of with an empty set (W-2).
    pub list_labels_may_be_null: bool,
    /// The shared size counts snapshots alone, and is 0 where none was asked for (W-3).
    pub shared_size_is_snapshots: bool,
    /// The disk usage counts every snapshot of the snapshotter (W-4).
    pub usage_counts_all_snapshots: bool,
}

impl Containerd {
    /// Several errors as one: the texts one behind the other, and the first class that is one.
    pub(crate) fn join<'a>(&self, errors: impl Iterator<Item = &'a Error> + Clone) -> Option<Error> {
        let texts: Vec<String> = errors.clone().map(ToString::to_string).collect();
        let class = errors.map(Error::class).find(|class| *class != ErrorClass::System);
        let text = match texts.len() {
            0 => return None,
            _ if !self.errors_are_a_list => texts.join("\n"),
            1 => format!("1 error occurred:\n\t* {}\n\n", texts.concat()),
            count => format!("{count} errors occurred:\n\t* {}\n\n", texts.join("\n\t* ")),
        };
        Some(Error::new(class.unwrap_or(ErrorClass::System), text))
    }

    /// moby v29.6 to v29.7.2 with containerd 2.3.
    pub const MOBY_29: Self = Self {
        absent_label_passes_negated_value: true,
        label_filters_skip_attestations: true,
        snapshots_are_reclaimed: true,
        prune_decodes_configs: true,
        errors_are_a_list: false,
        vanished_blob_is_an_error: false,
        back_references: true,
        any_root_label: true,
        list_needs_whole_platform: false,
        list_labels_may_be_null: false,
        shared_size_is_snapshots: false,
        usage_counts_all_snapshots: false,
    };

    /// moby v29.4.1 to v29.5.3 with containerd 2.2.
    pub const MOBY_29_5: Self =
        Self { snapshots_are_reclaimed: false, prune_decodes_configs: false, ..Self::MOBY_29 };

    /// moby v29.3 with containerd 2.2.
    pub const MOBY_29_3: Self = Self {
        absent_label_passes_negated_value: false,
        label_filters_skip_attestations: false,
        vanished_blob_is_an_error: true,
        ..Self::MOBY_29_5
    };

    /// moby v28.5.2 with containerd 2.1.
    pub const MOBY_28_5: Self = Self {
        errors_are_a_list: true,
        back_references: false,
        any_root_label: false,
        list_needs_whole_platform: true,
        list_labels_may_be_null: true,
        shared_size_is_snapshots: true,
        usage_counts_all_snapshots: true,
        ..Self::MOBY_29_3
    };
}

impl Semantics {
    /// moby v28.5.2 with the containerd image store.
    pub const MOBY_28_5_CONTAINERD: Self =
        Self { name: "moby-28.5-containerd", containerd: Some(Containerd::MOBY_28_5), ..Self::MOBY_28_5 };

    /// moby v29.3.1 with the containerd image store.
    pub const MOBY_29_3_CONTAINERD: Self =
        Self { name: "moby-29.3-containerd", containerd: Some(Containerd::MOBY_29_3), ..Self::MOBY_29_3 };

    /// moby v29.5.3 with the containerd image store.
    pub const MOBY_29_5_CONTAINERD: Self =
        Self { name: "moby-29.5-containerd", containerd: Some(Containerd::MOBY_29_5), ..Self::MOBY_29_5 };

    /// moby v29.6 to v29.7.2 with the containerd image store.
    pub const MOBY_29_CONTAINERD: Self =
        Self { name: "moby-29-containerd", containerd: Some(Containerd::MOBY_29), ..Self::MOBY_29 };

    /// Every profile of the containerd image store, oldest first.
    pub const ALL_CONTAINERD: [Self; 4] = [
        Self::MOBY_28_5_CONTAINERD,
        Self::MOBY_29_3_CONTAINERD,
        Self::MOBY_29_5_CONTAINERD,
        Self::MOBY_29_CONTAINERD,
    ];
}
