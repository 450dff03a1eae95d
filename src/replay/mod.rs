//! Replaying what moby was recorded to do, on anything that claims to do the same.
//!
//! A [`Scenario`] is a store and what was asked of it; a [`Subject`] is a claimant: the engine, or the
//! model. [`replay`] runs one on the other, [`differences`] tells how far an outcome is from moby's.

mod compare;
pub mod containerd;
mod engine;
mod rows_filters;
mod rows_reference;
mod rows_until;
mod scenario;
pub mod script;
mod subject;

pub use compare::differences;
pub use rows_filters::filters_row;
pub use rows_reference::reference_row;
pub use rows_until::until_row;
pub use scenario::{
    Action, After, ErrorText, EventText, Op, Outcome, PruneText, RecordText, Report, Returned, Scenario,
};
pub use subject::{Subject, replay, step};
