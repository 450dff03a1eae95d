//! JSON strings as text, and the folding of keys.

use std::borrow::Cow;

/// A JSON string whose syntax is right: the bytes between its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'a> {
    inner: &'a [u8],
    escaped: bool,
}

impl<'a> Quoted<'a> {
    pub(super) const fn new(inner: &'a [u8], escaped: bool) -> Self {
        Self { inner, escaped }
    }

    /// The text, borrowed where it stands in the JSON as it is.
    pub(super) fn text(self) -> Cow<'a, str> {
        match std::str::from_utf8(self.inner) {
            Ok(text) if !self.escaped => Cow::Borrowed(text),
            _ => Cow::Owned(unquote(self.inner)),
        }
    }
}

fn unquote(mut rest: &[u8]) -> String {
    let mut text = String::with_capacity(rest.len());
    while let Some(backslash) = rest.iter().position(|&byte| byte == b'\\') {
        let (plain, escape) = rest.split_at(backslash);
        push_lossy(&mut text, plain);
        let (character, behind) = unescape(escape);
        text.push(character);
        rest = behind;
    }
    push_lossy(&mut text, rest);
    text
}

/// Go replaces every invalid byte by itself, not every invalid sequence.
fn push_lossy(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
}

/// The character of the escape that `bytes` starts with, and what follows it.
fn unescape(bytes: &[u8]) -> (char, &[u8]) {
    if let Some((unit, behind)) = code_unit(bytes) {
        let low = code_unit(behind).filter(|_| (0xd800..0xdc00).contains(&unit));
        let pair = low.and_then(|(low, behind)| {
            let character = char::decode_utf16([unit, low]).next()?.ok()?;
            Some((character, behind))
        });
        let alone = || (char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER), behind);
        return pair.unwrap_or_else(alone);
    }
    match bytes {
        [_, letter, behind @ ..] => {
            let character = match letter {
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                other => char::from(*other),
            };
            (character, behind)
        }
        _ => (char::REPLACEMENT_CHARACTER, &[]),
    }
}

/// The four hexadecimal digits of a `\u` escape.
fn code_unit(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, behind) = bytes.strip_prefix(br"\u")?.split_at_checked(4)?;
    let unit =
        digits.iter().try_fold(0_u32, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))?;
    Some((u16::try_from(unit).ok()?, behind))
}

/// A key of an object.
#[derive(Debug, Clone)]
pub struct Key<'a>(Cow<'a, str>);

impl<'a> Key<'a> {
    pub(super) const fn new(text: Cow<'a, str>) -> Self {
        Self(text)
    }

    /// Returns true when Go takes this key for the struct field `name`, which is ASCII: letters
    /// match in either case, and `s` and `k` match `ſ` (U+017F) and `K` (U+212A), too.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        // Both special letters are longer than those they stand for.
        if self.0.len() <= name.len() {
            return self.0.eq_ignore_ascii_case(name);
        }
        let folded = self.0.chars().map(|character| match character {
            'ſ' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        });
        !self.0.is_ascii() && folded.eq(name.chars().map(|character| character.to_ascii_lowercase()))
    }

    /// The key as a map has it.
    #[must_use]
    pub fn text(self) -> Cow<'a, str> {
        self.0
    }
}
