//! Paths and query strings of requests.

use std::fmt::Write;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a path may not hold as it is. Slashes stay: names of images have them, and the daemon's routes expect them.
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// A name as part of a path.
///
/// ```
/// assert_eq!(image_prune::client::segment("reg.io:5000/a b@x?"), "reg.io:5000/a%20b@x%3F");
/// ```
#[must_use]
pub fn segment(name: &str) -> String {
    utf8_percent_encode(name, IN_PATH).to_string()
}

/// The part of a request behind `?`.
///
/// ```
/// let query = image_prune::client::Query::new().add("all", "1").add_given("filters", "");
/// assert_eq!(query.to_string(), "?all=1");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Query(String);

impl Query {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more parameter.
    #[must_use]
    pub fn add(mut self, key: &str, value: &str) -> Self {
        let separator = if self.0.is_empty() { '?' } else { '&' };
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        // Writing to a string does not fail.
        let _ = write!(self.0, "{separator}{}={}", encode(key), encode(value));
        self
    }

    /// One more parameter, left out where it is empty.
    #[must_use]
    pub fn add_given(self, key: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.add(key, value) }
    }

    /// A flag, left out where it is false.
    #[must_use]
    pub fn add_flag(self, key: &str, flag: bool) -> Self {
        if flag { self.add(key, "1") } else { self }
    }
}

impl std::fmt::Display for Query {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}
