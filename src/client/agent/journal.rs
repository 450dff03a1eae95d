//! The journal: JSON lines, each written at once, in files that do not grow without end.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

/// How much a journal may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalLimits {
    /// Bytes of one file; a longer line has a file of its own.
    pub bytes: u64,
    /// Older files that are kept: `FILE.1` is the newest of them.
    pub files: u32,
}

impl Default for JournalLimits {
    /// 4 MiB, and four older files.
    fn default() -> Self {
        Self { bytes: 4 << 20, files: 4 }
    }
}

/// What the last agent left undone, which must have been killed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(tag = "kind", rename = "repair")]
pub struct Repair {
    /// Bytes of a last line without an end, which are cut off.
    pub torn_bytes: u64,
    /// The run that has a plan and no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
}

/// Lines that wait for space on the disk. A run is more important than its journal: it may make that space.
const WAITING: usize = 64;

/// A journal that nobody else writes.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    limits: JournalLimits,
    file: File,
    /// The end of the last whole line.
    length: u64,
    waiting: VecDeque<String>,
    problem: Option<String>,
    /// Locked as long as it is open.
    _lock: File,
}

impl Journal {
    /// Opens the journal at `path`, and repairs its end where the last agent was killed.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or another agent writes it.
    pub fn open(path: impl Into<PathBuf>, limits: JournalLimits) -> io::Result<(Self, Option<Repair>)> {
        let path = path.into();
        let lock = lock(&with_suffix(&path, "lock"))?;
        let mut file = open(&path)?;
        let length = file.metadata()?.len();
        let whole = end_of_last_line(&mut file, length)?;
        if whole < length {
            file.set_len(whole)?;
        }
        let repair = Repair { torn_bytes: length - whole, interrupted: interrupted_run(&mut file, whole)? };
        let mut journal =
            Self { path, limits, file, length: whole, waiting: VecDeque::new(), problem: None, _lock: lock };
        let repair = (repair != Repair::default()).then_some(repair);
        if let Some(repair) = &repair {
            journal.append(repair);
        }
        Ok((journal, repair))
    }

    /// Adds a line. Where that fails, on a full disk for example, the line waits for the next one, and
    /// [`Journal::problem`] says why.
    pub fn append(&mut self, line: &impl Serialize) {
        let text = serde_json::to_string(line);
        // Every line is of strings and numbers.
        let Ok(text) = text else { return };
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(text + "\n");
        self.problem = self.write_waiting().err().map(|error| format!("{}: {error}", self.path.display()));
    }

    /// Why the last lines could not be written; they wait.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn write_waiting(&mut self) -> io::Result<()> {
        while let Some(line) = self.waiting.front() {
            let added = u64::try_from(line.len()).unwrap_or(u64::MAX);
            if self.length > 0 && self.length.saturating_add(added) > self.limits.bytes {
                self.rotate()?;
            }
            let Some(line) = self.waiting.front() else { break };
            // A part of a line may be left of a write that failed.
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            self.file.write_all(line.as_bytes())?;
            self.file.sync_data()?;
            self.length += added;
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// The oldest goes, the others move up. Killed in between there is a gap in the numbers, and no line is lost.
    fn rotate(&mut self) -> io::Result<()> {
        let older = |number: u32| with_suffix(&self.path, &number.to_string());
        for number in (1..self.limits.files).rev() {
            rename_where_it_is(&older(number), &older(number + 1))?;
        }
        if self.limits.files == 0 {
            self.file.set_len(0)?;
        } else {
            fs::rename(&self.path, older(1))?;
            self.file = open(&self.path)?;
            File::open(folder_of(&self.path))?.sync_all()?;
        }
        self.length = 0;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Of what is there nothing is lost.
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// One agent a journal: two would prune the same daemon at once.
fn lock(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive).map_err(|error| {
        if error == rustix::io::Errno::WOULDBLOCK {
            return io::Error::new(io::ErrorKind::WouldBlock, "another agent is at work with this journal");
        }
        error.into()
    })?;
    Ok(file)
}

fn rename_where_it_is(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Where the last line that has an end ends.
fn end_of_last_line(file: &mut File, length: u64) -> io::Result<u64> {
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

/// The run that the last line belongs to, unless that is its result.
fn interrupted_run(file: &mut File, length: u64) -> io::Result<Option<String>> {
    #[derive(Deserialize)]
    struct Line {
        kind: String,
        run: Option<String>,
    }
    let start = end_of_last_line(file, length.saturating_sub(1))?;
    let line = read_range(file, start, length)?;
    let line: Option<Line> = serde_json::from_slice(&line).ok();
    Ok(line.filter(|line| matches!(line.kind.as_str(), "plan" | "retry")).and_then(|line| line.run))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

    use serde_json::json;

    use super::*;

    fn lines(path: &Path) -> Vec<String> {
        fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_torn_end_is_cut_off_wherever_it_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let whole = "{\"kind\":\"result\",\"run\":\"1\"}\n{\"kind\":\"plan\",\"run\":\"2\"}\n";
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (journal, repair) = Journal::open(&path, JournalLimits::default()).unwrap();
            drop(journal);
            let end = whole[..cut].rfind('\n').map_or(0, |at| at + 1);
            let expected = Repair {
                torn_bytes: u64::try_from(cut - end).unwrap(),
                interrupted: (cut == whole.len()).then(|| "2".to_owned()),
            };
            assert_eq!(repair.unwrap_or_default(), expected, "{cut}");
            for line in lines(&path) {
                serde_json::from_str::<serde_json::Value>(&line).unwrap();
            }
        }
    }

    #[test]
    fn files_are_rotated_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let limits = JournalLimits { bytes: 20, files: 2 };
        let (mut journal, _) = Journal::open(&path, limits).unwrap();
        for number in 0..9 {
            journal.append(&json!({ "number": number }));
        }
        assert_eq!(journal.problem(), None);
        assert_eq!(lines(&path), [r#"{"number":8}"#]);
        assert_eq!(lines(&folder.path().join("j.1")), [r#"{"number":7}"#]);
        assert_eq!(lines(&folder.path().join("j.2")), [r#"{"number":6}"#]);
        assert!(!folder.path().join("j.3").exists());
        let long = json!({ "text": "x".repeat(100) });
        journal.append(&long);
        assert_eq!(lines(&path), [long.to_string()], "a long line has a file of its own");
    }

    #[test]
    fn a_second_agent_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let first = Journal::open(&path, JournalLimits::default()).unwrap();
        let error = Journal::open(&path, JournalLimits::default()).unwrap_err();
        assert_eq!(error.to_string(), "another agent is at work with this journal");
        drop(first);
        Journal::open(&path, JournalLimits::default()).unwrap();
    }
}
