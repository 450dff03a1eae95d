//! Replaying what moby was recorded to do with a containerd image store: rows of the format `c8d-scenario-1`.

mod cancellation;
mod compare;
mod engine;
mod scenario;
mod subject;

pub use crate::api::service::{DeleteRequest, Returned};
pub use cancellation::Cancellation;
pub use compare::differences;
pub use scenario::{Action, After, ErrorText, FORMAT, ListRow, NewImage, Op, Outcome, Report, Scenario};
pub use subject::{Subject, replay, step};
