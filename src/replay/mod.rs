//! Answers rows of moby's recorded behaviour, for the tests and the command's self-check.

pub mod rows_reference;
pub mod rows_until;
