//! What the same filters do in versions that read `until` otherwise (T-3, T-7: since 29.4).

use super::{ImagePlan, Verdict};
use crate::api::request::PruneRequest;
use crate::api::warning::{Warning, WarningKind};
use crate::base::error::Result;
use crate::graph::select::Order;
use crate::graph::store::{ContainerStore, ImageStore, LayerStore, ReferenceStore, Stores};
use crate::semantics::Semantics;

/// A warning for each image that fares otherwise, or one where the filter is refused.
pub(super) fn of_until<I: ImageStore, R: ReferenceStore, L: LayerStore, C: ContainerStore>(
    stores: &Stores<I, R, L, C>,
    request: &PruneRequest,
    semantics: &Semantics,
    order: &Order,
    images: &[ImagePlan],
) -> Result<Vec<Warning>> {
    let Some(value) = request.filters().get("until").next() else { return Ok(Vec::new()) };
    let (others, semantics) = if semantics.unix_seconds_are_text {
        ("moby before 29.4", semantics.with_until_of(&Semantics::MOBY_28_5))
    } else {
        ("moby 29.4 and later", semantics.with_until_of(&Semantics::MOBY_29))
    };
    let warning = |message| Warning { kind: WarningKind::UntilReadOtherwise, message };
    let other = match PruneRequest::from_filters(request.filters(), &semantics, request.now()) {
        Ok(other) => other,
        Err(error) => return Ok(vec![warning(format!("this filter is refused by {others}: {error}"))]),
    };
    let (Some(here), Some(there)) = (request.until(), other.until()) else { return Ok(Vec::new()) };
    let is_between = |image: &ImagePlan| {
        let created = stores.images.get(image.id).ok().and_then(|image| image.created());
        created.is_some_and(|created| (created > here) != (created > there))
    };
    // A second run costs as much as the first, and durations differ in their nanoseconds nearly always.
    if here == there || !images.iter().any(is_between) {
        return Ok(Vec::new());
    }
    let (_, _, others_images) = super::run(stores, &other, &semantics, order)?;
    let both = images.iter().zip(&others_images);
    let differing = both.filter(|(image, other)| image.verdict != other.verdict);
    Ok(differing
        .map(|(image, other)| {
            let (id, ours, theirs) = (image.id, word(image.verdict), word(other.verdict));
            warning(format!(
                "{id} is {ours} here, and {theirs} by {others}, where `until` {value:?} is {there} and not {here}"
            ))
        })
        .collect())
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Delete => "deleted",
        Verdict::Untag => "untagged",
        Verdict::Keep => "kept",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::go::time::{Now, Timestamp};
    use crate::graph::plan::plan;

    /// 2024-03-10T12:00:00.9Z
    const NOW: Now = Now { instant: Timestamp::new(1_710_072_000, 900_000_000), utc_offset_seconds: 0 };

    /// The warnings of this kind about an image created a day before, at this fraction of the second.
    fn warnings(fraction: &str, filters: &str, semantics: &Semantics) -> Vec<String> {
        let stores = Stores::new(semantics);
        let created = format!("2024-03-09T12:00:00.{fraction}Z");
        let config = format!(r#"{{"created":"{created}","rootfs":{{"type":"layers"}}}}"#);
        let id = stores.images.create(config).unwrap().to_string();
        let plan = plan(&stores, filters, semantics, NOW, &Order::ById).unwrap();
        let otherwise = plan.warnings.into_iter().filter(|one| one.kind == WarningKind::UntilReadOtherwise);
        otherwise.map(|warning| warning.message.replace(&id, "ID")).collect()
    }

    #[test]
    fn an_image_between_both_readings_is_warned_about() {
        let day = r#"{"until":["24h"]}"#;
        for semantics in Semantics::ALL {
            let is_new = semantics.durations_keep_nanos;
            // 300 ms before the limit to the nanosecond, 600 ms behind the limit to the second.
            let expected = if is_new {
                r#"ID is deleted here, and kept by moby before 29.4, where `until` "24h" is 2024-03-09T12:00:00Z and not 2024-03-09T12:00:00.9Z"#
            } else {
                r#"ID is kept here, and deleted by moby 29.4 and later, where `until` "24h" is 2024-03-09T12:00:00.9Z and not 2024-03-09T12:00:00Z"#
            };
            assert_eq!(warnings("6", day, &semantics), [expected], "{semantics}");
            for same in ["0", "90000001", "95"] {
                assert!(warnings(same, day, &semantics).is_empty(), "{semantics} {same}");
            }
            assert!(warnings("6", r#"{"until":["2024-03-09T12:00:00.3Z"]}"#, &semantics).is_empty());
            assert!(warnings("6", "", &semantics).is_empty());
        }
    }

    #[test]
    fn a_value_that_others_refuse_is_warned_about() {
        let (old, new) = (Semantics::MOBY_28_5, Semantics::MOBY_29);
        assert_eq!(
            warnings("0", r#"{"until":["1600000000.+5"]}"#, &old),
            [
                "this filter is refused by moby 29.4 and later: invalid value for 'until' filter: failed to parse value as \
                 time or duration: invalid nanoseconds: invalid character '+' at position 0"
            ]
        );
        assert_eq!(
            warnings("0", r#"{"until":["1600000000."]}"#, &new),
            [
                "this filter is refused by moby before 29.4: failed to parse value as time or duration: \"1600000000.\""
            ]
        );
    }

    #[test]
    fn an_image_that_stays_either_way_is_not() {
        let stores = Stores::new(&Semantics::MOBY_28_5);
        let config = r#"{"created":"2024-03-09T12:00:00.6Z","rootfs":{"type":"layers"}}"#;
        let id = stores.images.create(config).unwrap();
        let name = crate::document::reference::Reference::parse("a:1", &Semantics::MOBY_28_5).unwrap();
        stores.references.add_tag(name, id).unwrap();
        let dangling =
            plan(&stores, r#"{"until":["24h"]}"#, &Semantics::MOBY_28_5, NOW, &Order::ById).unwrap();
        assert_eq!(dangling.warnings, []);
        let all = r#"{"until":["24h"],"dangling":["false"]}"#;
        assert_eq!(plan(&stores, all, &Semantics::MOBY_28_5, NOW, &Order::ById).unwrap().warnings.len(), 1);
    }
}
