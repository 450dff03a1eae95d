#![allow(missing_docs, reason = "test code")]

mod candidates;
#[cfg(feature = "cli")]
mod command;
mod cost;
#[cfg(feature = "data-root")]
mod daemon;
#[cfg(feature = "data-root")]
mod data_root;
mod scenarios;
mod table_filters;
mod table_reference;
mod table_until;
mod tables;
