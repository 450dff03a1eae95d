//! The image service of a daemon, whichever image store it has: what stands on an engine speaks to this.

use super::event::EventSink;
use crate::base::cancel::Cancel;
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::document::filters::Filters;
use crate::document::reference::Reference;
use crate::document::world::State;
use crate::document::world::containerd::Platform;
use crate::go::time::Now;
use crate::semantics::Semantics;

pub use super::record::{ListRow, PruneText, RecordText};

/// The image service of a daemon: moby's interface of this name, as far as prunes and what stands on them need it.
///
/// [`graph::Engine`](crate::graph::Engine) and [`containerd::Engine`](crate::containerd::Engine) are one each. Their own
/// methods tell more, such as what was tried in vain; the trait tells what both image stores tell, in the form in which the
/// API writes it. It can be a trait object.
///
/// ```
/// use image_prune::cancel::Never;
/// use image_prune::event::Recorder;
/// use image_prune::service::{DeleteRequest, ImageService, ListRequest};
/// use image_prune::world::ContainerdWorld;
/// use image_prune::{Filters, Now, Result, Semantics, World, containerd, graph};
///
/// /// Deletes `app:1` and what nothing uses; the bytes reclaimed, and how many images are left.
/// fn clean(service: &dyn ImageService<Events = Recorder>, now: Now) -> Result<(u64, usize)> {
///     let request = DeleteRequest { reference: "app:1", force: false, prune: true, platforms: &[] };
///     match service.delete(&request, now).into_result() {
///         Err(error) if !error.is_not_found() => return Err(error),
///         _ => {}
///     }
///     let filters = Filters::parse(r#"{"dangling":["false"]}"#, service.semantics())?;
///     let report = service.prune(&filters, now, &Never).into_result()?;
///     let left = service.list(&ListRequest::new(&Filters::default(), now))?;
///     Ok((report.map_or(0, |report| report.space_reclaimed), left.len()))
/// }
///
/// let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
/// let semantics = Semantics::MOBY_28_5;
/// let stores = graph::store::Stores::load(World::default(), &semantics)?;
/// assert_eq!(clean(&graph::Engine::new(stores, semantics, Recorder::default()), now), Ok((0, 0)));
///
/// let semantics = Semantics::MOBY_29_CONTAINERD;
/// let stores = containerd::store::Stores::load(&ContainerdWorld::default(), &semantics)?;
/// assert_eq!(clean(&containerd::Engine::new(stores, semantics, Recorder::default()), now), Ok((0, 0)));
/// # Ok::<(), image_prune::Error>(())
/// ```
pub trait ImageService {
    /// The sink that it tells its events.
    type Events: EventSink;

    /// The version of moby that it equals.
    fn semantics(&self) -> &Semantics;

    /// The sink of the events.
    fn events(&self) -> &Self::Events;

    /// Deletes unused images: moby's `ImagePrune`. `cancel` is polled where that store's engine says.
    fn prune(&self, filters: &Filters, now: Now, cancel: &dyn Cancel) -> Returned<PruneText>;

    /// Deletes one image, or one name of it: moby's `ImageDelete`. `now` dates the record that the containerd store keeps
    /// for an image without a name; the classic store keeps none.
    fn delete(&self, request: &DeleteRequest<'_>, now: Now) -> Returned<Vec<RecordText>>;

    /// Gives an image a name, which another image may lose, and tells it as an event: moby's `TagImage` (R-7, N-9). A
    /// reference without a tag means `latest`.
    ///
    /// # Errors
    ///
    /// The classic store refuses a reference with a digest, and one that reads like an ID; the containerd store has no such
    /// image, or cannot be written.
    fn tag(&self, id: ImageId, reference: Reference, now: Now) -> Result<()>;

    /// The image that a reference, an ID, or the beginning of one names (G-1, X-2): what a deletion would be about.
    ///
    /// # Errors
    ///
    /// There is no such image; the text is no reference; in the containerd store, several images begin so (X-3).
    fn find(&self, reference_or_id: &str) -> Result<ImageId>;

    /// The images, as `GET /images/json` lists them (U-2, U-3, W-1 to W-3): newest first, by ID among equals.
    ///
    /// # Errors
    ///
    /// A filter is wrong, or not known of this store; what an image is made of is missing or cannot be read.
    fn list(&self, request: &ListRequest<'_>) -> Result<Vec<ListRow>>;

    /// The bytes that all images take, what they share counted once: moby's `ImageDiskUsage` (U-5, W-4).
    ///
    /// # Errors
    ///
    /// What an image is made of is missing or cannot be read; another computation is running, where that counts (U-1).
    fn disk_usage(&self) -> Result<i64>;

    /// The same, with what each image takes: the image part of `GET /system/df`.
    ///
    /// # Errors
    ///
    /// Those of [`ImageService::disk_usage`], and what keeps an image from being listed.
    fn usage(&self) -> Result<Usage>;

    /// The state as it is now, with the name of the version. A name for people, the daemon's zone, and which configs are
    /// stand-ins, are the caller's to add.
    fn state(&self) -> State;
}

/// The two parts of what a service returns: over HTTP an error hides the report, in the service it does not (Q-12).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Returned<T> {
    /// The work that was done; `None` where none was, or where nothing is said of it. Without an error that is Go's nil,
    /// `null` in JSON.
    pub report: Option<T>,
    /// The failure, or the reason for an early end.
    pub error: Option<Error>,
}

impl<T> Returned<T> {
    /// A refusal, before anything was done.
    pub const fn refused(error: Error) -> Self {
        Self { report: None, error: Some(error) }
    }

    /// The part that HTTP shows: the error where there is one, else the report.
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn into_result(self) -> Result<Option<T>> {
        self.error.map_or(Ok(self.report), Err)
    }
}

impl<T> From<Result<T>> for Returned<T> {
    fn from(result: Result<T>) -> Self {
        match result {
            Ok(report) => Self { report: Some(report), error: None },
            Err(error) => Self::refused(error),
        }
    }
}

/// A request to delete one image, or one name of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteRequest<'a> {
    /// A name, an ID or the beginning of one.
    pub reference: &'a str,
    /// Overrides soft conflicts.
    pub force: bool,
    /// Takes parents along that nothing needs any more.
    pub prune: bool,
    /// Only these platforms' content goes (X-11). The classic store does not look at them.
    pub platforms: &'a [Platform],
}

/// A request to list images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRequest<'a> {
    /// `dangling`, `label`, `before`, `since`, `reference`, and `until` where the version knows it. No rule says how the
    /// containerd store filters its list, which is refused there.
    pub filters: &'a Filters,
    /// Lists intermediate images, too.
    pub all: bool,
    /// Counts shared bytes, which takes a look at all images.
    pub shared_size: bool,
    /// Counts containers.
    pub containers: bool,
    /// The clock by which an `until` is read.
    pub now: Now,
}

impl<'a> ListRequest<'a> {
    /// A request for the images that are not intermediate, with nothing counted.
    #[must_use]
    pub const fn new(filters: &'a Filters, now: Now) -> Self {
        Self { filters, all: false, shared_size: false, containers: false, now }
    }
}

/// The room that images take on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Bytes, what images share counted once.
    pub total_size: i64,
    /// The images that are not intermediate, with their containers and shared bytes; newest first, by ID among equals. In
    /// the classic store, a name that is not there is `null` in each version of the API (U-3).
    pub images: Vec<ListRow>,
}
