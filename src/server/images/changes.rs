//! `docker import --change`: a few instructions of a Dockerfile that make a config.

use serde_json::{Value, json};

use super::super::shape::Object;
use crate::base::error::{Error, Result};

/// Changes a config by these lines, one behind the other.
///
/// # Errors
///
/// An instruction that is none for this purpose, or without its argument.
pub(in super::super) fn apply<'a>(config: &mut Object, changes: impl Iterator<Item = &'a str>) -> Result<()> {
    for line in changes.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty()) {
        let (instruction, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = argument.trim();
        if argument.is_empty() {
            return Err(Error::invalid_parameter(format!("{instruction} requires at least one argument")));
        }
        change(config, &instruction.to_ascii_uppercase(), argument)?;
    }
    Ok(())
}

fn change(config: &mut Object, instruction: &str, argument: &str) -> Result<()> {
    match instruction {
        "CMD" => config.set("Cmd", command(argument)),
        "ENTRYPOINT" => config.set("Entrypoint", command(argument)),
        "USER" => config.set("User", argument),
        "WORKDIR" => config.set("WorkingDir", argument),
        "STOPSIGNAL" => config.set("StopSignal", argument),
        "ONBUILD" => push(config, "OnBuild", argument.to_owned()),
        "ENV" => {
            for (key, value) in pairs(argument)? {
                push(config, "Env", format!("{key}={value}"));
            }
        }
        "LABEL" => {
            for (key, value) in pairs(argument)? {
                insert(config, "Labels", key, value.into());
            }
        }
        "EXPOSE" => {
            for port in argument.split_whitespace() {
                let port = if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") };
                insert(config, "ExposedPorts", port, json!({}));
            }
        }
        "VOLUME" => {
            let words = || argument.split_whitespace().map(str::to_owned).collect();
            for volume in list(argument).unwrap_or_else(words) {
                insert(config, "Volumes", volume, json!({}));
            }
        }
        other => {
            let name = other.to_ascii_lowercase();
            return Err(Error::invalid_parameter(format!("{name} is not a valid change command")));
        }
    }
    Ok(())
}

fn push(config: &mut Object, field: &'static str, item: String) {
    let mut items = config.get(field).as_array().cloned().unwrap_or_default();
    items.push(item.into());
    config.set(field, items);
}

fn insert(config: &mut Object, field: &'static str, key: String, value: Value) {
    let mut map = config.get(field).as_object().cloned().unwrap_or_default();
    map.insert(key, value);
    config.set(field, map);
}

/// `["a","b"]`
fn list(argument: &str) -> Option<Vec<String>> {
    serde_json::from_str(argument).ok()
}

fn command(argument: &str) -> Value {
    list(argument).map_or_else(|| json!(["/bin/sh", "-c", argument]), Value::from)
}

/// `a=1 "b c"="2 3"`, or the old `key value with blanks`.
fn pairs(argument: &str) -> Result<Vec<(String, String)>> {
    let words = words(argument);
    let first = words.first().map(String::as_str).unwrap_or_default();
    if !first.contains('=') {
        return match argument.split_once(char::is_whitespace) {
            Some((key, value)) => Ok(vec![(key.to_owned(), value.trim().to_owned())]),
            None => Err(Error::invalid_parameter(format!("`{argument}` must have two arguments"))),
        };
    }
    let pair = |word: &String| {
        let (key, value) = word.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            Error::invalid_parameter(format!(
                "Syntax error - can't find = in \"{word}\". Must be of the form: name=value"
            ))
        })?;
        Ok((key.to_owned(), value.to_owned()))
    };
    words.iter().map(pair).collect()
}

/// Cut at blanks that are neither quoted nor escaped; quotes and backslashes are gone.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(characters.next()),
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use serde_json::Map;

    use super::super::super::shape::CONFIG;
    use super::*;

    #[test]
    fn instructions_make_a_config() {
        let mut config = Object::new(CONFIG, &Map::new());
        apply(
            &mut config,
            [
                "CMD [\"a\",\"b\"]",
                "ENTRYPOINT run me",
                "ENV A=1 B=\"2 3\"\nENV old way  of it",
                "LABEL a=b 'c d'=e\\ f",
                "EXPOSE 80 53/udp",
                "VOLUME /data",
                "user me",
            ]
            .into_iter(),
        )
        .unwrap();
        let fields = ["Cmd", "Entrypoint", "Env", "Labels", "ExposedPorts", "Volumes", "User"];
        let found: Vec<_> = fields.iter().map(|field| config.get(field).to_string()).collect();
        assert_eq!(
            found,
            [
                r#"["a","b"]"#,
                r#"["/bin/sh","-c","run me"]"#,
                r#"["A=1","B=2 3","old=way  of it"]"#,
                r#"{"a":"b","c d":"e f"}"#,
                r#"{"53/udp":{},"80/tcp":{}}"#,
                r#"{"/data":{}}"#,
                r#""me""#,
            ]
        );
    }

    #[test]
    fn others_are_refused() {
        for (line, expected) in [
            ("RUN x", "run is not a valid change command"),
            ("LABEL", "requires at least one argument"),
            ("LABEL a=b c", "can't find = in \"c\""),
            ("ENV a", "must have two arguments"),
        ] {
            let error =
                apply(&mut Object::new(CONFIG, &Map::new()), [line].into_iter()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
