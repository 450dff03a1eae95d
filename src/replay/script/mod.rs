//! Cases as scripts: stores, requests and what comes of them, a line each, with computed IDs.
//! [`_docs::guide::cases`](crate::_docs::guide::cases) has the form.

mod config;
mod line;
mod outcome;
mod request;
mod stores;

use crate::base::error::{Error, Result};

use super::scenario::Scenario;
use line::{Line, Problem};
use outcome::Left;
use stores::Described;

/// The first words of lines about the stores.
const STORES: [&str; 7] = ["name", "semantics", "utc-offset", "now", "layer", "image", "container"];
/// The first words of lines about requests.
const REQUESTS: [&str; 2] = ["prune", "delete"];
/// The first words of the lines behind a request.
const OUTCOMES: [&str; 5] = ["untagged", "deleted", "lost", "reclaimed", "error"];

/// Reads a script as the case that it describes.
///
/// ```
/// use image_prune::replay::script;
///
/// let case = script::read("image A tags=app:1 size=10\nprune all\nuntagged app:1\ndeleted A\ndeleted layer A\nreclaimed 10")?;
/// assert_eq!((case.world.images.len(), case.ops.len()), (1, 1));
/// let error = script::read("image A parent=B").unwrap_err();
/// assert_eq!(error.to_string(), "line 1: no image is called `B`; there is `A`");
/// # Ok::<(), image_prune::Error>(())
/// ```
///
/// # Errors
///
/// `InvalidParameter` with the number of the line, what is wrong with it, and what may stand there.
pub fn read(text: &str) -> Result<Scenario> {
    scenario(&Line::all(text))
        .map_err(|Problem { line, text }| Error::invalid_parameter(format!("line {line}: {text}")))
}

/// Returns true for what looks like a script: its first line that is no comment begins with a word of the form.
#[must_use]
pub fn is_script(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#")).unwrap_or_default();
    let end = first.iter().position(u8::is_ascii_whitespace).unwrap_or(first.len());
    let word = first.get(..end).unwrap_or_default();
    let word = word.strip_suffix(b":").unwrap_or(word);
    STORES.iter().chain(&REQUESTS).chain(&OUTCOMES).any(|known| known.as_bytes() == word)
}

fn scenario(lines: &[Line<'_>]) -> Result<Scenario, Problem> {
    let is_request = |line: &Line<'_>| REQUESTS.contains(&line.keyword);
    let first = lines.iter().position(is_request).unwrap_or(lines.len());
    let (stores, mut rest) = lines.split_at(first);
    for line in stores {
        check(line, &STORES, "says what comes of a request, and no request stands above")?;
    }
    let described = Described::read(stores)?;
    let mut left = Left::of(&described);
    let mut ops = Vec::new();
    while let Some((line, behind)) = rest.split_first() {
        let end = behind.iter().position(is_request).unwrap_or(behind.len());
        let (lines, next) = behind.split_at(end);
        for line in lines {
            check(line, &OUTCOMES, "is about the stores: it belongs above the first request")?;
        }
        let mut op = request::read(line, &described)?;
        op.expect = left.outcome(line, &op.action, lines)?;
        ops.push(op);
        rest = next;
    }
    Ok(Scenario { world: described.world, ops })
}

/// Refuses a line that does not begin with one of the words that may stand here.
fn check(line: &Line<'_>, allowed: &[&str], misplaced: &str) -> Result<(), Problem> {
    let word = line.keyword;
    if allowed.contains(&word) {
        return Ok(());
    }
    if [&STORES[..], &REQUESTS, &OUTCOMES].concat().contains(&word) {
        return Err(line.problem(format!("`{word}` {misplaced}")));
    }
    let known = [&STORES[..], &REQUESTS, &OUTCOMES].concat().join("`, `");
    Err(line.problem(format!("no line begins with `{word}`; lines begin with `{known}`")))
}
