#![allow(missing_docs, reason = "test code")]

mod candidates;
#[cfg(feature = "cli")]
mod command;
#[cfg(feature = "data-root")]
mod daemon;
#[cfg(feature = "data-root")]
mod data_root;
#[cfg(shuttle)]
mod interleavings;
mod locks;
mod scenarios;
#[cfg(not(shuttle))]
mod stress;
mod table_filters;
mod table_reference;
mod table_until;
mod tables;
