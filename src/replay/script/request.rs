//! Requests: `prune all label!=keep`, `delete app:1 force`.

use serde_json::Value;

use crate::replay::scenario::{Action, Op};

use super::line::{Line, Problem};
use super::stores::{Described, with_digest};

const OF_PRUNE: &str = "`all`, `dangling=`, `label=`, `label!=`, `until=`, `filters=`, `now=`, `order=`, \
                        `cancel_after_polls=`";
const OF_DELETE: &str = "an image or a reference, `force`, `noprune`";

/// The clock of a request that does not look at it.
const ANY_TIME: &str = "2020-06-01T00:00:00Z";

pub(super) fn read(line: &Line<'_>, described: &Described) -> Result<Op, Problem> {
    if line.keyword == "prune" { prune(line, described) } else { delete(line, described) }
}

fn prune(line: &Line<'_>, described: &Described) -> Result<Op, Problem> {
    let mut words = line.words()?;
    let mut filters: Vec<(String, Vec<String>)> = Vec::new();
    let is_all = words.flag("all").then(|| ("dangling".to_owned(), "false".to_owned()));
    let is_filter = |key: &str| matches!(key, "dangling" | "label" | "label!" | "until");
    for (key, value) in is_all.into_iter().chain(words.pairs(is_filter)) {
        match filters.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => filters.push((key, vec![value])),
        }
    }
    let filters = match words.value("filters")? {
        None => as_json(filters),
        Some(text) if filters.is_empty() => text,
        Some(_) => {
            return Err(line.problem("`filters=` is all that a client sends: leave out the other filters"));
        }
    };
    let now = match words.value("now")? {
        Some(text) => Some(line.instant("now", &text)?),
        None => described.now.clone(),
    };
    if now.is_none() && filters.contains("until") {
        return Err(
            line.problem("`until` needs a clock: `now=2024-06-01` here, or a line `now 2024-06-01` above")
        );
    }
    let order = match words.list("order")? {
        None => described.order.clone(),
        Some(names) => {
            names.iter().map(|name| Ok(described.find(line, name)?.id)).collect::<Result<_, Problem>>()?
        }
    };
    let cancel_after_polls = match words.value("cancel_after_polls")? {
        None => None,
        Some(text) => {
            Some(text.parse().map_err(|_| line.problem(format!("`{text}` is no number of polls")))?)
        }
    };
    words.end(OF_PRUNE)?;
    let now = now.unwrap_or_else(|| ANY_TIME.to_owned());
    Ok(Op { action: Action::Prune { filters, now, cancel_after_polls }, order, expect: None })
}

/// The filters as a client sends them; nothing where there are none.
fn as_json(filters: Vec<(String, Vec<String>)>) -> String {
    if filters.is_empty() {
        return String::new();
    }
    let filters =
        filters.into_iter().map(|(key, values)| format!("{}:{}", Value::from(key), Value::from(values)));
    format!("{{{}}}", filters.collect::<Vec<_>>().join(","))
}

fn delete(line: &Line<'_>, described: &Described) -> Result<Op, Problem> {
    let mut words = line.words()?;
    let (force, noprune) = (words.flag("force"), words.flag("noprune"));
    let name =
        words.next().ok_or_else(|| line.problem("what is to be deleted? `delete A`, `delete app:1`"))?;
    words.end(OF_DELETE)?;
    let is_image = name.starts_with(char::is_uppercase) && !name.contains([':', '/', '@']);
    let reference = if is_image { described.find(line, &name)?.id.to_string() } else { with_digest(&name) };
    Ok(Op { action: Action::Delete { reference, force, prune: !noprune }, order: Vec::new(), expect: None })
}
