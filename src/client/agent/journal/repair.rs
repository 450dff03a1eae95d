//! The run that the last agent left undone.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file;

/// The run that the last agent left undone: it must have been killed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(tag = "kind", rename = "repair")]
pub struct Repair {
    /// Bytes of a last line without an end, which are cut off.
    pub torn_bytes: u64,
    /// The run that has a plan and no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
    /// The images that went in that run, in order, as far as the daemon had answered: what the lines of its deletions
    /// say. A prune by the daemon has no such lines.
    pub deleted: Vec<String>,
    /// The references that went along.
    pub untagged: Vec<String>,
    /// Bytes that came back.
    pub bytes: u64,
}

/// The part of any line that tells what went.
#[derive(Deserialize)]
struct Line {
    kind: String,
    run: Option<String>,
    #[serde(default)]
    deleted: Vec<String>,
    #[serde(default)]
    untagged: Vec<String>,
    #[serde(default)]
    bytes: u64,
}

/// Where the last line that has an end ends.
pub(super) fn end_of_last_line(file: &mut File, length: u64) -> io::Result<u64> {
    const PIECE: u64 = 64 << 10;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        let piece = read_range(file, start, end)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + u64::try_from(at).unwrap_or(0) + 1);
        }
        end = start;
    }
    Ok(0)
}

fn read_range(file: &mut File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut piece = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    Read::take(&mut *file, end - start).read_to_end(&mut piece)?;
    Ok(piece)
}

/// The run that the last line belongs to, unless that is its result, and what went in it. It may have begun in an older
/// file: a rotation comes whenever a file is full, and may have been the last that the agent did.
pub(super) fn interrupted_run(path: &Path, older_files: u32) -> io::Result<Repair> {
    let mut repair = Repair::default();
    let mut steps: Vec<Line> = Vec::new();
    for number in 0..=older_files {
        let path = if number == 0 { path.to_owned() } else { file::with_suffix(path, &number.to_string()) };
        let Some(mut file) = file::open_older(&path)? else { continue };
        let length = file.metadata()?.len();
        if length == 0 {
            continue;
        }
        if repair.interrupted.is_none() {
            repair.interrupted = unfinished(&mut file, length)?;
        }
        let Some(run) = &repair.interrupted else { break };
        let (found, begins_before) = steps_of(run, file)?;
        steps.splice(0..0, found);
        if !begins_before {
            break;
        }
    }
    for step in steps {
        repair.deleted.extend(step.deleted);
        repair.untagged.extend(step.untagged);
        repair.bytes = repair.bytes.saturating_add(step.bytes);
    }
    Ok(repair)
}

/// The run of a file's last line, unless that is its result.
fn unfinished(file: &mut File, length: u64) -> io::Result<Option<String>> {
    let start = end_of_last_line(file, length.saturating_sub(1))?;
    let line = read_range(file, start, length)?;
    let line: Option<Line> = serde_json::from_slice(&line).ok();
    Ok(line.filter(|line| matches!(line.kind.as_str(), "plan" | "step" | "retry")).and_then(|line| line.run))
}

/// The deletions of a run in one file, and true where the file does not hold the run's beginning.
fn steps_of(run: &str, mut file: File) -> io::Result<(Vec<Line>, bool)> {
    file.rewind()?;
    let (mut steps, mut begins_before) = (Vec::new(), None);
    for text in BufReader::new(file).split(b'\n') {
        // Another version of this program may have other lines; they are none of this run.
        let line: Option<Line> = serde_json::from_slice(&text?).ok();
        let own = line.filter(|line| line.run.as_deref() == Some(run));
        begins_before.get_or_insert(own.is_some());
        steps.extend(own.filter(|line| line.kind == "step"));
    }
    Ok((steps, begins_before == Some(true)))
}
