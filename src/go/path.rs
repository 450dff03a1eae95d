//! Go's `path.Match`: shell patterns in which `*` and `?` do not cross a slash.

/// A pattern that `path.Match` calls malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPattern;

impl std::fmt::Display for BadPattern {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("syntax error in pattern")
    }
}

impl std::error::Error for BadPattern {}

/// Whether all of `name` matches `pattern`: `*`, `?`, `[a-z]`, `[^a-z]`, and `\` in front of any of them.
///
/// ```
/// use image_prune::go::path::matches;
///
/// assert_eq!(matches("team/*:v?", "team/app:v1"), Ok(true));
/// assert_eq!(matches("*", "team/app"), Ok(false));
/// assert!(matches("[", "a").is_err());
/// ```
///
/// # Errors
///
/// The pattern is malformed, wherever the match fails.
pub fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let pattern = parse(pattern)?;
    let name: Vec<char> = name.chars().collect();
    // The places of the pattern that the name read so far can have led to: linear in the product of both.
    let mut places = vec![false; pattern.len() + 1];
    if let Some(start) = places.first_mut() {
        *start = true;
    }
    step_over_stars(&pattern, &mut places);
    for character in name {
        let mut next = vec![false; places.len()];
        for (place, part) in pattern.iter().enumerate().filter(|(place, _)| places.get(*place) == Some(&true))
        {
            let reached = match part {
                Part::Star if character != '/' => place,
                Part::Any if character != '/' => place + 1,
                Part::One(wanted) if *wanted == character => place + 1,
                Part::Class { negated, ranges } if contains(ranges, character) != *negated => place + 1,
                _ => continue,
            };
            if let Some(reached) = next.get_mut(reached) {
                *reached = true;
            }
        }
        step_over_stars(&pattern, &mut next);
        places = next;
    }
    Ok(places.last() == Some(&true))
}

fn contains(ranges: &[(char, char)], character: char) -> bool {
    ranges.iter().any(|(low, high)| (*low..=*high).contains(&character))
}

/// A star may stand for nothing.
fn step_over_stars(pattern: &[Part], places: &mut [bool]) {
    for (place, part) in pattern.iter().enumerate() {
        if matches!(part, Part::Star)
            && places.get(place) == Some(&true)
            && let Some(behind) = places.get_mut(place + 1)
        {
            *behind = true;
        }
    }
}

enum Part {
    Star,
    Any,
    One(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

fn parse(pattern: &str) -> Result<Vec<Part>, BadPattern> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        parts.push(match character {
            '*' => Part::Star,
            '?' => Part::Any,
            '[' => class(&mut rest)?,
            '\\' => Part::One(rest.next().ok_or(BadPattern)?),
            other => Part::One(other),
        });
    }
    Ok(parts)
}

fn class(rest: &mut std::str::Chars<'_>) -> Result<Part, BadPattern> {
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        if rest.as_str().starts_with(']') && !ranges.is_empty() {
            rest.next();
            return Ok(Part::Class { negated, ranges });
        }
        let low = class_character(rest)?;
        let mut high = low;
        if rest.as_str().starts_with('-') {
            rest.next();
            high = class_character(rest)?;
        }
        ranges.push((low, high));
    }
}

fn class_character(rest: &mut std::str::Chars<'_>) -> Result<char, BadPattern> {
    let character = match rest.next() {
        None | Some('-' | ']') => return Err(BadPattern),
        Some('\\') => rest.next().ok_or(BadPattern)?,
        Some(character) => character,
    };
    // A class must be closed.
    if rest.as_str().is_empty() { Err(BadPattern) } else { Ok(character) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Go's own table (`path/match_test.go`), as answers.
    #[test]
    fn answers_as_go_does() {
        for (pattern, name, expected) in [
            ("abc", "abc", Ok(true)),
            ("*", "abc", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*", "a", Ok(true)),
            ("a*", "ab/c", Ok(false)),
            ("a*/b", "abc/b", Ok(true)),
            ("a*/b", "a/c/b", Ok(false)),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", Ok(true)),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", Ok(false)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzy", Ok(false)),
            ("ab[c]", "abc", Ok(true)),
            ("ab[b-d]", "abc", Ok(true)),
            ("ab[^b-d]", "abc", Ok(false)),
            ("a\\*b", "a*b", Ok(true)),
            ("a?b", "a☺b", Ok(true)),
            ("a???b", "a☺b", Ok(false)),
            ("[a-ζ]*", "α", Ok(true)),
            ("a?b", "a/b", Ok(false)),
            ("[\\]a]", "]", Ok(true)),
            ("[\\-x]", "-", Ok(true)),
            ("[]a]", "]", Err(BadPattern)),
            ("[-]", "-", Err(BadPattern)),
            ("[x-]", "x", Err(BadPattern)),
            ("[a-b-c]", "a", Err(BadPattern)),
            ("[", "a", Err(BadPattern)),
            ("[^bc", "a", Err(BadPattern)),
            ("a[", "ab", Err(BadPattern)),
            ("*x", "xxx", Ok(true)),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn takes_no_exponential_time() {
        let pattern = "*a".repeat(200) + "b";
        assert_eq!(matches(&pattern, &"a".repeat(2000)), Ok(false));
    }
}
