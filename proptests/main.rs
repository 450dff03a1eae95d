#![allow(missing_docs, reason = "stub")]
mod scenarios;
