//! The profiles: each is the one before it, and what its release changed.

use super::{BadFilterText, GoTime, Semantics, Unicode};
use crate::base::error::ErrorClass;

impl Semantics {
    /// moby v20.10.24.
    pub const MOBY_20_10: Self = Self {
        name: "moby-20.10",
        version: "20.10.24",
        bad_filter_class: ErrorClass::System,
        history_error_class: ErrorClass::System,
        bad_filter_text: BadFilterText::Json,
        invalid_filter_prefix: "Invalid filter",
        empty_key_is_bare: false,
        strict_dangling: false,
        until_error_class: ErrorClass::System,
        container_until_error_class: ErrorClass::System,
        until_error_prefix: "",
        blank_until_is_empty: false,
        durations_keep_nanos: false,
        unix_seconds_are_text: false,
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
        empty_build_cache_is_a_list: false,
        zero_builder_size_is_omitted: false,
        zero_layers_size_is_omitted: false,
        usage_omits_other_types: false,
        usage_objects_since: None,
        legacy_event_fields_until: None,
        json_lines_since: None,
        event_time_errors_name_parameter: false,
        reference_filter_matches_canonical: false,
        inspect_keys_are_sorted: false,
        inspect_omits_empty_since: None,
        empty_network_until_is_none: false,
        prune_api_minimum: None,
        api_versions: (12, 41),
        image_list_takes_until: false,
        inspect_errors_are_prefixed: true,
        tag_error_class: ErrorClass::System,
        empty_tag_is_ignored: false,
        save_error_class: ErrorClass::InvalidParameter,
        volume_prune_takes_all: false,
        build_prune_error_prefix: "",
        container_filter_errors_are_named: false,
        empty_config_error: "Config cannot be empty in order to create a container",
        import_takes_platform: false,
        host_settings_beside_config: true,
        container_defaults_are_told: false,
        containerd: None,
    };

    /// moby v23.0.18, which is built with Go 1.23.
    pub const MOBY_23_0: Self = Self {
        name: "moby-23.0",
        version: "23.0.18",
        bad_filter_class: ErrorClass::InvalidParameter,
        history_error_class: ErrorClass::InvalidParameter,
        bad_filter_text: BadFilterText::PrefixedJson,
        invalid_filter_prefix: "invalid filter",
        go_time: GoTime::Go1_23,
        unicode: Unicode::V15,
        os_is_checked_on_delete: false,
        shared_size_over_all_images: true,
        concurrent_usage_is_refused: false,
        zero_builder_size_is_omitted: true,
        api_versions: (12, 42),
        inspect_errors_are_prefixed: false,
        volume_prune_takes_all: true,
        ..Self::MOBY_20_10
    };

    /// moby v24.0.9, which is built with Go 1.20.
    pub const MOBY_24_0: Self = Self {
        name: "moby-24.0",
        version: "24.0.9",
        bad_filter_text: BadFilterText::Short,
        empty_key_is_bare: true,
        strict_dangling: true,
        container_until_error_class: ErrorClass::InvalidParameter,
        go_time: GoTime::Go1_20,
        unicode: Unicode::V13,
        new_tag_conflict_texts: true,
        unreferenced_tags_are_null: true,
        empty_build_cache_is_a_list: true,
        api_versions: (12, 43),
        tag_error_class: ErrorClass::InvalidParameter,
        empty_tag_is_ignored: true,
        ..Self::MOBY_23_0
    };

    /// moby v25.0.17, which is built with Go 1.26.
    pub const MOBY_25_0: Self = Self {
        name: "moby-25.0",
        version: "25.0.17",
        go_time: GoTime::Go1_23,
        unicode: Unicode::V15,
        created_is_optional: true,
        null_clears_created: true,
        ipv6_hosts: true,
        upper_case_is_domain: true,
        lower_case_error_names_remainder: true,
        api_versions: (24, 44),
        image_list_takes_until: true,
        container_filter_errors_are_named: true,
        ..Self::MOBY_24_0
    };

    /// moby v26.1.5, built with Go 1.24 as Debian does. Docker's own is built with Go 1.21: [`GoTime::Go1_20`].
    pub const MOBY_26_1: Self =
        Self { name: "moby-26.1", version: "26.1.5", api_versions: (24, 45), ..Self::MOBY_25_0 };

    /// moby v27.5.1, which is built with Go 1.22.
    pub const MOBY_27_5: Self = Self {
        name: "moby-27.5",
        version: "27.5.1",
        go_time: GoTime::Go1_20,
        name_limit_is_for_path: true,
        api_versions: (24, 47),
        ..Self::MOBY_26_1
    };

    /// moby v28.5.2.
    pub const MOBY_28_5: Self = Self {
        name: "moby-28.5",
        version: "28.5.2",
        go_time: GoTime::Go1_23,
        image_mounts_are_use: true,
        api_versions: (24, 51),
        save_error_class: ErrorClass::System,
        build_prune_error_prefix: "failed to prune build cache: ",
        empty_config_error: "config cannot be empty in order to create a container",
        import_takes_platform: true,
        host_settings_beside_config: false,
        container_defaults_are_told: true,
        ..Self::MOBY_27_5
    };

    /// moby v29.0 and v29.1: another API, `until` as in 28.5.
    pub const MOBY_29_0: Self = Self {
        name: "moby-29.0",
        version: "29.1.5",
        zero_layers_size_is_omitted: true,
        usage_omits_other_types: true,
        usage_objects_since: Some(52),
        legacy_event_fields_until: Some(52),
        inspect_keys_are_sorted: true,
        inspect_omits_empty_since: Some(52),
        empty_network_until_is_none: true,
        prune_api_minimum: Some(25),
        api_versions: (44, 52),
        ..Self::MOBY_28_5
    };

    /// moby v29.2.
    pub const MOBY_29_2: Self =
        Self { name: "moby-29.2", version: "29.2.1", api_versions: (44, 53), ..Self::MOBY_29_0 };

    /// moby v29.3.
    pub const MOBY_29_3: Self = Self {
        name: "moby-29.3",
        version: "29.3.1",
        json_lines_since: Some(52),
        api_versions: (40, 54),
        ..Self::MOBY_29_2
    };

    /// moby v29.4: `until` read anew.
    pub const MOBY_29_4: Self = Self {
        name: "moby-29.4",
        version: "29.4.3",
        until_error_class: ErrorClass::InvalidParameter,
        until_error_prefix: "invalid value for 'until' filter: ",
        blank_until_is_empty: true,
        durations_keep_nanos: true,
        unix_seconds_are_text: true,
        event_time_errors_name_parameter: true,
        ..Self::MOBY_29_3
    };

    /// moby v29.5.
    pub const MOBY_29_5: Self = Self {
        name: "moby-29.5",
        version: "29.5.3",
        reference_filter_matches_canonical: true,
        ..Self::MOBY_29_4
    };

    /// moby v29.6 and later: the branch of 29 as of v29.7.2.
    pub const MOBY_29: Self =
        Self { name: "moby-29", version: "29.7.2", api_versions: (40, 55), ..Self::MOBY_29_5 };

    /// The same version, with `until` read as `other` reads it.
    pub(crate) const fn with_until_of(self, other: &Self) -> Self {
        Self {
            until_error_class: other.until_error_class,
            until_error_prefix: other.until_error_prefix,
            blank_until_is_empty: other.blank_until_is_empty,
            durations_keep_nanos: other.durations_keep_nanos,
            unix_seconds_are_text: other.unix_seconds_are_text,
            ..self
        }
    }
}
