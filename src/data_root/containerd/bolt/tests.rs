#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code"
)]

use super::*;

const SIZE: usize = 1024;

/// A database file, page by page.
struct Pages(Vec<[u8; SIZE]>);

impl Pages {
    /// Two meta pages with these transactions, the root at page 2, and pages for `count` more.
    fn new(transactions: [u64; 2], count: usize) -> Self {
        let mut pages = vec![[0; SIZE]; 2 + count];
        for (page, transaction) in pages.iter_mut().zip(transactions) {
            put(page, 16, &MAGIC.to_le_bytes());
            put(page, 20, &VERSION.to_le_bytes());
            put(page, 24, &(SIZE as u32).to_le_bytes());
            put(page, 32, &2_u64.to_le_bytes());
            put(page, 56, &(2 + count as u64).to_le_bytes());
            put(page, 64, &transaction.to_le_bytes());
            let checksum = fnv1a(&page[16..72]);
            put(page, 72, &checksum.to_le_bytes());
        }
        Self(pages)
    }

    fn page(mut self, id: usize, flags: u16, elements: &[Vec<u8>]) -> Self {
        let body = page(id as u64, flags, elements);
        put(&mut self.0[id], 0, &body);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.concat()
    }
}

fn put(page: &mut [u8], at: usize, bytes: &[u8]) {
    page[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A page's bytes: of a leaf the elements are flag, key length, key and value; of a branch they are a page.
fn page(id: u64, flags: u16, elements: &[Vec<u8>]) -> Vec<u8> {
    let mut header = [id.to_le_bytes().as_slice(), &flags.to_le_bytes()].concat();
    header.extend((elements.len() as u16).to_le_bytes());
    header.extend([0; 4]);
    let (mut heads, mut data) = (Vec::new(), Vec::new());
    for (number, element) in elements.iter().enumerate() {
        if flags == BRANCH {
            heads.extend([0; 8]);
            heads.extend(element);
            continue;
        }
        let (kind, key, value) = (element[0], element[1] as usize, &element[2..]);
        let position = (elements.len() - number) * ELEMENT + data.len();
        for field in [u32::from(kind), position as u32, key as u32, (value.len() - key) as u32] {
            heads.extend(field.to_le_bytes());
        }
        data.extend(value);
    }
    [header, heads, data].concat()
}

fn value(key: &str, value: &str) -> Vec<u8> {
    [&[0, key.len() as u8], key.as_bytes(), value.as_bytes()].concat()
}

fn bucket(key: &str, root: u64) -> Vec<u8> {
    [&[1, key.len() as u8], key.as_bytes(), &root.to_le_bytes(), &[0; 8]].concat()
}

fn small_bucket(key: &str, elements: &[Vec<u8>]) -> Vec<u8> {
    [bucket(key, 0), page(0, LEAF, elements)].concat()
}

fn child(id: u64) -> Vec<u8> {
    id.to_le_bytes().to_vec()
}

/// Each entry as `path/key=value` or `path/key/`.
fn entries(bytes: &[u8]) -> Result<Vec<String>, Damage> {
    let mut found = Vec::new();
    let meta = meta(&bytes)?;
    walk(&bytes, &meta, &mut |path, key, entry| {
        let keys: Vec<_> = path.iter().map(Vec::as_slice).chain([key]).map(String::from_utf8_lossy).collect();
        let end = match entry {
            Entry::Value(value) => format!("={}", String::from_utf8_lossy(value)),
            Entry::Bucket => "/".to_owned(),
        };
        let line = keys.join("/") + &end;
        found.push(line);
        true
    })?;
    Ok(found)
}

#[test]
fn branches_leaves_and_both_kinds_of_buckets_are_read() {
    let file = Pages::new([3, 4], 4)
        .page(2, BRANCH, &[child(3), child(4)])
        .page(3, LEAF, &[value("a", "1"), small_bucket("b", &[value("c", "2"), small_bucket("d", &[])])])
        .page(4, LEAF, &[bucket("e", 5), value("z", "")])
        .page(5, LEAF, &[value("f", "3")]);
    let wanted = ["a=1", "b/", "b/c=2", "b/d/", "e/", "e/f=3", "z="];
    assert_eq!(entries(&file.bytes()).unwrap(), wanted);
}

#[test]
fn the_newer_valid_meta_page_counts() {
    let newest = |transactions, broken: &[usize]| {
        let mut bytes = Pages::new(transactions, 1).page(2, LEAF, &[]).bytes();
        for page in broken {
            bytes[page * SIZE + 40] ^= 1;
        }
        meta(&bytes.as_slice()).map(|meta| meta.transaction)
    };
    assert_eq!(newest([3, 4], &[]), Ok(4));
    assert_eq!(newest([5, 4], &[]), Ok(5));
    assert_eq!(newest([5, 4], &[0]), Ok(4));
    assert_eq!(newest([3, 4], &[1]), Ok(3));
    assert!(newest([3, 4], &[0, 1]).is_err());
}

#[test]
fn pages_in_a_circle_or_in_two_places_end_the_walk() {
    let twice = Damage("a page is reached twice");
    let circle = Pages::new([1, 2], 1).page(2, BRANCH, &[child(2)]);
    assert_eq!(entries(&circle.bytes()), Err(twice));
    let shared = Pages::new([1, 2], 2).page(2, BRANCH, &[child(3), child(3)]).page(3, LEAF, &[]);
    assert_eq!(entries(&shared.bytes()), Err(twice));
    let bucket_of_itself = Pages::new([1, 2], 1).page(2, LEAF, &[bucket("a", 2)]);
    assert_eq!(entries(&bucket_of_itself.bytes()), Err(twice));
    let mut overlap =
        Pages::new([1, 2], 3).page(2, BRANCH, &[child(3), child(4)]).page(3, LEAF, &[]).page(4, LEAF, &[]);
    overlap.0[3][12] = 1;
    assert_eq!(entries(&overlap.bytes()), Err(twice));
}

#[test]
fn what_lies_outside_is_an_error() {
    let beyond = Pages::new([1, 2], 1).page(2, BRANCH, &[child(3)]);
    assert_eq!(entries(&beyond.bytes()), Err(Damage("a page lies beyond the end")));
    let meta_page = Pages::new([1, 2], 1).page(2, BRANCH, &[child(0)]);
    assert_eq!(entries(&meta_page.bytes()), Err(Damage("a page lies beyond the end")));
    let mut large = Pages::new([1, 2], 1).page(2, LEAF, &[]);
    put(&mut large.0[2], 12, &u32::MAX.to_le_bytes());
    assert!(entries(&large.bytes()).is_err());
    for field in [4, 8, 12] {
        let mut entry = Pages::new([1, 2], 1).page(2, LEAF, &[value("a", "1")]);
        put(&mut entry.0[2], PAGE_HEADER + field, &u32::MAX.to_le_bytes());
        assert_eq!(entries(&entry.bytes()), Err(Damage("an entry lies beyond its page")));
    }
    let mut many = Pages::new([1, 2], 1).page(2, LEAF, &[]);
    put(&mut many.0[2], 10, &u16::MAX.to_le_bytes());
    assert!(entries(&many.bytes()).is_err());
}

/// A leaf whose eight entries are all the same bytes: a small bucket with such a leaf, `depth` times.
fn alike(depth: usize) -> Vec<u8> {
    const COUNT: usize = 8;
    let key = b"a";
    let value = if depth == 0 { Vec::new() } else { [vec![0; BUCKET_HEADER], alike(depth - 1)].concat() };
    let mut page = [&[0; 8][..], &LEAF.to_le_bytes(), &(COUNT as u16).to_le_bytes(), &[0; 4]].concat();
    for number in 0..COUNT {
        let position = (COUNT - number) * ELEMENT;
        for field in [usize::from(depth > 0), position, key.len(), value.len()] {
            page.extend((field as u32).to_le_bytes());
        }
    }
    [&page[..], key, &value].concat()
}

/// Their entries would multiply by eight at each level.
#[test]
fn small_buckets_in_each_other_do_not_multiply() {
    let mut file = Pages::new([1, 2], 1);
    let mut page = alike(4);
    page[0] = 2;
    put(&mut file.0[2], 0, &page);
    assert_eq!(entries(&file.bytes()), Err(Damage("it has more entries than room for them")));
}

/// Any byte may be wrong, and the file may end anywhere.
#[test]
fn damage_never_panics() {
    let whole = Pages::new([3, 4], 4)
        .page(2, BRANCH, &[child(3), child(4)])
        .page(3, LEAF, &[value("a", "1"), small_bucket("b", &[value("c", "2"), small_bucket("d", &[])])])
        .page(4, LEAF, &[bucket("e", 5), value("z", "")])
        .page(5, LEAF, &[value("f", "3")])
        .bytes();
    for length in 0..whole.len() {
        let _ = entries(&whole[..length]);
    }
    for at in 0..whole.len() {
        for bit in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= bit;
            let _ = entries(&damaged);
        }
    }
}
