//! Platforms as containerd's `platforms.Parse` reads them: `linux/arm64/v8`.

use std::fmt;

use crate::base::error::{Error, Result};

/// An operating system, an architecture and its variant. Empty is what was not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: String,
}

const SYSTEMS: [&str; 15] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
];
const ARCHITECTURES: [&str; 23] = [
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "ppc64",
    "ppc64le",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

impl Platform {
    /// Reads a platform; empty text is none.
    ///
    /// # Errors
    ///
    /// containerd's.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        if text.is_empty() {
            return Ok(None);
        }
        let invalid = |problem: &str| Error::invalid_parameter(format!("{problem}: invalid argument"));
        let parts: Vec<_> = text.split('/').collect();
        for part in &parts {
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            if part.is_empty() || !part.bytes().all(is_word) {
                return Err(invalid(&format!(
                    "\"{part}\" is an invalid component of \"{text}\": platform specifier component must match \
                     \"^[A-Za-z0-9_-]+$\""
                )));
            }
        }
        let platform = match *parts.as_slice() {
            [one] => {
                let os = normal_os(one);
                let (architecture, variant) = normal_architecture(one, "");
                if SYSTEMS.contains(&os.as_str()) {
                    Self { os, ..Self::default() }
                } else if ARCHITECTURES.contains(&architecture.as_str()) {
                    Self { os: "linux".to_owned(), architecture, variant }
                } else {
                    return Err(invalid(&format!("\"{text}\": unknown operating system or architecture")));
                }
            }
            [os, architecture] => Self::of(os, architecture, ""),
            [os, architecture, variant] => Self::of(os, architecture, variant),
            _ => return Err(invalid(&format!("\"{text}\": cannot parse platform specifier"))),
        };
        Ok(Some(platform))
    }

    fn of(os: &str, architecture: &str, variant: &str) -> Self {
        let (architecture, variant) = normal_architecture(architecture, variant);
        Self { os: normal_os(os), architecture, variant }
    }

    /// An image of this platform will do: what was not said does not count.
    pub fn takes(&self, os: &str, architecture: &str, variant: &str) -> bool {
        let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        let (architecture, variant) = normal_architecture(architecture, variant);
        is(&self.os, &normal_os(os)) && is(&self.architecture, &architecture) && is(&self.variant, &variant)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.os, &self.architecture, &self.variant].map(String::as_str);
        let said: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        formatter.write_str(&said.join("/"))
    }
}

fn normal_os(os: &str) -> String {
    let os = os.to_ascii_lowercase();
    if os == "macos" { "darwin".to_owned() } else { os }
}

fn normal_architecture(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = (architecture.to_ascii_lowercase(), variant.to_ascii_lowercase());
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", String::new()),
        ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", String::new()),
        ("x86_64" | "x86-64", _) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "") => ("arm64", String::new()),
        ("aarch64", _) => ("arm64", variant),
        ("armhf", _) | ("arm", "7" | "") => ("arm", "v7".to_owned()),
        ("armel", _) => ("arm", "v6".to_owned()),
        ("arm", "5" | "6" | "8") => ("arm", format!("v{variant}")),
        (other, _) => (other, variant),
    };
    (architecture.to_owned(), variant)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn platforms_are_containerds() {
        let of = |os: &str, architecture: &str, variant: &str| Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        };
        for (text, expected) in [
            ("linux", of("linux", "", "")),
            ("arm64", of("linux", "arm64", "")),
            ("linux/x86_64", of("linux", "amd64", "")),
            ("linux/arm", of("linux", "arm", "v7")),
            ("macos/aarch64/v8", of("darwin", "arm64", "")),
            ("x/y", of("x", "y", "")),
        ] {
            assert_eq!(Platform::parse(text).unwrap(), Some(expected), "{text}");
        }
        assert_eq!(Platform::parse("").unwrap(), None);
        for (text, expected) in [
            ("nintendo64", "\"nintendo64\": unknown operating system or architecture: invalid argument"),
            ("x/y/z/w", "\"x/y/z/w\": cannot parse platform specifier: invalid argument"),
            (
                "/",
                "\"\" is an invalid component of \"/\": platform specifier component must match \"^[A-Za-z0-9_-]+$\": \
                 invalid argument",
            ),
        ] {
            assert_eq!(Platform::parse(text).unwrap_err().to_string(), expected);
        }
    }
}
