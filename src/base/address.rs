//! Addresses of servers, as far as they may be printed.

/// The scheme, the host and the port of an address. What stands before an `@`, in a path, behind a `?` or where a port
/// should be may be a password, and is `…`.
pub(crate) fn shown(address: &str) -> String {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), address),
    };
    // A password may have any character, so that nothing can be told apart.
    if address.contains('@') {
        return if scheme.contains('@') { "…".to_owned() } else { format!("{scheme}…") };
    }
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) || port.ends_with(']');
    let host = match host.rsplit_once(':') {
        Some((name, port)) if !is_port(port) => format!("{name}:…"),
        _ => host.to_owned(),
    };
    let path = if path.len() > 1 { "/…" } else { path };
    format!("{scheme}{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port() {
        for (address, expected) in [
            ("", ""),
            ("https://example.com", "https://example.com"),
            ("https://example.com:5000/", "https://example.com:5000/"),
            ("https://[::1]:5000", "https://[::1]:5000"),
            ("https://[::1]", "https://[::1]"),
            ("https://me:secret@example.com", "https://…"),
            ("https://me:sec/secret@example.com", "https://…"),
            ("me:secret@example.com", "…"),
            ("me@secret://x", "…"),
            ("https://me:secret", "https://me:…"),
            ("https://me:1:secret", "https://me:1:…"),
            ("https://example.com/secret", "https://example.com/…"),
            ("https://example.com:1?token=secret", "https://example.com:1/…"),
            ("example.com#secret", "example.com/…"),
        ] {
            assert_eq!(shown(address), expected, "{address}");
        }
    }
}
