//! Every recorded reference, and laws over all of them.
#![allow(clippy::unwrap_used, reason = "test code")]

use image_prune::Reference;
use image_prune::replay::reference_row;

use crate::tables;

#[test]
fn references_name_what_moby_says() {
    tables::check("reference", &["value"], [12_000, 4_000, 4_000, 4_000], |row, semantics| {
        let value = row.get("value").unwrap().as_str().unwrap();
        if let Ok(reference) = Reference::parse(value, semantics) {
            for reference in [reference.clone(), reference.clone().tag_name_only(), reference.favor_digest()]
            {
                check_normalized(&reference, |text| Reference::parse(text, semantics).unwrap());
            }
        }
        reference_row(value, semantics)
    });
}

/// A normalized text parses to itself, part by part, and the familiar form is its tail.
fn check_normalized(reference: &Reference, parse: impl Fn(&str) -> Reference) {
    let again = parse(reference.as_str());
    assert_eq!(&again, reference);
    assert_eq!(again.domain(), reference.domain());
    assert_eq!(again.path(), reference.path());
    assert_eq!(again.tag(), reference.tag());
    assert_eq!(again.digest(), reference.digest());
    assert_eq!(again.familiar(), reference.familiar());
    assert!(reference.as_str().ends_with(reference.familiar()));
    assert!(reference.familiar().starts_with(reference.familiar_name()));
}
