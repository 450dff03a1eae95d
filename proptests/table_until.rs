//! Every recorded `until` value.
#![allow(clippy::unwrap_used, reason = "test code")]

use image_prune::go::layout::parse_rfc3339;
use image_prune::replay::until_row;
use image_prune::{GoTime, Now};

use crate::tables;

#[test]
fn until_values_mean_what_moby_says() {
    let inputs = ["value", "now", "utc_offset_seconds"];
    tables::check("until", &inputs, [10_000, 4_000, 4_000, 4_000], |row, semantics| {
        let text = |key: &str| row.get(key).unwrap().as_str().unwrap();
        let now = Now {
            instant: parse_rfc3339(text("now").as_bytes(), GoTime::Go1_23).unwrap(),
            utc_offset_seconds: row.get("utc_offset_seconds").unwrap().as_i64().unwrap().try_into().unwrap(),
        };
        until_row(text("value"), now, semantics)
    });
}
