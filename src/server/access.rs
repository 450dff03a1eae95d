//! Which hosts and origins a request may name. A page in a browser reaches every address of its machine: through a name
//! of its own that it lets point there, or with a form that it sends elsewhere.

use hyper::http::request::Parts;
use hyper::http::uri::Authority;

use super::answer::Refusal;

/// The hosts that a daemon answers to.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    /// False on a socket: no browser opens one, and clients write what they like.
    pub checks_host: bool,
    /// Beside the loopback ones, in lower case.
    pub hosts: Vec<String>,
}

impl Access {
    /// # Errors
    ///
    /// 403: a host that is not this daemon's, a page from elsewhere.
    pub fn check(&self, parts: &Parts) -> Result<(), Refusal> {
        let header =
            |name: &str| parts.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        // The target's host counts before the header's (RFC 9112, 3.2.2).
        let host =
            parts.uri.authority().map(|authority| authority.as_str().into()).or_else(|| header("host"));
        let host = host.unwrap_or_default();
        // Without one it is HTTP/1.0, which no browser speaks.
        let is_named = parts.uri.authority().is_some() || parts.headers.contains_key("host");
        if self.checks_host && is_named && !self.answers_to(&host) {
            return Err(Refusal::Status(
                403,
                format!("host {host:?} is not one of this daemon's; --allow-host adds a name"),
            ));
        }
        match header("origin") {
            Some(origin) if !self.is_own(&origin, &host) => Err(Refusal::Status(
                403,
                format!(
                    "origin {origin:?}: requests of web pages from elsewhere are refused; --allow-host adds a name"
                ),
            )),
            _ => Ok(()),
        }
    }

    fn answers_to(&self, host: &str) -> bool {
        let Some(name) = name_of(host) else { return false };
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
        let is_loopback = address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        // RFC 6761: these names never leave the machine.
        is_loopback || name == "localhost" || name.ends_with(".localhost") || self.hosts.contains(&name)
    }

    /// The page came from here, or from a host that was allowed.
    fn is_own(&self, origin: &str, host: &str) -> bool {
        let Some((_, of_page)) = origin.split_once("://") else { return false };
        let is_same = self.answers_to(of_page) && of_page.eq_ignore_ascii_case(host);
        is_same || name_of(of_page).is_some_and(|name| self.hosts.contains(&name))
    }
}

/// A host without its port, in lower case.
fn name_of(host: &str) -> Option<String> {
    let authority: Authority = host.parse().ok()?;
    let has_user = authority.as_str().contains('@');
    (!has_user).then(|| authority.host().to_ascii_lowercase())
}
