//! Every recorded `filters` value.
#![allow(clippy::unwrap_used, reason = "test code")]

use image_prune::replay::filters_row;

use crate::tables;

/// Messages of Go's JSON decoder included, though moby's next Go may word them in another way.
#[test]
fn filters_are_read_as_moby_does() {
    tables::check("filters", &["value"], [8_000, 3_000, 3_000, 3_000], |row, semantics| {
        filters_row(row.get("value").unwrap().as_str().unwrap(), semantics)
    });
}
