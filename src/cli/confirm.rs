//! A question that only a `y` answers with yes.

use std::io::{self, BufRead, Write};
use std::path::Path;

use super::error::{Failure, Result};

/// Asks on stderr: stdout may go through a pipe that shows nothing before its end.
pub fn confirm(question: &str) -> Result<bool> {
    let question = format!("{question}\nAre you sure you want to continue? [y/N] ");
    ask(io::stderr().lock(), &question)?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::io(Path::new("stdin"), &error))?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

fn ask(mut out: impl Write, question: &str) -> io::Result<()> {
    out.write_all(question.as_bytes())?;
    out.flush()
}
