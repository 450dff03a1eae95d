//! Patterns of references.

use globset::{GlobBuilder, GlobMatcher};

use super::normalized;
use crate::{Error, Reference, Result};

/// A pattern of references: of the repository, and of the tag or the digest.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    repository: GlobMatcher,
    /// None for any.
    version: Option<GlobMatcher>,
    digest: Option<GlobMatcher>,
}

/// What stands for a variable until the name is taken apart. No name holds it.
const VARIABLE: char = '\0';

impl Pattern {
    /// Reads `repository`, `repository:tag` or `repository@digest`.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, tag, digest) = split(text);
        if name.is_empty() || tag.is_some_and(str::is_empty) || digest.is_some_and(str::is_empty) {
            return Err(refused(text, "it is REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST"));
        }
        let glob = |part: &str| glob(text, part, true);
        Ok(Self {
            text: text.to_owned(),
            repository: glob(&plain_name(name))?,
            version: tag.map(glob).transpose()?,
            digest: digest.map(glob).transpose()?,
        })
    }

    /// Reads the name of an image as a compose file has it: `$VARIABLE`, `${VARIABLE}` and all other forms in
    /// braces stand for anything. Nothing else does.
    pub fn of_variable_name(text: &str) -> Result<Self> {
        let masked = mask_variables(text).ok_or_else(|| refused(text, "a `${` is never closed"))?;
        let (name, tag, digest) = split(&masked);
        if name.is_empty() {
            return Err(refused(text, "there is no name"));
        }
        let glob = |part: &str| {
            let escaped = globset::escape(part).replace(VARIABLE, "*");
            glob(text, &escaped, false)
        };
        // The variable may hold the tag as well.
        let may_end_in_tag = name.rsplit('/').next().is_some_and(|last| last.contains(VARIABLE));
        let version = match tag {
            Some(tag) => Some(glob(tag)?),
            None if digest.is_some() || may_end_in_tag => None,
            None => Some(glob("latest")?),
        };
        Ok(Self {
            text: text.to_owned(),
            repository: glob(&plain_name(name))?,
            version,
            digest: digest.map(glob).transpose()?,
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn matches(&self, reference: &Reference) -> bool {
        let is_repository =
            self.repository.is_match(reference.familiar_name()) || self.repository.is_match(reference.name());
        let is = |glob: &Option<GlobMatcher>, part: Option<&str>| {
            glob.as_ref().is_some_and(|glob| part.is_some_and(|part| glob.is_match(part)))
        };
        let is_any = self.version.is_none() && self.digest.is_none();
        is_repository
            && (is_any || is(&self.version, reference.tag()) || is(&self.digest, reference.digest()))
    }
}

fn refused(text: &str, problem: &str) -> Error {
    Error::invalid_parameter(format!("image to keep `{text}`: {problem}"))
}

fn glob(text: &str, part: &str, is_slash_special: bool) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(part).literal_separator(is_slash_special).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| refused(text, &error.kind().to_string()))
}

/// Repository, tag and digest. A colon in front of a slash belongs to a port.
fn split(text: &str) -> (&str, Option<&str>, Option<&str>) {
    let (named, digest) = text.split_once('@').map_or((text, None), |(named, digest)| (named, Some(digest)));
    let last = named.rfind('/').map_or(0, |slash| slash + 1);
    match named.get(last..).and_then(|last| last.rfind(':')).map(|colon| last + colon) {
        Some(colon) => (named.get(..colon).unwrap_or_default(), named.get(colon + 1..), digest),
        None => (named, None, digest),
    }
}

/// `library/app` and `index.docker.io/app` are `app`.
fn plain_name(name: &str) -> String {
    normalized(name).map_or_else(|| name.to_owned(), |reference| reference.familiar_name().to_owned())
}

/// Every variable as [`VARIABLE`]. None where braces are open; `$$` is a dollar sign.
fn mask_variables(text: &str) -> Option<String> {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match (character, rest.peek()) {
            (VARIABLE, _) => {}
            ('$', Some('$')) => masked.extend(rest.next()),
            ('$', Some('{')) => {
                let mut depth = 0;
                loop {
                    match rest.next()? {
                        '{' => depth += 1,
                        '}' if depth == 1 => break,
                        '}' => depth -= 1,
                        _ => {}
                    }
                }
                masked.push(VARIABLE);
            }
            ('$', Some(next)) if next.is_ascii_alphabetic() || *next == '_' => {
                while rest.next_if(|next| next.is_ascii_alphanumeric() || *next == '_').is_some() {}
                masked.push(VARIABLE);
            }
            _ => masked.push(character),
        }
    }
    Some(masked)
}
