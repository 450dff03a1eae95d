//! The journal: JSON lines, each written at once, in files that do not grow without end.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;

use serde::Serialize;

use crate::base::terminal;

mod file;
mod repair;

pub use repair::Repair;

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

/// Lines that wait while they cannot be written, on a full disk for example. A run is more important than its journal:
/// it may make the space.
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
    /// Lines that were dropped since the last one that could be written.
    dropped: u64,
    problem: Option<String>,
    /// Locked as long as it is open.
    _lock: File,
}

impl Journal {
    /// Opens the journal at `path`, and repairs its end where the last agent was killed.
    ///
    /// # Errors
    ///
    /// The file cannot be written, is a link or something else than a file, does not begin as a journal does, or another
    /// agent writes it. Nothing is changed then.
    pub fn open(path: impl Into<PathBuf>, limits: JournalLimits) -> io::Result<(Self, Option<Repair>)> {
        let path = path.into();
        // A file of somebody's gets no lock beside it either.
        file::refuse_foreign_at(&path)?;
        let lock = file::lock(&file::with_suffix(&path, "lock"))?;
        let mut file = file::open(&path)?;
        file::refuse_foreign(&mut file)?;
        let length = file.metadata()?.len();
        let whole = repair::end_of_last_line(&mut file, length)?;
        if whole < length {
            file.set_len(whole)?;
        }
        let repair = Repair { torn_bytes: length - whole, ..repair::interrupted_run(&path, limits.files)? };
        let mut journal = Self {
            path,
            limits,
            file,
            length: whole,
            waiting: VecDeque::new(),
            dropped: 0,
            problem: None,
            _lock: lock,
        };
        let repair = (repair != Repair::default()).then_some(repair);
        if let Some(repair) = &repair {
            journal.append(repair);
        }
        Ok((journal, repair))
    }

    /// Adds a line. Where that fails, on a full disk for example, the line waits for the next one, and
    /// [`Journal::problem`] says why. Of more than 64 lines that wait the oldest is dropped, of deletions first: the
    /// result of their run says the same.
    pub fn append(&mut self, line: &impl Serialize) {
        let text = terminal::json(line);
        // Every line is of strings and numbers.
        let Ok(text) = text else { return };
        if self.waiting.len() == WAITING {
            let step = self.waiting.iter().position(|line| line.as_bytes().starts_with(file::STEP));
            self.waiting.remove(step.unwrap_or(0));
            self.dropped = self.dropped.saturating_add(1);
        }
        self.waiting.push_back(text + "\n");
        self.problem = self.write_waiting().err().map(|error| {
            let (waiting, dropped) = (self.waiting.len(), self.dropped);
            let lost = match dropped {
                0 => String::new(),
                _ => format!(", {dropped} were dropped: at most {WAITING} wait"),
            };
            format!("{}: {error}; {waiting} lines wait for the next one{lost}", self.path.display())
        });
    }

    /// Why the last lines could not be written, how many wait, and how many were dropped.
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
            self.dropped = 0;
        }
        Ok(())
    }

    /// The oldest goes, the others move up. Whatever fails in between, or is killed, leaves a gap in the numbers, which
    /// the next rotation fills before it drops anything.
    fn rotate(&mut self) -> io::Result<()> {
        if self.limits.files == 0 {
            self.file.set_len(0)?;
            self.length = 0;
            return Ok(());
        }
        // Where no file can be made nothing has moved yet.
        let new = file::with_suffix(&self.path, "new");
        let next = file::open_empty(&new)?;
        // Somebody may have taken the current file away; then nothing has to move.
        if file::is_older_file(&self.path)? {
            let older = |number: u32| file::with_suffix(&self.path, &number.to_string());
            let mut last = 1;
            while file::is_older_file(&older(last))? && last < self.limits.files {
                last += 1;
            }
            for number in (1..last).rev() {
                fs::rename(older(number), older(number + 1))?;
            }
            fs::rename(&self.path, older(1))?;
        }
        fs::rename(&new, &self.path)?;
        (self.file, self.length) = (next, 0);
        File::open(file::folder_of(&self.path))?.sync_all()
    }
}

#[cfg(test)]
mod tests;
