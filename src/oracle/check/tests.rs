#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]
use super::*;
