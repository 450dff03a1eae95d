//! What a test may want to know of the requests that came.

use std::fmt;
use std::sync::Arc;

/// One request, answered.
///
/// ```
/// use image_prune::server::Visit;
///
/// let visit = Visit { method: "GET".into(), path: "/info".into(), status: Some(200) };
/// assert_eq!(visit.to_string(), "GET /info 200");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The method.
    pub method: String,
    /// The path with its query, as it was sent.
    pub path: String,
    /// The answer's status; none where the connection was cut.
    pub status: Option<u16>,
}

impl fmt::Display for Visit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} ", self.method, self.path)?;
        match self.status {
            Some(status) => write!(formatter, "{status}"),
            None => formatter.write_str("cut"),
        }
    }
}

/// Hears of every request.
#[derive(Clone)]
pub(super) struct Observer(pub Arc<dyn Fn(&Visit) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Observer")
    }
}
