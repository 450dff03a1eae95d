//! The named differences between moby's versions.

use std::fmt;
use std::str::FromStr;

use crate::base::error::{Error, ErrorClass};

mod containerd;
mod profiles;
mod releases;

pub use containerd::Containerd;
pub use releases::{Evidence, Release};

/// Which Go release's `time` package reads dates (T-6). Later releases have every rule of earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum GoTime {
    /// Go 1.19: no range check of zones, at most nine digits of a fraction where the layout has one.
    Go1_19,
    /// Go 1.20 to 1.22: two digits in both fields of a zone, any number of digits in a fraction, two digits of seconds
    /// required, and errors that show the rest in front of the field.
    Go1_20,
    /// Go 1.23 and later: zones of more than 24 hours or 60 minutes are out of range.
    Go1_23,
}

/// Which edition of Unicode decides what `%q` prints as it is (T-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unicode {
    /// Unicode 13, of Go up to 1.20.
    V13,
    /// Unicode 15, of Go 1.21 and later.
    V15,
}

/// The text of a JSON error in `filters` (F-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadFilterText {
    /// Go's text, until 20.10.
    Json,
    /// `invalid filter: ` and Go's text, in 23.0.
    PrefixedJson,
    /// `invalid filter`, since 24.0.
    Short,
}

