//! The registry cleaner: laws of its plan on made-up registries, the command against Debian's `docker-registry`,
//! and the client against a registry that follows a script.

mod dates;
mod interleaved;
mod laws;
pub mod peer;
mod real;
mod related;
mod script;
mod scripted;

use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The command, without anything else of this machine.
pub fn image_prune(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image-prune"));
    command.env_clear().env("TZ", "UTC").args(args).stdin(Stdio::null());
    command
}

pub fn json(output: &Output) -> Value {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}\n{stderr}"))
}

/// `repository:tag` of a list of the answer, sorted.
fn tags(answer: &Value, list: &str) -> Vec<String> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    let name = |entry: &Value| format!("{}:{}", text(entry, "repository"), text(entry, "tag"));
    let mut names: Vec<String> = answer[list].as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}

/// Why a tag stays.
fn reason<'a>(answer: &'a Value, tag: &str) -> &'a str {
    let entries = answer["keep"].as_array().unwrap();
    let found =
        entries.iter().find(|entry| entry["tag"] == tag).unwrap_or_else(|| panic!("{tag} does not stay"));
    found["kind"].as_str().unwrap()
}
