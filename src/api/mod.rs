//! What goes into an image service and what comes out of it: requests, records, events, warnings, the rules that they
//! name, and the service itself.

pub mod event;
pub(crate) mod record;
pub mod request;
pub mod rules;
pub mod service;
pub mod warning;
