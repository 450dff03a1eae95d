//! Reads the files that a person names. None is read without a limit: a name may be that of a pipe or of a device.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::fd::AsFd;
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use image_prune::replay::script;
use image_prune::{Error, ErrorClass, Result};
use rustix::fs::{FileType, fstat};

use super::progress;

/// The limit of a state file, in bytes: two million images have half of it.
pub const STATE: usize = 1 << 30;
/// The limit of lists, rules and outcomes, in bytes: a daemon's answer is no longer.
pub const LIST: usize = 256 << 20;
/// The limit of everything that is written by hand, in bytes, certificates included.
pub const SETTINGS: usize = 16 << 20;
/// The limit of what a device gives, in bytes: of many there is no end.
const DEVICE: usize = 1 << 20;
/// The limit of a line, in bytes: a whole state may be one.
const LINE: usize = LIST;
/// The limit of what a gzipped file unpacks to, in bytes: a thousandth of it may be on the disk.
const UNPACKED: usize = STATE;

/// What to call a file in an error.
pub fn named(file: &Path) -> &Path {
    if is_stdin(file) { Path::new("stdin") } else { file }
}

/// The bytes of a file of at most `limit` bytes; `-` is stdin.
pub fn bytes(file: &Path, limit: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if is_stdin(file) {
        let limit = limit_of(file, io::stdin(), limit)?;
        read_limited(file, io::stdin().lock(), limit, &mut bytes)?;
        return Ok(bytes);
    }
    let opened = open(file)?;
    let limit = limit_of(file, &opened, limit)?;
    let size = opened.metadata().map_err(|error| system(file, &error))?.len();
    if size > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_long(file, limit));
    }
    let bar = progress::of_file(size);
    bytes.reserve(usize::try_from(size).unwrap_or(0));
    let read = read_limited(file, bar.wrap_read(opened), limit, &mut bytes);
    bar.finish_and_clear();
    read.map(|()| bytes)
}

/// The text of a file of at most `limit` bytes; `-` is stdin.
pub fn text(file: &Path, limit: usize) -> Result<String> {
    text_of(file, bytes(file, limit)?)
}

/// The bytes of a file as text.
pub fn text_of(file: &Path, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| at(file, ErrorClass::InvalidParameter, "it is not UTF-8 text"))
}

/// True where a file is named like a case that is a script, or its text looks like one.
pub fn is_script(file: &Path, text: &[u8]) -> bool {
    file.extension().is_some_and(|end| end == "case") || script::is_script(text)
}

/// How a gzipped file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Lines of any number, as text or gzipped, each with a limit; `-` is stdin.
pub struct Lines<'a> {
    file: &'a Path,
    input: Box<dyn BufRead>,
    limit: usize,
    line: Vec<u8>,
    number: usize,
    /// The line comes once more.
    is_again: bool,
}

impl<'a> Lines<'a> {
    pub fn open(file: &'a Path) -> Result<Self> {
        if is_stdin(file) {
            return Self::of(file, io::stdin().lock(), limit_of(file, io::stdin(), LINE)?, UNPACKED);
        }
        let opened = open(file)?;
        let limit = limit_of(file, &opened, LINE)?;
        Self::of(file, io::BufReader::with_capacity(1 << 16, opened), limit, UNPACKED)
    }

    /// Lines of at most `limit` bytes; a gzipped file unpacks to at most `unpacked`.
    fn of(file: &'a Path, mut input: impl BufRead + 'static, limit: usize, unpacked: usize) -> Result<Self> {
        // A pipe may give a single byte at first, which no row begins with.
        let first = input.fill_buf().map_err(|error| system(file, &error))?;
        let is_gzip = !first.is_empty() && GZIP.starts_with(first.get(..GZIP.len()).unwrap_or(first));
        let input: Box<dyn BufRead> = if is_gzip {
            let decoder = MultiGzDecoder::new(input);
            Box::new(io::BufReader::new(Unpacked { decoder, left: unpacked, limit: unpacked }))
        } else {
            Box::new(input)
        };
        Ok(Self { file, input, limit, line: Vec::new(), number: 0, is_again: false })
    }

    /// The next line that is not blank, without blanks around it, and its number.
    pub fn next(&mut self) -> Result<Option<(usize, &[u8])>> {
        if std::mem::take(&mut self.is_again) {
            return Ok(Some((self.number, self.line.trim_ascii())));
        }
        loop {
            self.line.clear();
            self.number += 1;
            let mut input = Read::take(&mut self.input, as_u64(self.limit) + 1);
            let read = input.read_until(b'\n', &mut self.line);
            if read.map_err(|error| system(self.file, &error))? == 0 {
                return Ok(None);
            }
            if self.line.len() > self.limit && !self.line.ends_with(b"\n") {
                let problem = format!("line {} is longer than {}", self.number, mebibytes(self.limit));
                return Err(at(self.file, ErrorClass::InvalidParameter, &problem));
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some((self.number, self.line.trim_ascii())));
            }
        }
    }

    /// Gives the line that was read last once more.
    pub fn again(&mut self) {
        self.is_again = true;
    }

    /// The text from the line that was read last on, in the line where it stands in the file. The limit is that of a line.
    pub fn into_text(mut self) -> Result<Vec<u8>> {
        let mut text = vec![b'\n'; self.number.saturating_sub(1)];
        text.append(&mut self.line);
        read_limited(self.file, self.input, self.limit, &mut text)?;
        Ok(text)
    }
}

/// The output of a decoder, up to a limit.
struct Unpacked<R> {
    decoder: R,
    left: usize,
    limit: usize,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        let Some(left) = self.left.checked_sub(read) else {
            let problem = format!("it unpacks to more than {}: unpack it before", mebibytes(self.limit));
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        };
        self.left = left;
        Ok(read)
    }
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn open(file: &Path) -> Result<File> {
    let opened = File::open(file).map_err(|error| system(file, &error))?;
    if opened.metadata().map_err(|error| system(file, &error))?.is_dir() {
        return Err(at(file, ErrorClass::InvalidParameter, "is a folder, not a file"));
    }
    Ok(opened)
}

fn limit_of(file: &Path, opened: impl AsFd, limit: usize) -> Result<usize> {
    let stat = fstat(opened).map_err(|errno| system(file, &errno.into()))?;
    let is_device =
        matches!(FileType::from_raw_mode(stat.st_mode), FileType::CharacterDevice | FileType::BlockDevice);
    Ok(if is_device { limit.min(DEVICE) } else { limit })
}

fn read_limited(file: &Path, input: impl Read, limit: usize, bytes: &mut Vec<u8>) -> Result<()> {
    input.take(as_u64(limit) + 1).read_to_end(bytes).map_err(|error| system(file, &error))?;
    if bytes.len() > limit { Err(too_long(file, limit)) } else { Ok(()) }
}

fn as_u64(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX - 1)
}

fn mebibytes(size: usize) -> String {
    if size < 1 << 20 { format!("{size} bytes") } else { format!("{} MiB", size >> 20) }
}

fn too_long(file: &Path, limit: usize) -> Error {
    let problem = format!("it is longer than {}, the most that is read of such a file", mebibytes(limit));
    at(file, ErrorClass::InvalidParameter, &problem)
}

fn system(file: &Path, error: &io::Error) -> Error {
    let is_missing = error.kind() == io::ErrorKind::NotFound;
    at(file, if is_missing { ErrorClass::NotFound } else { ErrorClass::System }, &error.to_string())
}

fn at(file: &Path, class: ErrorClass, problem: &str) -> Error {
    Error::new(class, format!("{}: {problem}", named(file).display()))
}

#[cfg(test)]
mod tests;
