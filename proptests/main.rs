#![allow(missing_docs, reason = "stub")]
