//! Rows of one value each: `until`, references, filter arguments. A row's inputs come back with the answer,
//! so that answers have the keys of recorded rows.

use image_prune::go::layout::parse_rfc3339;
use image_prune::replay::{filters_row, reference_row, until_row};
use image_prune::{Error, GoTime, Now, Result};
use serde::Deserialize;
use serde_json::Value;

use super::{RowResult, row};
use crate::cli::args::ReplayArgs;
use crate::cli::json;

pub fn until(line: &[u8], args: &ReplayArgs) -> Result<RowResult> {
    #[derive(Deserialize)]
    struct Row {
        value: String,
        now: String,
        utc_offset_seconds: i32,
    }
    let Row { value, now, utc_offset_seconds } = row::parse(line)?;
    let instant = parse_rfc3339(now.as_bytes(), GoTime::Go1_23)?;
    let answer = until_row(&value, Now { instant, utc_offset_seconds }, &args.semantics.unwrap_or_default());
    let inputs =
        [("value", value.into()), ("now", now.into()), ("utc_offset_seconds", utc_offset_seconds.into())];
    finish(line, args, answer, inputs)
}

pub fn reference(line: &[u8], args: &ReplayArgs) -> Result<RowResult> {
    let value = value(line)?;
    let answer = reference_row(&value, &args.semantics.unwrap_or_default());
    finish(line, args, answer, [("value", value.into())])
}

pub fn filters(line: &[u8], args: &ReplayArgs) -> Result<RowResult> {
    let value = value(line)?;
    let answer = filters_row(&value, &args.semantics.unwrap_or_default());
    finish(line, args, answer, [("value", value.into())])
}

fn value(line: &[u8]) -> Result<String> {
    #[derive(Deserialize)]
    struct Row {
        value: String,
    }
    Ok(row::parse::<Row>(line)?.value)
}

fn finish<const N: usize>(
    line: &[u8],
    args: &ReplayArgs,
    mut answer: Value,
    inputs: [(&str, Value); N],
) -> Result<RowResult> {
    if let Some(answer) = answer.as_object_mut() {
        answer.extend(inputs.map(|(key, value)| (key.to_owned(), value)));
    }
    if !args.check {
        return json::text(&answer).map(RowResult::Line).map_err(|error| Error::system(error.to_string()));
    }
    let mut expected: Value = row::parse(line)?;
    if expected.as_object().is_none_or(|row| row.len() <= N) {
        return Err(Error::invalid_parameter("the row has no answer to check"));
    }
    excuse_words_of_gos_json(&mut expected, &mut answer);
    let is_equal = expected == answer;
    Ok(RowResult::Differences(if is_equal {
        Vec::new()
    } else {
        vec![format!("expected {expected}, got {answer}")]
    }))
}

/// The message of an error of Go's JSON decoder is not ours to copy: the class counts.
fn excuse_words_of_gos_json(expected: &mut Value, answer: &mut Value) {
    let is_json = |row: &Value| row.pointer("/error/class").is_some_and(|class| class == "system");
    if is_json(expected) && is_json(answer) {
        for row in [expected, answer] {
            if let Some(error) = row.get_mut("error").and_then(Value::as_object_mut) {
                error.remove("message");
            }
        }
    }
}
