//! The engines, replayed: both are asked as the image service that they are. What a recording sets besides, the order of the
//! candidates and when the client goes away, each store writes in its own way.

use crate::api::event::Recorder;
use crate::api::record::PruneText;
use crate::api::service::{ImageService, Returned};
use crate::base::cancel::Cancel;
use crate::base::error::{Error, Result};
use crate::document::filters::Filters;
use crate::go::time::Now;

/// An engine that keeps its events.
pub(super) type Service = dyn ImageService<Events = Recorder>;

/// `POST /images/prune` with the raw `filters`.
pub(super) fn prune(service: &Service, filters: &str, now: Now, cancel: &dyn Cancel) -> Returned<PruneText> {
    match Filters::parse(filters, service.semantics()) {
        Ok(filters) => service.prune(&filters, now, cancel),
        Err(error) => Returned::refused(error),
    }
}

/// The part that HTTP shows of the classic store: an error hides the records that were made before it (D-14).
pub(super) fn either<T>(returned: Returned<T>) -> Result<T> {
    let nothing = || Error::system("the service returned neither a report nor an error");
    returned.into_result()?.ok_or_else(nothing)
}
