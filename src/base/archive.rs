//! Archives that are not trusted: how many bytes decoders may give, and how much a tar may say about one entry.
//!
//! A gzip of 4 MB unpacks to 4 GB, and a tar's "long name" may be as long. So a [`Budget`] lies below every decoder,
//! one for all that a request or a file unpacks, and [`each_entry`] bounds what the `tar` crate reads between two
//! entries, which is what it keeps in memory.

use std::cell::Cell;
use std::io::{self, Read};

/// The most bytes that a tar may use between the content of one entry and the next: headers, long names, PAX records,
/// maps of sparse files.
const DESCRIPTION: u64 = 1 << 20;

/// The bytes that decoders may give, together.
#[derive(Debug)]
pub struct Budget {
    bytes: u64,
    /// How many more for each byte that is received.
    ratio: u64,
    received: Cell<u64>,
    unpacked: Cell<u64>,
}

impl Budget {
    /// So many bytes, and `ratio` times what is received.
    pub const fn new(bytes: u64, ratio: u64) -> Self {
        Self { bytes, ratio, received: Cell::new(0), unpacked: Cell::new(0) }
    }

    /// Counts what is received.
    #[cfg(feature = "server")]
    pub fn received<R: Read>(&self, source: R) -> Received<'_, R> {
        Received { source, budget: self }
    }

    /// Counts what a decoder gives, and fails beyond the budget.
    pub fn unpacked<R: Read>(&self, decoder: R) -> Unpacked<'_, R> {
        Unpacked { decoder, budget: self }
    }

    fn left(&self) -> u64 {
        let whole = self.bytes.saturating_add(self.received.get().saturating_mul(self.ratio));
        whole.saturating_sub(self.unpacked.get())
    }
}

/// A source whose bytes enlarge a [`Budget`].
#[cfg(feature = "server")]
#[derive(Debug)]
pub struct Received<'a, R> {
    source: R,
    budget: &'a Budget,
}

#[cfg(feature = "server")]
impl<R: Read> Read for Received<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.budget.received.set(self.budget.received.get().saturating_add(length as u64));
        Ok(length)
    }
}

/// A decoder whose bytes are taken from a [`Budget`].
#[derive(Debug)]
pub struct Unpacked<'a, R> {
    decoder: R,
    budget: &'a Budget,
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // What a decoder reads ahead enlarges the budget, so that it is asked first.
        let most = usize::try_from(self.budget.left().max(1)).unwrap_or(usize::MAX);
        let length = self.decoder.read(buffer.get_mut(..most.min(buffer.len())).unwrap_or_default())?;
        if length as u64 > self.budget.left() {
            let unpacked = self.budget.unpacked.get();
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it unpacks to more than {unpacked} bytes, which is more than is allowed"),
            ));
        }
        self.budget.unpacked.set(self.budget.unpacked.get().saturating_add(length as u64));
        Ok(length)
    }
}

/// Goes through the entries of a tar, in order.
///
/// # Errors
///
/// It is damaged, describes an entry in more than a mebibyte, or `visit` failed.
pub fn each_entry<R: Read, E: From<io::Error>>(
    tar: R,
    mut visit: impl FnMut(&mut tar::Entry<'_, Gate<'_, R>>) -> Result<(), E>,
) -> Result<(), E> {
    let place = Place { read: Cell::new(0), limit: Cell::new(DESCRIPTION) };
    let mut archive = tar::Archive::new(Gate { tar, place: &place });
    for entry in archive.entries()? {
        let mut entry = entry?;
        place.limit.set(u64::MAX);
        visit(&mut entry)?;
        // A sparse file says that it is larger than what is stored of it.
        let is_sparse = entry.header().entry_type().is_gnu_sparse();
        let stored = if is_sparse { entry.header().entry_size()? } else { entry.size() };
        let end = entry.raw_file_position().saturating_add(stored);
        place.limit.set(end.max(place.read.get()).saturating_add(DESCRIPTION));
    }
    Ok(())
}

