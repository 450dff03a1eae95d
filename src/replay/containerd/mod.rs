//! Replaying what moby was recorded to do with a containerd image store: rows of the format `c8d-scenario-1`.

mod compare;
mod engine;
mod scenario;
mod subject;

pub use crate::oracle::containerd::Cancellation;
pub use compare::differences;
pub use scenario::{Action, After, FORMAT, Failure, ListRow, NewImage, Op, Outcome, Report, Scenario};
pub use subject::{Answer, DeleteRequest, Subject, replay, step};
