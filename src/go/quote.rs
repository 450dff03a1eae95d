//! Go's ways to quote a string in an error text.

/// The quoting of Go's `time` package: `"` and `\` get a backslash, control bytes and everything
/// beyond ASCII become `\xNN`, DEL stays (SPEC.md T-6).
#[must_use]
pub fn time_quote(value: &[u8]) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for &byte in value {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=0x7f => quoted.push(char::from(byte)),
            _ => push_hex(&mut quoted, 'x', 2, u32::from(byte)),
        }
    }
    quoted.push('"');
    quoted
}

/// Appends a backslash, `kind` and `width` lower-case hexadecimal digits of `value`.
fn push_hex(quoted: &mut String, kind: char, width: u32, value: u32) {
    quoted.extend(['\\', kind]);
    let nibbles = (0..width).rev().map(|place| value >> (4 * place) & 0xf);
    quoted.extend(nibbles.filter_map(|nibble| char::from_digit(nibble, 16)));
}
