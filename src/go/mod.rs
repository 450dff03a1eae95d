//! What moby's behaviour rests on in Go's standard library.

pub mod base64;
pub mod duration;
pub mod integer;
pub mod json;
pub mod layout;
pub mod path;
pub mod printable;
pub mod quote;
pub mod time;
