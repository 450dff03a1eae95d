//! Warnings: a request, or what comes of it, that few expect.

use std::fmt;

/// Something about a request that its author may not expect. Nothing is wrong with it for moby.
///
/// ```
/// use image_prune::{Now, PruneRequest, Semantics};
///
/// let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
/// let request = PruneRequest::parse(r#"{"dangling":[]}"#, &Semantics::MOBY_20_10, now)?;
/// let warnings = request.warnings();
/// assert_eq!(warnings[0].kind.as_str(), "empty-dangling");
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// What it is about; its text is stable.
    pub kind: WarningKind,
    /// What it means here, for a person.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// The kinds of [`Warning`], with the rules behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WarningKind {
    /// `dangling` without values: all images are pruned, not only dangling ones (F-8).
    EmptyDangling,
    /// `dangling` says yes and no: no wins, and all images are pruned (F-8).
    ContradictoryDangling,
    /// `dangling` has a value that nobody reads, next to one that counts (F-8).
    IgnoredDanglingValue,
    /// Several `label`: an image has to have all of them, though docker's manual says one (L-3).
    SeveralLabels,
    /// Several values for one `label`: no image with a config can have them all (L-3).
    ContradictoryLabels,
    /// Several `label!`: only an image that has all of them is kept (L-3).
    SeveralNegatedLabels,
    /// Several values for one `label!`: no image has them all, so that none is kept (L-3).
    ContradictoryNegatedLabels,
    /// `label` without values: filters nothing (L-5).
    EmptyLabel,
    /// `label!` without values: keeps every image that has a config (L-5).
    EmptyNegatedLabel,
    /// `*`, `?` or `[` in a label: compared as it stands (F-6).
    LabelGlob,
    /// A label filter lets every image without a `config` object pass (L-1).
    ImagesWithoutConfig,
    /// A value flagged `false` filters as if it were `true` (F-10).
    FalseFlag,
    /// `until` in the future: as if it were absent, for images that are not of the future (T-11).
    UntilInFuture,
    /// `until` is Go's zero time: the filter is off (T-11).
    UntilOff,
    /// `until` before year 1: keeps every image (T-11).
    UntilBeforeYearOne,
    /// `until` looks like a date and is Unix seconds (T-7).
    UntilLooksLikeDate,
    /// Parents that go with their children are not held against the filters (L-6).
    UnfilteredParents,
    /// An image in use loses references, and keeps its last ones (P-12).
    InUseIsUntagged,
    /// An image with children loses its references, and stays without a name (P-12).
    ParentIsUntagged,
    /// An image with digest references alone counts as dangling (P-5, P-12).
    DigestOnlyIsDangling,
    /// An image with digest references alone goes in the next run: its child goes in this one (P-12).
    NeedsAnotherRun,
    /// Other versions read `until` otherwise, so that they refuse it, or an image fares otherwise there: those before
    /// 29.4 cut a duration's limit to the second (T-3, T-7).
    UntilReadOtherwise,
    /// In the containerd store, `until` looks at when a name was made there, not at the age of the image (N-9, Q-2).
    UntilIsOfNames,
    /// In the containerd store, a name goes under `until` although it was pulled anew since then (N-9).
    FreshNameGoes,
    /// In the containerd store, several `label!` keep images that have one of them (Q-3).
    NegatedLabelsAreNeither,
    /// In the containerd store, bytes that an image reaches twice count twice as reclaimed (Q-10).
    SharedBytesCountTwice,
    /// In the containerd store, a container was made under a name that is gone, or is another image's by now: its own
    /// image is not protected by it (C-4).
    NameProtectsNothing,
    /// In the containerd store, an image that a container was made from loses its content (Q-16).
    UsedImageLosesContent,
    /// In the containerd store, an image in which something does not decode stays for ever (Q-8.2).
    NeverPruned,
    /// In the containerd store, a prune with such an image is an error, and hides what it deleted (Q-12).
    ErrorHidesReport,
    /// In the containerd store, every prune takes leases away that pulls, loads and builds may rely on (Q-5).
    LeaseOfRunningPull,
    /// In the containerd store, a deletion takes other names along, or leaves some behind (X-4, X-7).
    OtherNames,
}

impl WarningKind {
    /// The stable name, in kebab case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmptyDangling => "empty-dangling",
            Self::ContradictoryDangling => "contradictory-dangling",
            Self::IgnoredDanglingValue => "ignored-dangling-value",
            Self::SeveralLabels => "several-labels",
            Self::ContradictoryLabels => "contradictory-labels",
            Self::SeveralNegatedLabels => "several-negated-labels",
            Self::ContradictoryNegatedLabels => "contradictory-negated-labels",
            Self::EmptyLabel => "empty-label",
            Self::EmptyNegatedLabel => "empty-negated-label",
            Self::LabelGlob => "label-glob",
            Self::ImagesWithoutConfig => "images-without-config",
            Self::FalseFlag => "false-flag",
            Self::UntilInFuture => "until-in-future",
            Self::UntilOff => "until-off",
            Self::UntilBeforeYearOne => "until-before-year-one",
            Self::UntilLooksLikeDate => "until-looks-like-date",
            Self::UnfilteredParents => "unfiltered-parents",
            Self::InUseIsUntagged => "in-use-is-untagged",
            Self::ParentIsUntagged => "parent-is-untagged",
            Self::DigestOnlyIsDangling => "digest-only-is-dangling",
            Self::NeedsAnotherRun => "needs-another-run",
            Self::UntilReadOtherwise => "until-read-otherwise",
            Self::UntilIsOfNames => "until-is-of-names",
            Self::FreshNameGoes => "fresh-name-goes",
            Self::NegatedLabelsAreNeither => "negated-labels-are-neither",
            Self::SharedBytesCountTwice => "shared-bytes-count-twice",
            Self::NameProtectsNothing => "name-protects-nothing",
            Self::UsedImageLosesContent => "used-image-loses-content",
            Self::NeverPruned => "never-pruned",
            Self::ErrorHidesReport => "error-hides-report",
            Self::LeaseOfRunningPull => "lease-of-running-pull",
            Self::OtherNames => "other-names",
        }
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
