//! What a registry is asked: repositories, tags, manifests, blobs, deletions.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use ureq::http::{Method, Uri};

use super::address::{Origin, next_link, resolve};
use super::http::{Http, HttpError, Options, Purpose};
use super::names::is_repository;
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::base::tag::is_tag;
use crate::document::manifest::{self, MANIFEST_SIZE, Manifest};

/// How many pages a list may have.
const PAGES: usize = 2_000;
/// How many names a list may have.
const NAMES: usize = 2_000_000;
/// The limit of a page, in bytes.
const PAGE_SIZE: usize = 64 << 20;
/// The limit of an image's config, in bytes.
pub const CONFIG_SIZE: usize = 8 << 20;

/// A registry that speaks the distribution API.
///
/// Lists are whole or an error; content is what its digest says or an error. Shared between threads.
///
/// ```no_run
/// use image_prune::registry::{Options, Registry};
///
/// let registry = Registry::new(Options::new("localhost:5000".parse()?))?;
/// for repository in registry.repositories()? {
///     println!("{repository}: {:?}", registry.tags(&repository)?);
/// }
/// # Ok::<(), image_prune::Error>(())
/// ```
pub struct Registry {
    http: Http,
}

/// What became of reading a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// There is none.
    Missing,
    /// It was read, and is what its digest says.
    Read(Box<Content>),
    /// It is there, or may be, and cannot be read.
    Unreadable {
        /// What is wrong.
        why: String,
        /// Its digest, where that is known.
        digest: Option<Digest>,
        /// Whether it may list other manifests, which it needs then.
        may_list: bool,
    },
}

/// A manifest, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The digest of its text.
    pub digest: Digest,
    /// The length of its text, in bytes.
    pub size: u64,
    /// What it says.
    pub manifest: Manifest,
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletion {
    Done,
    /// It was gone already.
    Missing,
    /// Not now; after a pause, where the registry asks for one.
    Later(Option<Duration>),
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Registry").field("origin", self.http.origin()).finish_non_exhaustive()
    }
}

impl Registry {
    /// A registry; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Certificates that cannot be read.
    pub fn new(options: Options) -> Result<Self> {
        Ok(Self { http: Http::new(options)? })
    }

    /// The names of all repositories, as far as we may see them.
    ///
    /// # Errors
    ///
    /// The list cannot be read as a whole; many registries do not give it.
    pub fn repositories(&self) -> Result<BTreeSet<String>> {
        #[derive(Deserialize)]
        struct Page {
            repositories: Option<Vec<String>>,
        }
        let path = "/v2/_catalog?n=1000";
        let names = self.list::<Page>(path, "", |page| page.repositories);
        let names = names.map_err(|failure| failure.during("the list of repositories"))?;
        Ok(names.into_iter().filter(|name| is_repository(name)).collect())
    }

