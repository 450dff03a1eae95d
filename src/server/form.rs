//! Forms as Go's `net/http` reads them (H-3): the parameters of a request, from its body and its query.

use crate::base::error::{Error, Result};
use crate::go::quote;
use crate::semantics::Unicode;

/// Keys and values in their order; those of the body come first.
#[derive(Debug, Clone, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Adds what stands in `text`: `a=b&c`. Values need not be UTF-8 in Go; here such bytes are replaced.
    ///
    /// # Errors
    ///
    /// Go's text of the first fault. What could be read counts all the same, but no route goes on.
    pub fn add_encoded(&mut self, text: &str) -> Result<()> {
        let mut fault = None;
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pair.contains(';') {
                fault.get_or_insert_with(|| "invalid semicolon separator in query".to_owned());
                continue;
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(key, true), decode(value, true)) {
                (Ok(key), Ok(value)) => self.0.push((key, value)),
                (Err(escape), _) | (_, Err(escape)) => {
                    fault.get_or_insert_with(|| bad_escape(&escape));
                }
            }
        }
        fault.map_or(Ok(()), |message| Err(Error::invalid_parameter(message)))
    }

    /// The first value of a parameter, empty without one.
    pub fn get(&self, key: &str) -> &str {
        self.all(key).next().unwrap_or("")
    }

    /// All values of a parameter.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// moby's idea of a flag (`httputils.BoolValue`).
    pub fn flag(&self, key: &str) -> bool {
        let value = self.get(key).trim().to_lowercase();
        !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
    }
}

/// Decodes `%41`, and `+` where that is a blank.
///
/// # Errors
///
/// The escape that is none.
pub(super) fn decode(text: &str, plus_is_blank: bool) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'%' => {
                let escape = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let value = escape
                    .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let Some(value) = value else {
                    let shown = behind.get(..2).unwrap_or(behind);
                    return Err(format!("%{}", String::from_utf8_lossy(shown)));
                };
                bytes.push(value);
                rest = behind.get(2..).unwrap_or_default();
            }
            b'+' if plus_is_blank => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

pub(super) fn bad_escape(escape: &str) -> String {
    format!("invalid URL escape {}", quote::quote(escape.as_bytes(), Unicode::V13))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn the_first_value_counts() {
        let mut form = Form::default();
        form.add_encoded("a=1&b=%41+c&&flag=No&empty").unwrap();
        form.add_encoded("a=2&on=yes").unwrap();
        assert_eq!((form.get("a"), form.get("b"), form.get("missing")), ("1", "A c", ""));
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert!(form.flag("on") && !form.flag("flag") && !form.flag("empty") && !form.flag("missing"));
    }

    #[test]
    fn faults_have_gos_texts() {
        for (text, expected) in [
            ("a=%zz", r#"invalid URL escape "%zz""#),
            ("a=%4", r#"invalid URL escape "%4""#),
            ("%=1", r#"invalid URL escape "%""#),
            ("a=1;b=2", "invalid semicolon separator in query"),
            ("a=1;b&c=%z1", "invalid semicolon separator in query"),
        ] {
            assert_eq!(Form::default().add_encoded(text).unwrap_err().to_string(), expected, "{text}");
        }
    }
}