/// How far a tar has been read, and may be.
#[derive(Debug)]
struct Place {
    read: Cell<u64>,
    limit: Cell<u64>,
}

/// A tar that is not read further than the next entry may begin.
#[derive(Debug)]
pub struct Gate<'a, R> {
    tar: R,
    place: &'a Place,
}

impl<R: Read> Read for Gate<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.place.limit.get().saturating_sub(self.place.read.get());
        if left == 0 {
            let message = format!("a tar that describes an entry in more than {DESCRIPTION} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.tar.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.place.read.set(self.place.read.get().saturating_add(length as u64));
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn header(kind: tar::EntryType, size: u64) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_path("x").unwrap();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    /// Entries of these kinds and sizes, zeros in them.
    fn tar_of(entries: &[(tar::EntryType, u64)]) -> Box<dyn Read> {
        let mut whole: Box<dyn Read> = Box::new(io::empty());
        for (kind, size) in entries {
            let content = io::repeat(0).take(size.next_multiple_of(512));
            whole = Box::new(whole.chain(io::Cursor::new(header(*kind, *size))).chain(content));
        }
        Box::new(whole.chain(io::repeat(0).take(1024)))
    }

    /// The sizes of the entries, and how many bytes were read of the tar.
    fn sizes(tar: impl Read, read_content: bool) -> (io::Result<Vec<u64>>, u64) {
        let budget = Budget::new(u64::MAX, 0);
        let mut sizes = Vec::new();
        let done = each_entry(budget.unpacked(tar), |entry| {
            sizes.push(entry.size());
            if read_content {
                io::copy(entry, &mut io::sink())?;
            }
            Ok::<(), io::Error>(())
        });
        (done.map(|()| sizes), budget.unpacked.get())
    }

    #[test]
    fn an_entry_is_not_described_without_end() {
        use tar::EntryType;
        let file = (EntryType::Regular, 4 << 20);
        for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
            for read_content in [false, true] {
                for before in [&[][..], &[file], &[file, file]] {
                    let tar = tar_of(&[before, &[(kind, 2 << 30), file]].concat());
                    let (found, read) = sizes(tar, read_content);
                    let problem = found.unwrap_err().to_string();
                    assert!(problem.contains("more than 1048576 bytes"), "{kind:?}: {problem}");
                    assert!(
                        read <= (before.len() as u64) * (5 << 20) + DESCRIPTION + 512,
                        "{kind:?}: {read}"
                    );
                }
            }
        }
        // One that is long and no longer than that is read.
        let (found, _) = sizes(tar_of(&[(EntryType::GNULongName, 100_000), file]), false);
        assert_eq!(found.unwrap(), [4 << 20]);
        // A global header is an entry, and not kept.
        let (found, _) = sizes(tar_of(&[(EntryType::XGlobalHeader, 8 << 20), file]), false);
        assert_eq!(found.unwrap(), [8 << 20, 4 << 20]);
    }

    #[test]
    fn the_budget_is_shared_and_ends_on_the_byte() {
        let read = |budget: &Budget, length: u64| {
            io::copy(&mut budget.unpacked(io::repeat(7).take(length)), &mut io::sink())
        };
        let budget = Budget::new(100, 0);
        assert_eq!(read(&budget, 60).unwrap(), 60);
        assert_eq!(read(&budget, 40).unwrap(), 40, "all of it may be used");
        assert_eq!(read(&budget, 0).unwrap(), 0);
        assert!(read(&budget, 1).unwrap_err().to_string().contains("more than 100 bytes"));
    }

    #[test]
    #[cfg(feature = "server")]
    fn what_is_received_enlarges_the_budget() {
        let budget = Budget::new(10, 3);
        io::copy(&mut budget.received(&[0_u8; 20][..]), &mut io::sink()).unwrap();
        let read = |length: u64| io::copy(&mut budget.unpacked(io::repeat(7).take(length)), &mut io::sink());
        assert_eq!(read(70).unwrap(), 70);
        assert!(read(1).is_err());
    }
}
