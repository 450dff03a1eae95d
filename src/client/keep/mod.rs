//! What stays whatever a prune's filters say: rules that the API's filters cannot express.
//!
//! A rule keeps an image as a whole, with all its references: an image that one rule keeps is touched by none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::document::filters::Pairs;
use crate::document::image::{Image, Labels};
use crate::document::reference::Reference;
use crate::go::time::Timestamp;
use crate::graph::store::Stores;
use crate::semantics::Semantics;

mod needed;
mod newest;
mod pattern;

use needed::variables::{masked, shown, unknown_names};
use pattern::Pattern;

/// Which images stay.
///
/// ```
/// use image_prune::client::KeepRules;
/// use image_prune::graph::store::Stores;
/// use image_prune::{Reference, Semantics, Timestamp};
///
/// let semantics = Semantics::MOBY_20_10;
/// let stores = Stores::new(&semantics);
/// let id = stores.images.create(r#"{"rootfs":{"type":"layers"}}"#)?;
/// stores.references.add_tag(Reference::parse("reg.io/team/app:1.2", &semantics)?, id)?;
///
/// let rules = KeepRules::new().pattern("reg.io/*/app:1.*")?;
/// let keeping = rules.apply(&stores, Timestamp::new(1_700_000_000, 0));
/// assert_eq!(keeping.images[&id].to_string(), "`reg.io/*/app:1.*` keeps reg.io/team/app:1.2");
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct KeepRules {
    patterns: Vec<Pattern>,
    labels: Vec<Label>,
    last: Option<usize>,
    needed: Vec<Need>,
    warnings: Vec<String>,
}

/// A label, with any value or with this one.
#[derive(Debug, Clone)]
struct Label {
    text: String,
    wanted: Pairs,
}

/// An image that a file names.
#[derive(Debug, Clone)]
struct Need {
    file: String,
    /// The names that it may have.
    names: Vec<Pattern>,
    /// The variables in them that are not known.
    unknown: Vec<String>,
}

/// Why a rule keeps an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeepReason {
    /// A pattern matches one of its references.
    KeepPattern {
        /// The pattern.
        pattern: String,
        /// The reference, familiar.
        reference: String,
    },
    /// It has a label.
    KeepLabel {
        /// `key` or `key=value`, as the rule says.
        label: String,
    },
    /// It is among the newest of its repository.
    KeepLast {
        /// The repository, familiar.
        repository: String,
        /// Its place: 1 is the newest.
        place: usize,
    },
    /// It may be among the newest of its repository: dates do not say.
    MayBeNewest {
        /// The repository, familiar.
        repository: String,
        /// The other images of the repository that may be newer or older than this one.
        others: usize,
    },
    /// A file names it.
    NeededBy {
        /// The file.
        file: String,
        /// How the file names it.
        name: String,
    },
}

/// What rules keep of some stores.
#[derive(Debug, Clone, Default)]
pub struct Keeping {
    /// The images that stay, each with the first rule that keeps it.
    pub images: BTreeMap<ImageId, KeepReason>,
    /// Rules that keep nothing here, which may be a mistake in the rule.
    pub idle: Vec<String>,
    /// What may keep more, or less, than was meant: variables that are not set, and files that were not read.
    pub warnings: Vec<String>,
}

