//! The limit for every pattern that somebody sends, asked before it is compiled.

/// The most bytes that a pattern may have. A name has 255; what a pattern is compiled to is hundreds of
/// times as long as the pattern.
pub(crate) const LONGEST: usize = 4096;

/// Refuses what is longer than any pattern has to be.
pub(crate) fn refuse_long(pattern: &str) -> Result<(), String> {
    match pattern.len() {
        ..=LONGEST => Ok(()),
        length => Err(format!("it has {length} bytes; the limit is {LONGEST}")),
    }
}
