//! Who we are: challenges, passwords, tokens.
//!
//! A password goes to the registry itself, and to its token server where that is on the same origin or was named
//! by the user. Whatever else an answer asks for, it stays here.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// A user and a password. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password, or a token that stands for it.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Credentials {
    /// The value of an `Authorization` header (RFC 7617).
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The strongest of the `WWW-Authenticate` headers that we know.
    pub(super) fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut best = None;
        for header in headers {
            match Self::parse(header) {
                bearer @ Some(Self::Bearer { .. }) => return bearer,
                Some(basic) => best = Some(basic),
                None => {}
            }
        }
        best
    }

    fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut parameters = parameters(rest);
        let realm = parameters.remove("realm").filter(|realm| !realm.is_empty())?;
        Some(Self::Bearer { realm, service: parameters.remove("service"), scope: parameters.remove("scope") })
    }
}

/// `name="value", name=value`; a backslash stands before a quoted character.
fn parameters(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut characters = text.chars().peekable();
    loop {
        while characters.next_if(|next| *next == ',' || next.is_ascii_whitespace()).is_some() {}
        let mut name = String::new();
        while let Some(next) = characters.next_if(|next| !matches!(next, '=' | ',')) {
            name.push(next);
        }
        if characters.next_if_eq(&'=').is_none() {
            match characters.peek() {
                Some(_) => continue,
                None => return found,
            }
        }
        let mut value = String::new();
        if characters.next_if_eq(&'"').is_some() {
            while let Some(next) = characters.next() {
                match next {
                    '"' => break,
                    '\\' => value.extend(characters.next()),
                    other => value.push(other),
                }
            }
        } else {
            while let Some(next) = characters.next_if(|next| *next != ',') {
                value.push(next);
            }
        }
        found.entry(name.trim().to_ascii_lowercase()).or_insert(value);
    }
}

/// The token in a token server's answer; none where there is none that a header can hold.
pub(super) fn token(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Token {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Token = serde_json::from_slice(body).ok()?;
    let token = answer.token.filter(|token| !token.is_empty()).or(answer.access_token)?;
    let is_sound = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    is_sound.then_some(token)
}

/// A query value: everything but letters, digits and what stands for itself is escaped.
pub(super) fn query_value(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, UNRESERVED)
}

const UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b':');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            let [service, scope] = [service, scope].map(|text| text.map(str::to_owned));
            Some(Challenge::Bearer { realm: realm.to_owned(), service, scope })
        };
        for (header, expected) in [
            (
                r#"Bearer realm="https://a/t",service="r",scope="repository:x:pull,push""#,
                bearer("https://a/t", Some("r"), Some("repository:x:pull,push")),
            ),
            ("bearer realm=https://a , scope=\"a\\\"b\"", bearer("https://a ", None, Some("a\"b"))),
            (r#"Basic realm="x""#, Some(Challenge::Basic)),
            ("BASIC", Some(Challenge::Basic)),
            ("Bearer", None),
            ("Bearer realm=\"\"", None),
            ("Bearer ,,,===,=\"", None),
            ("Negotiate", None),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
        let both = ["Basic realm=a", "Bearer realm=\"https://b\""];
        assert_eq!(Challenge::choose(both.into_iter()), bearer("https://b", None, None));
    }

    #[test]
    fn tokens() {
        assert_eq!(token(br#"{"token":"a.b"}"#).as_deref(), Some("a.b"));
        assert_eq!(token(br#"{"token":"","access_token":"c"}"#).as_deref(), Some("c"));
        for none in ["", "{}", r#"{"token":"a\r\nb"}"#, r#"{"token":null}"#, r#"{"token":"é"}"#] {
            assert_eq!(token(none.as_bytes()), None, "{none}");
        }
        assert_eq!(query_value("repository:a/b:pull,push &").to_string(), "repository:a/b:pull%2Cpush%20%26");
    }

    #[test]
    fn a_password_is_never_shown() {
        let credentials = Credentials { user: "me".to_owned(), password: "secret".to_owned() };
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
