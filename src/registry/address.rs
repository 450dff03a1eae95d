//! Where a registry is, and whether an answer's link leads away from it.

use std::fmt;
use std::str::FromStr;

use ureq::http::Uri;

use crate::base::address;
use crate::base::error::{Error, Result};

/// The address of a registry: scheme, host and port, nothing else.
///
/// Without a scheme it is `https`, but `http` on this machine's own addresses, as with docker.
///
/// ```
/// use image_prune::registry::Address;
///
/// let address: Address = "registry.example.com".parse()?;
/// assert_eq!(address.to_string(), "https://registry.example.com");
/// assert_eq!("localhost:5000".parse::<Address>()?.to_string(), "http://localhost:5000");
/// assert!("https://user:secret@registry.example.com".parse::<Address>().is_err());
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Origin);

/// Scheme, host and port: what credentials and links must not leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    is_tls: bool,
    /// Lower case; an IPv6 address in brackets.
    host: String,
    port: u16,
}

impl Address {
    pub(super) fn origin(&self) -> &Origin {
        &self.0
    }

    /// The part of a text that may be printed where an address was meant: scheme, host and port. Everything else may be
    /// a password.
    ///
    /// ```
    /// use image_prune::registry::Address;
    ///
    /// assert_eq!(Address::shown("https://me:secret@registry.example.com"), "https://…");
    /// assert_eq!(Address::shown("https://registry.example.com/v2?token=secret"), "https://registry.example.com/…");
    /// ```
    #[must_use]
    pub fn shown(text: &str) -> String {
        address::shown(text)
    }

    /// Whether what is sent there can be read on the way: no TLS, and another machine.
    #[must_use]
    pub fn is_open_to_listeners(&self) -> bool {
        !self.0.is_tls() && !self.0.is_loopback()
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = |why: &str| {
            let shown = Self::shown(text);
            let message =
                format!("registry `{shown}`: {why}; write it like https://registry.example.com:5000");
            Error::invalid_parameter(message)
        };
        if text.contains('@') {
            return Err(refused("a password does not belong into an address"));
        }
        let bare = text.strip_suffix('/').unwrap_or(text);
        let (is_tls, rest) = match bare.split_once("://") {
            Some(("https", rest)) => (Some(true), rest),
            Some(("http", rest)) => (Some(false), rest),
            Some(_) => return Err(refused("only http and https are spoken")),
            None => (None, bare),
        };
        if rest.contains(['/', '?', '#']) {
            return Err(refused("a host and a port, without a path"));
        }
        let uri: Uri = format!("https://{rest}/").parse().map_err(|_| refused("not an address"))?;
        let mut origin = Origin::of(&uri).ok_or_else(|| refused("not an address"))?;
        let has_port = uri.port().is_some();
        origin.is_tls = is_tls.unwrap_or(!origin.is_loopback());
        if !has_port && !origin.is_tls {
            origin.port = 80;
        }
        Ok(Self(origin))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl Origin {
    /// The origin of an absolute address; none for anything that is not plain `http` or `https`.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let is_tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host();
        let is_port_sound = authority.as_str() == host || authority.port_u16().is_some_and(|port| port > 0);
        if host.is_empty() || authority.as_str().contains('@') || !is_port_sound {
            return None;
        }
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Some(Self { is_tls, host: host.to_ascii_lowercase(), port })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }

    pub(super) fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost"
            || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// An address on this origin.
    pub(super) fn at(&self, path: &str) -> Result<Uri> {
        format!("{self}{path}").parse().map_err(|_| Error::invalid_parameter(format!("no address: `{path}`")))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(formatter, "{scheme}://{}", self.host)?;
        let usual = if self.is_tls { 443 } else { 80 };
        if self.port == usual { Ok(()) } else { write!(formatter, ":{}", self.port) }
    }
}

/// The address that `target` means in an answer from `base`: absolute, or relative to it.
pub(super) fn resolve(base: &Uri, target: &str) -> Option<Uri> {
    let origin = Origin::of(base)?;
    let path = base.path();
    let text = if target.contains("://") {
        target.to_owned()
    } else if let Some(rest) = target.strip_prefix("//") {
        format!("{}://{rest}", if origin.is_tls { "https" } else { "http" })
    } else if target.starts_with('/') {
        format!("{origin}{target}")
    } else if target.starts_with('?') {
        format!("{origin}{path}{target}")
    } else {
        let folder = path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or("/");
        format!("{origin}{folder}{target}")
    };
    text.parse().ok()
}

/// The target of `rel="next"` in a `Link` header (RFC 8288), as far as registries write it.
pub(super) fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, link)) = rest.split_once('<') {
        let (target, parameters) = link.split_once('>')?;
        let end = parameters.find('<').unwrap_or(parameters.len());
        let (own, others) = parameters.split_at(end);
        let is_next = own.split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && value.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.trim());
        }
        rest = others;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn addresses() {
        for (text, address) in [
            ("127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("[::1]:5000", "http://[::1]:5000"),
            ("LocalHost", "http://localhost"),
            ("https://localhost", "https://localhost"),
            ("http://Registry.example.com:80/", "http://registry.example.com"),
            ("registry.example.com:5000", "https://registry.example.com:5000"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), address, "{text}");
        }
        for text in [
            "",
            "https://",
            "ftp://a",
            "a/b",
            "https://a/v2/",
            "a?b",
            "a:b",
            "a:99999",
            "a:0",
            "u:p@a",
            "a b",
            "https://[::1",
            "a\n",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn links() {
        let base: Uri = "http://a:5000/v2/x/tags/list?n=1".parse().unwrap();
        for (target, address) in [
            ("/v2/x/tags/list?last=b", "http://a:5000/v2/x/tags/list?last=b"),
            ("?last=b", "http://a:5000/v2/x/tags/list?last=b"),
            ("list?last=b", "http://a:5000/v2/x/tags/list?last=b"),
            ("//b/x", "http://b/x"),
            ("https://a:5000/x", "https://a:5000/x"),
        ] {
            assert_eq!(resolve(&base, target).unwrap().to_string(), address);
        }
        assert_eq!(next_link(r#"</a?n=1>; rel="next""#), Some("/a?n=1"));
        assert_eq!(next_link(r#"</p>; rel=prev, </n>; title="x"; REL=Next"#), Some("/n"));
        for none in ["", "<", "</a", "</a>", r#"</a>; rel="prev""#, "rel=next"] {
            assert_eq!(next_link(none), None, "{none}");
        }
    }
}
