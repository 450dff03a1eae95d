//! What may be the name of a repository.

/// Lower-case words between single separators, in parts between slashes, at most 255 bytes.
pub(super) fn is_repository(name: &str) -> bool {
    name.len() <= 255 && name.split('/').all(is_part)
}

fn is_part(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends_well = bytes.first().copied().is_some_and(is_word) && bytes.last().copied().is_some_and(is_word);
    let is_separator =
        |run: &str| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|byte| byte == b'-');
    ends_well
        && part
            .split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit())
            .all(is_separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::tag::is_tag;

    #[test]
    fn names() {
        for name in ["a", "a/b", "domino-5f", "a__b", "a---b", "a.b_c/0"] {
            assert!(is_repository(name), "{name}");
        }
        for name in
            ["", "/", "a/", "/a", "A", "a..b", "a___b", "-a", "a-", "..", "a/../b", "a b", "é", "a.-b"]
        {
            assert!(!is_repository(name), "{name}");
        }
        for tag in ["1", "_x", "V1.2-rc.1", &"a".repeat(128)] {
            assert!(is_tag(tag), "{tag}");
        }
        for tag in ["", ".", "..", "-a", "a/b", "a:b", "a b", "é", &"a".repeat(129)] {
            assert!(!is_tag(tag), "{tag}");
        }
    }
}
