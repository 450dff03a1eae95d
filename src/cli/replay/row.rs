//! Recorded rows as they are read: what was asked, and apart from it what was answered.

use image_prune::replay::{Action, Op, Scenario};
use image_prune::{Error, ImageId, Result, World};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cli::json;

/// The store and what was asked of it; `expect` is passed over unread.
pub fn scenario(line: &[u8]) -> Result<Scenario> {
    #[derive(Deserialize)]
    struct Row {
        ops: Vec<Asked>,
    }
    let world: World = parse(line)?;
    let Row { ops } = parse(line)?;
    let ops = ops.into_iter().map(Asked::into_op).collect::<Result<_>>()?;
    Ok(Scenario { world, ops })
}

/// What was answered, a request each.
pub fn expected<T: DeserializeOwned>(line: &[u8]) -> Result<Vec<T>> {
    #[derive(Deserialize)]
    struct Answered<T> {
        expect: T,
    }
    #[derive(Deserialize)]
    struct Row<T> {
        ops: Vec<Answered<T>>,
    }
    let Row { ops } = parse(line)?;
    Ok(ops.into_iter().map(|answered| answered.expect).collect())
}

/// The outcomes of a row, as a line.
pub fn to_line(name: &str, outcomes: &[impl Serialize]) -> Result<String> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        name: &'a str,
        ops: &'a [T],
    }
    json::text(&Line { name, ops: outcomes }).map_err(|error| Error::system(error.to_string()))
}

pub fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T> {
    serde_json::from_slice(line).map_err(|error| Error::invalid_parameter(error.to_string()))
}

/// One request, flat: a tagged enumeration would have serde keep `expect` in memory first.
#[derive(Deserialize)]
struct Asked {
    op: Kind,
    #[serde(default)]
    order: Vec<ImageId>,
    #[serde(default)]
    filters: String,
    now: Option<String>,
    cancel_after_polls: Option<usize>,
    #[serde(default, rename = "ref")]
    reference: String,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    prune: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Prune,
    Delete,
}

impl Asked {
    fn into_op(self) -> Result<Op> {
        let Self { op, order, filters, now, cancel_after_polls, reference, force, prune } = self;
        let action = match op {
            Kind::Prune => {
                let now = now.ok_or_else(|| Error::invalid_parameter("a prune needs `now`"))?;
                Action::Prune { filters, now, cancel_after_polls }
            }
            Kind::Delete => Action::Delete { reference, force, prune },
        };
        Ok(Op { action, order, expect: None })
    }
}
