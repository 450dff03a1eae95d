//! The grammar of references, by hand and in one pass.

use super::{DEFAULT_DOMAIN, OFFICIAL, Reference, bounded, join};
use crate::base::error::{Error, Result};
use crate::base::tag::is_tag;
use crate::go::printable::is_printable;
use crate::semantics::{Semantics, Unicode};

const INVALID_FORMAT: &str = "invalid reference format";
const NAME_TOO_LONG: &str = "repository name must not be more than 255 characters";
const NAME_LIMIT: usize = 255;

/// `ParseNormalizedNamed`, in the module's order of failure.
pub(super) fn parse_normalized(text: &str, semantics: &Semantics) -> Result<Reference> {
    if is_identifier(text) {
        return Err(Error::invalid_parameter(format!(
            "invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )));
    }
    let split = split_domain(text, semantics);
    refuse_upper_case(&split, semantics)?;
    let Some(shape) = Shape::of(split.domain, split.remainder, semantics) else {
        return Err(Error::invalid_parameter(mismatch_text(&split, semantics)));
    };

    let domain_length = if shape.has_domain { split.domain.len() } else { 0 };
    // Without a domain, the first element belongs to the path.
    let first_element = if shape.has_domain { 0 } else { split.domain.len() + 1 };
    let path_length = first_element + split.namespace.len() + shape.path.len();
    let whole_name = if shape.has_domain { domain_length + 1 + path_length } else { path_length };
    let limited = if semantics.name_limit_is_for_path { path_length } else { whole_name };
    let Some(path_length) = u8::try_from(path_length).ok().filter(|_| limited <= NAME_LIMIT) else {
        return Err(Error::invalid_parameter(NAME_TOO_LONG));
    };
    if let Some(digest) = shape.digest {
        check_digest(digest)?;
    }

    Ok(Reference {
        text: join(&[split.domain, "/", split.namespace, split.remainder]),
        path_length,
        tag_length: bounded(shape.tag.map_or(0, str::len)),
        digest_length: bounded(shape.digest.map_or(0, str::len)),
        familiar_start: familiar_start(&split, &shape),
    })
}

/// A text with its domain split off or added, and not yet checked. Its normalized form is
/// `domain/namespace remainder`.
struct Split<'a> {
    domain: &'a str,
    /// `library/` where it was added, else empty.
    namespace: &'static str,
    remainder: &'a str,
}

/// `splitDockerDomain`: what stands before the first `/` is a domain if it looks like one.
fn split_domain<'a>(text: &'a str, semantics: &Semantics) -> Split<'a> {
    let looks_like_domain = |first: &str| {
        first.contains(['.', ':'])
            || first == "localhost"
            || (semantics.upper_case_is_domain && has_upper_case(first, semantics.unicode))
    };
    let (domain, remainder) = match text.split_once('/') {
        Some(("index.docker.io", remainder)) => (DEFAULT_DOMAIN, remainder),
        Some((first, remainder)) if looks_like_domain(first) => (first, remainder),
        _ => (DEFAULT_DOMAIN, text),
    };
    let is_official = domain == DEFAULT_DOMAIN && !remainder.contains('/');
    Split { domain, namespace: if is_official { OFFICIAL } else { "" }, remainder }
}

fn refuse_upper_case(split: &Split<'_>, semantics: &Semantics) -> Result<()> {
    let remote = split.remainder.split_once(':').map_or(split.remainder, |(remote, _)| remote);
    if !has_upper_case(remote, semantics.unicode) {
        return Ok(());
    }
    Err(Error::invalid_parameter(if semantics.lower_case_error_names_remainder {
        let namespace = split.namespace;
        format!("invalid reference format: repository name ({namespace}{remote}) must be lowercase")
    } else {
        "invalid reference format: repository name must be lowercase".to_owned()
    }))
}

/// Go's `strings.ToLower(text) != text`. A letter younger than Go's Unicode has no case there.
fn has_upper_case(text: &str, unicode: Unicode) -> bool {
    text.chars().any(|character| {
        if character.is_ascii() {
            character.is_ascii_uppercase()
        } else {
            !character.to_lowercase().eq([character]) && is_printable(character, unicode)
        }
    })
}

