//! Where a daemon listens.

use std::fmt;
use std::path::PathBuf;

use super::error::ClientError;
use crate::base::address;

/// Where a daemon listens: docker's `DOCKER_HOST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP address, `host:port`, without encryption.
    Tcp(String),
}

impl Host {
    /// Reads `unix:///path`, `tcp://host:port` or `http://host:port`.
    ///
    /// ```
    /// use image_prune::client::Host;
    ///
    /// let host = Host::parse("unix:///run/docker.sock")?;
    /// assert_eq!(host.to_string(), "unix:///run/docker.sock");
    /// assert!(Host::parse("ssh://me@there").is_err());
    /// # Ok::<(), image_prune::client::ClientError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Any other text. Says what is accepted.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        // A password is not for a terminal or a log; the path of a socket is none.
        let is_path = text.starts_with('/') || text.starts_with("unix://");
        let shown = if is_path && !text.contains('@') { text.to_owned() } else { address::shown(text) };
        let refused = |problem: &str| {
            ClientError::invalid(format!(
                "host `{shown}`: {problem}; it is unix:///path/of/socket or tcp://host:port"
            ))
        };
        match text.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("unix", _)) => Err(refused("the path of the socket must begin with /")),
            Some(("tcp" | "http", address)) if address.contains('@') => {
                Err(refused("a user or a password in it is not supported"))
            }
            Some(("tcp" | "http", address)) => {
                let address = address.trim_end_matches('/');
                let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
                match port {
                    Some(_) if !address.contains('/') => Ok(Self::Tcp(address.to_owned())),
                    _ => Err(refused("a port is missing, or there is a path behind it")),
                }
            }
            Some((scheme, _)) => Err(refused(&format!("{scheme}:// is not supported"))),
            None => Err(refused("there is no scheme")),
        }
    }

    /// The socket of a daemon that nobody configured.
    #[must_use]
    pub fn standard() -> Self {
        Self::Unix("/var/run/docker.sock".into())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
            Self::Tcp(address) => write!(formatter, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        for text in [
            "tcp://me:secret@h:1",
            "ssh://me:secret@h",
            "tcp://me:secret@h",
            "me:secret@h",
            "tcp://h:secret",
            "https://h:1/?token=secret",
            "tcp://h:1/secret",
        ] {
            let error = Host::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret") && error.contains("unix:///path/of/socket"), "{error}");
        }
    }

    #[test]
    fn reads_what_docker_reads() {
        for text in ["unix:///a/b.sock", "tcp://127.0.0.1:2375", "tcp://[::1]:2375"] {
            assert_eq!(Host::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Host::parse("http://h:1/").unwrap(), Host::Tcp("h:1".into()));
        for text in ["", "/a", "unix://a", "tcp://h", "tcp://h:99999", "tcp://h:1/x", "fd://", "npipe://x"] {
            let error = Host::parse(text).unwrap_err().to_string();
            assert!(error.contains("unix:///path/of/socket"), "{error}");
        }
    }
}