/// How one version of moby behaves where versions differ. One field a difference, each named in
/// [`Semantics::RELEASES`] has the profile of every release.
///
/// Versions of the API are minor numbers of version 1: 52 is `1.52`.
///
/// ```
/// use image_prune::Semantics;
///
/// assert_eq!(Semantics::default(), Semantics::MOBY_20_10);
/// assert_eq!("moby-28.5".parse(), Ok(Semantics::MOBY_28_5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent difference of the table")]
pub struct Semantics {
    /// The name of the profile, as state files and vectors write it.
    pub name: &'static str,
    /// The release of moby that was run or read, and that a daemon in memory says it is.
    pub version: &'static str,
    /// The class of a JSON error in `filters` (F-1).
    pub bad_filter_class: ErrorClass,
    /// The class of the error about a history with too many layers (I-3).
    pub history_error_class: ErrorClass,
    /// The text of a JSON error in `filters` (F-1).
    pub bad_filter_text: BadFilterText,
    /// `Invalid filter` or `invalid filter` (F-2, F-8).
    pub invalid_filter_prefix: &'static str,
    /// An unknown empty key gives the prefix alone (F-2).
    pub empty_key_is_bare: bool,
    /// An empty set, a contradiction or neither is an error; flags decide (F-8).
    pub strict_dangling: bool,
    /// The class of every error about `until`, in prunes and lists of images (T-1, H-9).
    pub until_error_class: ErrorClass,
    /// The class of the same errors in prunes of containers and networks (H-9).
    pub container_until_error_class: ErrorClass,
    /// The text in front of errors about the value of `until`, in prunes and lists of images (T-1, H-9).
    pub until_error_prefix: &'static str,
    /// An `until` of white space is refused as empty, before anything else is tried (T-9).
    pub blank_until_is_empty: bool,
    /// An `until` that is a duration keeps the nanoseconds of the clock and its own (T-3).
    pub durations_keep_nanos: bool,
    /// Unix seconds are read as text, with causes of failure and at most 20 bytes of a fraction, not through a float
    /// (T-7).
    pub unix_seconds_are_text: bool,
    /// The rules of T-6.
    pub go_time: GoTime,
    /// The table of `%q` (T-2).
    pub unicode: Unicode,
    /// An image without `created` is kept under `until` and listed as `Created` 0 (T-11, U-3).
    pub created_is_optional: bool,
    /// A repeated `"created": null` clears an earlier value (I-2).
    pub null_clears_created: bool,
    /// D-2 and I-10 refuse images of a foreign operating system.
    pub os_is_checked_on_delete: bool,
    /// `[::1]:5000/a` is a reference (R-1).
    pub ipv6_hosts: bool,
    /// A first element with an upper-case letter is a domain (R-2).
    pub upper_case_is_domain: bool,
    /// The lower-case error names the remainder (R-2).
    pub lower_case_error_names_remainder: bool,
    /// The limit of 255 bytes is for the path alone (R-1).
    pub name_limit_is_for_path: bool,
    /// The texts of R-7 since 24.0.
    pub new_tag_conflict_texts: bool,
    /// A container's image-type mount counts as use (D-5.1).
    pub image_mounts_are_use: bool,
    /// Layer references are counted over all images, intermediates included (U-4).
    pub shared_size_over_all_images: bool,
    /// Of two computations of the disk usage at once the second is refused (U-1).
    pub concurrent_usage_is_refused: bool,
    /// `RepoTags` and `RepoDigests` of an unreferenced image are null in disk usage (U-3).
    pub unreferenced_tags_are_null: bool,
    /// The build cache of disk usage is a list even if `BuildKit` has no record, instead of null (U-6).
    pub empty_build_cache_is_a_list: bool,
    /// `BuilderSize` is omitted when zero (U-6).
    pub zero_builder_size_is_omitted: bool,
    /// `LayersSize` is omitted when zero (U-6).
    pub zero_layers_size_is_omitted: bool,
    /// Disk usage of one `type` has no keys for the others, instead of null and 0 (U-6).
    pub usage_omits_other_types: bool,
    /// The API version from which disk usage has `ImageUsage` and its like, `None` where none has (U-6).
    pub usage_objects_since: Option<u16>,
    /// The API version from which events have no `status`, `id` and `from`, `None` where all have. Below it an event of
    /// an image or a container is an object with sorted keys, none of them omitted; where it is `None`, keys have the
    /// struct's order and are omitted when empty (E-1, E-2).
    pub legacy_event_fields_until: Option<u16>,
    /// The API version from which events are `application/jsonl`, `None` where none are (E-7).
    pub json_lines_since: Option<u16>,
    /// `since` and `until` of events are read as text, and errors about them name the parameter (E-7).
    pub event_time_errors_name_parameter: bool,
    /// The `reference` filter of a list of images matches canonical names, too.
    pub reference_filter_matches_canonical: bool,
    /// `GET /images/{name}/json` has its keys sorted.
    pub inspect_keys_are_sorted: bool,
    /// The API version from which `GET /images/{name}/json` leaves out what is empty, `None` where it never does.
    pub inspect_omits_empty_since: Option<u16>,
    /// A prune of networks takes an `until` without values for none, where others panic (T-12).
    pub empty_network_until_is_none: bool,
    /// The lowest API version of prunes, `None` where the daemon's own counts (H-2).
    pub prune_api_minimum: Option<u16>,
    /// The lowest and highest version of the API (H-2).
    pub api_versions: (u16, u16),
    /// A list of images takes the filter `until`.
    pub image_list_takes_until: bool,
    /// Errors of `GET /images/{name}/json` begin with `no such image: {name}: `.
    pub inspect_errors_are_prefixed: bool,
    /// The class of errors about the name that an image is to be tagged with.
    pub tag_error_class: ErrorClass,
    /// To tag an image with no repository does nothing.
    pub empty_tag_is_ignored: bool,
    /// The class of errors about the names of images that are to be saved.
    pub save_error_class: ErrorClass,
    /// A prune of volumes takes the filter `all`, and without it leaves volumes with a name since API 1.42.
    pub volume_prune_takes_all: bool,
    /// The text in front of errors about the filters of a prune of the build cache. Recorded on 28.5.
    pub build_prune_error_prefix: &'static str,
    /// Errors about the filters of a list of containers name the filter, and are 400 or 404.
    pub container_filter_errors_are_named: bool,
    /// The error of a container without a config. The newer one was recorded on 28.5.
    pub empty_config_error: &'static str,
    /// An import is for the `platform` that was asked for, instead of the daemon's. Recorded on 28.5.
    pub import_takes_platform: bool,
    /// Settings of the host are also read from beside a container's config, where it has no `HostConfig`. Recorded
    /// otherwise on 28.5.
    pub host_settings_beside_config: bool,
    /// Containers are told with the defaults and the fields of newer versions: the network `bridge`, the restart policy
    /// `no`, the runtime `runc`, `DNSNames`, and no kernel memory. Recorded on 28.5.
    pub container_defaults_are_told: bool,
    /// The differences of the containerd image store; `None` for the classic one.
    pub containerd: Option<Containerd>,
}

impl Default for Semantics {
    fn default() -> Self {
        Self::MOBY_20_10
    }
}

impl fmt::Display for Semantics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl FromStr for Semantics {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let all = Self::ALL.into_iter().chain(Self::ALL_CONTAINERD);
        all.clone().find(|semantics| semantics.name == name).ok_or_else(|| {
            let known = all.map(|semantics| semantics.name).collect::<Vec<_>>().join(", ");
            Error::invalid_parameter(format!("unknown semantics `{name}`; known: {known}"))
        })
    }
}
