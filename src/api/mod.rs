//! What goes into an image service and what comes out of it: requests, records, events, warnings, and the rules that they
//! name.

pub mod event;
pub(crate) mod record;
pub mod request;
pub mod rules;
pub mod warning;
