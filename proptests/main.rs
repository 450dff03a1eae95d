#![allow(missing_docs, reason = "test code")]

mod table_filters;
mod tables;
