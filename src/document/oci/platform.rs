//! containerd's `platforms`: how platforms are compared, and which of them a host prefers (V-4).

use crate::document::world::containerd::Platform;

/// The platform as containerd compares it.
pub fn normalized(platform: &Platform) -> Platform {
    let os = match platform.os.to_lowercase().as_str() {
        "" => "linux".to_owned(), // the host's
        "macos" => "darwin".to_owned(),
        os => os.to_owned(),
    };
    let (architecture, variant) = (platform.architecture.to_lowercase(), platform.variant.to_lowercase());
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    let (architecture, variant) = (architecture.to_owned(), variant.to_owned());
    Platform { architecture, os, variant, ..platform.clone() }
}

/// True where containerd takes both for the same.
pub fn is_same(one: &Platform, other: &Platform) -> bool {
    normalized(one) == normalized(other)
}

/// `os/architecture/variant`, as it was asked for.
pub fn text(platform: &Platform) -> String {
    let Platform { architecture, os, variant, .. } = platform;
    if os.is_empty() {
        return "unknown".to_owned();
    }
    let parts = [os, architecture, variant];
    parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("/")
}

/// How well `platform` suits the host: the place in the list of those that it runs, best first (V-4).
fn rank(host: &Platform, platform: &Platform) -> usize {
    let host = normalized(host);
    let level = |lowest: u32| {
        let own = host.variant.strip_prefix('v').and_then(|level| level.parse::<u32>().ok()).unwrap_or(0);
        (lowest..own).rev().map(|level| ("v".to_owned() + &level.to_string(), host.architecture.as_str()))
    };
    let mut runs = vec![(host.variant.clone(), host.architecture.as_str())];
    match host.architecture.as_str() {
        "amd64" => {
            runs.extend(level(1));
            runs.push((String::new(), "386"));
        }
        "arm" => runs.extend(level(5)),
        "arm64" => runs.extend((5..=8).rev().map(|level| (format!("v{level}"), "arm"))),
        _ => {}
    }
    let platform = normalized(platform);
    let suits = |(variant, architecture): &(String, &str)| {
        let one =
            Platform { architecture: (*architecture).to_owned(), variant: variant.clone(), ..host.clone() };
        normalized(&one) == Platform { os_version: one.os_version.clone(), ..platform.clone() }
    };
    runs.iter().position(suits).unwrap_or(runs.len())
}

/// The best for the host, the first of several (V-4).
pub fn best<T>(host: &Platform, platforms: impl IntoIterator<Item = (T, Platform)>) -> Option<(T, Platform)> {
    platforms.into_iter().min_by_key(|(_, platform)| rank(host, platform))
}
