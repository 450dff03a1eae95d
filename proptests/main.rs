#![allow(missing_docs, reason = "test code")]

mod scenarios;
mod table_reference;
mod table_until;
mod tables;
