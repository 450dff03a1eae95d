//! Patterns of names: `*`, `?`, `[a-z]`, `{a,b}`.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

pub(crate) use super::pattern::refuse_long;

/// Compiles `pattern`; where a slash is special, only `**` stands for one. Says what is wrong with it otherwise.
///
/// A set of one, since `Glob::compile_matcher` panics where a set is an error: on a pattern that is too long.
pub(crate) fn compile(pattern: &str, is_slash_special: bool) -> Result<GlobSet, String> {
    refuse_long(pattern)?;
    let text = |error: globset::Error| error.kind().to_string();
    let glob = GlobBuilder::new(pattern).literal_separator(is_slash_special).build().map_err(text)?;
    GlobSetBuilder::new().add(glob).build().map_err(text)
}

/// The pattern, or the beginning of a long one: for errors.
pub(crate) fn shown(pattern: &str) -> String {
    const SHOWN: usize = 80;
    match pattern.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", pattern.get(..end).unwrap_or_default()),
        None => pattern.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::pattern::LONGEST;

    #[test]
    fn no_pattern_of_any_length_panics() {
        for piece in ["a", "*", "**/", "?", "[a-z]", "[!a]", "{a,b}", "{", "\\", "é", "{a,{b,c}}", "/"] {
            for length in [0, 1, LONGEST - 8, LONGEST, LONGEST + 1, 900_000] {
                let pattern = piece.repeat(length / piece.len());
                for is_slash_special in [false, true] {
                    match compile(&pattern, is_slash_special) {
                        Ok(set) => drop(set.is_match("a".repeat(1_000_000))),
                        Err(problem) => assert!(problem.len() < 100, "{problem}"),
                    }
                }
            }
        }
        assert!(compile(&"a".repeat(LONGEST + 1), true).is_err());
        assert!(compile(&"a".repeat(LONGEST), true).is_ok_and(|set| set.is_match("a".repeat(LONGEST))));
        assert_eq!(shown(&"é".repeat(81)), format!("{}…", "é".repeat(80)));
    }
}
