//! Go's `base64.StdEncoding`, in which JSON carries a `[]byte`.

/// Decodes `text`: padded, line breaks anywhere, bits beyond the last byte ignored.
///
/// # Errors
///
/// Where the first wrong character stands, counted as Go does.
pub fn decode(text: &str) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut input = text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    loop {
        let mut group = [0; 4];
        let mut filled = 0;
        while filled < group.len() {
            let Some((at, byte)) = input.next() else {
                return if filled == 0 { Ok(bytes) } else { Err(text.len()) };
            };
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' if filled >= 2 => {
                    // The rest of the group is padding, and nothing follows it.
                    let padding =
                        (filled + 1..group.len()).all(|_| input.next().is_some_and(|(_, byte)| byte == b'='));
                    if !padding {
                        return Err(text.len());
                    }
                    bytes.extend(joined(group).into_iter().take(filled - 1));
                    return input.next().map_or(Ok(bytes), |(at, _)| Err(at));
                }
                _ => return Err(at),
            };
            if let Some(slot) = group.get_mut(filled) {
                *slot = value;
            }
            filled += 1;
        }
        bytes.extend(joined(group));
    }
}

/// Four times six bits as three bytes.
fn joined([first, second, third, fourth]: [u8; 4]) -> [u8; 3] {
    [first << 2 | second >> 4, second << 4 | third >> 2, third << 6 | fourth]
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn decodes_as_go_does() {
        for (text, bytes) in [
            ("", ""),
            ("YQ==", "a"),
            ("YWI=", "ab"),
            ("YWJj", "abc"),
            ("YW\nJj\r\nZA==", "abcd"),
            ("YR==", "a"),
        ] {
            assert_eq!(decode(text), Ok(bytes.as_bytes().to_vec()), "{text:?}");
        }
    }

    #[test]
    fn refuses_as_go_does() {
        for text in ["Y", "YQ", "YQ=", "Y===", "=", "YQ==YQ==", "YQ==x", "Y-==", "YQ=x", "é"] {
            assert!(decode(text).is_err(), "{text:?}");
        }
    }
}
