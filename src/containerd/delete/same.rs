//! Which records one name stands for.

use std::sync::Arc;

use super::super::image::Image;
use crate::document::reference::Reference;
use crate::semantics::Semantics;

/// The records among `all` that go with `named`; without a name, with the first record that has one.
pub(super) fn same(named: Option<&Reference>, all: &[Arc<Image>], semantics: &Semantics) -> Vec<Arc<Image>> {
    let mut named = named.cloned();
    let every_tag = named.as_ref().is_some_and(|named| named.is_canonical() && named.tag().is_none());
    let mut tag = named.as_ref().and_then(Reference::tag).map(str::to_owned);
    let (mut same, mut untagged) = (Vec::new(), Some(Vec::new()));
    for image in all {
        let reference = if image.is_dangling() { None } else { image.reference(semantics) };
        let Some(reference) = reference else {
            same.push(Arc::clone(image));
            continue;
        };
        match &named {
            None => {
                tag = reference.tag().map(str::to_owned);
                named = Some(reference);
            }
            Some(named) if named.name() != reference.name() => continue,
            Some(_) if every_tag => {}
            Some(_) => match (reference.tag(), &tag) {
                (None, _) => {
                    if let Some(untagged) = &mut untagged {
                        untagged.push(Arc::clone(image));
                    }
                    continue;
                }
                (Some(found), None) => tag = Some(found.to_owned()),
                (Some(found), Some(tag)) if found == tag => {}
                (Some(_), Some(_)) => {
                    // Another tag of the repository needs its digests, too.
                    untagged = None;
                    continue;
                }
            },
        }
        same.push(Arc::clone(image));
    }
    same.extend(untagged.into_iter().flatten());
    same
}
