//! Which image store a daemon has. What is known here of deletions and sizes is about graph drivers.

use super::answer::Info;
use super::api::Client;
use super::error::{ClientError, FailureKind};

impl Info {
    /// True where the daemon keeps its images in the containerd image store (the default of Docker 29), not in a
    /// graph driver.
    #[must_use]
    pub fn has_containerd_image_store(&self) -> bool {
        self.driver_status.iter().flatten().any(|text| text.starts_with("io.containerd.snapshotter."))
    }
}

impl Client {
    /// `GET /info` of a daemon that keeps its images in a graph driver.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`]. The daemon has the containerd image store, which deletes and counts by other rules:
    /// [`FailureKind::Unsupported`].
    pub fn graph_driver_info(&self) -> Result<Info, ClientError> {
        let info = self.info()?;
        if !info.has_containerd_image_store() {
            return Ok(info);
        }
        let message = format!(
            "{}: this daemon keeps its images in the containerd image store (`docker info` has \
             `driver-type: io.containerd.snapshotter.v1`), which deletes and counts by rules that are not known here: \
             nothing is predicted or deleted. Use `docker image prune` and `docker system df`, or let the daemon use a \
             graph driver: `\"features\": {{\"containerd-snapshotter\": false}}` in its daemon.json, which has it pull \
             its images anew",
            self.host()
        );
        Err(ClientError::new(FailureKind::Unsupported, message))
    }
}
