//! The parameter `platform` of what is asked about one image. The classic store has one platform of each.

use serde_json::{Map, Value};

use super::super::answer::{Refusal, invalid};
use super::super::call::Call;
use super::super::platform::Platform;
use super::super::shape::find;
use crate::base::error::{Error, Result};
use crate::go::json;

/// The API versions since which the parameter is known.
pub const HISTORY_SINCE: u16 = 48;
pub const SAVE_SINCE: u16 = 48;
pub const INSPECT_SINCE: u16 = 49;
pub const REMOVE_SINCE: u16 = 50;

/// The platform that a parameter asks for, as JSON: `{"os":"linux","architecture":"arm64"}`.
///
/// # Errors
///
/// It is no JSON, in Go's words.
pub fn asked(call: &Call, parameter: &str, since: u16) -> Result<Option<Platform>, Refusal> {
    let text = call.form.get(parameter);
    if text.is_empty() || call.version < since {
        return Ok(None);
    }
    parse(text).map(Some)
}

/// # Errors
///
/// One of several platforms is no JSON, in Go's words.
pub fn check_all(call: &Call, parameter: &str, since: u16) -> Result<(), Refusal> {
    let given = call.form.all(parameter).filter(|_| call.version >= since);
    given.map(parse).try_for_each(|platform| platform.map(drop))
}

fn parse(text: &str) -> Result<Platform, Refusal> {
    let wrong = |problem: String| invalid(format!("failed to parse platform: {problem}"));
    json::decode(text.as_bytes(), json::Decoder::skip).map_err(|error| wrong(error.to_string()))?;
    let object: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| wrong("not an object of strings".to_owned()))?;
    Ok(of(&object))
}

/// The platform that an object names.
pub fn of(object: &Map<String, Value>) -> Platform {
    let text = |name: &str| find(object, name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Platform { os: text("os"), architecture: text("architecture"), variant: text("variant") }
}

/// The platform of an image's config, where that is not the one that is wanted.
pub fn other(raw: &Map<String, Value>, wanted: &Platform) -> Option<Platform> {
    let actual = of(raw);
    (!wanted.takes(&actual.os, &actual.architecture, &actual.variant)).then_some(actual)
}

/// # Errors
///
/// The image is for another platform.
pub fn check(name: &str, raw: &Map<String, Value>, wanted: Option<&Platform>) -> Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    other(raw, wanted).map_or(Ok(()), |actual| {
        Err(Error::not_found(format!(
            "image with reference {name} was found but its platform ({actual}) does not match the specified platform \
             ({wanted})"
        )))
    })
}
