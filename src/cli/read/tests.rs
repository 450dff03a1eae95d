#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// The lines, or the text of the error.
fn read(bytes: &[u8], limit: usize) -> std::result::Result<Vec<(usize, String)>, String> {
    read_up_to(bytes, limit, UNPACKED)
}

fn read_up_to(
    bytes: &[u8],
    limit: usize,
    unpacked: usize,
) -> std::result::Result<Vec<(usize, String)>, String> {
    let mut found = Vec::new();
    let text = |error: Error| error.to_string();
    let mut lines =
        Lines::of(Path::new("rows"), io::Cursor::new(bytes.to_vec()), limit, unpacked).map_err(text)?;
    while let Some((number, line)) = lines.next().map_err(text)? {
        found.push((number, String::from_utf8(line.to_vec()).unwrap()));
    }
    Ok(found)
}

#[test]
fn text_and_gzip_are_told_apart() {
    let expected = Ok(vec![(1, "{\"a\":1}".to_owned()), (3, "{\"b\":2}".to_owned())]);
    let text = b"{\"a\":1}\n\n {\"b\":2}\r\n";
    assert_eq!(read(text, 100), expected);
    assert_eq!(read(&gzip(text), 100), expected);
    // Several members are one file, as gzip has it.
    let (first, second) = text.split_at(5);
    assert_eq!(read(&[gzip(first), gzip(second)].concat(), 100), expected);
    assert_eq!(read(b"", 100), Ok(vec![]));
    assert_eq!(read(&gzip(b""), 100), Ok(vec![]));
    assert_eq!(read(b"\x1fx", 100), Ok(vec![(1, "\x1fx".to_owned())]));
}

#[test]
fn a_damaged_file_is_an_error() {
    let whole = gzip(b"{\"a\":1}\n{\"b\":2}\n");
    for length in 1..whole.len() {
        assert!(read(&whole[..length], 100).unwrap_err().starts_with("rows: "), "{length}");
    }
    let mut damaged = whole;
    let last = damaged.len() - 6;
    damaged[last] ^= 1;
    assert!(read(&damaged, 100).is_err());
}

/// Short lines, blank ones, and members without an end: the limit is for all that comes out of the decoder.
#[test]
fn a_gzip_that_unpacks_without_an_end_is_an_error() {
    let blank = gzip(&vec![b'\n'; 1 << 16]);
    for (bomb, what) in [
        (blank.repeat(17), "blank lines"),
        (gzip(&b"{}\n".repeat(1 << 19)), "short lines"),
        (gzip(&vec![b' '; 2 << 20]), "no line"),
    ] {
        let told = read_up_to(&bomb, 4 << 20, 1 << 20).unwrap_err();
        assert_eq!(told, "rows: it unpacks to more than 1 MiB: unpack it before", "{what}");
    }
    assert_eq!(read_up_to(&blank.repeat(16), 4 << 20, 1 << 20), Ok(vec![]), "the last byte is read");
    assert_eq!(read_up_to(&[b'\n'; 1000], 100, 10), Ok(vec![]), "a text has no limit");
}

#[test]
fn a_row_without_an_end_is_an_error() {
    let bomb = gzip(&vec![b'x'; 1 << 20]);
    assert!(bomb.len() < 1 << 13);
    assert_eq!(read(&bomb, 1000).unwrap_err(), "rows: line 1 is longer than 1000 bytes");
    assert_eq!(read(b"1234\n12345\n", 4).unwrap_err(), "rows: line 2 is longer than 4 bytes");
    assert_eq!(read(b"1234\n1234", 4).unwrap().len(), 2);
}
