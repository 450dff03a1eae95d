//! The grammar of a tag, for references and registries alike.

/// `[\w][\w.-]{0,127}`: at most 128 letters, digits, `_`, `.` and `-`, the last two not in front.
pub(crate) fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}
