//! Dates of creation that say nothing.

/// 1980-01-02, in unix seconds. A date before it is no date: tools that build reproducibly write none, year 1, 1970
/// (jib, ko, Bazel) or the first second that a ZIP archive can hold (Cloud Native Buildpacks: 1980-01-01T00:00:01Z).
const FIRST_DATE: i64 = 315_619_200;

/// Whether a date of creation, in unix seconds, says when an image was made.
pub(crate) const fn says_when(seconds: i64) -> bool {
    seconds >= FIRST_DATE
}
