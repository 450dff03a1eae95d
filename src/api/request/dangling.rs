//! The `dangling` filter (F-8).

use crate::base::error::{Kind, Result};
use crate::document::filters::{Filters, invalid_filter};
use crate::semantics::Semantics;

/// Whether only dangling images may go, or all.
pub(crate) fn dangling_only(filters: &Filters, semantics: &Semantics) -> Result<bool> {
    if !filters.contains("dangling") {
        return Ok(true);
    }
    if semantics.strict_dangling && filters.get("dangling").next().is_none() {
        return Err(invalid_filter("dangling", Kind::DanglingInvalid, semantics));
    }
    let says = |words: [&str; 2]| words.iter().any(|word| filters.exact_match("dangling", word));
    // Until 23.0 an empty set matches every word exactly, and so says "false".
    match (says(["false", "0"]), says(["true", "1"])) {
        (true, false) => Ok(false),
        (false, true) => Ok(true),
        (true, true) if !semantics.strict_dangling => Ok(false),
        _ => {
            let values: Vec<_> = filters.get("dangling").collect();
            let what = format!("dangling=[{}]", values.join(" "));
            Err(invalid_filter(&what, Kind::DanglingInvalid, semantics))
        }
    }
}
