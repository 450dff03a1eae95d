#![allow(missing_docs, reason = "test code")]

mod candidates;
mod scenarios;
mod table_reference;
mod table_until;
mod tables;