    /// The tags of a repository; none where it does not exist.
    ///
    /// # Errors
    ///
    /// The list cannot be read as a whole, or it has a tag that no registry may have.
    pub fn tags(&self, repository: &str) -> Result<Option<BTreeSet<String>>> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let doing = format!("the tags of {repository}");
        let path = format!("/v2/{}/tags/list?n=1000", checked_repository(repository)?);
        let tags = match self.list::<Page>(&path, repository, |page| page.tags) {
            Ok(tags) => tags,
            Err(HttpError::Missing) => return Ok(None),
            Err(failure) => return Err(failure.during(&doing)),
        };
        match tags.iter().find(|tag| !is_tag(tag)) {
            Some(odd) => Err(Error::system(format!("{doing}: `{odd}` is no tag"))),
            None => Ok(Some(tags)),
        }
    }

    /// Reads a list page by page. A page that leads back, or away from the registry, is a failure: half a list
    /// would look as if the rest were not there.
    fn list<P: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        repository: &str,
        names_of: impl Fn(P) -> Option<Vec<String>>,
    ) -> Result<BTreeSet<String>, HttpError> {
        let broken = |why: &str| Err(HttpError::Broken(why.to_owned()));
        let purpose = Purpose { repository, accept: "application/json", limit: PAGE_SIZE };
        let mut names = BTreeSet::new();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut next = Some(self.uri(path)?);
        while let Some(uri) = next {
            if !seen.insert(uri.to_string()) {
                return broken("the list leads back to a page that was read already");
            }
            let answer = self.http.read(&Method::GET, &uri, purpose)?;
            match answer.status {
                200 => {}
                // Somebody deleted it while we were reading.
                404 if seen.len() > 1 => return broken("it vanished while it was read"),
                _ => return Err(answer.into_failure()),
            }
            let Ok(page) = serde_json::from_slice::<P>(&answer.body) else {
                return broken("the list is no JSON, or cut off");
            };
            let (before, page) = (names.len(), names_of(page).unwrap_or_default());
            names.extend(page);
            next = match answer.header("link").and_then(next_link) {
                None => None,
                Some(target) => Some(self.page_after(&answer.uri, target)?),
            };
            if next.is_some() && names.len() == before {
                return broken("the list goes on without a new name");
            }
            if seen.len() > PAGES || names.len() > NAMES {
                return broken("the list does not end");
            }
        }
        Ok(names)
    }

    /// The digests of manifests that are about `subject`, tagged or not; `None` where the registry does not tell.
    ///
    /// Old registries have no such list, and answer anything to the question. It is no failure: what is not known to be
    /// about a manifest does not go with it.
    pub(super) fn referrers(&self, repository: &str, subject: Digest) -> Result<Option<Vec<Digest>>> {
        let failed = |failure: HttpError| failure.during(&format!("what is about {repository}@{subject}"));
        let path = format!("/v2/{}/referrers/{subject}", checked_repository(repository)?);
        let purpose = Purpose { repository, accept: manifest::OCI_INDEX, limit: MANIFEST_SIZE };
        let (mut referrers, mut seen) = (Vec::new(), BTreeSet::new());
        let mut next = Some(self.uri(&path).map_err(failed)?);
        while let Some(uri) = next.filter(|uri| seen.len() < PAGES && seen.insert(uri.to_string())) {
            let answer = match self.http.read(&Method::GET, &uri, purpose) {
                Ok(answer) if answer.status == 200 => answer,
                Ok(_) | Err(HttpError::Broken(_)) => return Ok(None),
                Err(failure) => return Err(failed(failure)),
            };
            let Ok(index) = Manifest::parse(&answer.body) else { return Ok(None) };
            referrers.extend(index.children().map(|referrer| referrer.digest));
            let target = answer.header("link").and_then(next_link);
            next = target.and_then(|target| self.page_after(&answer.uri, target).ok());
        }
        Ok(Some(referrers))
    }

    fn page_after(&self, base: &Uri, target: &str) -> Result<Uri, HttpError> {
        let Some((uri, origin)) =
            resolve(base, target).and_then(|uri| Some((uri.clone(), Origin::of(&uri)?)))
        else {
            return Err(HttpError::Broken("the next page has no sound address".to_owned()));
        };
        if origin != *self.http.origin() {
            return Err(HttpError::Broken(format!("the list goes on at another place, {origin}: refused")));
        }
        Ok(uri)
    }

    /// Reads the manifest of a tag or a digest.
    ///
    /// # Errors
    ///
    /// The registry refuses us or cannot be reached. A manifest that cannot be read is no error.
    pub fn manifest(&self, repository: &str, reference: &str) -> Result<Fetched> {
        self.manifest_text(repository, reference).map(|(fetched, _)| fetched)
    }

    /// [`Registry::manifest`], with the text; empty unless it was read.
    ///
    /// # Errors
    ///
    /// Those of [`Registry::manifest`].
    pub fn manifest_text(&self, repository: &str, reference: &str) -> Result<(Fetched, Vec<u8>)> {
        let uri = self.manifest_uri(repository, reference)?;
        let asked: Option<Digest> = reference.parse().ok();
        let purpose = Purpose { repository, accept: manifest::ACCEPT, limit: MANIFEST_SIZE };
        let unreadable = |why: String, digest: Option<Digest>, may_list: bool| {
            Ok((Fetched::Unreadable { why, digest, may_list: may_list || digest.is_none() }, Vec::new()))
        };
        let answer = match self.http.read(&Method::GET, &uri, purpose) {
            Ok(answer) if answer.status == 200 => answer,
            Ok(answer) => match answer.into_failure() {
                HttpError::Missing => return Ok((Fetched::Missing, Vec::new())),
                failure @ HttpError::Status { status: 500.., .. } => {
                    return unreadable(failure.to_string(), asked, true);
                }
                failure => return Err(failure.during(&named(repository, reference))),
            },
            Err(HttpError::Broken(why)) => return unreadable(why, asked, true),
            Err(failure) => return Err(failure.during(&named(repository, reference))),
        };
        let may_list = !answer.header("content-type").is_some_and(manifest::is_plain);
        let digest = Digest::of(&answer.body);
        let said = answer.header("docker-content-digest");
        if asked.is_some_and(|asked| asked != digest) || said.is_some_and(|said| said != digest.to_string()) {
            let digest = asked.or_else(|| said?.parse().ok());
            return unreadable("its content is not what its digest says".to_owned(), digest, may_list);
        }
        match Manifest::parse(&answer.body) {
            Ok(manifest) => {
                let size = answer.body.len() as u64;
                Ok((Fetched::Read(Box::new(Content { digest, size, manifest })), answer.body))
            }
            Err(error) => unreadable(error.to_string(), Some(digest), may_list),
        }
    }

    /// What a tag points to now, without reading it; none where it does not exist.
    ///
    /// # Errors
    ///
    /// The registry does not say.
    pub fn digest(&self, repository: &str, tag: &str) -> Result<Option<Digest>> {
        let uri = self.manifest_uri(repository, tag)?;
        let purpose = Purpose { repository, accept: manifest::ACCEPT, limit: MANIFEST_SIZE };
        let failed = |failure: HttpError| failure.during(&named(repository, tag));
        let answer = self.http.read(&Method::HEAD, &uri, purpose).map_err(failed)?;
        match answer.status {
            200 => {}
            404 => return Ok(None),
            _ => return Err(failed(answer.into_failure())),
        }
        if let Some(digest) = answer.header("docker-content-digest").and_then(|text| text.parse().ok()) {
            return Ok(Some(digest));
        }
        match self.manifest(repository, tag)? {
            Fetched::Missing => Ok(None),
            Fetched::Read(content) => Ok(Some(content.digest)),
            Fetched::Unreadable { digest: Some(digest), .. } => Ok(Some(digest)),
            Fetched::Unreadable { why, .. } => Err(failed(HttpError::Broken(why))),
        }
    }

    /// Reads a blob of at most `limit` bytes; none where there is none.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not what its digest says.
    pub fn blob(&self, repository: &str, digest: Digest, limit: usize) -> Result<Option<Vec<u8>>> {
        let failed = |failure: HttpError| failure.during(&named(repository, &digest.to_string()));
        let path = format!("/v2/{}/blobs/{digest}", checked_repository(repository)?);
        let uri = self.uri(&path).map_err(failed)?;
        let purpose = Purpose { repository, accept: "", limit };
        let answer = self.http.read(&Method::GET, &uri, purpose).map_err(failed)?;
        match answer.status {
            200 if Digest::of(&answer.body) == digest => Ok(Some(answer.body)),
            200 => Err(failed(HttpError::Broken("its content is not what its digest says".to_owned()))),
            404 => Ok(None),
            _ => Err(failed(answer.into_failure())),
        }
    }

    /// Deletes a manifest, and with it every tag that points to it. One attempt: whoever tries again has to look
    /// at the tags again. Redirects are not followed.
    pub(super) fn delete(&self, repository: &str, digest: Digest) -> Result<Deletion, HttpError> {
        let uri = self.manifest_uri(repository, &digest.to_string());
        let uri = uri.map_err(|error| HttpError::Broken(error.to_string()))?;
        let purpose = Purpose { repository, accept: "", limit: 1 << 16 };
        let answer = match self.http.once(&Method::DELETE, &uri, purpose) {
            Ok(answer) => answer,
            Err(HttpError::Broken(_)) => return Ok(Deletion::Later(None)),
            Err(failure) => return Err(failure),
        };
        match answer.status {
            200..=299 => Ok(Deletion::Done),
            404 => Ok(Deletion::Missing),
            408 | 429 | 500 | 502 | 503 | 504 => Ok(Deletion::Later(answer.retry_after())),
            _ => Err(answer.into_failure()),
        }
    }

    /// Waits between two attempts.
    pub(super) fn pause(&self, pause: Duration) {
        self.http.pause(pause);
    }

    fn manifest_uri(&self, repository: &str, reference: &str) -> Result<Uri> {
        if !is_tag(reference) && reference.parse::<Digest>().is_err() {
            return Err(Error::invalid_parameter(format!("`{reference}` is neither a tag nor a digest")));
        }
        let path = format!("/v2/{}/manifests/{reference}", checked_repository(repository)?);
        self.http.origin().at(&path)
    }

    fn uri(&self, path: &str) -> Result<Uri, HttpError> {
        self.http.origin().at(path).map_err(|error| HttpError::Broken(error.to_string()))
    }
}

fn checked_repository(name: &str) -> Result<&str> {
    if is_repository(name) {
        return Ok(name);
    }
    Err(Error::invalid_parameter(format!("`{name}` is no name of a repository")))
}

fn named(repository: &str, reference: &str) -> String {
    let mark = if reference.contains(':') { '@' } else { ':' };
    format!("{repository}{mark}{reference}")
}
