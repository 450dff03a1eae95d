//! A reader of bolt files, the databases that containerd keeps its metadata in.
//!
//! It is our own because the file is untrusted and in use: `bolt-lite` reads whole files into memory and checks
//! neither the checksum of a meta page nor whether pages overlap, and the ports of bolt wait for containerd's lock.
//! Nothing here locks or writes. bolt is copy-on-write: under the newer valid meta page lies a consistent tree for
//! as long as that page stays the newer one (Z-1).

use std::collections::BTreeSet;
use std::fmt;

/// Begins a meta page.
const MAGIC: u32 = 0xED0C_DAED;
/// The only version of the format.
const VERSION: u32 = 2;
/// What precedes the elements of a page.
const PAGE_HEADER: usize = 16;
/// An element of a leaf or a branch page.
const ELEMENT: usize = 16;
/// A meta page's body, checksum included.
const META: usize = 64;
/// What precedes the page of an inline bucket.
const BUCKET_HEADER: usize = 16;

const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
/// The flag of an element that is a bucket.
const IS_BUCKET: u32 = 0x01;

/// Levels of a tree's pages: a page has two children at least, so that no true tree is deeper.
const DEPTH: usize = 64;
/// Buckets within buckets; containerd has nine.
const NESTING: usize = 16;
/// The bytes of one page with those that it overflows into. containerd's largest value is a label.
const PAGE: u64 = 64 << 20;
/// The sizes of pages that bolt knows, by powers of two: 1 KiB to 32 MiB.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 10..=25;

/// The bytes of a database, wherever they are.
pub(crate) trait ReadAt {
    /// Their number.
    fn length(&self) -> u64;

    /// Fills `buffer` with the bytes from `offset` on, all of which must exist.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Damage>;
}

impl ReadAt for &[u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Damage> {
        let from = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let bytes = from.and_then(|bytes| bytes.get(..buffer.len())).ok_or(Damage("it is cut off"))?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// What is wrong with a file, for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damage(pub(crate) &'static str);

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// The newer valid meta page of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    page_size: u64,
    root: u64,
    /// Pages from here on have never been used.
    end: u64,
    transaction: u64,
}

/// Reads the newer valid meta page.
pub(crate) fn meta(file: &impl ReadAt) -> Result<Meta, Damage> {
    let at = |offset: u64| {
        let mut page = [0; PAGE_HEADER + META];
        file.read_at(offset, &mut page).ok()?;
        parse_meta(&page)
    };
    // The second page lies where the first one ends; a damaged first page does not say where.
    let first = at(0);
    let second = match first {
        Some(first) => at(first.page_size),
        None => {
            PAGE_SIZES.map(|bits| 1 << bits).find_map(|size| at(size).filter(|meta| meta.page_size == size))
        }
    };
    let newer = first.into_iter().chain(second).max_by_key(|meta| meta.transaction);
    newer.ok_or(Damage("it has no valid meta page, so that it is no bolt file or a damaged one"))
}

fn parse_meta(page: &[u8; PAGE_HEADER + META]) -> Option<Meta> {
    let body = page.get(PAGE_HEADER..)?;
    let page_size = u64::from(u32_at(body, 8)?);
    let is_valid = u32_at(body, 0)? == MAGIC
        && u32_at(body, 4)? == VERSION
        && u64_at(body, 56)? == fnv1a(body.get(..56)?)
        && page_size.is_power_of_two()
        && PAGE_SIZES.contains(&page_size.trailing_zeros());
    let meta =
        Meta { page_size, root: u64_at(body, 16)?, end: u64_at(body, 40)?, transaction: u64_at(body, 48)? };
    is_valid.then_some(meta)
}

/// bolt's checksum of a meta page.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// What is found under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    Value(&'a [u8]),
    Bucket,
}

/// Visits the database below `meta`, keys in order, a bucket before what is in it. `visit` gets the keys of the
/// buckets around an entry, its key and itself, and says whether to descend into a bucket.
///
/// Memory is bounded by the depth of the tree times the size of a page, and time by the size of the file: a page
/// that is reached twice ends the walk.
pub(crate) fn walk(
    file: &impl ReadAt,
    meta: &Meta,
    visit: &mut impl FnMut(&[Vec<u8>], &[u8], Entry<'_>) -> bool,
) -> Result<(), Damage> {
    // Each true entry has sixteen bytes of its own; without this, small buckets that lie in each other would multiply.
    let entries_left = file.length() / ELEMENT as u64;
    let mut walk = Walk { file, meta, seen: BTreeSet::new(), entries_left, path: Vec::new(), visit };
    walk.page(meta.root, DEPTH)
}

struct Walk<'a, R, V> {
    file: &'a R,
    meta: &'a Meta,
    seen: BTreeSet<u64>,
    entries_left: u64,
    path: Vec<Vec<u8>>,
    visit: &'a mut V,
}