impl KeepRules {
    /// No rule.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is no rule.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.patterns.is_empty() && self.labels.is_empty() && self.last.is_none() && self.needed.is_empty()
    }

    /// Keeps images with a reference like `repository:tag`, in which `*` and `?` stand for anything but a slash, `**`
    /// for anything. Without `:tag` all tags and digests of the repository are meant.
    ///
    /// # Errors
    ///
    /// The text is no pattern.
    pub fn pattern(mut self, text: &str) -> Result<Self> {
        self.patterns.push(Pattern::parse(text)?);
        Ok(self)
    }

    /// Keeps images with the label `key`, or `key=value`.
    ///
    /// # Errors
    ///
    /// There is no key.
    pub fn label(mut self, text: &str) -> Result<Self> {
        if text.split('=').next().is_none_or(|key| key.trim().is_empty()) {
            return Err(Error::invalid_parameter(format!("label to keep `{text}`: it is KEY or KEY=VALUE")));
        }
        self.labels.push(Label { text: text.to_owned(), wanted: Pairs::from_iter([text]) });
        Ok(self)
    }

    /// Keeps the `count` newest images of each repository, by when they were created; 0 keeps none. An image that was
    /// pulled by digest is an image of that repository, too.
    ///
    /// An image goes only where `count` others of its repository are known to be newer. Dates that reproducible builds
    /// write (none, year 1, 1970, 1980-01-01) say nothing, nor do those that are yet to come, and equal ones do not say
    /// which image is newer: of such images all stay ([`KeepReason::MayBeNewest`]).
    #[must_use]
    pub const fn last(mut self, count: usize) -> Self {
        self.last = Some(count);
        self
    }

    /// Keeps the images that a compose file names, a Kubernetes manifest or a deployment manifest of `IoT Edge`. A variable
    /// in a name stands for anything, unless the file has a default for it.
    ///
    /// # Errors
    ///
    /// The text is none of these, or refers to other files; `file` is what to call it.
    pub fn needed_by(self, file: &str, text: &str) -> Result<Self> {
        self.needed(needed::of_text(file, text)?)
    }

    /// Keeps the images that files name, as `docker compose config` reads them: with `.env`, `environment` on top of it,
    /// and the files that they extend and include within their folder. `files` is a file, several in compose's order
    /// with `:` between them, or a folder with compose's default names. A unit of Podman's Quadlet
    /// (`NAME.container`), a Kubernetes manifest and a deployment manifest of `IoT Edge` are read, too.
    ///
    /// A variable that is not set stands for anything; [`Keeping::warnings`] has how many images that keeps.
    ///
    /// # Errors
    ///
    /// A file cannot be read by `read`, or is not understood as a whole: what is not known to be needed would be deleted.
    pub fn needed_by_files(
        mut self,
        files: &Path,
        environment: &BTreeMap<String, String>,
        read: &dyn Fn(&Path) -> Result<String>,
    ) -> Result<Self> {
        let (named, warnings) = needed::of_argument(files, environment, read)?;
        self.warnings.extend(warnings);
        self.needed(named)
    }

    fn needed(mut self, named: Vec<needed::Named>) -> Result<Self> {
        for image in named {
            let file = image.file.display().to_string();
            let unknown = image.names.iter().flat_map(|name| unknown_names(name)).collect::<BTreeSet<_>>();
            let patterns = image.names.iter().map(|name| Pattern::of_name(&shown(name), &masked(name)));
            let patterns = patterns.collect::<Result<_>>();
            let patterns = patterns.map_err(|error| Error::invalid_parameter(format!("{file}: {error}")))?;
            self.needed.push(Need { file, names: patterns, unknown: unknown.into_iter().collect() });
        }
        Ok(self)
    }

    /// The images of these stores that the rules keep. `now` is the daemon's clock: a date that is more than a day ahead
    /// of it says nothing.
    #[must_use]
    pub fn apply(&self, stores: &Stores, now: Timestamp) -> Keeping {
        let mut keeping = Keeping::default();
        let references = stores.references.all();
        for pattern in &self.patterns {
            let reason = |reference: &Reference| KeepReason::KeepPattern {
                pattern: pattern.text().to_owned(),
                reference: reference.familiar().to_owned(),
            };
            keeping.add_matches(&references, pattern, &format!("pattern `{}`", pattern.text()), reason);
        }
        keeping.warnings.clone_from(&self.warnings);
        for need in &self.needed {
            need.keep(&references, &mut keeping);
        }
        let images = stores.images.images();
        for label in &self.labels {
            let with_label = images.iter().filter(|(_, image, _)| label.matches(image)).map(|(id, ..)| *id);
            let reason = |()| KeepReason::KeepLabel { label: label.text.clone() };
            keeping.add(with_label.map(|id| (id, ())), &format!("label `{}`", label.text), reason);
        }
        if let Some(count) = self.last {
            let dates = images.iter().map(|(id, image, _)| (*id, newest::date(image, now))).collect();
            for (id, reason) in newest::of_each_repository(&references, &dates, count) {
                keeping.images.entry(id).or_insert(reason);
            }
        }
        keeping
    }
}

impl Keeping {
    fn add_matches(
        &mut self,
        references: &[(Reference, ImageId)],
        pattern: &Pattern,
        rule: &str,
        reason: impl Fn(&Reference) -> KeepReason,
    ) {
        let matching = references.iter().filter(|(reference, _)| pattern.matches(reference));
        self.add(matching.map(|(reference, id)| (*id, reference)), rule, reason);
    }

    fn add<T>(
        &mut self,
        images: impl Iterator<Item = (ImageId, T)>,
        rule: &str,
        reason: impl Fn(T) -> KeepReason,
    ) {
        let mut is_idle = true;
        for (id, what) in images {
            is_idle = false;
            self.images.entry(id).or_insert_with(|| reason(what));
        }
        if is_idle {
            self.idle.push(rule.to_owned());
        }
    }
}

impl Need {
    fn keep(&self, references: &[(Reference, ImageId)], keeping: &mut Keeping) {
        let file = &self.file;
        let names: Vec<&str> = self.names.iter().map(Pattern::text).collect();
        let matching = references.iter().filter_map(|(reference, id)| {
            let name = self.names.iter().find(|name| name.matches(reference))?;
            Some((*id, name.text()))
        });
        let matching: Vec<_> = matching.collect();
        if !self.unknown.is_empty() {
            let count = matching.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len();
            let images = if count == 1 { "image" } else { "images" };
            let variables = self.unknown.join(", ");
            let (are, stand) = if self.unknown.len() == 1 { ("is", "stands") } else { ("are", "stand") };
            keeping.warnings.push(format!(
                "{file}: {variables} {are} not set and {stand} for anything: `{}` keeps {count} {images}",
                names.join("` or `")
            ));
        }
        let reason = |name: &str| KeepReason::NeededBy { file: file.clone(), name: name.to_owned() };
        keeping.add(matching.into_iter(), &format!("`{}` in {file}", names.join("` or `")), reason);
    }
}

impl Label {
    fn matches(&self, image: &Image) -> bool {
        self.wanted.all_in(image.labels().into_iter().flat_map(Labels::bytes))
    }
}

impl fmt::Display for KeepReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepPattern { pattern, reference } => write!(formatter, "`{pattern}` keeps {reference}"),
            Self::KeepLabel { label } => write!(formatter, "it has the label {label}"),
            Self::KeepLast { repository, place: 1 } => write!(formatter, "it is the newest of {repository}"),
            Self::KeepLast { repository, place } => {
                write!(formatter, "it is number {place} of {repository}, newest first")
            }
            Self::MayBeNewest { repository, others } => {
                let images = if *others == 1 { "image" } else { "images" };
                write!(
                    formatter,
                    "dates do not say whether it is newer than {others} other {images} of {repository}"
                )
            }
            Self::NeededBy { file, name } => write!(formatter, "{file} needs {name}"),
        }
    }
}

/// A name as a daemon writes it: what a reference is compared with.
fn normalized(name: &str) -> Option<Reference> {
    Reference::parse(name, &Semantics::default()).ok()
}

#[cfg(test)]
mod tests;
