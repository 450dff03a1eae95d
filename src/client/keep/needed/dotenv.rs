//! Files of variables, as compose reads them (compose-go's `dotenv`, which differs from every crate's: `KEY: value`, a
//! comment behind a blank only, escapes in double quotes only, and compose's own variables in values).

use super::variables::{UNKNOWN, Variables, substitute};

/// Reads a file of variables. Those in `variables`, or further up, fill in those in values.
pub fn read(text: &str, environment: &Variables, variables: &mut Variables) -> Result<(), String> {
    if text.contains(UNKNOWN) {
        return Err("it holds a NUL character".to_owned());
    }
    let mut rest = text.trim_start_matches('\u{feff}');
    loop {
        rest = rest.trim_start();
        let line = 1 + lines(text) - lines(rest);
        let at_line = |problem: String| format!("line {line}: {problem}");
        if rest.is_empty() {
            return Ok(());
        }
        if rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, behind)| behind);
            continue;
        }
        let (key, is_inherited, behind) = key(rest).map_err(at_line)?;
        let known = |name: &str, variables: &Variables| {
            environment.get(name).or_else(|| variables.get(name)).cloned()
        };
        if is_inherited {
            // The name alone takes the value from the environment.
            if let Some(value) = known(key, variables) {
                variables.insert(key.to_owned(), value);
            }
            rest = behind;
            continue;
        }
        let (value, has_variables, behind) = value(behind).map_err(at_line)?;
        let value = if has_variables {
            substitute(&value, &|name| known(name, variables)).map_err(at_line)?
        } else {
            value
        };
        variables.insert(key.to_owned(), value);
        rest = behind;
    }
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}

const fn is_blank(character: char) -> bool {
    matches!(character, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

/// A key, `true` if it has no value, and what is behind.
fn key(text: &str) -> Result<(&str, bool, &str), String> {
    let exported = text.strip_prefix("export").filter(|rest| rest.starts_with(char::is_whitespace));
    let text = exported.map_or(text, |rest| rest.trim_start());
    let end = text.find(['=', ':', '\n']);
    let (key, behind) = end.map_or((text, ""), |end| text.split_at(end));
    let key = key.trim_end();
    let is_allowed =
        |character: char| character.is_alphanumeric() || matches!(character, '_' | '.' | '-' | '[' | ']');
    if key.is_empty() || !key.chars().all(is_allowed) {
        return Err(format!("`{key}` is no name of a variable"));
    }
    let is_inherited = behind.is_empty() || behind.starts_with('\n');
    let behind = behind.get(1..).unwrap_or_default();
    Ok((key, is_inherited, if is_inherited { behind } else { behind.trim_start_matches(is_blank) }))
}

/// A value, `true` if it may hold variables, and what is behind.
fn value(text: &str) -> Result<(String, bool, &str), String> {
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '\'' | '"')) else {
        let (line, behind) = text.split_once('\n').unwrap_or((text, ""));
        let value = line.split_once(" #").map_or(line, |(value, _)| value);
        return Ok((value.trim_end().to_owned(), true, behind));
    };
    let mut value = String::new();
    let mut is_escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        if character == quote && !is_escaped {
            let behind = text.get(place + 1..).unwrap_or_default();
            let is_double = quote == '"';
            return Ok((if is_double { unescape(&value) } else { value }, is_double, behind));
        }
        if character == '\\' && !is_escaped {
            is_escaped = true;
            continue;
        }
        if is_escaped && character != quote {
            value.push('\\');
        }
        is_escaped = false;
        value.push(character);
    }
    Err("a quote is never closed".to_owned())
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.push_str(before);
        let mut characters = behind.chars();
        let plain = match characters.next() {
            Some('a') => Some("\u{7}"),
            Some('b') => Some("\u{8}"),
            Some('f') => Some("\u{c}"),
            Some('n') => Some("\n"),
            Some('r') => Some("\r"),
            Some('t') => Some("\t"),
            Some('v') => Some("\u{b}"),
            Some('"') => Some("\""),
            Some('\\') => Some("\\"),
            Some('$') => Some("$$"),
            _ => None,
        };
        let octal = behind.strip_prefix('0').and_then(|digits| digits.get(..3));
        let octal = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|byte| *byte != 0);
        (rest, ()) = match (plain, octal) {
            (Some(plain), _) => (characters.as_str(), out.push_str(plain)),
            (None, Some(byte)) => (behind.get(4..).unwrap_or_default(), out.push(char::from(byte))),
            (None, None) => (behind, out.push('\\')),
        };
    }
    out.push_str(rest);
    out
}