impl<R: ReadAt, V: FnMut(&[Vec<u8>], &[u8], Entry<'_>) -> bool> Walk<'_, R, V> {
    fn page(&mut self, id: u64, depth: usize) -> Result<(), Damage> {
        let depth = depth.checked_sub(1).ok_or(Damage("its pages are nested too deep"))?;
        let page = self.read(id)?;
        let header = Header::of(&page)?;
        if header.id != id {
            return Err(Damage("a page has the number of another"));
        }
        match header.flags {
            BRANCH => {
                for number in 0..header.count {
                    let at = PAGE_HEADER + usize::from(number) * ELEMENT;
                    let child = u64_at(&page, at + 8).ok_or(Damage("a branch page is cut off"))?;
                    self.page(child, depth)?;
                }
                Ok(())
            }
            LEAF => self.leaf(&page, header.count),
            _ => Err(Damage("a page is neither a branch nor a leaf")),
        }
    }

    /// Reads a page with those that it overflows into.
    fn read(&mut self, id: u64) -> Result<Vec<u8>, Damage> {
        let Meta { page_size, end, .. } = *self.meta;
        if id < 2 || id >= end {
            return Err(Damage("a page lies beyond the end"));
        }
        let offset = id.checked_mul(page_size).ok_or(Damage("a page lies beyond the end"))?;
        let mut start = [0; PAGE_HEADER];
        self.file.read_at(offset, &mut start)?;
        let pages = 1 + u64::from(Header::of(&start)?.overflow);
        let length = pages * page_size;
        let is_within = id.checked_add(pages).is_some_and(|last| last <= end)
            && offset.checked_add(length).is_some_and(|last| last <= self.file.length());
        if !is_within || length > PAGE {
            return Err(Damage("a page is larger than the file or than any that containerd writes"));
        }
        for page in id..id + pages {
            if !self.seen.insert(page) {
                return Err(Damage("a page is reached twice"));
            }
        }
        let mut page = vec![0; usize::try_from(length).map_err(|_| Damage("a page is too large"))?];
        self.file.read_at(offset, &mut page)?;
        Ok(page)
    }

    fn leaf(&mut self, page: &[u8], count: u16) -> Result<(), Damage> {
        const CUT: Damage = Damage("an entry lies beyond its page");
        for number in 0..usize::from(count) {
            self.entries_left =
                self.entries_left.checked_sub(1).ok_or(Damage("it has more entries than room for them"))?;
            let at = PAGE_HEADER + number * ELEMENT;
            let field = |offset| u32_at(page, at + offset).ok_or(CUT);
            let (flags, position, key, value) = (field(0)?, field(4)?, field(8)?, field(12)?);
            let start = at.checked_add(position as usize).ok_or(CUT)?;
            let middle = start.checked_add(key as usize).ok_or(CUT)?;
            let end = middle.checked_add(value as usize).ok_or(CUT)?;
            let key = page.get(start..middle).ok_or(CUT)?;
            let value = page.get(middle..end).ok_or(CUT)?;
            if flags & IS_BUCKET == 0 {
                (self.visit)(&self.path, key, Entry::Value(value));
            } else if (self.visit)(&self.path, key, Entry::Bucket) {
                self.bucket(key, value)?;
            }
        }
        Ok(())
    }

    fn bucket(&mut self, key: &[u8], value: &[u8]) -> Result<(), Damage> {
        if self.path.len() >= NESTING {
            return Err(Damage("its buckets are nested too deep"));
        }
        let root = u64_at(value, 0).ok_or(Damage("a bucket is cut off"))?;
        self.path.push(key.to_owned());
        if root == 0 {
            let page = value.get(BUCKET_HEADER..).ok_or(Damage("a bucket is cut off"))?;
            let header = Header::of(page)?;
            if header.flags != LEAF {
                return Err(Damage("the page of a small bucket is no leaf"));
            }
            self.leaf(page, header.count)?;
        } else {
            self.page(root, DEPTH)?;
        }
        self.path.pop();
        Ok(())
    }
}

struct Header {
    id: u64,
    flags: u16,
    count: u16,
    overflow: u32,
}

impl Header {
    fn of(page: &[u8]) -> Result<Self, Damage> {
        let header = || {
            Some(Self {
                id: u64_at(page, 0)?,
                flags: u16::from_le_bytes(*page.get(8..)?.first_chunk()?),
                count: u16::from_le_bytes(*page.get(10..)?.first_chunk()?),
                overflow: u32_at(page, 12)?,
            })
        };
        header().ok_or(Damage("a page is cut off"))
    }
}

/// bolt writes its numbers as the machine has them; containerd's machines are little-endian.
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
