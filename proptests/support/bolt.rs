#![cfg_attr(not(feature = "cli"), allow(dead_code, reason = "only tests of the command use it"))]
//! A writer of bolt files, for roots of containerd that no daemon made.
#![allow(clippy::cast_possible_truncation, clippy::unwrap_used, reason = "test code; the files are small")]

use std::collections::BTreeMap;

const PAGE: usize = 4096;
const HEADER: usize = 16;
const ELEMENT: usize = 16;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const META: u16 = 0x04;

/// What is under a key.
#[derive(Debug, Clone)]
pub enum Node {
    Value(Vec<u8>),
    Bucket(Bucket),
}

/// Keys in order.
#[derive(Debug, Clone, Default)]
pub struct Bucket(BTreeMap<Vec<u8>, Node>);

impl Bucket {
    /// Puts a value, below the buckets of the path, which come into being.
    pub fn put(&mut self, path: &[&str], value: impl Into<Vec<u8>>) {
        let (key, around) = path.split_last().unwrap();
        self.bucket(around).0.insert(key.as_bytes().to_vec(), Node::Value(value.into()));
    }

    /// The bucket at a path, which comes into being.
    pub fn bucket(&mut self, path: &[&str]) -> &mut Self {
        path.iter().fold(self, |bucket, key| {
            let node =
                bucket.0.entry(key.as_bytes().to_vec()).or_insert_with(|| Node::Bucket(Self::default()));
            match node {
                Node::Bucket(bucket) => bucket,
                Node::Value(_) => panic!("{key} is a value"),
            }
        })
    }

    /// The bytes of a database with these keys.
    pub fn to_file(&self) -> Vec<u8> {
        let mut file = File(vec![0; 2 * PAGE]);
        let root = file.pages_of(self);
        let end = (file.0.len() / PAGE) as u64;
        for number in 0..2_u64 {
            let mut body = [0xED0C_DAED_u32, 2, PAGE as u32, 0].map(u32::to_le_bytes).concat();
            // The root with its sequence, no list of free pages, the end, the transaction.
            body.extend([root, 0, u64::MAX, end, number + 1].map(u64::to_le_bytes).concat());
            body.extend(checksum(&body).to_le_bytes());
            let page = [header(number, META, 0, 0), body].concat();
            let at = usize::try_from(number).unwrap() * PAGE;
            file.0[at..at + page.len()].copy_from_slice(&page);
        }
        file.0
    }
}

/// A number as Go's `binary.PutVarint` writes it.
pub fn varint(number: i64) -> Vec<u8> {
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

/// A time as Go's `Time.MarshalBinary` writes it: seconds since 1970, in UTC.
pub fn time(seconds: i64) -> Vec<u8> {
    let since_year_one = seconds + 62_135_596_800;
    [&[1][..], &since_year_one.to_be_bytes(), &[0; 4], &[0xff, 0xff]].concat()
}

struct File(Vec<u8>);

/// A flag, a key and what is under it.
type Entry = (u32, Vec<u8>, Vec<u8>);

impl File {
    /// Writes the pages of a bucket and says which is its root.
    fn pages_of(&mut self, bucket: &Bucket) -> u64 {
        let entries = self.entries(bucket);
        let mut pages = Vec::new();
        let mut from = 0;
        while from < entries.len() || pages.is_empty() {
            let mut length = HEADER;
            let mut to = from;
            while to < entries.len() && (to == from || length + size(&entries[to]) <= PAGE) {
                length += size(&entries[to]);
                to += 1;
            }
            let first = entries.get(from).map(|(_, key, _)| key.clone()).unwrap_or_default();
            let id = self.next();
            pages.push((first, id));
            self.append(&leaf(id, &entries[from..to]));
            from = to;
        }
        while pages.len() > 1 {
            pages = pages.chunks(30).map(|children| (children[0].0.clone(), self.branch(children))).collect();
        }
        pages[0].1
    }

    fn entries(&mut self, bucket: &Bucket) -> Vec<Entry> {
        let entry = |(key, node): (&Vec<u8>, &Node)| match node {
            Node::Value(value) => (0, key.clone(), value.clone()),
            Node::Bucket(bucket) => (1, key.clone(), self.bucket(bucket)),
        };
        bucket.0.iter().map(entry).collect()
    }

    /// As bolt does, a small bucket without others lies within its entry.
    fn bucket(&mut self, bucket: &Bucket) -> Vec<u8> {
        let is_flat = bucket.0.values().all(|node| matches!(node, Node::Value(_)));
        let entries = if is_flat { self.entries(bucket) } else { Vec::new() };
        if is_flat && HEADER + entries.iter().map(size).sum::<usize>() <= PAGE / 4 {
            return [vec![0; 16], leaf(0, &entries)].concat();
        }
        [self.pages_of(bucket), 0].map(u64::to_le_bytes).concat()
    }

    fn branch(&mut self, children: &[(Vec<u8>, u64)]) -> u64 {
        let id = self.next();
        let mut page = header(id, BRANCH, children.len(), 0);
        let mut keys = Vec::new();
        for (number, (key, child)) in children.iter().enumerate() {
            let position = (children.len() - number) * ELEMENT + keys.len();
            page.extend([position as u32, key.len() as u32].map(u32::to_le_bytes).concat());
            page.extend(child.to_le_bytes());
            keys.extend(key);
        }
        self.append(&[page, keys].concat());
        id
    }

    fn next(&self) -> u64 {
        (self.0.len() / PAGE) as u64
    }

    fn append(&mut self, page: &[u8]) {
        let start = self.0.len();
        self.0.extend(page);
        self.0.resize(start + page.len().next_multiple_of(PAGE), 0);
        let overflow = (self.0.len() - start) / PAGE - 1;
        self.0[start + 12..start + 16].copy_from_slice(&(overflow as u32).to_le_bytes());
    }
}

fn size((_, key, value): &Entry) -> usize {
    ELEMENT + key.len() + value.len()
}

fn leaf(id: u64, entries: &[Entry]) -> Vec<u8> {
    let mut page = header(id, LEAF, entries.len(), 0);
    let mut data = Vec::new();
    for (number, (flag, key, value)) in entries.iter().enumerate() {
        let position = (entries.len() - number) * ELEMENT + data.len();
        let fields = [*flag, position as u32, key.len() as u32, value.len() as u32];
        page.extend(fields.map(u32::to_le_bytes).concat());
        data.extend([key.as_slice(), value].concat());
    }
    [page, data].concat()
}

fn header(id: u64, flags: u16, count: usize, overflow: u32) -> Vec<u8> {
    [&id.to_le_bytes()[..], &flags.to_le_bytes(), &(count as u16).to_le_bytes(), &overflow.to_le_bytes()]
        .concat()
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
