//! Patterns of references.

use globset::GlobSet;

use super::needed::variables::UNKNOWN;
use super::normalized;
use crate::base::error::{Error, Result};
use crate::base::glob;
use crate::document::reference::Reference;

/// A pattern of references: of the repository, and of the tag or the digest.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    repository: GlobSet,
    /// None for any.
    version: Option<GlobSet>,
    digest: Option<GlobSet>,
}

impl Pattern {
    /// Reads `repository`, `repository:tag` or `repository@digest`.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, tag, digest) = split(text);
        if name.is_empty() || tag.is_some_and(str::is_empty) || digest.is_some_and(str::is_empty) {
            return Err(refused(text, "it is REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST"));
        }
        let compile = |part: &str| compile(text, part, true);
        Ok(Self {
            text: text.to_owned(),
            repository: compile(&plain_name(name))?,
            version: tag.map(compile).transpose()?,
            digest: digest.map(compile).transpose()?,
        })
    }

    /// Reads the name of an image as a file has it. In `masked` stands [`UNKNOWN`] for each variable that is not known,
    /// which may be anything; nothing else does. `text` is how to show it.
    pub fn of_name(text: &str, masked: &str) -> Result<Self> {
        let (name, tag, digest) = split(masked);
        if name.is_empty() {
            return Err(refused(text, "there is no name"));
        }
        let compile = |part: &str| {
            let escaped = globset::escape(part).replace(UNKNOWN, "*");
            compile(text, &escaped, false)
        };
        // The variable may hold the tag as well.
        let may_end_in_tag = name.rsplit('/').next().is_some_and(|last| last.contains(UNKNOWN));
        let version = match tag {
            Some(tag) => Some(compile(tag)?),
            None if digest.is_some() || may_end_in_tag => None,
            None => Some(compile("latest")?),
        };
        Ok(Self {
            text: text.to_owned(),
            repository: compile(&plain_name(name))?,
            version,
            digest: digest.map(compile).transpose()?,
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn matches(&self, reference: &Reference) -> bool {
        let is_repository =
            self.repository.is_match(reference.familiar_name()) || self.repository.is_match(reference.name());
        let is = |glob: &Option<GlobSet>, part: Option<&str>| {
            glob.as_ref().is_some_and(|glob| part.is_some_and(|part| glob.is_match(part)))
        };
        let is_any = self.version.is_none() && self.digest.is_none();
        is_repository
            && (is_any || is(&self.version, reference.tag()) || is(&self.digest, reference.digest()))
    }
}

fn refused(text: &str, problem: &str) -> Error {
    Error::invalid_parameter(format!("image to keep `{}`: {problem}", glob::shown(text)))
}

/// The whole text must not be too long: what stands for a variable may be shorter than the variable.
fn compile(text: &str, part: &str, is_slash_special: bool) -> Result<GlobSet> {
    let glob = glob::refuse_long(text).and_then(|()| glob::compile(part, is_slash_special));
    glob.map_err(|problem| refused(text, &problem))
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
