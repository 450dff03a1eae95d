//! One case, a text of sections:
//!
//! ```text
//! # what it shows
//! args: plan --state small.json
//! exit: 0
//! -- stdin --
//! -- a/file --
//! what is in it beforehand
//! -- stdout --
//! what is expected
//! -- stderr --
//! what is expected
//! -- after a/file --
//! what is in it afterwards
//! ```
//!
//! It runs in a folder of its own with copies of `files/` and a link `roots`. Whatever fails must leave
//! that folder as it was.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

#[derive(Clone, Default)]
pub struct Case {
    comment: String,
    args: String,
    exit: i32,
    sections: Vec<(String, String)>,
}

impl Case {
    pub fn parse(text: &str) -> Self {
        let mut case = Self::default();
        for line in text.split_inclusive('\n') {
            let name = line.trim_end().strip_prefix("-- ").and_then(|line| line.strip_suffix(" --"));
            if let Some(name) = name {
                case.sections.push((name.to_owned(), String::new()));
            } else if let Some((_, content)) = case.sections.last_mut() {
                content.push_str(line);
            } else if let Some(args) = line.strip_prefix("args:") {
                args.trim().clone_into(&mut case.args);
            } else if let Some(exit) = line.strip_prefix("exit:") {
                case.exit = exit.trim().parse().unwrap();
            } else {
                case.comment.push_str(line);
            }
        }
        case
    }

    /// The same case with what the command really did.
    pub fn run(&self, files: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        self.prepare(folder.path(), files);
        let before = contents(folder.path());
        let mut child = command(folder.path())
            .args(words(&self.args))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may end without reading.
        let _ = child.stdin.take().unwrap().write_all(self.section("stdin").as_bytes());
        let output = child.wait_with_output().unwrap();
        let after = contents(folder.path());
        let exit = output.status.code().unwrap_or_else(|| panic!("killed: {}", self.args));
        if exit != 0 {
            assert!(before == after, "failed, and wrote: {}", self.args);
        }
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let given = self.sections.iter().filter(|(name, _)| !is_answer(name)).cloned();
        let mut got = Self { exit, sections: given.collect(), ..self.clone() };
        for (name, content) in [("stdout", text(output.stdout)), ("stderr", text(output.stderr))] {
            if !content.is_empty() {
                got.sections.push((name.to_owned(), content));
            }
        }
        for (name, content) in after {
            if before.get(&name) != Some(&content) {
                got.sections.push((format!("after {name}"), text(content)));
            }
        }
        got
    }

    fn prepare(&self, folder: &Path, files: &Path) {
        let roots = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/roots");
        std::os::unix::fs::symlink(roots, folder.join("roots")).unwrap();
        for entry in fs::read_dir(files).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
        for (name, content) in &self.sections {
            if name != "stdin" && !is_answer(name) {
                let file = folder.join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, content).unwrap();
            }
        }
    }

    fn section(&self, name: &str) -> &str {
        self.sections.iter().find(|(found, _)| found == name).map_or("", |(_, content)| content)
    }

    pub fn difference(&self, got: &Self) -> String {
        let mut text = format!("args: {}\nexit: expected {}, got {}\n", self.args, self.exit, got.exit);
        let names = self.sections.iter().chain(&got.sections).map(|(name, _)| name.as_str());
        let names: std::collections::BTreeSet<&str> = names.collect();
        for name in names.into_iter().filter(|name| self.section(name) != got.section(name)) {
            let (expected, got) = (self.section(name), got.section(name));
            write!(text, "-- {name}, expected --\n{expected}-- {name}, got --\n{got}").unwrap();
        }
        text
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}args: {}\nexit: {}\n", self.comment, self.args, self.exit)?;
        for (name, content) in &self.sections {
            let end = if content.is_empty() || content.ends_with('\n') { "" } else { "\n" };
            write!(formatter, "-- {name} --\n{content}{end}")?;
        }
        Ok(())
    }
}

fn is_answer(name: &str) -> bool {
    matches!(name, "stdout" | "stderr") || name.starts_with("after ")
}

/// The command, in `folder`, in UTC, without anything else of this machine.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image-prune"));
    command.current_dir(folder).env_clear().env("TZ", "UTC");
    command
}

/// Words as a shell splits them, with `'…'`; `\e` is the escape character.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = false;
    for character in line.replace("\\e", "\x1b").chars() {
        match character {
            '\'' => {
                quote = !quote;
                word.get_or_insert_default();
            }
            ' ' if !quote => words.extend(word.take()),
            character => word.get_or_insert_default().push(character),
        }
    }
    assert!(!quote, "a quote is open: {line}");
    words.extend(word);
    words
}

/// Every regular file below `folder`.
pub fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}
