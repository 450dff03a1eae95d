//! Answers in the format of recorded rows, so that the two can be compared.

pub mod rows_filters;