/// A text that fails, and would not in lower case, is told so. Some of them get past
/// [`refuse_upper_case`]: `Ex_ample.com/a`, or a Kelvin sign in a tag.
fn mismatch_text(split: &Split<'_>, semantics: &Semantics) -> &'static str {
    let lower = |text: &str| {
        // The characters beyond ASCII that Go's simple lower-casing brings into ASCII.
        let lower = |character| match character {
            '\u{130}' => 'i',
            '\u{212a}' => 'k',
            _ => character.to_ascii_lowercase(),
        };
        text.chars().map(lower).collect::<String>()
    };
    match Shape::of(&lower(split.domain), &lower(split.remainder), semantics) {
        Some(_) => "repository name must be lowercase",
        None => INVALID_FORMAT,
    }
}

/// How far the familiar form cuts.
fn familiar_start(split: &Split<'_>, shape: &Shape<'_>) -> u8 {
    if split.domain != DEFAULT_DOMAIN {
        return 0;
    }
    let official = match split.namespace {
        "" => shape.path.strip_prefix(OFFICIAL).is_some_and(|name| !name.contains('/')),
        _ => true,
    };
    bounded(DEFAULT_DOMAIN.len() + 1 + if official { OFFICIAL.len() } else { 0 })
}

/// The parts of a text that the grammar accepts.
struct Shape<'a> {
    has_domain: bool,
    /// Without the first element where that is no domain.
    path: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Shape<'a> {
    /// Matches `first/rest`. Neither `:` nor `@` has a place in a path, nor `@` in a tag: the first
    /// of each in `rest` is where the path and the tag end.
    fn of(first: &str, rest: &'a str, semantics: &Semantics) -> Option<Self> {
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest, None),
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        let has_domain = is_domain(first, semantics.ipv6_hosts);
        let matches = (has_domain || is_component(first))
            && path.split('/').all(is_component)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        matches.then_some(Self { has_domain, path, tag, digest })
    }
}

/// A host with an optional port.
fn is_domain(text: &str, ipv6_hosts: bool) -> bool {
    let (is_host, port) =
        if let Some((address, port)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
            (ipv6_hosts && is_ipv6_address(address), port)
        } else {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (host.split('.').all(is_label), port)
        };
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// Digits and colons; that it is an address is not checked.
fn is_ipv6_address(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Runs of lower-case letters and digits, joined by one `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let mut rest = text;
    loop {
        let behind_run = rest.trim_start_matches(|c| matches!(c, 'a'..='z' | '0'..='9'));
        if behind_run.len() == rest.len() {
            return false;
        }
        if behind_run.is_empty() {
            return true;
        }
        let dashes = || Some(behind_run.trim_start_matches('-')).filter(|rest| rest.len() < behind_run.len());
        let behind_separator =
            ["__", "_", "."].iter().find_map(|separator| behind_run.strip_prefix(separator));
        match behind_separator.or_else(dashes) {
            Some(next) => rest = next,
            None => return false,
        }
    }
}

/// The shape of a digest within a reference; [`check_digest`] decides afterwards.
fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_part)
        && hex.len() >= 32
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// go-digest's `Digest.Validate`.
pub(super) fn check_digest(text: &str) -> Result<()> {
    let invalid_format = Err(Error::invalid_parameter("invalid checksum digest format"));
    let Some((algorithm, encoded)) = text.split_once(':') else { return invalid_format };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ if is_algorithm(algorithm) && is_encoded(encoded) => {
            return Err(Error::invalid_parameter("unsupported digest algorithm"));
        }
        _ => return invalid_format,
    };
    // An empty one is a matter of format, before its length.
    if encoded.is_empty() {
        return invalid_format;
    }
    if encoded.len() != length {
        return Err(Error::invalid_parameter("invalid checksum digest length"));
    }
    if is_lower_hex(encoded) { Ok(()) } else { invalid_format }
}

fn is_algorithm(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
    text.split(['.', '+', '_', '-']).all(is_part)
}

fn is_encoded(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-'))
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Exactly 64 lower-case hexadecimal digits: an image ID without its algorithm.
pub(super) fn is_identifier(text: &str) -> bool {
    text.len() == 64 && is_lower_hex(text)
}
