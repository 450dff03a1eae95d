//! Variables in texts, as compose reads them (compose-go's `template`).

use std::collections::{BTreeMap, BTreeSet};

/// Stands around the name of a variable that is not known. No file holds it.
pub const UNKNOWN: char = '\0';

/// The limit of a text with its variables filled in, in bytes: `A=$B$B`, `B=$C$C` and so on double it with each line.
const LONGEST: usize = 1 << 16;
/// The limit of `${A:-${B:-…}}`.
const DEEPEST: usize = 32;

/// Variables with values, which may hold what is not known.
pub type Variables = BTreeMap<String, String>;

/// Fills in the variables. One that is not set, or has to be and is not, stays as [`UNKNOWN`].
pub fn substitute(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    substitute_within(text, lookup, 0)
}

/// The names of the variables that are not known.
pub fn unknown_names(text: &str) -> BTreeSet<String> {
    text.split(UNKNOWN).skip(1).step_by(2).map(str::to_owned).collect()
}

/// The text with the variables that are not known as `${NAME}`.
pub fn shown(text: &str) -> String {
    map_unknown(text, |name| format!("${{{name}}}"))
}

/// The text with one [`UNKNOWN`] for each variable that is not known.
pub fn masked(text: &str) -> String {
    map_unknown(text, |_| UNKNOWN.to_string())
}

/// A variable that is not known.
pub fn unknown(name: &str) -> String {
    format!("{UNKNOWN}{name}{UNKNOWN}")
}

fn map_unknown(text: &str, of_name: impl Fn(&str) -> String) -> String {
    let parts = text.split(UNKNOWN).enumerate();
    parts.map(|(place, part)| if place % 2 == 0 { part.to_owned() } else { of_name(part) }).collect()
}

fn substitute_within(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<String, String> {
    if depth > DEEPEST {
        return Err(format!("variables within variables, in more than {DEEPEST} levels"));
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        let name_end = name_length(behind);
        if let Some(behind) = behind.strip_prefix('$') {
            out.push('$');
            rest = behind;
        } else if let Some(behind) = behind.strip_prefix('{') {
            let (inside, behind) =
                braced(behind).ok_or_else(|| format!("`{text}`: a `${{` is never closed"))?;
            out.push_str(&expression(text, inside, lookup, depth)?);
            rest = behind;
        } else if name_end > 0 {
            let (name, behind) = behind.split_at(name_end);
            out.push_str(&lookup(name).unwrap_or_else(|| unknown(name)));
            rest = behind;
        } else {
            out.push('$');
            rest = behind;
        }
        if out.len() > LONGEST {
            return Err(format!("longer than {LONGEST} bytes with its variables"));
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of `NAME`, `NAME:-default` and so on.
fn expression(
    text: &str,
    inside: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<String, String> {
    let (name, operation) = inside.split_at(name_length(inside));
    let value = lookup(name);
    let (is_colon, operation) = operation.strip_prefix(':').map_or((false, operation), |rest| (true, rest));
    let is_set = value.as_ref().is_some_and(|value| !is_colon || !value.is_empty());
    let mut characters = operation.chars();
    let operator = characters.next();
    let operand = characters.as_str();
    let other = || substitute_within(operand, lookup, depth + 1);
    // A value that is not known may be empty.
    let may_be_empty = is_colon
        && value
            .as_ref()
            .is_some_and(|value| value.contains(UNKNOWN) && masked(value).trim_matches(UNKNOWN).is_empty());
    match (name.is_empty(), operator) {
        (true, _) => Err(format!("`{text}`: `${{{inside}}}` is no variable")),
        (_, None) if !is_colon => Ok(value.unwrap_or_else(|| unknown(name))),
        (_, Some('-' | '+')) if may_be_empty => Ok(unknown(name)),
        (_, Some('-')) => {
            if is_set {
                Ok(value.unwrap_or_default())
            } else {
                other()
            }
        }
        (_, Some('+')) => {
            if is_set {
                other()
            } else {
                Ok(String::new())
            }
        }
        (_, Some('?')) if is_set => Ok(value.unwrap_or_default()),
        (_, Some('?')) if value.is_none() => Ok(unknown(name)),
        (_, Some('?')) => Err(format!("`{text}`: {name} is empty, and must not be")),
        _ => Err(format!("`{text}`: `${{{inside}}}` is no variable")),
    }
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    text.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(text.len())
}

/// Splits behind the brace that closes.
fn braced(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    for (place, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return Some((text.get(..place)?, text.get(place + 1..)?)),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}
