//! The named differences between moby's versions (SPEC.md section 13).

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorClass};

/// Which Go release's `time` package reads dates (SPEC.md T-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GoTime {
    /// Go 1.19: no range check of zones, at most nine digits of a fraction where the layout has one.
    Go1_19,
    /// Go 1.24: strict zones, any number of digits, two digits of seconds required.
    Go1_24,
}

/// Which edition of Unicode decides what `%q` prints as it is (SPEC.md T-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unicode {
    /// Unicode 13, of Go 1.19.
    V13,
    /// Unicode 15, of Go 1.24.
    V15,
}

/// How one version of moby behaves where versions differ. One field a difference, each named in
/// SPEC.md section 13.
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
    /// The class of a JSON error in `filters` (F-1).
    pub bad_filter_class: ErrorClass,
    /// A JSON error is just `invalid filter` instead of Go's text (F-1).
    pub bad_filter_text_is_short: bool,
    /// `Invalid filter` or `invalid filter` (F-2, F-8).
    pub invalid_filter_prefix: &'static str,
    /// An unknown empty key gives the prefix alone (F-2).
    pub empty_key_is_bare: bool,
    /// An empty set, a contradiction or neither is an error; flags decide (F-8).
    pub strict_dangling: bool,
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
    /// `BuilderSize` is omitted when zero (U-6).
    pub zero_builder_size_is_omitted: bool,
    /// The lowest and highest version of the API, as minor numbers of version 1 (H-2).
    pub api_versions: (u16, u16),
}

impl Semantics {
    /// moby v20.10.24.
    pub const MOBY_20_10: Self = Self {
        name: "moby-20.10",
        bad_filter_class: ErrorClass::System,
        bad_filter_text_is_short: false,
        invalid_filter_prefix: "Invalid filter",
        empty_key_is_bare: false,
        strict_dangling: false,
        go_time: GoTime::Go1_19,
        unicode: Unicode::V13,
        created_is_optional: false,
        null_clears_created: false,
        os_is_checked_on_delete: true,
        ipv6_hosts: false,
        upper_case_is_domain: false,
        lower_case_error_names_remainder: false,
        name_limit_is_for_path: false,
        new_tag_conflict_texts: false,
        image_mounts_are_use: false,
        shared_size_over_all_images: false,
        concurrent_usage_is_refused: true,
        unreferenced_tags_are_null: false,
        zero_builder_size_is_omitted: false,
        api_versions: (12, 41),
    };

    /// moby v26.1.5.
    pub const MOBY_26_1: Self = Self {
        name: "moby-26.1",
        bad_filter_class: ErrorClass::InvalidParameter,
        bad_filter_text_is_short: true,
        invalid_filter_prefix: "invalid filter",
        empty_key_is_bare: true,
        strict_dangling: true,
        go_time: GoTime::Go1_24,
        unicode: Unicode::V15,
        created_is_optional: true,
        null_clears_created: true,
        os_is_checked_on_delete: false,
        ipv6_hosts: true,
        upper_case_is_domain: true,
        lower_case_error_names_remainder: true,
        name_limit_is_for_path: false,
        new_tag_conflict_texts: true,
        image_mounts_are_use: false,
        shared_size_over_all_images: true,
        concurrent_usage_is_refused: false,
        unreferenced_tags_are_null: true,
        zero_builder_size_is_omitted: true,
        api_versions: (24, 45),
    };

    /// moby v28.5.2.
    pub const MOBY_28_5: Self = Self {
        name: "moby-28.5",
        name_limit_is_for_path: true,
        image_mounts_are_use: true,
        api_versions: (24, 51),
        ..Self::MOBY_26_1
    };

    /// Every profile, oldest first.
    pub const ALL: [Self; 3] = [Self::MOBY_20_10, Self::MOBY_26_1, Self::MOBY_28_5];
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
        Self::ALL.into_iter().find(|semantics| semantics.name == name).ok_or_else(|| {
            let known = Self::ALL.map(|semantics| semantics.name).join(", ");
            Error::invalid_parameter(format!("unknown semantics `{name}`; known: {known}"))
        })
    }
}
